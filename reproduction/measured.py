"""What finished cells say about the lines of the paper's tables."""

import dataclasses
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from reproduction.cells import SEEDS, Cell, all_cells, is_cut_short
from reproduction.published import LINES, OPTIMIZERS, Published

Results = dict[str, dict[str, Any]]

# The paper's optimizers in its order, and the one that we add.
_SHOWN = (*OPTIMIZERS, "l-bfgs")

_ENDINGS = {
    "stagnated": "stagnated (no step lowers the loss)",
    "fits its points only": "the equation holds at the points only",
    "non-finite": "the loss is not finite",
}


@dataclasses.dataclass(frozen=True)
class Measured:
    """A line of a table with the cells that are planned for it, and the results of those that are finished."""

    line: Published
    cells: tuple[Cell, ...]
    results: Results

    @property
    def finished(self) -> list[tuple[Cell, dict[str, Any]]]:
        """Cells with their results, by seed."""
        return [(cell, self.results[cell.name]) for cell in self.cells if cell.name in self.results]

    @property
    def label(self) -> str:
        """The optimizer, with the network where the problem has several."""
        networks = {line.network for line in LINES if line.problem == self.line.problem}
        return self.line.optimizer if len(networks) == 1 else f"{self.line.network} {self.line.optimizer}"

    @property
    def runs(self) -> str:
        """How many of the planned runs are finished."""
        return f"{len(self.finished)} of {len(self.cells)}"

    @property
    def errors(self) -> list[float]:
        """Relative L2 errors, infinite where a run left the finite numbers."""
        return [finite(result["relative_l2"]) for _, result in self.finished]

    @property
    def median(self) -> float | None:
        """The median error."""
        return statistics.median(self.errors) if self.finished else None

    @property
    def seconds(self) -> float:
        """Median seconds until a run ended."""
        return statistics.median(result["seconds"] for _, result in self.finished)

    @property
    def full_seconds(self) -> float:
        """Median seconds of all iterations; those that a run did not make at the median pace of those it did."""
        return statistics.median(_full_seconds(result) for _, result in self.finished)

    def endings(self) -> list[str]:
        """A sentence for every way in which runs ended before they had made all iterations."""
        groups: dict[tuple[str, bool], list[dict[str, Any]]] = defaultdict(list)
        for cell, result in self.finished:
            if result["iterations"] < result["iterations_asked"]:
                groups[_ending(cell, result), is_cut_short(cell, result)].append(result)
        sentences = []
        for (ending, cut), group in groups.items():
            made = _span([result["iterations"] for result in group], ",")
            of = f"{self.line.iterations:,} iterations"
            told = f"{self.label}: {len(group)} of {len(self.finished)} runs ended after {made} of {of}: {ending}."
            sentences.append(told + _late_progress(group) if cut else told)
        return sentences


def measure(problem: str, results: Results) -> list[Measured]:
    """The lines of a problem in the paper's order, and those that we add."""
    cells: dict[Published, list[Cell]] = defaultdict(list)
    for cell in all_cells():
        if cell.line.problem == problem:
            cells[cell.line].append(cell)
    networks = list(dict.fromkeys(line.network for line in LINES))
    lines = sorted(cells, key=lambda line: (networks.index(line.network), _SHOWN.index(line.optimizer)))
    return [Measured(line, tuple(cells[line]), results) for line in lines]


def explain(measured: Sequence[Measured]) -> tuple[str, ...]:
    """Why lines are missing, or rest on fewer runs or iterations than the paper's."""
    notes = [sentence for item in measured for sentence in item.endings()]
    missing = [item.label for item in measured if not item.finished]
    if missing:
        problem = measured[0].line.problem
        notes.append(f"Not run yet: {', '.join(missing)}; `python -m reproduction run --cell {problem}` runs them.")
    networks = {item.line.network for item in measured}
    notes += [
        f"{network}: {seeds} of the paper's 5 seeds, as five would take too long on two cores."
        for network, seeds in SEEDS.items()
        if network in networks
    ]
    if "A3" in networks:
        taken = [
            f"{item.line.optimizer} {max(result['peak_bytes'] for _, result in item.finished) / 1e9:.1f} GB"
            for item in measured
            if item.line.network == "A3" and item.finished
        ]
        ours = f" Processes took at most {', '.join(taken)}." if taken else ""
        notes.append(
            f"A3: BFGS and ENGD need matrices of 1,085,761 squared numbers, 9.4 TB; the paper did not run them.{ours}"
        )
    return tuple(notes)


def finite(value: float | None) -> float:
    """A number of a result, where `None` stands for one that is not finite."""
    return math.inf if value is None else value


def scientific(value: float | None) -> str:
    """As the paper prints errors and losses; `-` for what is not known."""
    return "-" if value is None else f"{value:.2e}"


def rounded(ratio: float) -> str:
    """A ratio to two digits, or to all before the point."""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.2g}"


def _ending(cell: Cell, result: dict[str, Any]) -> str:
    verdict = result["result"]
    reasons = [_ENDINGS[verdict]] if verdict in _ENDINGS else []
    if is_cut_short(cell, result):
        reasons.insert(0, f"cut short by the budget of {cell.seconds(result['budget']):.0f} seconds")
    return "; ".join(reasons or [verdict])


def _late_progress(group: Sequence[dict[str, Any]]) -> str:
    """A sentence on what the last half of the iterations brought, which says whether more of them would matter."""
    factors = [factor for result in group if (factor := _late_factor(result["history"])) is not None]
    return f" In the last half of them the error fell by a factor of {_span(factors, ',.1f')}." if factors else ""


def _late_factor(history: dict[str, list[Any]]) -> float | None:
    """The error in the middle of a run over that at its end, where it was measured there."""
    measured = [pair for pair in zip(history["iteration"], history["error"], strict=True) if None not in pair]
    half = history["iteration"][-1] / 2
    before = [error for iteration, error in measured if iteration <= half]
    return before[-1] / measured[-1][1] if before and len(before) < len(measured) else None


def _span(values: Sequence[float], form: str) -> str:
    least, largest = format(min(values), form), format(max(values), form)
    return least if least == largest else f"{least} to {largest}"


def _full_seconds(result: dict[str, Any]) -> float:
    left = result["iterations_asked"] - result["iterations"]
    return result["seconds"] + (left * _pace(result["history"]) if left > 0 else 0.0)


def _pace(history: dict[str, list[float]]) -> float:
    """Seconds an iteration takes: the median over the iterations, so that compilation does not count."""
    steps, seconds = np.diff(history["iteration"]), np.diff(history["seconds"])
    if not len(steps):
        return math.inf
    order = np.argsort(seconds / steps)
    middle = np.searchsorted(np.cumsum(steps[order]), np.sum(steps) / 2)
    return float((seconds / steps)[order][middle])
