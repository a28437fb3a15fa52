"""One step, against dense algebra, and the verdict on what it reached."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from sngd.descent import FactorDescent
from sngd.library import bvp, bvp_energy
from sngd.linearize import make_objective
from sngd.networks import make_network
from sngd.search import FixedStep, GainRatio
from sngd.solver import Optimizer, Result
from sngd.solver._scales import in_last_digits, scales_of
from sngd.solver._verdict import at_rounding_floor, classify, diagnose, objective_between

CASES = {"bvp": (bvp(), "4x20"), "bvp-energy": (bvp_energy(), "4x20")}


@pytest.mark.parametrize(
    ("step_size", "after_increase", "points"), [(1e-16, False, 2), (1e-16, True, 1), (1e-13, False, 1)]
)
@pytest.mark.parametrize("name", ["bvp", "bvp-energy"])
def test_a_damped_step_takes_two_points_with_one_factor(name, step_size, after_increase, points, key):
    """By dense algebra; where the first one is too bold, or too slow after a nonmonotone step, only that."""
    (problem, _), energy = CASES[name], name == "bvp-energy"
    objective, theta = make_objective(problem, make_network("1x3", problem.domain.bounds, key=key))
    factor = np.asarray(eqx.filter_jit(objective.factor)(theta).matrix)
    ridge = (np.finfo(float).eps / step_size * np.linalg.norm(factor, 2)) ** 2 * np.eye(len(theta))
    expected = [theta]
    signal, value = map(eqx.filter_jit, (objective.gradient if energy else objective.residual, objective.value))
    for _ in range(points):
        place = expected[-1]
        slope = signal(place) if energy else factor.T @ signal(place)
        expected.append(place - np.linalg.solve(factor.T @ factor + ridge, slope))
    assert (value(expected[1]) < value(theta)) == (step_size == 1e-16)

    optimizer = Optimizer(FactorDescent(), FixedStep(step_size))
    iterate = optimizer.first_iterate(objective, theta, key)
    increases = dataclasses.replace(iterate.optimizer, increases=jnp.asarray(after_increase))
    iterate, _ = optimizer.step(objective, dataclasses.replace(iterate, optimizer=increases))
    np.testing.assert_allclose(iterate.theta, expected[-1], rtol=0, atol=1e-6 * np.abs(expected[-1] - theta).max())


@pytest.mark.parametrize("name", ["bvp", "bvp-energy"])
def test_of_two_points_the_first_may_climb_and_is_reported(name, key):
    """Against points on the two curves; where the first one raises the loss there is no second."""
    energy = name == "bvp-energy"
    objective, theta = make_objective(CASES[name][0], make_network("1x3", CASES[name][0].domain.bounds, key=key))
    optimizer = Optimizer(FactorDescent(), GainRatio(bisect=False))
    iterate = optimizer.first_iterate(objective, theta, key)
    value_of, signal = map(eqx.filter_jit, (objective.value, objective.gradient if energy else objective.residual))
    value = float(value_of(theta))
    linearization = eqx.filter_jit(objective.linearize)(theta)
    curve = eqx.filter_jit(FactorDescent().step)(linearization, iterate.optimizer.descent, key)

    def place(step_size):
        return theta + curve.update(step_size)

    two, report = optimizer.step(objective, iterate)
    one = place(report.step_size)
    assert value_of(two.theta) < value_of(one) < value
    assert report.rank == curve.rank(report.step_size)
    # The damping that is remembered is the second one's.
    moved = curve.moved(None, signal(one)) if energy else curve.moved(signal(one), None)
    second = one + moved.update(curve.damping(jnp.ones(())) / two.optimizer.search.damping)
    np.testing.assert_allclose(two.theta, second, rtol=0, atol=1e-9 * np.abs(second - one).max())

    # The energy after a nonmonotone step is counted from that of the start.
    climb = 1e3 * abs(value)
    allowed = optimizer.allow_increase(iterate.optimizer, report, climb if energy else value + climb)
    higher, report = optimizer.step(objective, dataclasses.replace(iterate, optimizer=allowed))
    np.testing.assert_allclose(higher.theta, place(report.step_size), rtol=1e-9)
    assert higher.optimizer.increases
    assert value_of(higher.theta) > value
    np.testing.assert_allclose(report.loss, value_of(higher.theta), rtol=1e-9)


@pytest.mark.parametrize("name", ["bvp", "bvp-energy"])
def test_the_floor_is_where_last_digits_change_the_solution_as_much(name, key):
    """Against the factor by dense algebra; far from the solution, a small optimality gap of an energy says nothing."""
    problem, _ = CASES[name]
    objective, theta = make_objective(problem, make_network("2x10", problem.domain.bounds, key=key))
    scales, between = scales_of(problem, objective, theta), objective_between(problem, objective, theta)
    found = diagnose(problem, objective, between, scales, theta, gap=1e-40)
    change = np.asarray(eqx.filter_jit(objective.factor)(theta).matrix) @ (in_last_digits(theta) - theta)
    # And a little more: the values have rounding errors of their own.
    assert 0.5 < found.noise / (change @ change / 2) < 10
    assert found.optimality_gap == (np.inf if name == "bvp-energy" else found.fitted)
    assert not at_rounding_floor(found)
    near = dataclasses.replace(found, optimality_gap=50 * found.noise)
    assert at_rounding_floor(near)
    assert classify(Result.STAGNATED, dataclasses.replace(near, error=1e-8, between=0.0), 1e-9) is Result.FLOOR_REACHED
