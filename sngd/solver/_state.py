"""What a run is between two of its steps: all that a checkpoint writes."""

import dataclasses
import functools
import math

import equinox as eqx
import jax
from jaxtyping import Array, Float

from sngd._history import Record
from sngd.solver._iterate import Iterate, StepReport
from sngd.solver._verdict import Verdict

# A node of a PyTree without leaves: numbers and texts that are written into the header of a file.
_metadata = functools.partial(jax.tree_util.register_dataclass, data_fields=[])


@dataclasses.dataclass(frozen=True)
class Counters:
    """Where a run is.

    A run makes one or more attempts, each from other initial parameters. An attempt has one or more rounds, each on
    more points than the one before. Where a refinement begins another attempt, the count of its rounds goes on.

    - `attempt`, `round`: the present ones, counted from zero. `refinements`: how often the points have been refined.
    - `first`: the record with which the round began.
    - `rejected`: steps in a row that led to numbers that are not finite.
    - `initial_gap`: the optimality gap at the start of the attempt; not a number while it is not known.
    - `predicted_seconds`: what the steps so far are predicted to take. `rate`: floating-point operations a second, as
      measured before the first step.
    - `compile_seconds`: what compilations have taken, in this process and in those that wrote its checkpoints.
    """

    attempt: int = 0
    round: int = 0
    refinements: int = 0
    first: int = 0
    rejected: int = 0
    initial_gap: float = math.nan
    predicted_seconds: float = 0.0
    rate: float = math.inf
    compile_seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class StallHistory:
    """What is known of the optimality gap since a round began.

    - `lowest`: the lowest gap of the round. `at_last_increase`: the lowest gap when the last nonmonotone step was
      taken.
    - `gaps`: the last gaps, since the round began or a nonmonotone step was taken.
    - `rest`: a slow fall counts as a stall only if `gaps` has more entries than this.
    - `attempts`: nonmonotone steps in a row without success. `no_step`: whether the last iteration found no step.
    """

    lowest: float
    at_last_increase: float
    gaps: tuple[float, ...]
    rest: int
    attempts: int = 0
    no_step: bool = False


class RoundOutcome(eqx.Module):
    """Where a round of a run ended: the parameters, shape `(p,)`, and what they are worth."""

    theta: Float[Array, " p"]
    verdict: Verdict


class RunState(eqx.Module):
    """A run between two of its steps. It is immutable, so that an interrupt finds the last one whole.

    - `iterate`: where the run is. `report`: the report of the last step; `None` before the first step of a round.
    - `lowest`: the iterate with the lowest optimality gap of the round. `stall`: what tells a stall; `None` for an
      optimizer that takes no nonmonotone steps.
    - `counters`: the attempt, the round, and what has been counted. `records`: one for each iteration. `best`: the best
      outcome of the attempts before, if there are any.
    """

    iterate: Iterate
    lowest: Iterate
    counters: Counters
    records: tuple[Record, ...]
    report: StepReport | None = None
    stall: StallHistory | None = None
    best: RoundOutcome | None = None

    @property
    def reached(self) -> tuple[Iterate, float]:
        """The best iterate of the round, and its optimality gap, infinite where that is not known."""
        return (self.iterate, math.inf) if self.stall is None else (self.lowest, self.stall.lowest)

    def counting(self, **changes: float) -> "RunState":
        """The state with other counters."""
        return dataclasses.replace(self, counters=dataclasses.replace(self.counters, **changes))


for _class in (Counters, StallHistory, Record, Verdict):
    _metadata(_class, meta_fields=[field.name for field in dataclasses.fields(_class)])
