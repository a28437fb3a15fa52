"""A run whose parts are all a user's own, by public names alone.

A descent with a state, a search, a network, points, a policy of each kind and a callback take part in a full solve:
with validation between the points, refinement, restarts, checkpoints and resumption. A factor of a user's own takes
part in the methods of the library.
"""

import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.descent import AbstractCurve, AbstractDescent, Cost, CurveReport, FactorDescent, Preconditioned, ResidualSpace
from sngd.linearize import AbstractFactor, DenseFactor, Linearization
from sngd.search import AbstractSearch, Choice
from sngd.sketch import dense_svd
from sngd.solver import AbstractStart, Beginning, Nonmonotone, Optimizer, Policies, Refine, Restart, Stop

LINE = sngd.interval(x=(0, 1))


class Step(AbstractCurve):
    """The updates `-t d`, where `d` solves the damped normal equations."""

    direction: jax.Array
    slope: jax.Array

    def update(self, t):
        return -t * self.direction

    def predicted_reduction(self, t):
        return (t - t**2 / 2) * self.slope

    @property
    def gradient_norm(self):
        return jnp.linalg.norm(self.direction)


class DampingState(NamedTuple):
    """The damping of the next step, and how many steps have been made."""

    damping: float
    steps: int


class NormalEquations(AbstractDescent):
    """Gauss-Newton with a ridge that falls by ten from step to step."""

    first: float = 1e-2

    def init(self, rows, parameters):
        return DampingState(self.first, 0)

    def cost(self, factor, state):
        rows, parameters = factor.shape
        return Cost(8 * parameters**2, rows * parameters**2)

    def step(self, linearization, state, key):
        gradient, count = linearization.gradient, len(linearization.gradient)
        gramian = linearization.factor.gramian_matmul(jnp.eye(count))
        direction = jnp.linalg.solve(gramian + state.damping * jnp.trace(gramian) * jnp.eye(count), gradient)
        return Step(direction, gradient @ direction)

    def update(self, state, report):
        assert isinstance(report, CurveReport)
        return DampingState(max(state.damping / 10, 1e-15), state.steps + 1)


class Halving(AbstractSearch):
    """The first of the step sizes 1, 1/2, 1/4, ... that lowers the loss, or that an allowed increase takes."""

    def init(self, rows, parameters):
        return jnp.asarray(-jnp.inf)

    def trials(self, rows, parameters):
        return 3

    @property
    def allows_increase(self):
        return True

    def allow_increase(self, state, bound):
        return jnp.full_like(state, bound)

    def choose(self, along, state):
        sizes = 0.5 ** jnp.arange(20.0)
        losses = along.losses(sizes)
        taken = (losses < along.start) | (losses <= state)
        size = jnp.where(jnp.any(taken), sizes[jnp.argmax(taken)], 0.0)
        value, update = along.trial(size)
        return Choice(size, value, update), jnp.full_like(state, -jnp.inf)


class Gaussians(eqx.Module):
    """A sum of Gaussians, whose centers and widths are trained too."""

    heights: jax.Array
    centers: jax.Array
    widths: jax.Array

    def __call__(self, x):
        return jnp.sum(self.heights * jnp.exp(-((self.widths * (x[0] - self.centers)) ** 2)))


class Trapezoids:
    """Equidistant points, ends included."""

    def __init__(self, count):
        self.count = count

    def rule(self, lower, upper):
        weights = np.full(self.count, 1.0)
        weights[[0, -1]] = 0.5
        return np.linspace(lower, upper, self.count), weights * np.prod(upper - lower) / (self.count - 1)


@dataclasses.dataclass(frozen=True)
class Noted:
    """What the policies of a run were asked."""

    questions: list


class NotedStop(Noted, Stop):
    def result(self, run, state):
        self.questions.append("stop")
        return super().result(run, state)


class NotedNonmonotone(Nonmonotone):
    def bound(self, state):
        found = super().bound(state)
        ASKED.append("nonmonotone" if found is None else "increase")
        return found


class NotedRefine(Refine):
    def refines(self, run, state, outcome):
        ASKED.append("refine")
        return state.counters.refinements < 1

    def points(self, problem):
        return dataclasses.replace(problem, quadrature=Trapezoids(41))


class NotedRestart(Restart):
    def is_wrong(self, run, state, outcome):
        ASKED.append("restart")
        return state.counters.attempt < 1


class Start(AbstractStart):
    """The heights of the network as they are, and then others."""

    def first(self, objective, theta, key):
        ASKED.append("start")
        return Beginning(theta)

    def again(self, objective, reached, key):
        ASKED.append("start again")
        return reached + 0.3 * jax.random.normal(key, reached.shape)


ASKED = []
EQUATION = sngd.Interior(lambda u, x: sngd.partial(u, "x", "x")(x) + jnp.sin(3 * x[0]))
PROBLEM = sngd.Problem(LINE, [EQUATION, sngd.Dirichlet(0.0)], quadrature=Trapezoids(21))
NETWORK = Gaussians(jnp.full(6, 0.1), jnp.linspace(0, 1, 6), jnp.full(6, 3.0))


def run(iterations, **options):
    policies = Policies(NotedStop(ASKED), NotedNonmonotone(), NotedRefine(), NotedRestart(), Start())
    return sngd.solve(
        PROBLEM,
        NETWORK,
        key=jax.random.key(0),
        optimizer=Optimizer(NormalEquations(), Halving()),
        stopping=sngd.Stopping(iterations=iterations, patience=25),
        policies=policies,
        **options,
    )


def exact(points):
    return (np.sin(3 * points) - points * np.sin(3)) / 9


def test_a_users_own_parts_take_part_in_a_whole_run(tmp_path):
    ASKED.clear()
    seen = []

    def watch(snapshot, record):
        seen.append((record.iteration, float(snapshot.network(jnp.asarray([0.5])))))
        return record.iteration == 110

    solution = run(120, callbacks=watch, checkpoints=sngd.Checkpoints(tmp_path, seconds=0))
    points = np.linspace(0, 1, 50)
    np.testing.assert_allclose(solution(points[:, None]), exact(points), atol=1e-4)
    assert {"stop", "nonmonotone", "increase", "refine", "restart", "start", "start again"} == set(ASKED)
    assert solution.rows == 41 + 2, "it was refined"
    assert np.sum(np.isnan(solution.history.gradient_norm)) == 2, "it was restarted"
    assert np.isfinite(solution.validation_loss)
    assert [iteration for iteration, _ in seen] == list(solution.history.iteration)
    np.testing.assert_allclose(seen[-1][1], exact(np.array([0.5])), atol=1e-3)


@pytest.mark.parametrize("killed_after", [5, 40])
def test_it_goes_on_bit_for_bit(killed_after, tmp_path):
    whole = run(60)
    run(60, callbacks=lambda snapshot, record: record.iteration == killed_after, checkpoints=sngd.Checkpoints(tmp_path))
    resumed = run(60, checkpoints=sngd.Checkpoints(tmp_path, resume=True))
    np.testing.assert_array_equal(resumed.history.loss, whole.history.loss)
    np.testing.assert_array_equal(resumed.network.centers, whole.network.centers)


def test_a_callback_ends_a_run_by_its_return_value():
    stopped = run(60, callbacks=[lambda snapshot, record: None, lambda snapshot, record: record.iteration == 3])
    assert stopped.result is sngd.Result.STOPPED
    assert stopped.result.exit_status == 0
    assert stopped.history.iteration[-1] == 3


class DiagonalTimesMatrix(AbstractFactor):
    """A factor `D A` of a user's own, which stores the diagonal `D` and the matrix `A`."""

    diagonal: jax.Array
    matrix: jax.Array

    @property
    def shape(self):
        return self.matrix.shape

    def matmul(self, columns):
        return self.diagonal[:, None] * (self.matrix @ columns)

    def rmatmul(self, columns):
        return self.matrix.T @ (self.diagonal[:, None] * columns)

    def gramian_matmul(self, columns):
        return self.rmatmul(self.matmul(columns))

    def gramian_compress(self, basis):
        return self.matmul(basis).T @ self.matmul(basis)

    @property
    def kernel_operations(self):
        return 2 * self.shape[0] ** 2 * self.shape[1]

    def kernel(self):
        rows = self.diagonal[:, None] * self.matrix
        return rows @ rows.T

    @property
    def is_stored(self):
        return True

    def svd(self):
        return dense_svd(self.diagonal[:, None] * self.matrix)


class ProductsOnly(DiagonalTimesMatrix):
    """The same, without a decomposition."""

    @property
    def is_stored(self):
        return False

    def svd(self):
        return None


@pytest.mark.parametrize("kind", [DiagonalTimesMatrix, ProductsOnly])
@pytest.mark.parametrize(
    "descent", [FactorDescent(), ResidualSpace(), Preconditioned()], ids=lambda d: type(d).__name__
)
def test_a_factor_of_ones_own_serves_the_methods_of_the_library(descent, kind, key):
    random = np.random.default_rng(0)
    factor = kind(jnp.asarray(np.geomspace(1, 1e-2, 20)), jnp.asarray(random.normal(size=(20, 30))))
    residual = jnp.asarray(random.normal(size=20))
    stored = DenseFactor(factor.diagonal[:, None] * factor.matrix)
    if isinstance(descent, Preconditioned) and kind is ProductsOnly:
        with pytest.raises(ValueError, match="sketched cheaply"):
            descent.cost(factor, descent.init(*factor.shape))
        return

    def update(factor):
        linearization = Linearization(jnp.sum(residual**2) / 2, factor, residual)
        curve = eqx.filter_jit(descent.step)(linearization, descent.init(*factor.shape), key)
        return eqx.filter_jit(curve.update)(jnp.asarray(1e-6))

    np.testing.assert_allclose(update(factor), update(stored), rtol=1e-6, atol=1e-9)
