"""Ways of choosing a step that `python -m benchmarks globalization` compares with the library's own.

They are here, and not among the options of a run, because none of them got further on all problems, or there sooner
(`docs/precision.md`).
"""

import dataclasses
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from sngd._compiled import compiled
from sngd._cost import Cost
from sngd.descent import AbstractCurve, AbstractDescent, CurveReport, Damped, FactorDescent, SketchState
from sngd.linearize import AbstractFactor, AbstractObjective, DenseFactor, LeastSquares, Linearization
from sngd.search import AbstractSearch, Choice, GainRatio, GainState, LossAlong
from sngd.sketch import AbstractSVD, gaussian, sketched_svd
from sngd.solver import AbstractOptimizer, Iterate, Optimizer, StepReport

# A cut falls to a tenth where what it keeps holds less than this part of the loss; down to rounding.
_ENOUGH, _LOWEST = 0.5, 1e-15

# Of the update before, as in SPRING; and of the points, in every step others.
_CARRIED, _DRAWN = 0.9, 2 / 3


class FallingCut(AbstractDescent):
    """The ray of the truncated natural gradient, with a cut that falls once little of the loss is above it; each time
    the step is compiled again.

    The state is that of `FactorDescent`, and the cut.
    """

    first: float = 1e-4

    def init(self, rows: int, parameters: int) -> tuple[SketchState, float]:
        return FactorDescent("truncated").init(rows, parameters), self.first

    def cost(self, factor: AbstractFactor, state: tuple[SketchState, float]) -> Cost:
        return FactorDescent("truncated").cost(factor, state[0])

    def step(self, linearization: Linearization, state: tuple[SketchState, float], key: PRNGKeyArray) -> AbstractCurve:
        sketch, cut = state
        return FactorDescent("truncated", tolerance=cut).step(linearization, sketch, key)

    def update(self, state: tuple[SketchState, float], report: CurveReport) -> tuple[SketchState, float]:
        sketch, cut = FactorDescent("truncated").update(state[0], report), state[1]
        return sketch, cut if report.predicted_reduction >= _ENOUGH else max(cut / 10, _LOWEST)


class DoublySketched(AbstractDescent):
    """Damped steps from a small factor, `S F M` with random `S` and `M` that are drawn afresh in every step.

    - `size`: rows and columns of the small factor, if there are so many.
    """

    size: int = 400

    def init(self, rows: int, parameters: int) -> int:
        return min(self.size, rows, parameters)

    def cost(self, factor: AbstractFactor, state: int) -> Cost:
        rows, parameters = factor.shape
        work = 2 * rows * parameters * state + 2 * rows * state**2 + 20 * state**3
        return Cost(8 * (rows + parameters + 6 * state) * state, work)

    def step(self, linearization: Linearization, state: int, key: PRNGKeyArray) -> AbstractCurve:
        factor, residual, scale = linearization.factor, linearization.residual, state**-0.5
        assert residual is not None
        for_rows, for_columns = jax.random.split(key)
        rows = scale * gaussian(for_rows, state, len(residual), residual.dtype)
        columns = scale * gaussian(for_columns, factor.shape[1], state, residual.dtype)
        small = sketched_svd(rows @ factor.matmul(columns), DenseFactor(columns))
        return Damped(small, small.left_rmatmul(rows @ residual))


class BoundedRadius(AbstractSearch):
    """Bold steps whose damping, the inverse of a radius, falls by at most `factor` from one point to the next."""

    bold: GainRatio = dataclasses.field(default_factory=GainRatio)
    factor: float = 3.0

    def init(self, rows: int, parameters: int) -> GainState:
        return self.bold.init(rows, parameters)

    def trials(self, rows: int, parameters: int) -> int:
        return self.bold.trials(rows, parameters)

    @property
    def allows_increase(self) -> bool:
        return self.bold.allows_increase

    def allow_increase(self, state: GainState, bound: float) -> GainState:
        return self.bold.allow_increase(state, bound)

    def choose(self, along: LossAlong, state: GainState) -> tuple[Choice, GainState]:
        within = self.factor * along.curve.damping(jnp.ones(())) / state.damping
        free = (state.damping == 0) | (state.bound > -jnp.inf)
        largest = jnp.where(free, 1.0, jnp.minimum(within, 1.0))
        shortened = LossAlong(along.loss, _Shortened(along.curve, largest), along.start, along.at_once)
        choice, after = self.bold.choose(shortened, state)
        return Choice(largest * choice.step_size, choice.value, choice.update), after


class RisingGain(AbstractSearch):
    """Bold steps whose least gain ratio is `early` until the loss has fallen to a part `fallen` of the first one, and
    `late` from there on, after the targeted gain ratios of DSGNAR (arXiv 2607.02194).

    The state is that of `GainRatio`, and the first loss; infinity before the first step.
    """

    bold: GainRatio = dataclasses.field(default_factory=lambda: GainRatio(relaxed=1.0))
    early: float = 0.075
    late: float = 0.5
    fallen: float = 1e-6

    def init(self, rows: int, parameters: int) -> tuple[GainState, Array]:
        return self.bold.init(rows, parameters), jnp.asarray(jnp.inf)

    def trials(self, rows: int, parameters: int) -> int:
        return self.bold.trials(rows, parameters)

    @property
    def allows_increase(self) -> bool:
        return self.bold.allows_increase

    def allow_increase(self, state: tuple[GainState, Array], bound: float) -> tuple[GainState, Array]:
        return self.bold.allow_increase(state[0], bound), state[1]

    def choose(self, along: LossAlong, state: tuple[GainState, Array]) -> tuple[Choice, tuple[GainState, Array]]:
        first = jnp.where(jnp.isinf(state[1]), along.start, state[1])
        fraction = jnp.where(along.start <= self.fallen * first, self.late, self.early)
        # Arguments are checked where a search is made, which a traced number cannot be.
        bold = eqx.tree_at(lambda search: search.fraction, self.bold, fraction)
        choice, after = bold.choose(along, state[0])
        return choice, (after, first)


class _Within(AbstractCurve):
    """A curve made of another one, `inner`, which it is like where it does not say otherwise."""

    inner: eqx.AbstractVar[AbstractCurve]

    def update(self, t: Float[Array, ""]) -> Float[Array, " p"]:
        return self.inner.update(t)

    def predicted_reduction(self, t: Float[Array, ""]) -> Float[Array, ""]:
        return self.inner.predicted_reduction(t)

    def rank(self, t: Float[Array, ""]) -> Int[Array, ""]:
        return self.inner.rank(t)

    def damping(self, t: Float[Array, ""]) -> Float[Array, ""]:
        return self.inner.damping(t)

    @property
    def gradient_norm(self) -> Float[Array, ""]:
        return self.inner.gradient_norm

    @property
    def numerical_rank(self) -> Int[Array, ""] | int:
        return self.inner.numerical_rank


class _Shortened(_Within):
    """A curve up to `largest`."""

    inner: AbstractCurve
    largest: Float[Array, ""]

    def update(self, t: Float[Array, ""]) -> Float[Array, " p"]:
        return self.inner.update(self.largest * t)

    def predicted_reduction(self, t: Float[Array, ""]) -> Float[Array, ""]:
        return self.inner.predicted_reduction(self.largest * t)

    def rank(self, t: Float[Array, ""]) -> Int[Array, ""]:
        return self.inner.rank(self.largest * t)

    def damping(self, t: Float[Array, ""]) -> Float[Array, ""]:
        return self.inner.damping(self.largest * t)


class _Geodesic(_Within):
    """With half of the damped solution for the second derivative of the residual along the update, which is the next
    term of a geodesic (Transtrum and Sethna, arXiv:1201.5885). How large that is beside the update is left to the
    search.
    """

    inner: AbstractCurve
    svd: AbstractSVD
    objective: LeastSquares
    theta: Float[Array, " p"]

    def update(self, t: Float[Array, ""]) -> Float[Array, " p"]:
        update = self.inner.update(t)
        along = lambda length: self.objective.residual(self.theta + length * update)
        slope = lambda length: jax.jvp(along, (length,), (jnp.ones(()),))[1]
        second = jax.jvp(slope, (jnp.zeros(()),), (jnp.ones(()),))[1]
        return update - self.svd.damped(self.svd.left_rmatmul(second), t) / 2


class _Cut(_Within):
    """The other family of the same decomposition: the truncated pseudoinverse of the singular values that are above the
    root of the damping, each of them whole.
    """

    inner: AbstractCurve
    svd: AbstractSVD
    coordinates: Float[Array, " k"]

    def update(self, t: Float[Array, ""]) -> Float[Array, " p"]:
        kept = self._kept(t)
        values = jnp.where(kept, self.svd.singular_values, 1.0)
        return -self.svd.right_matmul(jnp.where(kept, self.coordinates / values, 0.0))

    def predicted_reduction(self, t: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.sum(jnp.where(self._kept(t), self.coordinates, 0.0) ** 2) / 2

    def _kept(self, t: Float[Array, ""]) -> Bool[Array, " k"]:
        return self.svd.filter_factors(t) > 0.5


class _WithMomentum(_Within):
    """The damped updates that remain near a part of the last one: `J d = -r` is solved with `||d - carried||` damped,
    as in SPRING (Goldshlager, Abrahamsen and Lin, J. Comput. Phys. 516, 2024).

    - `inner`: from the residual that `carried` leaves; `gained`: what it takes off the loss by itself.
    """

    inner: AbstractCurve
    carried: Float[Array, " p"]
    gained: Float[Array, ""]

    def update(self, t: Float[Array, ""]) -> Float[Array, " p"]:
        return self.carried + self.inner.update(t)

    def predicted_reduction(self, t: Float[Array, ""]) -> Float[Array, ""]:
        return self.gained + self.inner.predicted_reduction(t)


class VariedState(eqx.Module):
    """The states of the descent and of the search, the last update, shape `(p,)`, and whether the next one may raise
    the loss.
    """

    descent: PyTree
    search: PyTree
    last: Float[Array, " p"]
    increases: Bool[Array, ""]


@dataclasses.dataclass(frozen=True)
class Varied(AbstractOptimizer):
    """The damped, bold steps of the library with one point a decomposition, as they are or in a variation.

    - `"geodesic"`: with geodesic acceleration.
    - `"momentum"`: with nine tenths of the update before, unless that was a nonmonotone step or they would raise the
      loss.
    - `"fresh points"`: of the factor at two thirds of the points, others in every step. The search sees all points, so
      that the predicted reduction is about two thirds of what it would be for them.
    - `"both families"`: the boldest damped step and the boldest truncated one, whichever has the lower loss; damped
      ones where the loss may rise.
    """

    variation: Literal["one point", "geodesic", "momentum", "fresh points", "both families"]
    plain: Optimizer = dataclasses.field(default_factory=lambda: Optimizer(FactorDescent(), GainRatio()))

    @property
    def description(self) -> str:
        return f"{self.plain.description}, {self.variation}"

    @property
    def patience(self) -> int:
        return self.plain.patience

    def cost(self, factor: AbstractFactor, state: VariedState | None = None) -> Cost:
        return self.plain.cost(factor)

    def init(self, objective: AbstractObjective, theta: Float[Array, " p"]) -> VariedState:
        rows = int(_DRAWN * objective.rows) if self.variation == "fresh points" else objective.rows
        search = self.plain.search.init(objective.rows, len(theta))
        return VariedState(
            self.plain.descent.init(rows, len(theta)), search, jnp.zeros_like(theta), jnp.zeros((), bool)
        )

    def step(self, objective: AbstractObjective, iterate: Iterate) -> tuple[Iterate, StepReport]:
        if not isinstance(objective, LeastSquares):
            raise TypeError(f"an energy has no residual, which steps with {self.variation} need")
        return _step(objective, self.plain, self.variation, iterate)

    def adapt(self, state: VariedState, report: StepReport) -> VariedState:
        return dataclasses.replace(state, descent=self.plain.descent.update(state.descent, report.of_curve))

    @property
    def allows_increase(self) -> bool:
        return self.plain.allows_increase

    def allow_increase(self, state: VariedState, report: StepReport, bound: float) -> VariedState:
        descent = self.plain.descent.widen(state.descent, report.of_curve)
        search = self.plain.search.allow_increase(state.search, bound)
        return VariedState(descent, search, state.last, jnp.ones_like(state.increases))


def _step(objective: LeastSquares, plain: Optimizer, variation: str, iterate: Iterate) -> tuple[Iterate, StepReport]:
    # The sizes of the descent are static, and stay with the iterate.
    state: VariedState = iterate.optimizer
    theta, key, iteration, search, last, report = _compiled_step(
        objective, plain, variation, iterate.theta, iterate.key, iterate.iteration, state
    )
    return Iterate(
        theta, key, iteration, VariedState(state.descent, search, last, jnp.zeros_like(state.increases))
    ), report


@compiled
def _compiled_step(
    objective: LeastSquares,
    plain: Optimizer,
    variation: str,
    theta: Float[Array, " p"],
    key: PRNGKeyArray,
    iteration: Int[Array, ""],
    state: VariedState,
) -> tuple[Array, Array, Array, PyTree, Array, StepReport]:
    next_key, sketch_key, points_key = jax.random.split(key, 3)
    drawn = objective.on_some_points(int(_DRAWN * objective.rows), points_key)
    linearization = (drawn if variation == "fresh points" else objective).linearize(theta)
    damped = plain.descent.step(linearization, state.descent, sketch_key)
    assert isinstance(damped, Damped)
    value, carried = objective.value(theta), _CARRIED * state.last
    carried = jnp.where(objective.value(theta + carried) < value, carried, 0.0)
    curve = _curve(objective, variation, theta, linearization, damped, carried)
    loss = lambda update: objective.value(theta + update)
    monotone = ~state.increases

    def choose(curve: AbstractCurve) -> tuple[Choice, PyTree]:
        return plain.search.choose(LossAlong(loss, curve, value, objective.values_at_once), state.search)

    choice, search = choose(curve)
    if variation == "both families":
        other = choose(_Cut(damped, damped.svd, damped.coordinates))
        lower = (other[0].value < choice.value) & monotone
        choice, search = jax.tree.map(lambda one, two: jnp.where(lower, two, one), (choice, search), other)
    update = jnp.where(choice.step_size == 0, 0.0, choice.update)
    report = StepReport(
        loss=choice.value,
        gradient_norm=damped.gradient_norm,
        step_size=choice.step_size,
        rank=curve.rank(choice.step_size),
        numerical_rank=curve.numerical_rank,
        predicted_reduction=jnp.where(value > 0, curve.predicted_reduction(jnp.ones(())) / linearization.value, 1.0),
        optimality_gap=choice.value,
    )
    return theta + update, next_key, iteration + 1, search, jnp.where(monotone, update, 0.0), report


def _curve(
    objective: LeastSquares,
    variation: str,
    theta: Float[Array, " p"],
    linearization: Linearization,
    damped: Damped,
    carried: Float[Array, " p"],
) -> AbstractCurve:
    if variation == "geodesic":
        return _Geodesic(damped, damped.svd, objective, theta)
    if variation == "momentum":
        assert linearization.residual is not None
        left = linearization.residual + linearization.factor.matmul(carried[:, None])[:, 0]
        inner = Damped(damped.svd, damped.svd.left_rmatmul(left))
        return _WithMomentum(inner, carried, linearization.value - jnp.sum(left**2) / 2)
    return damped
