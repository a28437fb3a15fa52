"""The ways of choosing a step that lost, against dense algebra: a comparison with something broken tells nothing."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.alternatives import BoundedRadius, DoublySketched, FallingCut, RisingGain, Varied
from sngd.descent import CurveReport, FactorDescent, Ray
from sngd.library import bvp, bvp_energy
from sngd.linearize import DenseFactor, Linearization, make_objective
from sngd.networks import make_network
from sngd.search import FixedStep, GainRatio, LossAlong
from sngd.solver import Optimizer, StepReport

_STEP_SIZE = 1e-15


def at(objective, theta):
    """The Jacobian and the residual."""
    both = eqx.filter_jit(lambda objective, theta: (objective.residual_jacobian(theta), objective.residual(theta)))
    return tuple(map(np.asarray, both(objective, theta)))


def begun(optimizer, objective, theta, key, last):
    """An iterate to which the update `last` has led."""
    iterate = optimizer.first_iterate(objective, theta, key)
    return dataclasses.replace(iterate, optimizer=dataclasses.replace(iterate.optimizer, last=last))


@pytest.fixture
def start(key):
    """An objective, parameters, and an update that may have led there: half of the best one against the gradient."""
    problem = bvp()
    objective, theta = make_objective(problem, make_network("1x3", problem.domain.bounds, key=key))
    jacobian, residual = at(objective, theta)
    gradient = jacobian.T @ residual
    return objective, theta, -gradient * (gradient @ gradient) / jnp.sum((jacobian @ gradient) ** 2) / 2


@pytest.mark.parametrize("variation", ["one point", "geodesic", "momentum", "fresh points", "both families"])
def test_variations_of_a_damped_step(variation, start, key):
    objective, theta, last = start
    optimizer = Varied(variation, Optimizer(FactorDescent(), FixedStep(_STEP_SIZE)))
    after, report = optimizer.step(objective, begun(optimizer, objective, theta, key, last))

    points = objective.on_some_points(int(2 / 3 * objective.rows), jax.random.split(key, 3)[2])
    seen = points if variation == "fresh points" else objective
    jacobian, residual = at(seen, theta)
    root = np.finfo(float).eps / _STEP_SIZE * np.linalg.norm(jacobian, 2)
    tall = np.concatenate([jacobian, root * np.eye(len(theta))])

    def solved(residual):
        return np.linalg.lstsq(tall, np.concatenate([-residual, np.zeros(len(theta))]), rcond=None)[0]

    expected = solved(residual)
    if variation == "momentum":
        expected = 0.9 * last + solved(residual + jacobian @ (0.9 * last))
    if variation == "geodesic":
        step = 1e-3
        ahead, behind = (at(objective, theta + sign * step * expected)[1] for sign in (1, -1))
        expected = expected + solved((ahead - 2 * residual + behind) / step**2) / 2
    if variation == "both families":
        kept = np.linalg.pinv(jacobian, rcond=np.finfo(float).eps / _STEP_SIZE) @ -residual
        expected = min(expected, kept, key=lambda update: objective.value(theta + update))
    np.testing.assert_allclose(after.theta - theta, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(after.optimizer.last, after.theta - theta, rtol=1e-12)
    np.testing.assert_allclose(report.loss, objective.value(after.theta), rtol=1e-12)
    assert after.iteration == 1


def test_momentum_predicts_what_the_linear_problem_loses(start, key):
    """The boldest step ends where it would without momentum; a part of the way the momentum has done."""
    objective, theta, last = start
    optimizer = Varied("momentum")
    _, report = optimizer.step(objective, begun(optimizer, objective, theta, key, last))
    jacobian, residual = at(objective, theta)
    carried = residual + jacobian @ (0.9 * last)
    assert carried @ carried < (1 - 1e-4) * (residual @ residual), "far above the tolerance below"
    best = residual + jacobian @ np.linalg.lstsq(jacobian, -residual, rcond=None)[0]
    np.testing.assert_allclose(report.predicted_reduction, 1 - best @ best / (residual @ residual), rtol=1e-6)


def test_momentum_that_would_raise_the_loss_is_dropped(start, key):
    objective, theta, last = start
    optimizer = Varied("momentum")
    ends = []
    for update in (jnp.zeros_like(theta), -last):
        ends.append(optimizer.step(objective, begun(optimizer, objective, theta, key, update))[0].theta)
    np.testing.assert_allclose(*ends, rtol=1e-12)


def test_a_nonmonotone_step_leaves_no_momentum(start, key):
    objective, theta, last = start
    optimizer = Varied("momentum")
    iterate = begun(optimizer, objective, theta, key, last)
    allowed = optimizer.allow_increase(iterate.optimizer, StepReport(1.0, 1.0), np.inf)
    after, _ = optimizer.step(objective, dataclasses.replace(iterate, optimizer=allowed))
    assert after.optimizer.search.relaxed
    assert not np.any(after.optimizer.last)


def test_variations_refuse_an_energy(key):
    problem = bvp_energy()
    objective, theta = make_objective(problem, make_network("1x3", problem.domain.bounds, key=key))
    optimizer = Varied("geodesic")
    with pytest.raises(TypeError, match="an energy has no residual"):
        optimizer.step(objective, optimizer.first_iterate(objective, theta, key))


def test_a_radius_grows_by_its_factor_at_most():
    """Along a ray, whose damping is `1 / t`, on a loss that falls as predicted."""
    ray = Ray(jnp.ones(1), jnp.asarray(2.0), jnp.asarray(2.0), jnp.asarray(1.0))
    along = LossAlong(lambda update: 5 + 2 * update[0] + update[0] ** 2, ray, jnp.asarray(5.0))
    search = BoundedRadius(GainRatio(), 3.0)
    for damping, bound, expected in ((0.0, None, 1), (100.0, None, 0.03), (2.0, None, 1), (100.0, 9.0, 1)):
        state = dataclasses.replace(search.init(80, 120), damping=jnp.asarray(damping))
        choice, _ = search.choose(along, state if bound is None else search.allow_increase(state, bound))
        np.testing.assert_allclose(choice.step_size, expected, rtol=1e-12)
        np.testing.assert_allclose(choice.update, -expected, rtol=1e-12)


def test_a_gain_ratio_rises_where_the_loss_has_fallen():
    """Along a ray on a loss whose gain ratio is 0.3 at the whole step, and 0.99 at the next smaller one."""
    ray = Ray(jnp.ones(1), jnp.asarray(2.0), jnp.asarray(2.0), jnp.asarray(1.0))
    along = LossAlong(lambda update: 5 + 2 * update[0] + update[0] ** 2 + 0.7 * update[0] ** 4, ray, jnp.asarray(5.0))
    search = RisingGain()
    state, first = search.init(80, 120)
    assert np.isinf(first)
    for loss, expected in ((first, 1.0), (1e6, 1.0), (1e7, 10**-0.5)):
        choice, (_, after) = search.choose(along, (state, jnp.asarray(loss)))
        np.testing.assert_allclose(choice.step_size, expected, rtol=1e-12)
        np.testing.assert_allclose(after, 5.0 if np.isinf(loss) else loss)


def test_a_cut_falls_where_little_of_the_loss_is_above_it():
    descent = FallingCut()
    sketch, cut = descent.init(80, 120)
    assert descent.update((sketch, cut), CurveReport(10, 80, 0.6))[1] == cut == 1e-4
    np.testing.assert_allclose(descent.update((sketch, cut), CurveReport(10, 80, 0.4))[1], 1e-5)
    assert descent.update((sketch, 1e-15), CurveReport(10, 80, 0.0))[1] == 1e-15


def test_a_doubly_sketched_step_solves_a_problem_that_has_a_solution(key):
    """With as many random columns as parameters, and rows: whatever the sketches, it is that solution."""
    random = np.random.default_rng(0)
    matrix, solution = random.normal(size=(40, 20)), random.normal(size=20)
    residual = jnp.asarray(matrix @ solution)
    start = Linearization(jnp.sum(residual**2) / 2, DenseFactor(jnp.asarray(matrix)), residual)
    curve = eqx.filter_jit(DoublySketched().step)(start, DoublySketched().init(40, 20), key)
    np.testing.assert_allclose(curve.update(jnp.ones(())), -solution, rtol=1e-8)
