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
from sngd.solver._iterate import Iterate, StepReport
from sngd.solver._optimizer import AbstractOptimizer, loss_operations


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
    def patience(self) -> int:
        return 10_000

    def cost(self, factor: AbstractFactor, state: PyTree | None = None) -> Cost:
        """The state of the transformation before and after the step, the gradient and the update."""
        parameters = factor.shape[1]
        moments = jax.eval_shape(self.transformation.init, jax.ShapeDtypeStruct((parameters,), jnp.dtype("float64")))
        held = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(moments))
        return Cost(2 * held + 2 * 8 * parameters, 3 * loss_operations(factor))

    def init(self, objective: AbstractObjective, theta: Float[Array, " p"]) -> PyTree:
        return self.transformation.init(theta), *_value_and_gradient(objective, theta)

    def step(self, objective: AbstractObjective, iterate: Iterate) -> tuple[Iterate, StepReport]:
        return _step(self.transformation, objective, iterate)


def is_transformation(found: object) -> bool:
    """Whether this is a gradient transformation: a tuple of the functions `init` and `update`."""
    return isinstance(found, tuple) and all(callable(getattr(found, name, None)) for name in ("init", "update"))


@compiled
def _step(transformation: Any, objective: AbstractObjective, iterate: Iterate) -> tuple[Iterate, StepReport]:
    moments, value, gradient = iterate.optimizer
    more = {"value": value, "grad": gradient, "value_fn": objective.value} if _takes_more(transformation.update) else {}
    update, moments = transformation.update(gradient, moments, iterate.theta, **more)
    theta = iterate.theta + update
    value, next_gradient = jax.value_and_grad(objective.value)(theta)
    report = StepReport(value, jnp.linalg.norm(gradient))
    return Iterate(theta, iterate.key, iterate.iteration + 1, (moments, value, next_gradient)), report


def _takes_more(update: Any) -> bool:
    """Whether a transformation takes more than gradient, state and parameters."""
    kinds = [parameter.kind for parameter in inspect.signature(update).parameters.values()]
    return inspect.Parameter.VAR_KEYWORD in kinds


@compiled
def _value_and_gradient(objective: AbstractObjective, theta: Float[Array, " p"]) -> tuple[Array, Array]:
    return jax.value_and_grad(objective.value)(theta)
