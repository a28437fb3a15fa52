"""What makes the steps of a run."""

import abc
import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from sngd._arguments import shown
from sngd._arrays import on_device
from sngd._cost import Cost
from sngd.descent import AbstractDescent
from sngd.linearize import AbstractFactor, AbstractObjective
from sngd.search import AbstractSearch, GridSearch
from sngd.solver._iterate import Iterate, StepReport
from sngd.solver._step import OptimizerState, take_step

# The work of a linearization, in losses; and that of a loss, in operations for each row and parameter: a product and a
# sum for the solution and each of the derivatives that an equation of second order takes of it.
_LINEARIZATION, _LOSS = 4, 8

# Iterations without progress that end a run. Nonmonotone steps have a limit of their own, which is to come first.
_PATIENCE, _PATIENCE_OF_NONMONOTONE = 100, 500


def loss_operations(factor: AbstractFactor) -> float:
    """About how many floating-point operations the loss takes."""
    rows, parameters = factor.shape
    return _LOSS * rows * parameters


class AbstractOptimizer(abc.ABC):
    """Takes a run from one iterate to the next.

    An optimizer is configuration, frozen and hashable. What changes from step to step is its state, a PyTree of arrays
    and plain numbers, which the iterate carries.

    A subclass defines `description`, `init`, `cost` and `step`. It replaces the other methods where their defaults do
    not suit.
    """

    @property
    @abc.abstractmethod
    def description(self) -> str:
        """Which method this is, in a few words."""

    @abc.abstractmethod
    def init(self, objective: AbstractObjective, theta: Float[Array, " p"]) -> PyTree:
        """The state before the first step. Raises `ValueError` where the optimizer does not fit the objective."""

    @abc.abstractmethod
    def cost(self, factor: AbstractFactor, state: PyTree | None = None) -> Cost:
        """What a step takes. Reads the shapes of `factor` only.

        - `state`: `None` stands for the one before the first step.

        Raises `ValueError` where the optimizer does not fit such a factor.
        """

    @abc.abstractmethod
    def step(self, objective: AbstractObjective, iterate: Iterate) -> tuple[Iterate, StepReport]:
        """One step."""

    def adapt(self, state: PyTree, report: StepReport) -> PyTree:
        """The state for the next step, after one with this report. Called on the host. By default it stays as it is."""
        return state

    @property
    def allows_increase(self) -> bool:
        """Whether `allow_increase` gives a state. By default it does not."""
        return False

    def allow_increase(self, state: PyTree, report: StepReport, bound: float) -> PyTree:
        """The state for a next step whose loss may rise up to `bound`: a nonmonotone step. Called on the host in the
        place of `adapt`.

        Raises `NotImplementedError` by default.
        """
        raise NotImplementedError(f"{type(self).__name__} takes no step that raises the loss")

    @property
    def patience(self) -> int:
        """Over how many iterations a run that falls by less than a hundredth counts as stagnated; 100 by default."""
        return _PATIENCE

    @property
    def wants_fast_features(self) -> bool:
        """Whether the initial features of a network with rows kept as outer products should oscillate as fast as the
        equation allows; by default not.
        """
        return False

    def first_iterate(self, objective: AbstractObjective, theta: Float[Array, " p"], key: PRNGKeyArray) -> Iterate:
        """The iterate before the first step."""
        return Iterate(theta, key, on_device(np.zeros((), int)), self.init(objective, theta))


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

    def init(self, objective: AbstractObjective, theta: Float[Array, " p"]) -> OptimizerState:
        shape = objective.rows, len(theta)
        return OptimizerState(self.descent.init(*shape), self.search.init(*shape), on_device(np.zeros((), bool)))

    def cost(self, factor: AbstractFactor, state: OptimizerState | None = None) -> Cost:
        descent = self.descent.cost(factor, self.descent.init(*factor.shape) if state is None else state.descent)
        arrays = jax.tree.leaves(eqx.filter(factor, lambda leaf: hasattr(leaf, "dtype")))
        held = sum(array.size * array.dtype.itemsize for array in arrays)
        losses = self.search.trials(*factor.shape) + _LINEARIZATION
        return Cost(2 * held + descent.bytes, losses * loss_operations(factor) + descent.operations)

    def step(self, objective: AbstractObjective, iterate: Iterate) -> tuple[Iterate, StepReport]:
        return take_step(objective, self.descent, self.search, iterate)

    def adapt(self, state: OptimizerState, report: StepReport) -> OptimizerState:
        return dataclasses.replace(state, descent=self.descent.update(state.descent, report.of_curve))

    @property
    def allows_increase(self) -> bool:
        return self.search.allows_increase

    def allow_increase(self, state: OptimizerState, report: StepReport, bound: float) -> OptimizerState:
        return OptimizerState(
            descent=self.descent.widen(state.descent, report.of_curve),
            search=self.search.allow_increase(state.search, bound),
            increases=jnp.ones_like(state.increases),
        )

    @property
    def patience(self) -> int:
        return _PATIENCE_OF_NONMONOTONE if self.allows_increase else _PATIENCE

    @property
    def wants_fast_features(self) -> bool:
        return self.descent.wants_fast_features
