"""The numbers that a run records in every iteration."""

import dataclasses
from collections.abc import Sequence

import numpy as np

_COUNTS = ("iteration", "rank")


@dataclasses.dataclass(frozen=True)
class History:
    """The history of a run: arrays with one entry for each iteration. The first entry is for the initial parameters.

    - `iteration`: the number of the iteration, from 0.
    - `loss`: the loss after the iteration.
    - `gradient_norm`, `step_size`: those of the step that led to the loss. They are `nan` in the first entry, and for a
      method that has none.
    - `rank`: the rank of that step. It is -1 in the first entry, and for a method that has none.
    - `error`: the relative L2 error, or `nan` for an iteration without a measurement.
    - `seconds`: the time since the start of training, including compilation.
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

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], prefix: str) -> "History":
        """The history with these arrays.

        - `arrays`: the arrays, with the names `{prefix}{field}`.

        Raises `ValueError` if an array is missing, is not numeric, is empty, has more than one axis, or differs in
        length from the others.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        missing = [name for name in names if prefix + name not in arrays]
        if missing:
            raise ValueError(f"the history has no {', '.join(missing)}")
        columns = {name: arrays[prefix + name] for name in names}
        for name, values in columns.items():
            kinds = "iu" if name in _COUNTS else "f"
            if values.dtype.kind not in kinds or values.shape != (columns["iteration"].size,):
                raise ValueError(f"{name} of the history is {values.dtype} of shape {values.shape}")
        if not len(columns["iteration"]):
            raise ValueError("the history is empty")
        return cls(**columns)


@dataclasses.dataclass(frozen=True)
class Record:
    """One entry of a `History`, which a callback receives after an iteration."""

    iteration: int
    loss: float
    error: float = float("nan")
    gradient_norm: float = float("nan")
    step_size: float = float("nan")
    rank: int = -1
    seconds: float = 0.0


def collect(records: Sequence[Record]) -> History:
    """The history of these records."""
    names = [field.name for field in dataclasses.fields(History)]
    return History(**{name: np.array([getattr(record, name) for record in records]) for name in names})


def records_of(history: History) -> list[Record]:
    """The records of a history."""
    names = [field.name for field in dataclasses.fields(History)]
    columns = zip(*[getattr(history, name).tolist() for name in names], strict=True)
    return [Record(**dict(zip(names, row, strict=True))) for row in columns]
