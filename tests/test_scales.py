"""Equations in other units: solved as well, or said to be beyond what numbers can hold."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.linearize import make_objective
from sngd.networks import MLP, make_network
from sngd.solver import Result, Stopping
from sngd.solver._scales import in_ordinary_units, norms_of, scales_of


def problem(amplitude=1.0, length=1.0, factor=1.0):
    """`factor (u'' + (pi / length)^2 exact) = 0` on an interval of this length, for a solution of this amplitude."""
    exact = lambda x: amplitude * jnp.sin(jnp.pi * x[0] / length)
    equation = sngd.Interior(lambda u, x: factor * (sngd.laplacian(u)(x) + (jnp.pi / length) ** 2 * exact(x)))
    return sngd.Problem(sngd.interval(x=(0, length)), [equation, sngd.Dirichlet(0.0)], exact=exact)


def solved(**units):
    return sngd.solve(problem(**units), "1x8", key=jax.random.key(0), stopping=Stopping(60))


@pytest.fixture(scope="module")
def plain():
    return solved()


@pytest.mark.parametrize("size", [1e-8, 1e-4, 1e4, 1e8])
@pytest.mark.parametrize("unit", ["amplitude", "length", "factor"])
def test_other_units_are_solved_as_well(unit, size, plain):
    other = solved(**{unit: size})
    assert other.result is plain.result is Result.FLOOR_REACHED
    assert other.relative_l2() < 10 * max(plain.relative_l2(), 1e-15)
    # Estimates scatter at the rounding floor.
    assert plain.error_estimate / 10 < other.error_estimate < max(10 * plain.error_estimate, 1e-13)
    assert other.relative_l2() < other.error_estimate


def test_no_digits_for_the_equation_are_named(key):
    """Boundary values that weigh so much hide the equation behind their rounding errors."""
    heavy = dataclasses.replace(problem().conditions[1], weight=1e25)
    unequal = dataclasses.replace(problem(), conditions=[problem().conditions[0], heavy])
    solution = sngd.solve(unequal, "1x8", key=key, stopping=Stopping(100))
    assert solution.result is Result.ILL_SCALED
    assert solution.relative_l2() > 1e-6


def test_scales_are_norms_of_data_and_response(key):
    """Against the integrals: the data of the equation are `(pi / L)^2 A sin`, of norm `(pi / L)^2 A sqrt(L / 2)`."""
    network = MLP((1, 16, 16, 1), ((0.0, 2.0),), key=key)
    other = problem(amplitude=1e6, length=2.0)
    objective, theta = make_objective(other, network)
    scales = scales_of(other, objective, theta)
    np.testing.assert_allclose(scales.data, [(np.pi / 2) ** 2 * 1e6, 0.0], rtol=1e-12)
    residual = np.asarray(objective.residual(theta))
    np.testing.assert_allclose(scales.response, norms_of(objective, residual - np.asarray(objective.data(theta))))
    assert scales.magnitude in (1e4, 1e8)
    np.testing.assert_allclose(scales.relative((3.0, 7.0)), 3 / scales.data[0])


def test_a_network_of_another_size_is_multiplied(key, tmp_path):
    plain, large = (MLP((1, 4, 1), ((0.0, 1.0),), key=key, scale=scale) for scale in (1.0, 1e6))
    x = jnp.array([0.3])
    np.testing.assert_allclose(large(x), 1e6 * plain(x), rtol=1e-15)
    solution = sngd.solve(problem(), large, key=key, stopping=Stopping(1))
    sngd.save(solution, tmp_path / "s.npz")
    points = np.linspace(0, 1, 5)[:, None]
    np.testing.assert_array_equal(sngd.load(tmp_path / "s.npz", problem())(points), solution(points))


@pytest.mark.parametrize("scale", [0.0, -1.0, np.inf])
def test_a_scale_that_is_none_is_refused(scale, key):
    with pytest.raises(ValueError, match="it must be positive and finite"):
        MLP((1, 4, 1), ((0.0, 1.0),), key=key, scale=scale)


def test_a_residual_that_zero_does_not_have_is_no_data(key):
    """`1 / u` at the function that is zero everywhere."""
    equation = sngd.Interior(lambda u, x: sngd.partial(u, "x")(x) - 1 / u(x))
    network = MLP((1, 4, 1), ((0.0, 1.0),), key=key)
    singular = sngd.Problem(sngd.interval(x=(0, 1)), [equation])
    objective, theta = make_objective(singular, network)
    scales = scales_of(singular, objective, theta)
    assert np.isfinite([scales.magnitude, scales.relative((1.0,)), *scales.data]).all()


def test_a_run_keeps_its_scale_when_it_starts_again():
    solution = sngd.solve(problem(amplitude=1e8), "1x6", key=jax.random.key(1), stopping=Stopping(5))
    assert solution.network.scale > 1e4


def test_a_condition_that_the_network_meets_by_construction_keeps_its_weight(key):
    """A periodic network's residual of a periodic condition is rounding errors, which are no unit of anything."""
    transport = sngd.library.transport()
    network = make_network("1x20+periodic", transport.domain.bounds, key=key, periodic=transport.periodic_axes)
    objective, theta = make_objective(transport, network)
    scales = scales_of(transport, objective, theta)
    assert scales.response[2] == 0.0
    assert in_ordinary_units(transport, scales) is transport
