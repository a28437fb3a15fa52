"""When a round ends."""

import dataclasses

from sngd._results import Result
from sngd.solver._run import AbstractStop, Run
from sngd.solver._state import RunState


@dataclasses.dataclass(frozen=True)
class Stop(AbstractStop):
    """Decides by the budget and the targets of a `Stopping`, and by the nonmonotone policy, which gives up at the
    rounding floor. This is the only policy that reads the clock, in the records.
    """

    def result(self, run: Run, state: RunState) -> Result | None:
        """How the round ends now, or `None` where it goes on."""
        if run.policies.nonmonotone.gives_up(run, state):
            return Result.STAGNATED
        return run.stopping.ending(state.records[state.counters.first :], run.objective.lower_bound)
