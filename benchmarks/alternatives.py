"""Ways of choosing a step that `python -m benchmarks globalization` compares with the library's own.

They are here, and not among the options of a run, because none of them got further on all problems, or there sooner
(`docs/precision.md`).
"""

import dataclasses
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from sngd._compiled import compiled
from sngd._cost import Cost
from sngd.descent import AbstractCurve, AbstractDescent, Damped, FactorDescent
from sngd.linearize import AbstractFactor, AbstractObjective, DenseFactor, LeastSquares, Linearization
from sngd.search import AbstractSearch, Choice, GainRatio, LossAlong, Memory
from sngd.sketch import AbstractSVD, gaussian, sketched_svd
from sngd.solver import AbstractOptimizer, Optimizer, StepInfo, TrainState

# A cut falls to a tenth where what it keeps holds less than this part of the loss; down to rounding.
_ENOUGH, _LOWEST = 0.5, 1e-15

# Of the update before, as in SPRING; and of the points, in every step others.
_CARRIED, _DRAWN = 0.9, 2 / 3


class FallingCut(AbstractDescent):
    """The ray of the truncated natural gradient, with a cut that falls once little of the loss is above it; each time
    the step is compiled again.
    """

    truncated: FactorDescent = dataclasses.field(default_factory=lambda: FactorDescent("truncated", tolerance=1e-4))

    @property
    def wants_fast_features(self) -> bool:
        return False

    def prepare(self, rows: int, parameters: int) -> "FallingCut":
        return FallingCut(self.truncated.prepare(rows, parameters))

    def cost(self, factor: AbstractFactor) -> Cost:
        return self.truncated.cost(factor)

    def step(self, linearization: Linearization, key: PRNGKeyArray) -> AbstractCurve:
        return self.truncated.step(linearization, key)

    def adapt(self, rank: int, numerical_rank: int, promise: float = 1.0, escape: bool = False) -> "FallingCut":
        descent = self.truncated.adapt(rank, numerical_rank, promise, escape)
        if promise >= _ENOUGH:
            return FallingCut(descent)
        return FallingCut(dataclasses.replace(descent, tolerance=max(descent.tolerance / 10, _LOWEST)))


class DoublySketched(AbstractDescent):
    """Damped steps from a small factor, `S F M` with random `S` and `M` that are drawn afresh in every step.

    - `size`: rows and columns of the small factor, if there are so many.
    """

    size: int = 400

    @property
    def wants_fast_features(self) -> bool:
        return False

    def prepare(self, rows: int, parameters: int) -> "DoublySketched":
        return DoublySketched(min(self.size, rows, parameters))

    def cost(self, factor: AbstractFactor) -> Cost:
        rows, parameters = factor.shape
        work = 2 * rows * parameters * self.size + 2 * rows * self.size**2 + 20 * self.size**3
        return Cost(8 * (rows + parameters + 6 * self.size) * self.size, work)

    def step(self, linearization: Linearization, key: PRNGKeyArray) -> AbstractCurve:
        factor, residual, scale = linearization.factor, linearization.residual, self.size**-0.5
        assert residual is not None
        for_rows, for_columns = jax.random.split(key)
        rows = scale * gaussian(for_rows, self.size, len(residual), residual.dtype)
        columns = scale * gaussian(for_columns, factor.shape[1], self.size, residual.dtype)
        small = sketched_svd(rows @ factor.matmul(columns), DenseFactor(columns))
        return Damped(small, small.left_rmatmul(rows @ residual))

    def adapt(self, rank: int, numerical_rank: int, promise: float = 1.0, escape: bool = False) -> "DoublySketched":
        return self


class BoundedRadius(AbstractSearch):
    """Bold steps whose damping, the inverse of a radius, falls by at most `factor` from one point to the next."""

    bold: GainRatio = dataclasses.field(default_factory=GainRatio)
    factor: float = 3.0

    @property
    def can_escape(self) -> bool:
        return self.bold.can_escape

    def prepare(self, rows: int, parameters: int) -> "BoundedRadius":
        return dataclasses.replace(self, bold=self.bold.prepare(rows, parameters))

    @property
    def trials(self) -> int:
        return self.bold.trials

    def choose(self, along: LossAlong, ceiling: Float[Array, ""], memory: Memory) -> Choice:
        within = self.factor * along.curve.damping(jnp.ones(())) / memory.damping
        free = (memory.damping == 0) | (ceiling > -jnp.inf)
        largest = jnp.where(free, 1.0, jnp.minimum(within, 1.0))
        shortened = LossAlong(along.loss, _Shortened(along.curve, largest), along.start, along.at_once)
        choice = self.bold.choose(shortened, ceiling, memory)
        return Choice(largest * choice.step_size, choice.value, choice.update)


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

    def moved(self, residual: Float[Array, " n"] | None, energy_gradient: Float[Array, " p"] | None) -> None:
        return None

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


@dataclasses.dataclass(frozen=True)
class Varied(AbstractOptimizer):
    """The damped, bold steps of the library with one point a decomposition, as they are or in a variation.

    - `"geodesic"`: with geodesic acceleration.
    - `"momentum"`: with nine tenths of the update before, unless that was an escape or they would raise the loss.
    - `"fresh points"`: of the factor at two thirds of the points, others in every step. The search sees all points, so
      that the promise is about two thirds of what it would be for them.
    - `"both families"`: the boldest damped step and the boldest truncated one, whichever has the lower loss; damped
      ones to escape.
    """

    variation: Literal["one point", "geodesic", "momentum", "fresh points", "both families"]
    plain: Optimizer = dataclasses.field(default_factory=lambda: Optimizer(FactorDescent(), GainRatio()))

    @property
    def description(self) -> str:
        return f"{self.plain.description}, {self.variation}"

    @property
    def can_escape(self) -> bool:
        return self.plain.can_escape

    @property
    def patience(self) -> int:
        return self.plain.patience

    @property
    def wants_fast_features(self) -> bool:
        return False

    def prepare(self, rows: int, parameters: int) -> "Varied":
        drawn = int(_DRAWN * rows) if self.variation == "fresh points" else rows
        return dataclasses.replace(self, plain=self.plain.prepare(drawn, parameters))

    def cost(self, factor: AbstractFactor) -> Cost:
        return self.plain.cost(factor)

    def remember(self, objective: AbstractObjective, theta: Float[Array, " p"]) -> tuple[Memory, Float[Array, " p"]]:
        return Memory(), jnp.zeros_like(theta)

    def step(self, objective: AbstractObjective, state: TrainState, ceiling: float) -> tuple[TrainState, StepInfo]:
        if not isinstance(objective, LeastSquares):
            raise TypeError(f"an energy has no residual, which steps with {self.variation} need")
        return _step(objective, self.plain, self.variation, state, jnp.asarray(ceiling))

    def adapt(self, info: StepInfo, *, escape: bool) -> "Varied":
        return dataclasses.replace(self, plain=self.plain.adapt(info, escape=escape))


@compiled
def _step(
    objective: LeastSquares, plain: Optimizer, variation: str, state: TrainState, ceiling: Array
) -> tuple[TrainState, StepInfo]:
    before, last = state.memory
    next_key, sketch_key, points_key = jax.random.split(state.key, 3)
    drawn = objective.on_some_points(int(_DRAWN * objective.rows), points_key)
    linearization = (drawn if variation == "fresh points" else objective).linearize(state.theta)
    damped = plain.descent.step(linearization, sketch_key)
    assert isinstance(damped, Damped)
    value, carried = objective.value(state.theta), _CARRIED * last
    carried = jnp.where(objective.value(state.theta + carried) < value, carried, 0.0)
    curve = _curve(objective, variation, state.theta, linearization, damped, carried)
    loss = lambda update: objective.value(state.theta + update)
    escaped = before.escaped | (ceiling > -jnp.inf)
    remembered = Memory(before.damping, escaped)

    def choose(curve: AbstractCurve) -> Choice:
        return plain.search.choose(LossAlong(loss, curve, value, objective.values_at_once), ceiling, remembered)

    choice = choose(curve)
    if variation == "both families":
        cut = choose(_Cut(damped, damped.svd, damped.coordinates))
        lower = (cut.value < choice.value) & (ceiling == -jnp.inf)
        choice = jax.tree.map(lambda one, other: jnp.where(lower, other, one), choice, cut)
    stays = choice.step_size == 0
    update = jnp.where(stays, 0.0, choice.update)
    damping = jnp.where(stays, before.damping, curve.damping(choice.step_size))
    memory = Memory(damping, escaped), jnp.where(ceiling > -jnp.inf, 0.0, update)
    promise = jnp.where(value > 0, curve.predicted_reduction(jnp.ones(())) / linearization.value, 1.0)
    rank = curve.rank(choice.step_size)
    info = StepInfo(
        choice.value, choice.step_size, rank, curve.numerical_rank, damped.gradient_norm, promise, choice.value
    )
    return TrainState(state.theta + update, next_key, state.iteration + 1, memory), info


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
