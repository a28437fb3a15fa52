"""Narrow valleys of a least-squares loss: noticing that a run is in one, and how often it tried to get out."""

from sngd.train._history import Record
from sngd.train._step import TrainState

# A run is stuck where the loss has not halved over this many iterations, though not so soon after an escape.
_WINDOW, _REST = 6, 10

# Escapes without a new lowest loss, half of the last one, after which there is no point in another.
_ATTEMPTS = 3


class Valley:
    """Watches the loss of a run that can escape, and keeps the state with the lowest one."""

    def __init__(self, state: TrainState, loss: float):
        self.best, self.lowest = state, loss
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

    def escape(self) -> None:
        """Take note that the next step is an escape."""
        self._attempts = 1 if self.lowest < self._record / 2 else self._attempts + 1
        self._losses, self._rest, self._record = [], _REST, self.lowest
        self._no_step = False
