"""`python -m benchmarks descents`: error against seconds for every optimizer, on the same points."""

import functools
import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from benchmarks.cells import Cells, run_command
from sngd.solver import OPTIMIZERS

PROBLEMS = ("poisson", "heat")

# What every run may take, and the error whose time is compared.
_SECONDS, _TARGET = 60.0, 1e-7

_REFERENCE = "two-pass"

# The reference from the start that is usual for PINNs, in its series' name, and how long it may take: it needs longer.
_USUAL, _USUAL_SECONDS = "two-pass from tanh", 180.0

# Tanh units, Glorot's bounds (the first layer's are 1.3 times those), no biases.
_USUAL_START = """
import jax
from sngd.library import {problem}
from sngd.networks import MLP

problem = {problem}()
start = dict(activation="tanh", gain=1.0, bias=0.0, frequencies=(1 / 1.3, 1 / 1.3))
network = MLP((2, 20, 20, 20, 20, 1), problem.domain.bounds, key=jax.random.key({seed}), **start)
"""

_SERIES = (*OPTIMIZERS, _USUAL)

# Seconds that the figure's axis names.
_TICKS = (5, 10, 20, 50, 100)


def descents(seeds: Sequence[int], path: Path, report: Callable[[str], None], only: str = "") -> str:
    """Run what is missing in `path`, draw `descents.png` beside it, and return the table.

    All start from the networks and points of a run without options, but for one series of two-pass SNGD from the start
    that is usual for PINNs. `only` restricts to problems and optimizers whose names contain it.
    """
    cells = Cells(path, report)
    for seed in seeds:
        for problem in PROBLEMS:
            for series in _SERIES:
                if only in f"{problem}-{series}":
                    cells.run(f"{problem}-{series}-seed{seed}", functools.partial(_run, problem, series, seed))
    _draw(cells.results, path.with_suffix(".png"))
    return tabulate(cells.results)


def _run(problem: str, series: str, seed: int) -> dict[str, Any]:
    usual = series == _USUAL
    arguments = ["--optimizer", _REFERENCE if usual else series, "--seed", str(seed), "--error-every", "1"]
    arguments += ["--seconds", str(_USUAL_SECONDS if usual else _SECONDS), "--iterations", "100000"]
    if not usual:
        return run_command(["run", problem, *arguments], history=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "usual_start.py"
        file.write_text(_USUAL_START.format(problem=problem, seed=seed))
        return run_command(["solve", str(file), *arguments, "--restarts", "0"], history=True)


def _of(results: dict[str, dict[str, Any]], problem: str, optimizer: str) -> list[dict[str, Any]]:
    return [result for name, result in results.items() if name.startswith(f"{problem}-{optimizer}-seed")]


def _seconds_to_target(result: dict[str, Any]) -> tuple[float, float]:
    """Seconds until the error is below the target: since `solve` was called, and since the first step was compiled."""
    history = result["history"]
    reached = [s for s, error in zip(history["seconds"], history["error"], strict=True) if error <= _TARGET]
    start = history["seconds"][min(1, len(history["seconds"]) - 1)]
    return (reached[0], reached[0] - start) if reached else (math.inf, math.inf)


def tabulate(results: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of medians over the seeds, with ratios to two-pass SNGD."""
    lines = [
        f"| problem | optimizer | seeds | final error | two-pass error / this "
        f"| seconds to {_TARGET:.0e}: all, steps only | two-pass seconds / these |",
        "|---|---|---|---|---|---|---|",
    ]
    for problem in PROBLEMS:
        base = _of(results, problem, _REFERENCE)
        reference = _medians(base) if base else None
        for optimizer in _SERIES:
            found = _of(results, problem, optimizer)
            if not found:
                continue
            error, total, steps = _medians(found)
            ratios = "-"
            if reference is not None and math.isfinite(total):
                ratios = f"{reference[1] / total:.1f}, {reference[2] / steps:.1f}"
            gain = "-" if reference is None else f"{reference[0] / error:.1e}"
            times = f"{total:.1f}, {steps:.1f}" if math.isfinite(total) else "not reached"
            lines.append(f"| {problem} | {optimizer} | {len(found)} | {error:.1e} | {gain} | {times} | {ratios} |")
    return "\n".join(lines)


def _medians(found: list[dict[str, Any]]) -> tuple[float, float, float]:
    """The final error and the two times to the target."""
    times = [_seconds_to_target(result) for result in found]
    error = statistics.median(result["relative_l2"] for result in found)
    return error, statistics.median(total for total, _ in times), statistics.median(steps for _, steps in times)


def _draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axis, problem in zip(figure.subplots(1, len(PROBLEMS), sharey=True), PROBLEMS, strict=True):
        for index, optimizer in enumerate(_SERIES):
            for number, result in enumerate(_of(results, problem, optimizer)):
                history, label = result["history"], optimizer if number == 0 else None
                axis.loglog(history["seconds"], history["error"], color=f"C{index}", label=label, linewidth=1.2)
        axis.set_title(problem)
        axis.set_xticks(_TICKS, labels=map(str, _TICKS))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel("seconds, compilation included")
        axis.grid(alpha=0.3)
    figure.axes[0].set_ylabel("relative L2 error")
    figure.axes[0].legend()
    figure.savefig(path, dpi=150)
