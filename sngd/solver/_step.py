"""The compiled functions of a run: the step, and the values of an objective."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from sngd._compiled import compiled
from sngd.descent import AbstractCurve, AbstractDescent
from sngd.linearize import AbstractFactor, AbstractObjective, DenseFactor, Linearization
from sngd.search import AbstractSearch, LossAlong
from sngd.solver._iterate import Iterate, StepReport

# After a nonmonotone step, a second point needs a first one that removes this part of the optimality gap: convergence
# is fast there.
_FAST = 0.9

# Points that a decomposition of the factor serves, at most.
_POINTS = 2


class OptimizerState(eqx.Module):
    """The state of a descent and a search.

    - `descent`: that of the descent, plain numbers. `search`: that of the search.
    - `increases`: whether a step of the run, the next one included, may raise the loss.
    """

    descent: PyTree
    search: PyTree
    increases: Bool[Array, ""]


def take_step(
    objective: AbstractObjective, descent: AbstractDescent, search: AbstractSearch, iterate: Iterate
) -> tuple[Iterate, StepReport]:
    """Linearize, make the curve, pick a point on it. The optimizer's state is an `OptimizerState`.

    Three compiled functions, because a new sketch size concerns the middle one, and the last only where the curve has
    the size of the sketch: the first takes longest to compile. Between them nothing leaves the device.
    """
    state: OptimizerState = iterate.optimizer
    linearization, next_key, key = linearize(objective, iterate.theta, iterate.key)
    curve, value = _descend(descent, state.descent, linearization, key)
    start = _Point(iterate.theta, value, state.search)
    end, iteration, report = _search(objective, search, start, curve, iterate.iteration, state.increases)
    after = OptimizerState(state.descent, end.search, state.increases)
    return Iterate(end.theta, next_key, iteration, after), report


@compiled
def linearize(
    objective: AbstractObjective, theta: Float[Array, " p"], key: PRNGKeyArray
) -> tuple[Linearization, PRNGKeyArray, PRNGKeyArray]:
    """The linearization at `theta`, the key of the next state, and one for this step."""
    next_key, step_key = jax.random.split(key)
    return objective.linearize(theta), next_key, step_key


class _Point(eqx.Module):
    """A point of a step: the parameters, the loss, and the state of the search."""

    theta: Float[Array, " p"]
    value: Float[Array, ""]
    search: PyTree


@functools.partial(compiled, donate="all")
def _descend(
    descent: AbstractDescent, state: PyTree, linearization: Linearization, key: PRNGKeyArray
) -> tuple[AbstractCurve, Float[Array, ""]]:
    """The curve, and the loss at its start. The factor's memory becomes the curve's, where that needs it."""
    return descent.step(linearization, state, key), linearization.value


@compiled
def _search(
    objective: AbstractObjective,
    search: AbstractSearch,
    start: _Point,
    curve: AbstractCurve,
    iteration: Int[Array, ""],
    increases: Bool[Array, ""],
) -> tuple[_Point, Int[Array, ""], StepReport]:
    """The last point of a step, the number of steps, and the report."""
    boldest = curve.predicted_reduction(jnp.ones(()))
    gap = objective.optimality_gap(start.value, boldest)
    # Where convergence is slow, two points would hurry into the next valley.
    end, step_size = _points(objective, search, curve, start, jnp.where(increases, _FAST, 0) * gap)
    report = StepReport(
        loss=end.value,
        step_size=step_size,
        rank=curve.rank(step_size),
        numerical_rank=curve.numerical_rank,
        gradient_norm=curve.gradient_norm,
        predicted_reduction=jnp.where(gap > 0, boldest / gap, 1.0),
        optimality_gap=objective.optimality_gap(end.value, boldest),
    )
    return end, iteration + 1, report


def _points(
    objective: AbstractObjective, search: AbstractSearch, curve: AbstractCurve, start: _Point, threshold: Array
) -> tuple[_Point, Float[Array, ""]]:
    """The last point of a step, and the step size of its first point.

    A second point is tried if the descent has curves from other parameters (`AbstractCurve.moved`), and if the first
    point lowers the loss by more than `threshold`. It lies on the curve of the residual at the first point; the factor
    is not decomposed again. The decomposition takes most of a step. Two such points converge at third order where the
    residual vanishes, one at second order (Fan, Math. Comp. 81, 2012).

    - `threshold`: zero, or a part of the optimality gap once the run has been allowed a nonmonotone step.
    """

    def moved(theta: Array) -> AbstractCurve | None:
        return curve.moved(*objective.first_order(theta))

    if jax.eval_shape(moved, start.theta) is None:
        end, step_size, _ = _pick(objective, search, curve, start)
        return end, step_size

    def more(state: tuple[Array, Array, _Point, Array]) -> Array:
        count, removed, _, _ = state
        return (count == 0) | ((count < _POINTS) & (removed > threshold))

    def another(state: tuple[Array, Array, _Point, Array]) -> tuple[Array, Array, _Point, Array]:
        # The first point is found as the second one is, so that a search is compiled once.
        count, _, point, first_size = state
        here = moved(point.theta)
        assert here is not None
        end, step_size, removed = _pick(objective, search, here, point)
        return count + 1, removed, end, jnp.where(count == 0, step_size, first_size)

    begin = (jnp.asarray(0), jnp.zeros(()), start, jnp.zeros(()))
    _, _, end, step_size = jax.lax.while_loop(more, another, begin)
    return end, step_size


def _pick(
    objective: AbstractObjective, search: AbstractSearch, curve: AbstractCurve, start: _Point
) -> tuple[_Point, Float[Array, ""], Float[Array, ""]]:
    """The point of the curve that the search picks, its step size, and how much lower the loss is there."""
    difference = objective.loss_along(start.theta, start.value)
    along = LossAlong(difference.after, curve, difference.start, objective.values_at_once)
    choice, state = search.choose(along, start.search)
    # A curve that is not finite has no step; then the parameters stay what they are.
    theta = jnp.where(choice.step_size == 0, start.theta, start.theta + choice.update)
    end = _Point(theta, choice.value + difference.subtracted, state)
    return end, choice.step_size, difference.start - choice.value


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
