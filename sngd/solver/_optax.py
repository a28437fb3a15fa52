"""Transformations of Optax as optimizers, known by their shape: Optax itself is not imported."""

import dataclasses
import inspect
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from sngd._compiled import compiled
from sngd._cost import Cost
from sngd.linearize import AbstractFactor, AbstractObjective
from sngd.solver._optimizer import AbstractOptimizer, loss_operations
from sngd.solver._step import StepInfo, TrainState


@dataclasses.dataclass(frozen=True)
class OptaxOptimizer(AbstractOptimizer):
    """Steps by a gradient transformation of Optax, such as `optax.adam(1e-3)`.

    The gradient is that of the loss, by automatic differentiation. A transformation that takes more than it, such as
    `optax.lbfgs()`, gets the loss at the parameters and the loss as a function too.

    - `transformation`: with `init` and `update`. `label`: which method this is, in a few words.
    """

    transformation: Any
    label: str = "a transformation of Optax"

    @property
    def description(self) -> str:
        return self.label

    @property
    def can_escape(self) -> bool:
        return False

    @property
    def patience(self) -> int:
        return 10_000

    @property
    def wants_fast_features(self) -> bool:
        return False

    def prepare(self, rows: int, parameters: int) -> "OptaxOptimizer":
        return self

    def cost(self, factor: AbstractFactor) -> Cost:
        """The state of the transformation before and after the step, the gradient and the update."""
        parameters = factor.shape[1]
        state = jax.eval_shape(self.transformation.init, jax.ShapeDtypeStruct((parameters,), jnp.dtype("float64")))
        held = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
        return Cost(2 * held + 2 * 8 * parameters, 3 * loss_operations(factor))

    def remember(self, objective: AbstractObjective, theta: Float[Array, " p"]) -> PyTree:
        return self.transformation.init(theta), *_value_and_gradient(objective, theta)

    def step(self, objective: AbstractObjective, state: TrainState, ceiling: float) -> tuple[TrainState, StepInfo]:
        return _step(self.transformation, objective, state)

    def adapt(self, info: StepInfo, *, escape: bool) -> "OptaxOptimizer":
        return self


def is_transformation(found: object) -> bool:
    """Whether this is a gradient transformation: a tuple of the functions `init` and `update`."""
    return isinstance(found, tuple) and all(callable(getattr(found, name, None)) for name in ("init", "update"))


@compiled
def _step(transformation: Any, objective: AbstractObjective, state: TrainState) -> tuple[TrainState, StepInfo]:
    moments, value, gradient = state.memory
    more = {"value": value, "grad": gradient, "value_fn": objective.value} if _takes_more(transformation.update) else {}
    update, moments = transformation.update(gradient, moments, state.theta, **more)
    theta = state.theta + update
    value, next_gradient = jax.value_and_grad(objective.value)(theta)
    unknown = jnp.asarray(jnp.nan)
    info = StepInfo(value, unknown, -1, -1, jnp.linalg.norm(gradient), promise=unknown, excess=unknown)
    return TrainState(theta, state.key, state.iteration + 1, (moments, value, next_gradient)), info


def _takes_more(update: Any) -> bool:
    """Whether a transformation takes more than gradient, state and parameters."""
    kinds = [parameter.kind for parameter in inspect.signature(update).parameters.values()]
    return inspect.Parameter.VAR_KEYWORD in kinds


@compiled
def _value_and_gradient(objective: AbstractObjective, theta: Float[Array, " p"]) -> tuple[Array, Array]:
    return jax.value_and_grad(objective.value)(theta)
