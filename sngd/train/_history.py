"""What a run reports of every iteration."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class History:
    """One entry an iteration in each array, the first one for the initial parameters.

    - `loss`: the loss reached. `gradient_norm`, `step_size`, `rank`: of the step that led there; `nan` (-1 for the
      rank) in the first entry and where the method has none.
    - `error`: the relative L2 error where it was measured, else `nan`.
    - `seconds`: since the start of training, compilation included.
    """

    iteration: np.ndarray
    loss: np.ndarray
    error: np.ndarray
    gradient_norm: np.ndarray
    step_size: np.ndarray
    rank: np.ndarray
    seconds: np.ndarray

    def __len__(self) -> int:
        return len(self.iteration)


@dataclasses.dataclass(frozen=True)
class Record:
    """One entry of a `History`; what a callback receives."""

    iteration: int
    loss: float
    error: float = float("nan")
    gradient_norm: float = float("nan")
    step_size: float = float("nan")
    rank: int = -1
    seconds: float = 0.0


def collect(records: list[Record]) -> History:
    """The history of these records."""
    names = [field.name for field in dataclasses.fields(History)]
    return History(**{name: np.array([getattr(record, name) for record in records]) for name in names})
