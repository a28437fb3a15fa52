"""When a run ends."""

import dataclasses
import math
from collections.abc import Sequence

from sngd._arguments import require_integer, require_number
from sngd._history import Record
from sngd._results import Result

# Iterations of a run whose caller names no budget.
LIMIT = 1000

# Steps of size zero in a row that end a run. A fresh sketch may find what the last one did not.
_FRUITLESS = 3


@dataclasses.dataclass(frozen=True)
class Stopping:
    """Rules for the end of a run; the first that applies names its result.

    - `iterations`, `seconds`: the budget. Seconds count from the start of training, compilation included. Where
      iterations are left out there is a limit of 1000, and a run that meets it has a result of its own.
    - `loss`: a loss to reach.
    - `patience`: stagnation is when the loss of a least-squares problem has fallen by less than a hundredth in all of
      this many iterations, or when no step was found in three iterations in a row. Left out, it is
      the optimizer's.
    - `refinements`: how often a run that stagnates, and fits its points only, goes on with more of them.
    - `restarts`: how often a run that is stuck with a wrong solution, or fits its points only and is far from one,
      starts again from other initial parameters; the best outcome is kept. Where the network is an object and not a
      text, zero keeps its parameters as they are at the start too.

    Raises `TypeError` for anything but a number, an integer where something is counted. Raises `ValueError` for a
    budget or a count below zero, or a patience below one.
    """

    iterations: int | None = None
    seconds: float = math.inf
    loss: float = -math.inf
    patience: int | None = None
    refinements: int = 2
    restarts: int = 2

    def __post_init__(self):
        for name, least in (("iterations", 0), ("refinements", 0), ("restarts", 0), ("patience", 1)):
            if getattr(self, name) is not None or name in ("refinements", "restarts"):
                require_integer(name, getattr(self, name), least=least)
        for name in ("seconds", "loss"):
            require_number(name, getattr(self, name))
        if not self.seconds >= 0:
            raise ValueError(f"seconds is {self.seconds}; it must not be negative")

    @property
    def most_iterations(self) -> int:
        """After how many iterations a run ends in any case."""
        return LIMIT if self.iterations is None else self.iterations

    def ending(self, records: Sequence[Record], lower_bound: float) -> Result | None:
        """How a run with these records ends now, or `None` where it goes on.

        `lower_bound` is what the loss cannot fall below; `-inf` for an energy, whose fall says nothing.
        """
        last = records[-1]
        if not math.isfinite(last.loss):
            return Result.NON_FINITE
        if last.loss <= self.loss:
            return Result.TARGET_REACHED
        if self._stagnated(records, lower_bound):
            return Result.STAGNATED
        if last.iteration >= self.most_iterations:
            return Result.LIMIT_REACHED if self.iterations is None else Result.ITERATIONS_EXHAUSTED
        if last.seconds >= self.seconds:
            return Result.SECONDS_EXHAUSTED
        return None

    def _stagnated(self, records: Sequence[Record], lower_bound: float) -> bool:
        if len(records) > _FRUITLESS and all(record.step_size == 0 for record in records[-_FRUITLESS:]):
            return True
        if self.patience is None or len(records) <= self.patience or not math.isfinite(lower_bound):
            return False
        before = records[-1 - self.patience].loss
        # Any of the later ones: the last may be a nonmonotone step, far above those before it.
        enough = before - 1e-2 * (before - lower_bound)
        return not any(record.loss <= enough for record in reversed(records[-self.patience :]))
