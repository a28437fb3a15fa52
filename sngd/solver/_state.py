"""What the rest of a run depends on, between two of its steps."""

import dataclasses
import math

from jaxtyping import Array, Float

from sngd._results import Result
from sngd.solver._optimizer import AbstractOptimizer
from sngd.solver._step import StepInfo, TrainState
from sngd.solver._valley import Valley
from sngd.solver._verdict import Diagnosis


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How a round of a run ended. `detail`: what went wrong, where that is known."""

    result: Result
    diagnosis: Diagnosis
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class End:
    """Where a round of a run ended."""

    theta: Float[Array, " p"]
    verdict: Verdict


@dataclasses.dataclass(frozen=True)
class Place:
    """Where in its rounds a run is.

    A run makes one or more attempts, each from other initial parameters; an attempt has one or more rounds, each on
    finer points than the one before. An attempt that begins for the sake of finer points counts on.

    - `attempt`, `round`: the present ones, counted from zero. `finer`: how often the points have been refined so far.
    - `first`: the record with which the round began.
    - `initial_excess`: how far above its minimum the loss was when the attempt began, once that is known.
    - `rejected`: steps in a row that led to numbers that are not finite.
    """

    attempt: int = 0
    round: int = 0
    finer: int = 0
    first: int = 0
    initial_excess: float = math.nan
    rejected: int = 0


@dataclasses.dataclass(frozen=True)
class Moment:
    """A run between two of its steps. Frozen, so that an interrupt finds the last one whole.

    - `state`, `optimizer`, `info`: where it is, what makes the next step, and what the last step reported, if any.
    - `valley`: of a run that can escape. `best`: the best end of the attempts before.
    - `records`: how many have been made.
    """

    place: Place
    state: TrainState
    optimizer: AbstractOptimizer
    valley: Valley | None
    records: int
    info: StepInfo | None = None
    best: End | None = None

    @property
    def reached(self) -> tuple[TrainState, float]:
        """The best state of the round, and how far above its minimum the loss may be there, infinite if not known."""
        return (self.state, math.inf) if self.valley is None else (self.valley.best, self.valley.watch.lowest)
