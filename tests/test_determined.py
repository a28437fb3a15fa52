"""Whether the conditions determine the solution: missing ones, ill-posed problems, and the stability constant."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd import Result, Stopping

D = sngd.partial
LINE = sngd.interval(x=(0, 1))
TIME = sngd.interval(t=(0, 1))
SQUARE = sngd.box(x=(0, 1), y=(0, 1))
STRIP = sngd.space_time(t=(0, 1), x=(0, 1))
LEFT = LINE.face("x", "lower")

decay = sngd.Interior(lambda u, x: D(u, "t")(x) + u(x) + 1)
pendulum = sngd.Interior(lambda u, x: D(u, "t", "t")(x) + jnp.sin(u(x)))
bending = sngd.Interior(lambda u, x: D(u, "x", "x")(x) + 1)
resonance = sngd.Interior(lambda u, x: D(u, "x", "x")(x) + jnp.pi**2 * u(x))
heat = sngd.Interior(lambda u, x: D(u, "t")(x) - D(u, "x", "x")(x) / 4)
backward = sngd.Interior(lambda u, x: D(u, "t")(x) + D(u, "x", "x")(x) / 4)
wave = sngd.Interior(lambda u, x: D(u, "t", "t")(x) - D(u, "x", "x")(x))
cosine = sngd.Interior(
    lambda u, x: sngd.laplacian(u)(x) + 2 * jnp.pi**2 * jnp.cos(jnp.pi * x[0]) * jnp.cos(jnp.pi * x[1])
)
bump = sngd.Initial(lambda x: jnp.sin(jnp.pi * x[1]))
ends = sngd.Dirichlet(lambda x: 1.0 + x[1])


def solve(domain, conditions, network="1x12", iterations=60):
    stopping = Stopping(iterations, restarts=0)
    return sngd.solve(sngd.Problem(domain, conditions), network, key=jax.random.key(0), stopping=stopping)


@pytest.mark.parametrize(
    ("domain", "conditions", "says"),
    [
        (TIME, [decay], "differentiate once along 't', which has no condition; none holds at t = 0 and t = 1"),
        (TIME, [pendulum, sngd.Initial(1.0)], "differentiate twice along 't', which has one condition"),
        (
            LINE,
            [bending, sngd.Dirichlet(0.0, on=LEFT)],
            "twice along 'x', which has one condition; none holds at x = 1",
        ),
        (LINE, [resonance, sngd.Dirichlet(1.0, on=LEFT), sngd.Dirichlet(-1.0, on=LINE.face("x", "upper"))], ""),
    ],
)
def test_a_missing_condition_is_named(domain, conditions, says):
    """The last one has all conditions, at a resonance: any multiple of `sin(pi x)` may be added to `cos(pi x)`."""
    solution = solve(domain, conditions, iterations=None)
    assert solution.result is Result.UNDETERMINED
    assert solution.result.exit_status == 8
    assert solution.error_estimate == solution.stability == np.inf
    assert says in solution.detail


@pytest.mark.parametrize(
    ("domain", "conditions", "says"),
    [
        (STRIP, [heat, ends], "once along 't', which has no condition; none holds at t = 0 and t = 1"),
        (STRIP, [wave, bump, sngd.Dirichlet(0.0)], "twice along 't', which has one condition"),
        (SQUARE, [cosine, sngd.Neumann(0.0)], ""),
    ],
)
def test_equations_in_two_dimensions_are_not_determined_either(domain, conditions, says):
    """The last one has all conditions: a constant may be added to the solution."""
    solution = solve(domain, conditions, "1x50", iterations=20)
    assert solution.error_estimate == solution.stability == np.inf
    assert says in solution.detail


def test_heat_that_flows_backward_is_ill_posed():
    """A wave number of `k pi` grows by `exp(k^2 pi^2 / 4)`: by 2e4 for `k = 2`, by 4e9 for `k = 3`, without a bound."""
    problem = sngd.Problem(STRIP, [backward, bump, sngd.Dirichlet(0.0)])
    solution = sngd.solve(problem, key=jax.random.key(0), stopping=Stopping(loss=1e-2, restarts=0))
    assert solution.result is Result.ILL_POSED
    assert solution.result.exit_status == 9
    assert solution.error_estimate == np.inf


@pytest.mark.parametrize("rate", [0.0, 5.0, 10.0])
def test_the_constant_grows_as_errors_do(rate):
    """Of `u' = rate u + f`, `u(0) = 1`, against a finite-difference model of the same supremum, up to units: errors in
    the initial value grow by `exp(rate)`."""
    equation = sngd.Interior(lambda u, x: D(u, "t")(x) - rate * u(x))
    solution = solve(TIME, [equation, sngd.Initial(1.0)], iterations=40)
    count = 400
    step = 1 / count
    derivative = (np.eye(count, count + 1, 1) - np.eye(count, count + 1)) / step
    mean = (np.eye(count, count + 1, 1) + np.eye(count, count + 1)) / 2
    rows = np.concatenate([np.sqrt(step) * (derivative - rate * mean), np.eye(1, count + 1)])
    largest = np.linalg.norm(np.sqrt(step) * mean @ np.linalg.inv(rows), 2)
    # The units of the two conditions, the responses of an untrained network, lie between 0.2 and 20.
    assert largest / 20 < solution.stability < 20 * largest
