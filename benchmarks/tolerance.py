"""`python -m benchmarks tolerance`: the error that truncated natural gradients attain, against where they truncate."""

import functools
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from benchmarks.cells import Cells
from sngd.descent import ENGD, SNGD, AbstractDescent, FactorDescent
from sngd.library import bvp
from sngd.networks import make_network
from sngd.problem import Problem
from sngd.solver import Optimizer, Stopping, solve

# Relative to the largest singular value of the Jacobian. The Gramian's eigenvalues are the squares.
_TOLERANCES = tuple(10.0**-exponent for exponent in range(2, 16))

_NETWORK, _ITERATIONS = "4x12", 100

_DESCENTS: dict[str, Callable[[float], AbstractDescent]] = {
    "Gramian, two-pass sketch": lambda t: SNGD("two-pass", tolerance=t**2),
    "Gramian, single-pass sketch": lambda t: SNGD("single-pass", tolerance=t**2),
    "Gramian, all eigenvalues": lambda t: ENGD(tolerance=t**2),
    "Jacobian, sketch": lambda t: FactorDescent("truncated", tolerance=t, sketch_size=60),
    "Jacobian, all singular values": lambda t: FactorDescent("truncated", tolerance=t),
}


def tolerance(seeds: Sequence[int], path: Path, report: Callable[[str], None], only: str = "") -> str:
    """Run what is missing in `path`, draw `tolerance.png` beside it, and return the table.

    The problem is the boundary value problem of section 5.3 in its residual form. `only` restricts to descents whose
    names contain it.
    """
    cells = Cells(path, report)
    for name in _DESCENTS:
        for cut in _TOLERANCES:
            for seed in seeds:
                if only in name:
                    cells.run(f"{name}, {cut:.0e}, seed {seed}", functools.partial(_run, name, cut, seed))
    _draw(cells.results, path.with_suffix(".png"))
    return tabulate(cells.results)


@functools.cache
def _problem() -> Problem:
    """One problem for all runs, so that what they share is compiled once."""
    return bvp()


def _run(name: str, cut: float, seed: int) -> dict[str, Any]:
    problem, key = _problem(), jax.random.key(seed)
    network = make_network(_NETWORK, problem.domain.bounds, key=key, frequencies=(2.0,))
    optimizer, stopping = Optimizer(_DESCENTS[name](cut)), Stopping(iterations=_ITERATIONS, restarts=0)
    solution = solve(problem, network, key=key, optimizer=optimizer, stopping=stopping)
    return {
        "relative_l2": solution.relative_l2(),
        "seconds": round(solution.seconds, 2),
        "loss": solution.loss,
        "result": solution.result.value,
    }


def _median(results: dict[str, dict[str, Any]], name: str, cut: float) -> float:
    errors = [result["relative_l2"] for key, result in results.items() if key.startswith(f"{name}, {cut:.0e}, seed ")]
    return statistics.median(errors) if errors else np.nan


def tabulate(results: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of median errors."""
    lines = ["| tolerance | " + " | ".join(_DESCENTS) + " |", "|---" * (len(_DESCENTS) + 1) + "|"]
    for cut in _TOLERANCES:
        errors = " | ".join(f"{_median(results, name, cut):.1e}" for name in _DESCENTS)
        lines.append(f"| {cut:.0e} | {errors} |")
    return "\n".join(lines)


def _draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axis = figure.subplots()
    for index, name in enumerate(_DESCENTS):
        style = "o-" if name.startswith("Jacobian") else "s--"
        errors = [_median(results, name, cut) for cut in _TOLERANCES]
        axis.loglog(_TOLERANCES, errors, style, color=f"C{index}", label=name, markersize=4)
    root = float(np.sqrt(np.finfo(float).eps))
    axis.axvline(root, color="0.6", linewidth=1)
    axis.annotate("root of the machine precision", (root, 1.0), rotation=90, ha="right", va="top", color="0.4")
    axis.invert_xaxis()
    axis.set_xlabel("truncated below, relative to the largest singular value of the Jacobian")
    axis.set_ylabel("relative L2 error, median")
    axis.grid(alpha=0.3)
    axis.legend(loc="lower left", fontsize=8)
    figure.savefig(path, dpi=150)
