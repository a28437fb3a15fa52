"""What makes the steps of a run."""

import abc
import dataclasses

import equinox as eqx
import jax
from jaxtyping import Array, Float, PyTree

from sngd._arguments import shown
from sngd._cost import Cost
from sngd.descent import AbstractDescent
from sngd.linearize import AbstractFactor, AbstractObjective
from sngd.search import AbstractSearch, GridSearch, Memory
from sngd.solver._step import StepInfo, TrainState, take_step

# The work of a linearization, in losses; and that of a loss, in operations for each row and parameter: a product and a
# sum for the solution and each of the derivatives that an equation of second order takes of it.
_LINEARIZATION, _LOSS = 4, 8


def loss_operations(factor: AbstractFactor) -> float:
    """About how many floating-point operations the loss takes."""
    rows, parameters = factor.shape
    return _LOSS * rows * parameters


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

    @property
    @abc.abstractmethod
    def wants_fast_features(self) -> bool:
        """Whether a network with rows kept as outer products is to start with the fastest oscillations that suit."""

    @abc.abstractmethod
    def prepare(self, rows: int, parameters: int) -> "AbstractOptimizer":
        """The optimizer for an objective of this size. Raises `ValueError` where it does not fit."""

    @abc.abstractmethod
    def cost(self, factor: AbstractFactor) -> Cost:
        """What a step takes, after `prepare`. Reads shapes only."""

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
    """A descent and the search that picks a point on its curve. Any search serves any descent.

    Raises `TypeError` where one of them is something else, such as a class in the place of an instance.
    """

    descent: AbstractDescent
    search: AbstractSearch = dataclasses.field(default_factory=GridSearch)

    def __post_init__(self):
        for name, kind, example in (("descent", AbstractDescent, "SNGD()"), ("search", AbstractSearch, "GridSearch()")):
            found = getattr(self, name)
            if not isinstance(found, kind):
                raise TypeError(f"{name} is {shown(found)}; give a {name}, for instance {example}")

    @property
    def description(self) -> str:
        return f"{type(self.descent).__name__} with {type(self.search).__name__}"

    @property
    def can_escape(self) -> bool:
        return self.search.can_escape

    @property
    def patience(self) -> int:
        # Failed escapes have a limit of their own (`Valley`), which is to come first.
        return 500 if self.can_escape else 100

    @property
    def wants_fast_features(self) -> bool:
        return self.descent.wants_fast_features

    def prepare(self, rows: int, parameters: int) -> "Optimizer":
        descent = self.descent.prepare(rows, parameters)
        return dataclasses.replace(self, descent=descent, search=self.search.prepare(rows, parameters))

    def cost(self, factor: AbstractFactor) -> Cost:
        descent = self.descent.cost(factor)
        arrays = jax.tree.leaves(eqx.filter(factor, lambda leaf: hasattr(leaf, "dtype")))
        held = sum(array.size * array.dtype.itemsize for array in arrays)
        losses = self.search.trials + _LINEARIZATION
        return Cost(2 * held + descent.bytes, losses * loss_operations(factor) + descent.operations)

    def remember(self, objective: AbstractObjective, theta: Float[Array, " p"]) -> Memory:
        return Memory()

    def step(self, objective: AbstractObjective, state: TrainState, ceiling: float) -> tuple[TrainState, StepInfo]:
        return take_step(objective, self.descent, self.search, state, ceiling)

    def adapt(self, info: StepInfo, *, escape: bool) -> "Optimizer":
        rank, numerical_rank, promise = int(info.rank), int(info.numerical_rank), float(info.promise)
        descent = self.descent.adapt(rank, numerical_rank, promise, escape=escape)
        return dataclasses.replace(self, descent=descent)
