"""Narrow valleys of a least-squares loss: noticing that a run is in one, and how often it tried to get out."""

from sngd.train._history import Record
from sngd.train._step import TrainState

# A run is stuck where the loss has not halved over this many iterations, though not so soon after an escape.
_WINDOW, _REST = 6, 10

# An escape succeeds where it leads to a loss this many times lower; after so many failures there is no point in more.
_SUCCESS, _ATTEMPTS = 100, 5

# The first escape may climb to the initial loss times this power of the relative loss reached, the next to its power.
_CLIMB = 0.25


class Valley:
    """Watches the loss of a run that can escape, and keeps the state with the lowest one.

    - `state`, `loss`: where it starts to watch; `initial_loss`: that of the untrained network.
    """

    def __init__(self, state: TrainState, loss: float, initial_loss: float):
        self.best, self.lowest = state, loss
        self._initial_loss = initial_loss
        self._losses, self._rest, self._attempts, self._record = [loss], _WINDOW, 0, loss
        self._no_step = False

    def watch(self, state: TrainState, record: Record) -> None:
        """Take note of one iteration."""
        self._losses.append(record.loss)
        self._no_step = record.step_size == 0
        if record.loss < self.lowest:
            self.best, self.lowest = state, record.loss

    @property
    def stuck(self) -> bool:
        """Whether steps lead nowhere any more."""
        slow = len(self._losses) > self._rest and self._losses[-1] > self._losses[-1 - _WINDOW] / 2
        return self._no_step or slow

    @property
    def hopeless(self) -> bool:
        """Whether escapes have been tried often enough."""
        return self._attempts >= _ATTEMPTS

    def escape(self) -> float:
        """Take note that the next step is an escape; returns how high it may climb."""
        self._attempts = 1 if self.lowest < self._record / _SUCCESS else self._attempts + 1
        self._losses, self._rest, self._record = [], _REST, self.lowest
        self._no_step = False
        power = _CLIMB**self._attempts
        return self._initial_loss ** (1 - power) * self.lowest**power
