"""The measurements of finished cells for the lines of the paper's tables."""

import dataclasses
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from reproduction.cells import SEEDS, Cell, all_cells, is_cut_short
from reproduction.published import LINES, OPTIMIZERS, RUNS, Published

Results = dict[str, dict[str, Any]]

# The optimizers of the paper, in its order, and the one that the paper does not have.
_SHOWN = (*OPTIMIZERS, "l-bfgs")

_ENDINGS = {
    "stagnated": "stagnated (no step lowers the loss)",
    "fits its points only": "the equation holds at the points only",
    "non-finite": "the loss is not finite",
}


# A run that its budget ended has settled if its error changed by at most this factor in the last half of its steps.
_SETTLED = 1.1


@dataclasses.dataclass(frozen=True)
class Measured:
    """A line of a table with all its cells, and the results of the cells that are finished."""

    line: Published
    cells: tuple[Cell, ...]
    results: Results

    @property
    def finished(self) -> list[tuple[Cell, dict[str, Any]]]:
        """The finished cells with their results, in the order of the seeds."""
        return [(cell, self.results[cell.name]) for cell in self.cells if cell.name in self.results]

    @property
    def label(self) -> str:
        """The optimizer, and the network if the problem has several networks."""
        networks = {line.network for line in LINES if line.problem == self.line.problem}
        return self.line.optimizer if len(networks) == 1 else f"{self.line.network} {self.line.optimizer}"

    @property
    def runs(self) -> str:
        """The number of finished cells and of all cells, as a text."""
        return f"{len(self.finished)} of {len(self.cells)}"

    @property
    def errors(self) -> list[float]:
        """The relative L2 errors of the finished cells. The error of a run with numbers that are not finite is
        infinite.
        """
        return [finite(result["relative_l2"]) for _, result in self.finished]

    @property
    def median(self) -> float | None:
        """The median of the errors, or `None` without finished cells."""
        return statistics.median(self.errors) if self.finished else None

    @property
    def unsettled(self) -> list[dict[str, Any]]:
        """The results of the runs that their budget ended while their errors still changed, or may have done so."""
        return [result for cell, result in self.finished if is_cut_short(cell, result) and not _is_settled(result)]

    @property
    def least_errors(self) -> list[float]:
        """The least error that each run could still have reached, in the order of the seeds.

        It is zero if the error was still falling when the budget ended the run.
        """
        unsettled = {id(result) for result in self.unsettled}
        return [
            0.0 if id(result) in unsettled else error
            for error, (_, result) in zip(self.errors, self.finished, strict=True)
        ]

    @property
    def median_range(self) -> tuple[float, float] | None:
        """The least and the largest median error that all iterations could give, or `None` without finished cells."""
        return (statistics.median(self.least_errors), statistics.median(self.errors)) if self.finished else None

    @property
    def published_median(self) -> float | None:
        """The median error of the paper, from the single runs where it prints those.

        It is the largest error where the printed median lies above the printed maximum, which is a misprint.
        """
        errors = [
            run.error for run in RUNS if self.line.problem == "transport" and run.optimizer == self.line.optimizer
        ]
        if errors:
            return statistics.median(errors)
        printed = [value for value in (self.line.median, self.line.largest) if value is not None]
        return min(printed) if printed else None

    @property
    def seconds(self) -> float:
        """The median time until a run ended, in seconds."""
        return statistics.median(result["seconds"] for _, result in self.finished)

    @property
    def full_seconds(self) -> float:
        """The median time of all iterations, in seconds.

        Iterations that a run did not make count with the median time of those that it made.
        """
        return statistics.median(_full_seconds(result) for _, result in self.finished)

    def endings(self) -> list[str]:
        """One sentence for each way in which runs ended before they had made all iterations."""
        groups: dict[tuple[str, bool], list[dict[str, Any]]] = defaultdict(list)
        for cell, result in self.finished:
            if result["iterations"] < result["iterations_asked"]:
                groups[_ending(cell, result), is_cut_short(cell, result)].append(result)
        sentences = []
        for (ending, cut), group in groups.items():
            made = span([result["iterations"] for result in group], ",")
            of = f"{self.line.iterations:,} iterations"
            told = f"{self.label}: {len(group)} of {len(self.finished)} runs ended after {made} of {of}: {ending}."
            sentences.append(told + _late_progress(group) if cut else told)
        return sentences


def measure(problem: str, results: Results) -> list[Measured]:
    """The lines of a problem in the order of the paper, followed by those that the paper does not have."""
    cells: dict[Published, list[Cell]] = defaultdict(list)
    for cell in all_cells():
        if cell.line.problem == problem:
            cells[cell.line].append(cell)
    networks = list(dict.fromkeys(line.network for line in LINES))
    lines = sorted(cells, key=lambda line: (networks.index(line.network), _SHOWN.index(line.optimizer)))
    return [Measured(line, tuple(cells[line]), results) for line in lines]


def explain(measured: Sequence[Measured]) -> tuple[str, ...]:
    """Sentences that say why lines are missing, or have fewer runs or iterations than those of the paper."""
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
    notes += _unequal_starts(measured)
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


def _unequal_starts(measured: Sequence[Measured]) -> list[str]:
    """A sentence for each network and seed whose runs do not all begin with the same loss."""
    notes = []
    for network in dict.fromkeys(item.line.network for item in measured):
        by_seed: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for item in measured:
            if item.line.network == network:
                for cell, result in item.finished:
                    by_seed[cell.seed][f"{result['history']['loss'][0]:.3g}"].append(item.line.optimizer)
        for seed, groups in sorted(by_seed.items()):
            if len(groups) > 1:
                told = "; ".join(f"{', '.join(names)} with the loss {loss}" for loss, names in groups.items())
                notes.append(
                    f"{network}, seed {seed}: the runs begin with different parameters, because different commits made "
                    f"them: {told}."
                )
    return notes


def finite(value: float | None) -> float:
    """A number of a result. `None` stands for a number that is not finite, and becomes infinity."""
    return math.inf if value is None else value


def scientific(value: float | None) -> str:
    """The text of an error or a loss as the paper prints it. It is `-` for a number that is not known."""
    return "-" if value is None else f"{value:.2e}"


def rounded(ratio: float) -> str:
    """The text of a ratio with two digits, or with all digits before the decimal point."""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.2g}"


def _ending(cell: Cell, result: dict[str, Any]) -> str:
    verdict = result["result"]
    reasons = [_ENDINGS[verdict]] if verdict in _ENDINGS else []
    if result.get("stopped"):
        reasons.append(result["stopped"])
    if is_cut_short(cell, result):
        limit = cell.limit(result["budget"])
        spent = (
            f"{limit.seconds:.0f} seconds" if result["seconds"] >= limit.seconds else f"{limit.iterations} iterations"
        )
        reasons.insert(0, f"cut short by the budget of {spent}")
    return "; ".join(reasons or [verdict])


def _late_progress(group: Sequence[dict[str, Any]]) -> str:
    """A sentence on the progress in the last half of the iterations.

    It shows whether more iterations would matter.
    """
    factors = [factor for result in group if (factor := _late_factor(result["history"])) is not None]
    return f" In the last half of them the error fell by a factor of {span(factors, ',.1f')}." if factors else ""


def _is_settled(result: dict[str, Any]) -> bool:
    factor = _late_factor(result["history"])
    return factor is not None and 1 / _SETTLED <= factor <= _SETTLED


def _late_factor(history: dict[str, list[Any]]) -> float | None:
    """The error in the middle of a run divided by the error at its end, or `None` without these measurements."""
    measured = [pair for pair in zip(history["iteration"], history["error"], strict=True) if None not in pair]
    half = history["iteration"][-1] / 2
    before = [error for iteration, error in measured if iteration <= half]
    return before[-1] / measured[-1][1] if before and len(before) < len(measured) else None


def span(values: Sequence[float], form: str) -> str:
    """The text of the least and the largest of several numbers, or of the number that they all are."""
    least, largest = format(min(values), form), format(max(values), form)
    return least if least == largest else f"{least} to {largest}"


def _full_seconds(result: dict[str, Any]) -> float:
    left = result["iterations_asked"] - result["iterations"]
    return result["seconds"] + (left * _pace(result["history"]) if left > 0 else 0.0)


def _pace(history: dict[str, list[float]]) -> float:
    """The median time of an iteration in seconds. The median is not affected by compilation."""
    steps, seconds = np.diff(history["iteration"]), np.diff(history["seconds"])
    if not len(steps):
        return math.inf
    order = np.argsort(seconds / steps)
    middle = np.searchsorted(np.cumsum(steps[order]), np.sum(steps) / 2)
    return float((seconds / steps)[order][middle])
