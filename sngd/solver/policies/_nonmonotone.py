"""When a step may raise the loss, and how far: a nonmonotone step out of a narrow curved valley.

In such a valley only short steps keep what the model predicts, and a run stalls far above the minimum. A step that may
raise the loss up to a bound leads to a place where the valley is usually wide (Grippo, Lampariello and Lucidi, SIAM J.
Numer. Anal. 23, 1986). The measurements behind the defaults are in docs/precision.md.
"""

import dataclasses

import numpy as np

from sngd._arguments import require_integer, require_number
from sngd.solver._run import AbstractNonmonotone, Run
from sngd.solver._state import RunState, StallHistory
from sngd.solver._verdict import at_rounding_floor, below_rounding, underresolved


@dataclasses.dataclass(frozen=True)
class Nonmonotone(AbstractNonmonotone):
    """Decides whether the next step may raise the loss, and whether such steps have been tried often enough.

    - `window`, `halving`: a run has stalled if, over `window` iterations, the optimality gap has not fallen to
      `halving` times its value.
    - `rest`: after a nonmonotone step this test waits for at least `rest` iterations.
    - `fruitless`, `fall`: a run has also stalled if the gap has not fallen by the part `fall` of itself over
      `fruitless` iterations, or if the last iteration found no step.
    - `success`: a nonmonotone step has succeeded if the lowest gap after it is more than `success` times lower.
    - `attempts`, `few`: a round ends after `attempts` nonmonotone steps in a row without success. It ends after `few`
      of them if the solution has not been found at all: other initial parameters serve such a run better.
    - `climb`: with the initial gap `g_0` and the lowest gap `g`, the loss may rise to `g_0 (g / g_0)^(climb^k)` in the
      `k`-th of these steps. After a success `k` is one again.

    Raises `TypeError` or `ValueError` for counts below one, parts outside of (0, 1), or a `success` of at most one.
    """

    window: int = 6
    halving: float = 0.5
    rest: int = 10
    fruitless: int = 2
    fall: float = 0.02
    success: float = 100.0
    attempts: int = 30
    few: int = 5
    climb: float = 1 / 16

    def __post_init__(self):
        for name in ("window", "rest", "fruitless", "attempts", "few"):
            require_integer(name, getattr(self, name), least=1)
        for name in ("halving", "fall", "climb"):
            require_number(name, getattr(self, name))
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1")
        require_number("success", self.success)
        if not self.success > 1:
            raise ValueError(f"success is {self.success}; it must be greater than 1")

    def begin(self, gap: float) -> StallHistory:
        """The history at the start of a round."""
        return StallHistory(gap, gap, (gap,), self.window)

    def observe(self, history: StallHistory, gap: float, *, no_step: bool) -> StallHistory:
        """The history after one more iteration.

        - `gap`: the optimality gap. `no_step`: whether the iteration found no step.
        """
        kept = max(self.rest, self.window, self.fruitless) + 1
        lowest, gaps = min(gap, history.lowest), (*history.gaps, gap)[-kept:]
        return dataclasses.replace(history, lowest=lowest, gaps=gaps, no_step=no_step)

    def stalls(self, history: StallHistory) -> bool:
        """Whether steps lead nowhere any more."""
        gaps = history.gaps
        slow = len(gaps) > max(history.rest, self.window) and gaps[-1] > self.halving * gaps[-1 - self.window]
        # The first gap after a nonmonotone step may be that before it, of an energy.
        known = len(gaps) > self.fruitless + 1
        fruitless = known and gaps[-1] > (1 - self.fall) * gaps[-1 - self.fruitless]
        return history.no_step or slow or fruitless

    def bound(self, state: RunState) -> tuple[float, StallHistory] | None:
        """How high the loss may rise in the next step, and the history from there on; `None` for an ordinary step."""
        history = state.stall
        if history is None or not self.stalls(history):
            return None
        attempts = 1 if history.lowest < history.at_last_increase / self.success else history.attempts + 1
        power = self.climb**attempts
        bound = state.counters.initial_gap ** (1 - power) * history.lowest**power
        return bound, StallHistory(history.lowest, history.lowest, (), self.rest, attempts)

    def gives_up(self, run: Run, state: RunState) -> bool:
        """Whether the round ends.

        A round that has stalled ends if its loss is at the rounding floor, if it needs more points, or if enough
        nonmonotone steps have failed. A round that has not stalled ends if its gap is below the machine precision times
        the initial gap, its last step did not halve the gap, and the loss is below rounding.
        """
        history = state.stall
        if history is None:
            return False
        stalls = self.stalls(history)
        is_slow = len(history.gaps) > 1 and history.gaps[-1] > self.halving * history.gaps[-2]
        tiny = history.lowest <= np.finfo(float).eps * state.counters.initial_gap
        if not (stalls or (is_slow and tiny)):
            return False
        iterate, gap = state.reached
        diagnosis = run.diagnose(iterate.theta, gap)
        if not stalls:
            return below_rounding(diagnosis)
        enough = self.few if diagnosis.is_wrong else self.attempts
        needs_points = underresolved(diagnosis) and run.policies.refine.may(run, state)
        return at_rounding_floor(diagnosis) or needs_points or history.attempts >= enough
