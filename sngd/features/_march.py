"""Solutions in windows of time: each starts from the end of the one before, and has features of its own."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from sngd._arguments import require_integer
from sngd.features._choice import Candidate, Chooser, FeatureChoice
from sngd.features._estimate import Estimate, relative
from sngd.features._families import Features
from sngd.features._rows import Window
from sngd.problem import Problem

# The error that a window adds is to be smaller than the error that is asked for, since later windows may amplify it.
_SHARE = 0.1

# Half of a window must add at most this part of the error that the whole window adds, or else more features are taken.
_HELPS = 0.1

# A window that adds so many times more than its share is halved before more features are tried.
_FAR = 1e4

# The first window is this part of the time axis.
_FIRST = 1 / 4

# A window that adds so much less is followed by one that is twice as long.
_EASY = 0.03


@dataclasses.dataclass(frozen=True)
class March:
    """How the time axis is cut into windows.

    - `columns`: of the least-squares problem of a window at most: features times components of the solution. For an
      ordinary differential equation, where shorter windows help sooner, `columns_line` takes the place of `columns`.
    - `halvings`: how often the window is halved at most, from the whole time axis on.
    """

    columns: int = 1024
    columns_line: int = 384
    halvings: int = 10

    def __post_init__(self):
        require_integer("columns", self.columns, least=2)
        require_integer("columns_line", self.columns_line, least=2)
        require_integer("halvings", self.halvings, least=0)


@dataclasses.dataclass(frozen=True)
class Piece:
    """The solution in one window. `estimate`: its error, to which the errors of the windows before have grown.
    `chooser`: of the window.
    """

    window: Window
    chooser: Chooser
    candidate: Candidate
    estimate: Estimate


def can_march(problem: Problem) -> bool:
    """Whether the problem is an evolution from initial conditions, as far as the faces of the conditions tell.

    No condition may hold at the last instant, or at the first one and on other faces together; time is not periodic;
    and no points are given as arrays. An equation that reads the solution at other times is not recognized.
    """
    domain = problem.domain
    if domain.time_axis is None or domain.index(domain.time_axis) in problem.periodic_axes:
        return False
    last = domain.face(domain.time_axis, "upper")
    faces = [condition.faces(domain) or () for condition in problem.conditions]
    starts = [each for each in faces if domain.initial in each]
    arrays = any(isinstance(given, tuple | list) for given in (problem.quadrature, problem.boundary_quadrature))
    alone = bool(starts) and all(each == (domain.initial,) for each in starts)
    return (
        alone
        and not arrays
        and not any(last in each for each in faces)
        and not any(condition.points for condition in problem.conditions)
    )


def march(
    setting: March,
    choice: FeatureChoice,
    problem: Problem,
    seed: tuple[int, ...],
    goal: float,
    report: Callable[[str], None],
    goes_on: Callable[[], bool],
    memory: float = math.inf,
) -> list[Piece]:
    """The solution in windows, from the first instant on; the windows end early where one cannot be solved.

    - `goal`: the relative error that is asked for. `goes_on`: called before each attempt, ends the march by `False`.
    - `memory`: bytes that a fit may take.
    """
    first, last = problem.domain.bounds[problem.domain.initial.index]
    time, length, shortest = first, (last - first) * _FIRST, (last - first) / 2**setting.halvings
    failed, pieces = math.inf, []
    most = setting.columns_line if problem.domain.dimension == 1 else setting.columns
    search, corrected = _Search(min(choice.columns, most)), None
    while time < last and goes_on():
        # No short rest is left over.
        end = last if time + 1.5 * length > last else time + length
        window = Window(time, end, pieces[-1].candidate.fit.network if pieces else None)
        chooser = Chooser(choice, problem, (*seed, len(pieces)), report, window, memory)
        report(f"window from {time:.4g} to {end:.4g}, {search.columns} columns at most")
        found = search.solved(chooser, choice, goal, pieces, dataclasses.replace(window, before=corrected))
        search.features = found.candidate.features
        if not found.added.error <= _SHARE * goal:
            # Shorter windows help until the features fail along other axes than time.
            if found.added.error > _HELPS * failed and search.columns < most:
                search.columns, search.grows, failed = min(int(search.columns * choice.growth), most), True, math.inf
                continue
            failed, length = found.added.error, (end - time) / 2
            if length < shortest:
                break
            continue
        pieces.append(Piece(window, chooser, found.candidate, found.estimate))
        corrected = found.candidate.fit.network.plus(found.estimate.correction)
        time, failed, search.grows = end, math.inf, False
        length = (window.end - window.start) * (2 if found.added.error <= _EASY * _SHARE * goal else 1)
    return pieces


def error_of(pieces: list[Piece]) -> tuple[float, float]:
    """The estimated relative error over all windows, and the root mean square of the error."""
    lengths = np.array([piece.window.end - piece.window.start for piece in pieces])
    mean = lambda values: np.sqrt(lengths @ np.array(values) ** 2 / lengths.sum())
    errors, sizes = (mean([getattr(piece.estimate, name) for piece in pieces]) for name in ("errors", "sizes"))
    return relative(errors, sizes), float(np.linalg.norm(errors))


class _Found(NamedTuple):
    """A candidate of a window, the error that it adds, and its error with those of the windows before."""

    candidate: Candidate
    added: Estimate
    estimate: Estimate


@dataclasses.dataclass
class _Search:
    """The search for the features of a window.

    - `columns`: at most. `features`: those to begin with; `None` to rank all families.
    - `grows`: whether more features are tried however large the error is.
    """

    columns: int
    features: Features | None = None
    grows: bool = False

    def solved(
        self, chooser: Chooser, choice: FeatureChoice, goal: float, pieces: list[Piece], corrected: Window
    ) -> _Found:
        """The first candidate of a window that is good enough, or else the best one.

        - `pieces`: the windows before. `corrected`: the window, which starts from the corrected solution before it.
        """
        best = None
        for candidate in self._candidates(chooser, choice):
            added, estimate = chooser.estimates(candidate, (chooser.window, corrected))
            # Where the solution has decayed, errors count by its size in the windows before.
            sizes = np.max([added.sizes, *(piece.estimate.sizes for piece in pieces)], axis=0)
            added = dataclasses.replace(added, sizes=sizes)
            best = _Found(candidate, added, estimate) if best is None or added.error < best.added.error else best
            error = best.added.error
            if error <= _SHARE * goal or (not error <= _FAR * _SHARE * goal and not self.grows):
                break
        assert best is not None
        return best

    def _candidates(self, chooser: Chooser, choice: FeatureChoice) -> Iterator[Candidate]:
        """Candidates with the features to begin with, or the best of a ranking; and then larger ones."""
        if self.features is None:
            yield (best := chooser.ranked(insist=False))
        else:
            yield chooser.candidate(self.features)
            yield (best := chooser.around(chooser.candidate(self.features)))
        most = int(min(self.columns, chooser.most_columns)) // chooser.outputs
        while best.features.count < most:
            count = min(int(best.features.count * choice.growth), most)
            best = chooser.widened(dataclasses.replace(best.features, count=count))
            yield best
