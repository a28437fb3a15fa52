"""What makes the steps of a run."""

import abc
import dataclasses

from jaxtyping import Array, Float, PyTree

from sngd.descent import AbstractDescent
from sngd.linearize import AbstractObjective
from sngd.search import AbstractSearch, GridSearch
from sngd.train._step import StepInfo, TrainState, take_step


class AbstractOptimizer(abc.ABC):
    """Takes a run from one state to the next. Frozen and hashable; what changes from step to step is in the state."""

    @property
    @abc.abstractmethod
    def description(self) -> str:
        """Which method this is, in a few words."""

    @property
    @abc.abstractmethod
    def can_escape(self) -> bool:
        """Whether it knows how to leave a place where steps have become short."""

    @property
    @abc.abstractmethod
    def patience(self) -> int:
        """Iterations over which a run that falls by less than a hundredth counts as stagnated."""

    @abc.abstractmethod
    def prepare(self, rows: int, parameters: int) -> "AbstractOptimizer":
        """The optimizer for an objective of this size. Raises `ValueError` where it does not fit."""

    @abc.abstractmethod
    def remember(self, objective: AbstractObjective, theta: Float[Array, " p"]) -> PyTree:
        """What the optimizer carries from step to step, before the first one: the `memory` of a `TrainState`."""

    @abc.abstractmethod
    def step(self, objective: AbstractObjective, state: TrainState, ceiling: float) -> tuple[TrainState, StepInfo]:
        """One step; where `ceiling` is not minus infinity, one that may climb so high to get away."""

    @abc.abstractmethod
    def adapt(self, info: StepInfo, *, escape: bool) -> "AbstractOptimizer":
        """The optimizer for the next step, after one that reported `info`. Called on the host."""


@dataclasses.dataclass(frozen=True)
class Optimizer(AbstractOptimizer):
    """A descent and the search that picks a point on its curve. Any search serves any descent."""

    descent: AbstractDescent
    search: AbstractSearch = dataclasses.field(default_factory=GridSearch)

    @property
    def description(self) -> str:
        return f"{type(self.descent).__name__} with {type(self.search).__name__}"

    @property
    def can_escape(self) -> bool:
        return self.search.can_escape

    @property
    def patience(self) -> int:
        return 100

    def prepare(self, rows: int, parameters: int) -> "Optimizer":
        descent = self.descent.prepare(rows, parameters)
        return dataclasses.replace(self, descent=descent, search=self.search.prepare(rows, parameters))

    def remember(self, objective: AbstractObjective, theta: Float[Array, " p"]) -> PyTree:
        return ()

    def step(self, objective: AbstractObjective, state: TrainState, ceiling: float) -> tuple[TrainState, StepInfo]:
        return take_step(objective, self.descent, self.search, state, ceiling)

    def adapt(self, info: StepInfo, *, escape: bool) -> "Optimizer":
        descent = self.descent.adapt(int(info.rank), int(info.numerical_rank), escape=escape)
        return dataclasses.replace(self, descent=descent)
