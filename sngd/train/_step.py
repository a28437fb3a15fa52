"""The step: the only place where anything is compiled during training."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from sngd.descent import AbstractCurve, AbstractDescent, DescentInfo
from sngd.linearize import AbstractObjective, Linearization
from sngd.search import AbstractSearch


class TrainState(eqx.Module):
    """Everything that changes from one step to the next, beside the descent's sketch size.

    It is not donated to the step: it takes `O(p)` memory where the step takes `O(p l)`, and a callback may keep it.
    """

    theta: Float[Array, " p"]
    key: PRNGKeyArray
    iteration: Int[Array, ""]


class StepInfo(eqx.Module):
    """What one step reports: the loss it reached, its step size, the rank it used, the norm of the gradient before."""

    loss: Float[Array, ""]
    step_size: Float[Array, ""]
    rank: Int[Array, ""] | int
    numerical_rank: Int[Array, ""] | int
    gradient_norm: Float[Array, ""]


def take_step(
    objective: AbstractObjective, descent: AbstractDescent, search: AbstractSearch, state: TrainState
) -> tuple[TrainState, StepInfo]:
    """Linearize, make the curve, pick a point on it.

    Three compiled functions, because only the middle one depends on the sketch size: a new size leaves the other two,
    which take longest to compile, alone. Between them nothing leaves the device.
    """
    linearization, next_key, key = _linearize(objective, state)
    curve, info = _descend(descent, linearization, key)
    return _search(objective, search, state, linearization.gradient, curve, info, next_key)


@eqx.filter_jit
def _linearize(objective: AbstractObjective, state: TrainState) -> tuple[Linearization, PRNGKeyArray, PRNGKeyArray]:
    next_key, key = jax.random.split(state.key)
    return objective.linearize(state.theta), next_key, key


@eqx.filter_jit
def _descend(
    descent: AbstractDescent, linearization: Linearization, key: PRNGKeyArray
) -> tuple[AbstractCurve, DescentInfo]:
    return descent.step(linearization, key)


@eqx.filter_jit
def _search(
    objective: AbstractObjective,
    search: AbstractSearch,
    state: TrainState,
    gradient: Array,
    curve: AbstractCurve,
    info: DescentInfo,
    next_key: PRNGKeyArray,
) -> tuple[TrainState, StepInfo]:
    choice = search.choose(objective.value, state.theta, curve)
    norm = jnp.linalg.norm(gradient)
    report = StepInfo(choice.value, choice.step_size, info.rank, info.numerical_rank, norm)
    return TrainState(choice.theta, next_key, state.iteration + 1), report


@eqx.filter_jit
def initial_values(objective: AbstractObjective, theta: Float[Array, " p"]) -> tuple[Array, tuple[Array, ...]]:
    """The loss at `theta`, and the values of each of its terms, to look for numbers that are not finite."""
    return objective.value(theta), tuple(term.values(objective.trial, theta) for term in objective.value_terms)


@eqx.filter_jit
def evaluate(network, points: Float[Array, "chunk d"]) -> Array:
    """The network at many points."""
    return jax.vmap(network)(points)
