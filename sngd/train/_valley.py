"""Narrow valleys of a least-squares loss: noticing that a run is in one, and how often it tried to get out."""

import dataclasses

from sngd.train._history import Record
from sngd.train._step import TrainState

# A run is stuck where the loss has not halved over this many iterations, though not so soon after an escape.
_WINDOW, _REST = 6, 10

# An escape succeeds where it leads to a loss this many times lower; after so many failures there is no point in more.
_SUCCESS, _ATTEMPTS = 100, 5

# The first escape may climb to the initial loss times this power of the relative loss reached, the next to its power.
_CLIMB = 0.25


@dataclasses.dataclass(frozen=True)
class Watch:
    """What is known of a valley, in plain numbers.

    - `initial_loss`: that of the untrained network; `lowest`: the lowest so far; `record`: that at the last escape.
    - `losses`: those since the start or the last escape; `rest`: how many there must be before one counts as stuck.
    - `attempts`: escapes in a row that led nowhere; `no_step`: whether the last iteration found no step.
    """

    initial_loss: float
    lowest: float
    record: float
    losses: tuple[float, ...]
    rest: int = _WINDOW
    attempts: int = 0
    no_step: bool = False


@dataclasses.dataclass(frozen=True)
class Valley:
    """Watches the loss of a run that can escape, and keeps the state with the lowest one."""

    best: TrainState
    watch: Watch

    @classmethod
    def at(cls, state: TrainState, loss: float, initial_loss: float) -> "Valley":
        """The valley at the start of a watch."""
        return cls(state, Watch(initial_loss, loss, loss, (loss,)))

    def after(self, state: TrainState, record: Record) -> "Valley":
        """The valley after one more iteration."""
        watch, lower = self.watch, record.loss < self.watch.lowest
        seen = dataclasses.replace(
            watch,
            losses=(*watch.losses, record.loss)[-_REST - 1 :],
            no_step=record.step_size == 0,
            lowest=record.loss if lower else watch.lowest,
        )
        return Valley(state if lower else self.best, seen)

    @property
    def stuck(self) -> bool:
        """Whether steps lead nowhere any more."""
        losses = self.watch.losses
        slow = len(losses) > self.watch.rest and losses[-1] > losses[-1 - _WINDOW] / 2
        return self.watch.no_step or slow

    @property
    def hopeless(self) -> bool:
        """Whether escapes have been tried often enough."""
        return self.watch.attempts >= _ATTEMPTS

    def escaping(self) -> "Valley":
        """The valley once its next step is an escape."""
        watch = self.watch
        attempts = 1 if watch.lowest < watch.record / _SUCCESS else watch.attempts + 1
        seen = dataclasses.replace(watch, attempts=attempts, losses=(), rest=_REST, record=watch.lowest, no_step=False)
        return Valley(self.best, seen)

    @property
    def ceiling(self) -> float:
        """How high the next step, an escape, may climb."""
        power = _CLIMB**self.watch.attempts
        return self.watch.initial_loss ** (1 - power) * self.watch.lowest**power
