"""When a run begins again from other initial parameters."""

import dataclasses

from sngd._results import Result
from sngd.solver._run import AbstractRestart, Run
from sngd.solver._state import RoundOutcome, RunState

# Ends after which other initial parameters may help.
_STUCK = (Result.STAGNATED, Result.RANK_COLLAPSED)


@dataclasses.dataclass(frozen=True)
class Restart(AbstractRestart):
    """Decides on another attempt after one that is stuck with a wrong solution.

    `Stopping.restarts` says how often that may be. There is no restart for an optimizer that takes no nonmonotone
    steps, nor once half of the seconds are predicted to be used up.
    """

    def restarts(self, run: Run, state: RunState, best: RoundOutcome) -> bool:
        """Whether to try other initial parameters, after attempts with this best outcome."""
        return best.verdict.result in _STUCK and self.is_wrong(run, state, best)

    def is_wrong(self, run: Run, state: RunState, outcome: RoundOutcome) -> bool:
        """Whether an outcome is so far from any solution that other parameters are better, and may be tried."""
        allowed = run.start is not None and state.counters.attempt < run.stopping.restarts
        wrong = outcome.verdict.diagnosis.is_wrong
        return wrong and allowed and run.optimizer.allows_increase and not run.is_late(state)
