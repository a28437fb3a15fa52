"""Narrow valleys of a loss: noticing that a run is in one, and how often it tried to get out."""

import dataclasses

from sngd.solver._step import TrainState

# A run is stuck where the excess has not halved over this many iterations, though not so soon after an escape; and at
# any time where it has not fallen by this part over so many.
_WINDOW, _REST = 6, 10
_FALL, _FRUITLESS = 0.02, 2

# An escape succeeds where it leads to an excess this many times lower. So many failures are enough; fewer for a run
# that has not found the solution at all, which other initial parameters serve better.
_SUCCESS, _ATTEMPTS, _FEW = 100, 30, 5

# The first escape may climb to the initial excess times this power of the relative one reached, the next to its power.
_CLIMB = 1 / 16


@dataclasses.dataclass(frozen=True)
class Watch:
    """What is known of a valley, in plain numbers; an excess is how far the loss may be above its minimum.

    - `lowest`: the lowest excess so far; `record`: that at the last escape.
    - `excesses`: those since the start or the last escape; `rest`: how many there must be before one counts as stuck.
    - `attempts`: escapes in a row that led nowhere; `no_step`: whether the last iteration found no step.
    """

    lowest: float
    record: float
    excesses: tuple[float, ...]
    rest: int = _WINDOW
    attempts: int = 0
    no_step: bool = False


@dataclasses.dataclass(frozen=True)
class Valley:
    """Watches the excess of a run that can escape, and keeps the state with the lowest one."""

    best: TrainState
    watch: Watch

    @classmethod
    def at(cls, state: TrainState, excess: float) -> "Valley":
        """The valley at the start of a watch."""
        return cls(state, Watch(excess, excess, (excess,)))

    def after(self, state: TrainState, excess: float, *, no_step: bool) -> "Valley":
        """The valley after one more iteration."""
        watch, lower = self.watch, excess < self.watch.lowest
        seen = dataclasses.replace(
            watch,
            excesses=(*watch.excesses, excess)[-_REST - 1 :],
            no_step=no_step,
            lowest=excess if lower else watch.lowest,
        )
        return Valley(state if lower else self.best, seen)

    @property
    def stuck(self) -> bool:
        """Whether steps lead nowhere any more."""
        excesses = self.watch.excesses
        slow = len(excesses) > self.watch.rest and excesses[-1] > excesses[-1 - _WINDOW] / 2
        # The first one after an escape may be that before it, of an energy.
        known = len(excesses) > _FRUITLESS + 1
        fruitless = known and excesses[-1] > (1 - _FALL) * excesses[-1 - _FRUITLESS]
        return self.watch.no_step or slow or fruitless

    @property
    def slow(self) -> bool:
        """Whether the last step did not halve the excess."""
        excesses = self.watch.excesses
        return len(excesses) > 1 and excesses[-1] > excesses[-2] / 2

    def hopeless(self, *, wrong: bool) -> bool:
        """Whether escapes have been tried often enough, from the solution or from something wrong."""
        return self.watch.attempts >= (_FEW if wrong else _ATTEMPTS)

    def escaping(self) -> "Valley":
        """The valley once its next step is an escape."""
        watch = self.watch
        attempts = 1 if watch.lowest < watch.record / _SUCCESS else watch.attempts + 1
        seen = dataclasses.replace(
            watch, attempts=attempts, excesses=(), rest=_REST, record=watch.lowest, no_step=False
        )
        return Valley(self.best, seen)

    def ceiling(self, initial: float) -> float:
        """How high the next step, an escape, may climb, from the excess of the untrained network."""
        power = _CLIMB**self.watch.attempts
        return initial ** (1 - power) * self.watch.lowest**power
