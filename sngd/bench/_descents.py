"""`sngd bench descents`: error against seconds for every optimizer, from the same networks and on the same points."""

import functools
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from sngd.bench._cells import Cells, run_command
from sngd.train import OPTIMIZERS

PROBLEMS = ("poisson", "heat")

# What every run may take, and the error whose time is compared.
_SECONDS, _TARGET = 60.0, 1e-7

_REFERENCE = "two-pass"

# Seconds that the figure's axis names.
_TICKS = (5, 10, 20, 50)


def descents(seeds: Sequence[int], path: Path, report: Callable[[str], None], only: str = "") -> str:
    """Run what is missing in `path`, draw `descents.png` beside it, and return the table.

    `only` restricts to problems and optimizers whose names contain it.
    """
    cells = Cells(path, report)
    for seed in seeds:
        for problem in PROBLEMS:
            for optimizer in OPTIMIZERS:
                if only not in f"{problem}-{optimizer}":
                    continue
                arguments = ["run", problem, "--optimizer", optimizer, "--seed", str(seed), "--error-every", "1"]
                arguments += ["--seconds", str(_SECONDS), "--iterations", "100000"]
                make = functools.partial(run_command, arguments, history=True)
                cells.run(f"{problem}-{optimizer}-seed{seed}", make)
    _draw(cells.results, path.with_suffix(".png"))
    return tabulate(cells.results)


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
        for optimizer in OPTIMIZERS:
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
        for index, optimizer in enumerate(OPTIMIZERS):
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
