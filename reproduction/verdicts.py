"""Verdicts on the claims of the paper, each from one number of the paper and one of ours."""

import dataclasses
import math
from collections.abc import Callable
from enum import StrEnum

from reproduction.measured import Measured, rounded, scientific
from reproduction.published import OPTIMIZER_NAMES, PROBLEM_NAMES
from reproduction.table import Table

SCATTER = 2
"""A factor counts as smaller than the paper's if it is below the paper's divided by this.

The errors of five seeds differ by as much.
"""

RULES = (
    "Each claim has parts, and each part has a verdict. Most parts are a factor: error, ENGD / SNGD two-pass is the "
    "median error of ENGD over that of two-pass SNGD. A factor is confirmed if ours is above one and at least half of "
    "the paper's, because the errors of five seeds differ by as much. Between one and half of the paper's it is "
    "confirmed with a smaller margin. At one and below, it is refuted.",
    "An error that was still falling when the budget ended its run may have any value from zero to the present "
    "one. A part is not decided if this could change its verdict. A claim holds only if all its parts hold, so it has "
    "the worst verdict of its parts.",
)
"""What the verdicts mean, in words for readers."""

# A run has converged if its relative error is below this. It lies between the errors of the paper's runs that it calls
# converged and those of the others.
_CONVERGED = 0.1


class Verdict(StrEnum):
    """What our numbers say about a claim, from the best to the worst for a claim with several parts."""

    CONFIRMED = "confirmed"
    SMALLER = "confirmed with a smaller margin"
    UNDECIDED = "not decided"
    REFUTED = "refuted"


@dataclasses.dataclass(frozen=True)
class Part:
    """One number of a claim.

    - `what`: what the number is.
    - `paper`: the number of the paper.
    - `ours`: our number.
    - `verdict`: what our number says about the paper's.
    """

    what: str
    paper: str
    ours: str
    verdict: Verdict


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim of the paper with its parts.

    - `name`: the claim in a few words.
    - `text`: the claim with its numbers and its place in the paper, as full sentences.
    - `parts`: the numbers.
    - `reasons`: why our numbers differ from the paper's, where they do, as full sentences.
    """

    name: str
    text: str
    parts: tuple[Part, ...]
    reasons: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the parts, because a claim holds only if all its parts hold."""
        order = list(Verdict)
        return max((part.verdict for part in self.parts), key=order.index, default=Verdict.UNDECIDED)

    @property
    def tally(self) -> str:
        """How many parts have each verdict, as a text."""
        counts = {verdict: sum(part.verdict is verdict for part in self.parts) for verdict in Verdict}
        told = [f"{verdict} in {count}" for verdict, count in counts.items() if count]
        return f"{', '.join(told)} of {len(self.parts)} parts" if len(told) > 1 else f"in all {len(self.parts)} parts"

    def table(self, title: str) -> Table:
        """The parts as the rows of a table, with the reasons as notes."""
        rows = tuple((part.what, part.paper, part.ours, part.verdict.value) for part in self.parts)
        return Table(title, ("what", "the paper", "ours", "verdict"), rows, self.reasons)


def compare_factor(least: float, largest: float, paper: float) -> Verdict:
    """The verdict on the claim that a factor is above one and as large as the paper's.

    - `least`, `largest`: the range in which our factor lies.
    """
    if largest <= 1:
        return Verdict.REFUTED
    margin = paper / SCATTER
    if least > 1 and least >= margin:
        return Verdict.CONFIRMED
    return Verdict.SMALLER if least > 1 and largest < margin else Verdict.UNDECIDED


def more_accurate(small: Measured, large: Measured) -> Part:
    """The claim that one optimizer has a smaller median error than another: the factor between the medians."""
    what = f"{place(small)}: error, {called(large)} / {called(small)}"
    published = _quotient(large.published_median, small.published_median)
    ranges = small.median_range, large.median_range
    if ranges[0] is None or ranges[1] is None:
        return Part(what, rounded(published), "not run", Verdict.UNDECIDED)
    (small_least, small_now), (large_least, large_now) = ranges[0], ranges[1]
    largest = large_now / small_least if small_least > 0 else math.inf
    verdict = compare_factor(large_least / small_now, largest, published)
    return Part(what, rounded(published), rounded(large_now / small_now), verdict)


def equally_fast(one: Measured, other: Measured) -> Part:
    """The claim that two optimizers take about the same time: the factor between the times of all iterations."""
    part = faster(one, other)
    if part.verdict is Verdict.UNDECIDED:
        return part
    factor = other.full_seconds / one.full_seconds
    alike = 1 / SCATTER <= factor <= SCATTER
    return dataclasses.replace(part, verdict=Verdict.CONFIRMED if alike else Verdict.REFUTED)


def faster(small: Measured, large: Measured) -> Part:
    """The claim that one optimizer takes less time than another: the factor between the times of all iterations."""
    what = f"{place(small)}: time, {called(large)} / {called(small)}"
    published = _quotient(large.line.minutes, small.line.minutes)
    if not (small.finished and large.finished):
        return Part(what, rounded(published), "not run", Verdict.UNDECIDED)
    factor = large.full_seconds / small.full_seconds
    return Part(what, rounded(published), rounded(factor), compare_factor(factor, factor, published))


def as_accurate(item: Measured) -> Part:
    """The claim that an optimizer reaches the errors of the paper: our median against the largest printed error."""
    line, found = item.line, item.median_range
    assert line.least is not None
    assert line.largest is not None
    what = f"{place(item)}: median error, {called(item)}"
    paper = f"{scientific(line.least)} to {scientific(line.largest)}"
    if found is None:
        return Part(what, paper, "not run", Verdict.UNDECIDED)
    least, now = found
    allowed = SCATTER * line.largest
    verdict = Verdict.CONFIRMED if now <= allowed else Verdict.UNDECIDED if least <= allowed else Verdict.REFUTED
    return Part(what, paper, scientific(now), verdict)


def higher_rank(small: Measured, large: Measured, published: Callable[[Measured], float]) -> Part:
    """The claim that the Gramian has a higher rank under one optimizer than under another: the mean ranks at the end.

    - `published`: the mean rank of the paper for an optimizer.
    """
    what = f"{place(small)}: rank, {called(large)} / {called(small)}"
    ratio = _quotient(published(large), published(small))
    ranks = [mean_rank(item) for item in (small, large)]
    if ranks[0] is None or ranks[1] is None:
        return Part(what, f"{ratio:.2f}", "not run", Verdict.UNDECIDED)
    factor = ranks[1] / ranks[0]
    halfway = any(2 * len(item.unsettled) >= len(item.finished) for item in (small, large))
    verdict = Verdict.UNDECIDED if halfway else compare_factor(factor, factor, ratio)
    return Part(what, f"{ratio:.2f}", f"{factor:.2f}", verdict)


def converges(item: Measured, paper: int) -> Part:
    """The claim that a number of five runs converge.

    - `paper`: the number of the paper's five runs that converge.
    """
    what = f"{place(item)}: runs with an error below {_CONVERGED}, {called(item)}"
    if not item.finished:
        return Part(what, f"{paper} of 5", "not run", Verdict.UNDECIDED)
    ours, runs = has_converged(item.errors), len(item.finished)
    possible = has_converged(item.least_errors)
    if ours * 5 == paper * runs:
        verdict = Verdict.CONFIRMED
    else:
        verdict = Verdict.UNDECIDED if ours * 5 < paper * runs <= possible * 5 else Verdict.REFUTED
    return Part(what, f"{paper} of 5", f"{ours} of {runs}", verdict)


def has_converged(errors: list[float]) -> int:
    """The number of errors that are below the bound of convergence."""
    return sum(error < _CONVERGED for error in errors)


def mean_rank(item: Measured) -> float | None:
    """The mean rank at the end of the finished runs, or `None` if it is not known."""
    ranks = [result["gramian_rank"] for _, result in item.finished]
    return None if not ranks or None in ranks else sum(ranks) / len(ranks)


def called(item: Measured) -> str:
    """The optimizer in words, without a comma."""
    return OPTIMIZER_NAMES[item.line.optimizer].replace(",", "")


def place(item: Measured) -> str:
    """The problem in words, with the network if the problem has several."""
    problem = PROBLEM_NAMES[item.line.problem]
    return f"{problem}, {item.line.network}" if item.label != item.line.optimizer else problem


def _quotient(large: float | None, small: float | None) -> float:
    assert large is not None
    assert small is not None
    return large / small
