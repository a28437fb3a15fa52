"""A coefficient with its band, and the joint distribution of constants: `python -m benchmarks bands`.

Draws `docs/band.png`, the coefficient of `examples/noisy/smooth_coefficient.py`, and `docs/corner.png`, the constants
of Lorenz' equations from readings with 1 % noise. Both are made with the seed 0.
"""

import dataclasses
import runpy
from pathlib import Path

import jax
import numpy as np

import sngd

_ROOT = Path(__file__).parent.parent
_NOISE = 0.01


def coefficient() -> sngd.Solution:
    """A smooth coefficient from readings with noise."""
    found = runpy.run_path(str(_ROOT / "examples" / "noisy" / "smooth_coefficient.py"))
    return sngd.solve(found["problem"], key=jax.random.key(0))


def lorenz() -> sngd.Solution:
    """Three constants from readings with noise."""
    found = runpy.run_path(str(_ROOT / "examples" / "inverse" / "lorenz.py"))
    problem, values = found["problem"], found["readings"]
    noise = _NOISE * np.sqrt(np.mean(values**2, axis=0))
    errors = noise * np.random.default_rng(0).normal(size=values.shape)
    read = zip("abc", (values + errors).T, noise, strict=True)
    data = [sngd.Data(found["times"], part, noise=size, of=name) for name, part, size in read]
    others = [each for each in problem.conditions if not isinstance(each, sngd.Data)]
    return sngd.solve(dataclasses.replace(problem, conditions=[*others, *data]), key=jax.random.key(0))


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    sngd.plot(coefficient(), _ROOT / "docs" / "band.png", of="q")
    sngd.plot_constants(lorenz(), _ROOT / "docs" / "corner.png")


if __name__ == "__main__":
    main()
