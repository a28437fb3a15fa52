"""When a run goes on with more points, and with which."""

import dataclasses

from sngd._results import Result
from sngd.problem import AbstractProblem, with_other_points
from sngd.solver._run import AbstractRefine, Run
from sngd.solver._state import RoundOutcome, RunState


@dataclasses.dataclass(frozen=True)
class Refine(AbstractRefine):
    """Decides on more points after a round that fits its points only.

    `Stopping.refinements` says how often that may be. There is no refinement once half of the seconds are predicted to
    be used up.
    """

    def may(self, run: Run, state: RunState) -> bool:
        """Whether there may be a round on more points."""
        return state.counters.round < run.stopping.refinements and not run.is_late(state)

    def refines(self, run: Run, state: RunState, outcome: RoundOutcome) -> bool:
        """Whether a round that ended so calls for more points."""
        return outcome.verdict.result is Result.UNRESOLVED and self.may(run, state)

    def points(self, problem: AbstractProblem) -> AbstractProblem:
        """The problem on the points that each rule names as its finer ones."""
        return with_other_points(problem, lambda points: points.refined())
