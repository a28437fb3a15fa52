"""Results do not depend on units, offsets, zeros or orders: the same result, and errors within a factor of ten."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd import Result, Stopping
from sngd.library import bvp_energy

D = sngd.partial


def linear(amplitude=1.0, length=1.0):
    exact = lambda x: amplitude * jnp.sin(jnp.pi * x[0] / length)
    equation = sngd.Interior(lambda u, x: D(u, "x", "x")(x) + (jnp.pi / length) ** 2 * exact(x))
    return sngd.Problem(sngd.interval(x=(0, length)), [equation, sngd.Dirichlet(0.0)], exact=exact)


def nonlinear(amplitude=1.0, length=1.0):
    """`-u'' + u^3 = f` in other units: the cube is divided by what keeps the solution in proportion."""
    exact = lambda x: amplitude * jnp.cos(jnp.pi * x[0] / length)
    data = lambda x: ((jnp.pi**2 + (exact(x) / amplitude) ** 2) * exact(x)) / length**2
    cube = lambda u, x: u(x) * (u(x) / amplitude) ** 2 / length**2
    equation = sngd.Interior(lambda u, x: -D(u, "x", "x")(x) + cube(u, x) - data(x))
    return sngd.Problem(sngd.interval(x=(-length, length)), [equation, sngd.Neumann(0.0)], exact=exact)


def evolving(amplitude=1.0, length=1.0, axes=("t", "x"), reverse=False):
    """The heat equation, with its axes and conditions in any order."""
    t, x = axes.index("t"), axes.index("x")
    exact = lambda y: amplitude * jnp.exp(-(jnp.pi**2) * y[t] / length / 4) * jnp.sin(jnp.pi * y[x] / length)
    equation = sngd.Interior(lambda u, x: D(u, "t")(x) - length * D(u, "x", "x")(x) / 4)
    start = sngd.Initial(lambda y: amplitude * jnp.sin(jnp.pi * y[x] / length))
    conditions = [equation, start, sngd.Dirichlet(0.0)]
    domain = sngd.space_time(**dict.fromkeys(axes, (0, length)))
    rule = sngd.GaussLegendre(12)
    return sngd.Problem(domain, conditions[::-1] if reverse else conditions, exact=exact, quadrature=rule)


def oscillating(amplitude=1.0, length=1.0):
    """A system of two, from its initial values."""
    exact = lambda x: amplitude * jnp.stack([jnp.cos(x[0] / length), -jnp.sin(x[0] / length)])
    equation = sngd.Interior(lambda u, v, x: (D(u, "t")(x) - v(x) / length, D(v, "t")(x) + u(x) / length))
    start = sngd.Initial(lambda x: amplitude * jnp.array([1.0, 0.0]))
    return sngd.Problem(sngd.interval(t=(0, length)), [equation, start], unknowns=["u", "v"], exact=exact)


# A problem, its network, and the iterations after which it stands at its floor, or is compared where it stands.
CASES = {"linear": (linear, "1x8", 80), "nonlinear": (nonlinear, "1x12", 250), "evolving": (evolving, "1x24", 25)}
CASES["oscillating"] = (oscillating, "1x10", 80)


def solve(problem, network, iterations):
    return sngd.solve(problem, network, key=jax.random.key(0), stopping=Stopping(iterations, restarts=0))


@pytest.fixture(scope="module")
def plain():
    return {name: solve(make(), network, iterations) for name, (make, network, iterations) in CASES.items()}


def assert_the_same(found, expected, rounding=1e-14):
    """At the rounding floor errors scatter: there the bound is that of rounding."""
    assert found.result is expected.result
    for mine, theirs in (
        (found.relative_l2(), expected.relative_l2()),
        (found.error_estimate, expected.error_estimate),
    ):
        assert mine < max(10 * theirs, rounding)
        assert mine > min(theirs / 10, rounding)


@pytest.mark.parametrize("unit", [{"amplitude": 1e-8}, {"amplitude": 1e8}, {"length": 1e-4}, {"length": 1e4}], ids=str)
@pytest.mark.parametrize("name", list(CASES))
def test_units(name, unit, plain):
    make, network, iterations = CASES[name]
    # A nonlinear run from a network of another relative size takes another path, and scatters more where it ends.
    rounding = 3e-13 if name == "nonlinear" else 1e-13
    assert_the_same(solve(make(**unit), network, iterations), plain[name], rounding)


@pytest.mark.parametrize(
    ("name", "amplitude"),
    [("linear", 30.0), ("nonlinear", 3e-3), ("nonlinear", 30.0), ("nonlinear", 3e5), ("oscillating", 3e-3)],
)
def test_any_amplitude(name, amplitude):
    """Between the powers of a hundred a network may be ten times too large or too small, and train for longer."""
    make, network, iterations = CASES[name]
    assert solve(make(amplitude), network, iterations).relative_l2() < 1e-12


@pytest.mark.parametrize("change", [{"axes": ("x", "t")}, {"reverse": True}], ids=str)
def test_orders(change, plain):
    """Another order of axes is another network, so the error at one iteration may differ by more."""
    expected = plain["evolving"]
    found = solve(evolving(**change), *CASES["evolving"][1:])
    assert found.result is expected.result
    assert found.error_estimate < 1e3 * expected.error_estimate
    assert expected.error_estimate < 1e3 * found.error_estimate


@pytest.mark.parametrize("offset", ["minimum", 1e3])
def test_a_constant_added_to_an_energy(offset):
    """The energy is `-5.497...`: once shifted to zero, once by a thousand times as much."""
    problem = bvp_energy()
    x, weights = np.polynomial.legendre.leggauss(64)
    u, slope, force = (
        np.cos(np.pi * x),
        np.pi * np.sin(np.pi * x),
        np.pi**2 * np.cos(np.pi * x) + np.cos(np.pi * x) ** 3,
    )
    energy = float(weights @ (slope**2 / 2 + u**4 / 4 - force * u))
    shift = -energy / 2 if offset == "minimum" else offset * abs(energy) / 2
    shifted = dataclasses.replace(problem, density=lambda u, x: problem.density(u, x) + shift)
    expected, found = (solve(one, "1x10", 40) for one in (problem, shifted))
    np.testing.assert_allclose(found.loss, expected.loss + 2 * shift, rtol=1e-9, atol=1e-9)
    assert_the_same(found, expected, rounding=1e-12)


def test_a_solution_that_vanishes():
    """Without data, with an exact solution and without: errors are absolute, and the run ends at its floor at once."""
    line = sngd.interval(x=(0, 1))
    conditions = [sngd.Interior(lambda u, x: D(u, "x", "x")(x)), sngd.Dirichlet(0.0)]
    for exact in (None, lambda x: 0 * x[0]):
        solution = sngd.solve(sngd.Problem(line, conditions, exact=exact), "1x8", key=jax.random.key(0))
        assert solution.result is Result.FLOOR_REACHED
        assert solution.result.exit_status == 0
        assert np.abs(solution(np.linspace(0, 1, 50)[:, None])).max() < 1e-14
        assert solution.error_estimate < 1e-12
        assert np.sum(np.isnan(solution.history.gradient_norm)) == 1, "one start"
    assert solution.relative_l2() < 1e-14
