"""Coefficients that the functions of a problem take by name."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.linearize import make_objective
from sngd.networks import make_network
from sngd.solver import Stopping

LINE = sngd.interval(x=(0, 1))
WAVE = sngd.Problem(
    LINE,
    [
        sngd.Interior(lambda u, x, k: sngd.partial(u, "x", "x")(x) + k**2 * u(x)),
        sngd.Dirichlet(lambda x, k: jnp.sin(k * x[0])),
    ],
    exact=lambda x, k: jnp.sin(k * x[0]),
    parameters={"k": 2.0},
    quadrature=sngd.GaussLegendre(16),
)


def test_another_value_compiles_nothing_again():
    options = {"network": "1x12", "key": jax.random.key(0), "stopping": Stopping(iterations=40, restarts=0)}
    first = sngd.solve(WAVE, **options)
    other = sngd.solve(dataclasses.replace(WAVE, parameters={"k": 3.0}), **options)
    assert first.compilations > 10
    assert other.compilations == 0
    for solution, k in ((first, 2.0), (other, 3.0)):
        points = np.linspace(0, 1, 7)[:, None]
        np.testing.assert_allclose(solution(points), np.sin(k * points[:, 0]), atol=1e-8)
        assert solution.relative_l2() < 1e-8


@pytest.mark.parametrize("k", [0.5, 4.0])
def test_residual_and_jacobian_are_those_of_constants_in_the_code(k, key):
    def problem(k):
        equation = sngd.Interior(lambda u, x: sngd.partial(u, "x", "x")(x) + k**2 * u(x))
        ends = sngd.Dirichlet(lambda x: jnp.sin(k * x[0]))
        return sngd.Problem(LINE, [equation, ends], quadrature=sngd.GaussLegendre(16))

    network = make_network("1x6", LINE.bounds, key=key)
    named, written = dataclasses.replace(WAVE, parameters={"k": k}), problem(k)
    for values in ("residual", "residual_jacobian"):
        one, other = (
            eqx.filter_jit(getattr(objective, values))(theta)
            for objective, theta in (make_objective(each, network) for each in (named, written))
        )
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-13)


def test_data_of_numpy_take_parameters(key):
    ends = sngd.Dirichlet(lambda x, k: float(np.sin(k * x[0])))
    of_numpy = dataclasses.replace(WAVE, conditions=[WAVE.conditions[0], ends])
    network = make_network("1x6", LINE.bounds, key=key)
    one, other = (make_objective(each, network) for each in (of_numpy, WAVE))
    np.testing.assert_allclose(one[0].residual(one[1]), other[0].residual(other[1]), rtol=1e-13, atol=1e-13)


def test_an_energy_takes_arrays(key):
    """The density `c_0 u'^2 / 2 + c_1 u^2 / 2 - u` has the same gradient with its coefficients in the code."""
    slope = lambda u, x: sngd.gradient(u)(x)[0]
    metric = lambda u, v, x: jnp.stack([slope(v, x), v(x)])
    density = lambda u, x, c: c[0] * slope(u, x) ** 2 / 2 + c[1] * u(x) ** 2 / 2 - u(x)
    rule = {"quadrature": sngd.GaussLegendre(8)}
    named = sngd.Energy(LINE, density, metric, parameters={"c": [2.0, 3.0]}, **rule)
    written = sngd.Energy(LINE, lambda u, x: density(u, x, (2.0, 3.0)), metric, **rule)
    network = make_network("1x6", LINE.bounds, key=key)
    (one, theta), (other, _) = (make_objective(each, network) for each in (named, written))
    np.testing.assert_allclose(one.gradient(theta), other.gradient(theta), rtol=1e-12, atol=1e-13)


def test_a_solution_of_other_parameters_is_refused(tmp_path):
    solution = sngd.solve(WAVE, "1x4", key=jax.random.key(0), stopping=Stopping(iterations=0))
    sngd.save(solution, tmp_path / "solution.npz")
    assert sngd.load(tmp_path / "solution.npz", WAVE).relative_l2() == solution.relative_l2()
    with pytest.raises(ValueError, match=r"parameters is \{'k': 3.0\} here and \{'k': 2.0\} there"):
        sngd.load(tmp_path / "solution.npz", dataclasses.replace(WAVE, parameters={"k": 3.0}))
