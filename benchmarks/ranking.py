"""Whether the ranking of features with few columns carries over to many: `python -m benchmarks ranking`.

Candidates of different families and bandwidths are fitted with 256 columns and with 1024, and compared by the residual
between the points. Writes `results/ranking.md`.
"""

import datetime
import math

import jax
import numpy as np

import sngd
from benchmarks.machine import RESULTS, machine
from sngd.features import Chooser, Conditions, FeatureChoice

_FEW, _MANY = 256, 1024

# Bandwidths of all axes, and the factors on those of single axes.
_BANDWIDTHS, _FACTORS = (2.0, 4.0, 8.0, 16.0, 32.0), (0.5, 2.0)

PROBLEMS = {
    "poisson-a": sngd.library.poisson_a,
    "helmholtz-a": sngd.library.helmholtz_a,
    "wave-a": sngd.library.wave_a,
    "heat-a": sngd.library.heat_a,
    "biharmonic": sngd.library.biharmonic,
}


def candidates(axes: int, count: int) -> list[sngd.Features]:
    """Waves of one bandwidth for all axes, of another one on a single axis, log-uniform ones, and of one coordinate."""
    found = [sngd.Features((bandwidth,) * axes, count) for bandwidth in _BANDWIDTHS]
    for axis in range(axes):
        for factor in _FACTORS:
            factors = [factor if at == axis else 1.0 for at in range(axes)]
            found.append(sngd.Features((8.0,) * axes, count).scaled(*factors))
    found.append(sngd.Features((8.0,) * axes, count, spread="log-uniform"))
    found.append(sngd.Features((8.0,) * axes, count, coordinates=1))
    return found


def scores(problem: sngd.Problem, count: int) -> np.ndarray:
    """The residual between the points that each candidate leaves."""
    chooser = Chooser(FeatureChoice(), Conditions.of(problem, "sin"), (0,), lambda line: None)
    listed = candidates(problem.domain.dimension, count)
    return np.array([chooser.candidate(features).score for features in listed])


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    lines = [
        f"| problem | candidates | place at {_MANY} columns of the best at {_FEW} | of the best three, the first | "
        "its residual over the least one | rank correlation |",
        "|---|---|---|---|---|---|",
    ]
    for name, make in PROBLEMS.items():
        few, many = scores(make(), _FEW), scores(make(), _MANY)
        order, places = np.argsort(few), np.argsort(np.argsort(many))
        ranks = np.corrcoef(np.argsort(np.argsort(few)), places)[0, 1]
        best = order[:3][np.argmin(many[order[:3]])]
        ratio = many[best] / np.min(many)
        first = math.ceil(places[order[0]]) + 1
        lines.append(f"| {name} | {len(few)} | {first} | {places[best] + 1} | {ratio:.1f} | {ranks:.2f} |")
    place = machine()
    lines += [
        "",
        f"`python -m benchmarks ranking`, {place['processor']}, {place['versions']}; seed 0; "
        f"{datetime.date.today().isoformat()}.",
    ]
    (RESULTS / "ranking.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
