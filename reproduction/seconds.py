"""The seconds until runs reach errors: what an optimizer attains in less time than all iterations take."""

import math
import statistics

from reproduction.measured import Measured, Results, finite, measure, scientific
from reproduction.published import LINES
from reproduction.table import Table

_LEVELS = (1e-2, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)


def seconds_to_errors(results: Results) -> Table:
    """For each line of the tables, the median seconds until the error is at most a level, and at most the paper's."""
    header = (
        *("problem", "optimizer", "runs"),
        *(f"to {level:.0e}" for level in _LEVELS),
        *("to the paper's median", "paper's median", "paper's minutes"),
    )
    rows = []
    for problem in dict.fromkeys(line.problem for line in LINES):
        for item in measure(problem, results):
            if item.finished:
                published, minutes = item.published_median, item.line.minutes
                reached = [_median_seconds(item, level) for level in _LEVELS]
                reached.append("-" if published is None else _median_seconds(item, published))
                paper = (scientific(published), "-" if minutes is None else f"{minutes:.2f}")
                rows.append((problem, item.label, item.runs, *reached, *paper))
    notes = (
        "Seconds: median over the runs until the error first is at most the number, with compilation. A run that does "
        "not reach it counts as the slowest; a dash means that half of the runs or more do not.",
        "A history has the error of some of the iterations, so that the seconds are those of the next one that has it.",
        "The paper's minutes are those of all iterations, on a GPU.",
    )
    return Table("Seconds until an error is reached", header, tuple(rows), notes)


def _median_seconds(item: Measured, level: float) -> str:
    median = statistics.median(_seconds(result["history"], level) for _, result in item.finished)
    return f"{median:,.0f}" if median >= 10 and math.isfinite(median) else f"{median:.1f}" if median < 10 else "-"


def _seconds(history: dict[str, list[float | None]], level: float) -> float:
    """The seconds until the error of a run is at most `level`, which are infinite if it never is."""
    measured = zip(history["seconds"], history["error"], strict=True)
    return next((finite(seconds) for seconds, error in measured if finite(error) <= level), math.inf)
