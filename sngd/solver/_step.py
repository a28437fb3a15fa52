"""The step: the only place where anything is compiled during training."""

import functools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from sngd._compiled import compiled
from sngd.descent import AbstractCurve, AbstractDescent
from sngd.linearize import AbstractFactor, AbstractObjective, DenseFactor, Linearization
from sngd.search import AbstractSearch, LossAlong, Memory

# Convergence is fast where a point removes more than this part of the loss, or of what an energy can still fall.
_FAST = 0.9

# Points that a decomposition of the factor serves, at most.
_POINTS = 2


class TrainState(eqx.Module):
    """Everything that changes from one step to the next, beside the descent's sketch size.

    - `memory`: what the optimizer carries along, such as moments of past gradients; its own business.

    It is not donated to the step: it takes `O(p)` memory where the step takes `O(p l)`, and a callback may keep it.
    """

    theta: Float[Array, " p"]
    key: PRNGKeyArray
    iteration: Int[Array, ""]
    memory: PyTree = ()


class StepInfo(eqx.Module):
    """What one step reports: the loss it reached, its step size, the rank it used, the norm of the gradient before.

    - `promise`: the part of the loss that the boldest point of its curve promised to remove.
    - `excess`: how far above its minimum the loss may be: a sum of squares after the step by as much as it is; an
      energy, whose minimum is not known, before the step by what the boldest point promised to remove.
    """

    loss: Float[Array, ""]
    step_size: Float[Array, ""]
    rank: Int[Array, ""] | int
    numerical_rank: Int[Array, ""] | int
    gradient_norm: Float[Array, ""]
    promise: Float[Array, ""]
    excess: Float[Array, ""]


def take_step(
    objective: AbstractObjective,
    descent: AbstractDescent,
    search: AbstractSearch,
    state: TrainState,
    ceiling: float = -math.inf,
) -> tuple[TrainState, StepInfo]:
    """Linearize, make the curve, pick a point on it; or, with a `ceiling`, one from which to escape.

    The memory of the state is a `Memory`.

    Three compiled functions, because a new sketch size concerns the middle one, and the last only where the curve has
    the size of the sketch: the first takes longest to compile. Between them nothing leaves the device.
    """
    linearization, next_key, key = linearize(objective, state.theta, state.key)
    curve, value = _descend(descent, linearization, key)
    return _search(objective, search, state, value, curve, next_key, jnp.asarray(ceiling))


@compiled
def linearize(
    objective: AbstractObjective, theta: Float[Array, " p"], key: PRNGKeyArray
) -> tuple[Linearization, PRNGKeyArray, PRNGKeyArray]:
    """The linearization at `theta`, the key of the next state, and one for this step."""
    next_key, step_key = jax.random.split(key)
    return objective.linearize(theta), next_key, step_key


@functools.partial(compiled, donate="all")
def _descend(
    descent: AbstractDescent, linearization: Linearization, key: PRNGKeyArray
) -> tuple[AbstractCurve, Float[Array, ""]]:
    """The curve, and the loss at its start. The factor's memory becomes the curve's, where that needs it."""
    return descent.step(linearization, key), linearization.value


@compiled
def _search(
    objective: AbstractObjective,
    search: AbstractSearch,
    state: TrainState,
    value: Array,
    curve: AbstractCurve,
    next_key: PRNGKeyArray,
    ceiling: Array,
) -> tuple[TrainState, StepInfo]:
    promised = curve.predicted_reduction(jnp.ones(()))
    gap = objective.optimality_gap(value, promised)
    escaped = state.memory.escaped | (ceiling > -jnp.inf)
    start = _Place(state.theta, value, Memory(state.memory.damping, escaped))
    end, step_size = _points(objective, search, curve, start, ceiling, jnp.where(escaped, _FAST, 0) * gap)
    promise, excess = jnp.where(gap > 0, promised / gap, 1.0), objective.optimality_gap(end.value, promised)
    rank = curve.rank(step_size)
    report = StepInfo(end.value, step_size, rank, curve.numerical_rank, curve.gradient_norm, promise, excess)
    return TrainState(end.theta, next_key, state.iteration + 1, end.memory), report


class _Place(eqx.Module):
    """Where a step is, between its points: the parameters, the loss, and what is known of the points before."""

    theta: Float[Array, " p"]
    value: Float[Array, ""]
    memory: Memory


def _points(
    objective: AbstractObjective,
    search: AbstractSearch,
    curve: AbstractCurve,
    start: _Place,
    ceiling: Array,
    threshold: Array,
) -> tuple[_Place, Float[Array, ""]]:
    """The last point of a step, and the step size of its first: one on the curve, and a second one on the curve of the
    residual there and the factor that is at hand, where the descent has such curves.

    The decomposition of the factor takes most of a step, and serves twice: two steps of this kind converge at third
    order where the residual vanishes, one at second (Fan, Math. Comp. 81, 2012).

    - `threshold`: how much of the loss the first point must remove for there to be a second one. In a run that has met
      a narrow valley that is most of it: where convergence is slow, two points hurry into the next valley.
    """

    def moved(theta: Array) -> AbstractCurve | None:
        return curve.moved(*objective.first_order(theta))

    if jax.eval_shape(moved, start.theta) is None:
        end, step_size, _ = _pick(objective, search, curve, start, ceiling)
        return end, step_size

    def more(state: tuple[Array, Array, _Place, Array]) -> Array:
        count, removed, _, _ = state
        return (count == 0) | ((count < _POINTS) & (removed > threshold))

    def another(state: tuple[Array, Array, _Place, Array]) -> tuple[Array, Array, _Place, Array]:
        # The first point is found as the second one is, so that a search is compiled once.
        count, _, place, first_size = state
        here = moved(place.theta)
        assert here is not None
        end, step_size, removed = _pick(objective, search, here, place, jnp.where(count == 0, ceiling, -jnp.inf))
        return count + 1, removed, end, jnp.where(count == 0, step_size, first_size)

    begin = (jnp.asarray(0), jnp.zeros(()), start, jnp.zeros(()))
    _, _, end, step_size = jax.lax.while_loop(more, another, begin)
    return end, step_size


def _pick(
    objective: AbstractObjective, search: AbstractSearch, curve: AbstractCurve, start: _Place, ceiling: Array
) -> tuple[_Place, Float[Array, ""], Float[Array, ""]]:
    """The point of the curve that the search picks, its step size, and how much lower the loss is there."""
    difference = objective.loss_along(start.theta, start.value)
    along = LossAlong(difference.after, curve, difference.start, objective.values_at_once)
    choice = search.choose(along, ceiling, start.memory)
    # A curve that is not finite has no step; then the parameters stay what they are.
    stays, memory = choice.step_size == 0, start.memory
    theta = jnp.where(stays, start.theta, start.theta + choice.update)
    memory = Memory(jnp.where(stays, memory.damping, curve.damping(choice.step_size)), memory.escaped)
    value = choice.value + difference.subtracted
    return _Place(theta, value, memory), choice.step_size, difference.start - choice.value


def residual_and_factor(
    objective: AbstractObjective, theta: Float[Array, " p"], key: PRNGKeyArray
) -> tuple[Float[Array, " n"], AbstractFactor]:
    """The residual and its derivative, of an objective with `has_residual_factor`.

    Where the factor is that derivative, this is the function that training compiles anyway.
    """
    if objective.factors_residual:
        linearization, *_ = linearize(objective, theta, key)
        assert linearization.residual is not None
        return linearization.residual, linearization.factor
    residual, jacobian = linearize_residual(objective, theta)
    return residual, DenseFactor(jacobian)


@compiled
def linearize_residual(objective: AbstractObjective, theta: Float[Array, " p"]) -> tuple[Array, Array]:
    """The residual and its stored Jacobian."""
    return objective.residual(theta), objective.residual_jacobian(theta)


@compiled
def values_of(objective: AbstractObjective, theta: Float[Array, " p"]) -> tuple[Array, Float[Array, " n"]]:
    """The loss and the residual."""
    return objective.value(theta), objective.residual(theta)


@compiled
def factor_values_of(objective: AbstractObjective, theta: Float[Array, " p"]) -> Float[Array, " n"]:
    """What the rows of the factor are derivatives of."""
    return objective.factor_values(theta)


@compiled
def data_of(objective: AbstractObjective, theta: Float[Array, " p"]) -> Float[Array, " n"]:
    """The residual of the function that is zero everywhere."""
    return objective.data(theta)


@compiled
def evaluate(network, points: Float[Array, "chunk d"]) -> Array:
    """The network at many points."""
    return jax.vmap(network)(points)
