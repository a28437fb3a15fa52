"""Functions with derivatives of their own, loops and closures in a network that is kept as outer products."""

import functools
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import sngd
from sngd.linearize import Limits, make_objective
from sngd.problem import Field

SQUARE = sngd.box(x=(0, 1), y=(0, 1))
WIDTH = 16
D = sngd.partial


def value(u, x):
    return u(x) - jnp.sin(x[0])


def transport(u, x):
    return D(u, "y")(x) + u(x)


def with_slope(slope):
    """`tanh`, with a derivative that is `slope` times its own."""

    @jax.custom_jvp
    def activation(x):
        return jnp.tanh(x)

    @activation.defjvp
    def rule(points, tangents):
        return activation(points[0]), slope * (1 - activation(points[0]) ** 2) * tangents[0]

    return activation


def with_slope_backwards(slope):
    """The same in reverse mode."""

    @jax.custom_vjp
    def activation(x):
        return jnp.tanh(x)

    activation.defvjp(lambda x: (jnp.tanh(x), x), lambda x, g: (slope * (1 - jnp.tanh(x) ** 2) * g,))
    return activation


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def sloped(x, slope):
    return jnp.tanh(x)


@sloped.defjvp
def _sloped_rule(slope, points, tangents):
    return sloped(points[0], slope), slope * (1 - jnp.tanh(points[0]) ** 2) * tangents[0]


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def sloped_backwards(x, slope):
    return jnp.tanh(x)


sloped_backwards.defvjp(lambda x, slope: (jnp.tanh(x), x), lambda slope, x, g: (slope * (1 - jnp.tanh(x) ** 2) * g,))

ONE, FIVE = with_slope(1.0), with_slope(5.0)


def repeated(activation, h):
    return jax.lax.scan(lambda h, _: (activation(h), None), h, None, length=2)[0]


def scaled_by_a_loop(h, x):
    """By a power that is counted, of which the derivative by the parameters knows nothing."""
    return jnp.sin(h * jax.lax.while_loop(lambda s: s < 2 + x[0], lambda s: 1.5 * s, 0.1 + x[1]))


# What becomes of the hidden values `h` at the point `x`; each has two calls that look alike, but for the loop.
BODIES = {
    "custom_jvp by a factory": lambda h, x: ONE(h) + FIVE(h),
    "custom_jvp with nondiff_argnums": lambda h, x: sloped(h, 1.0) + sloped(h, 5.0),
    "scan": lambda h, x: repeated(ONE, h) + repeated(FIVE, h),
    "cond": lambda h, x: sum(jax.lax.cond(x[0] > 0.5, f, lambda h, f=f: 2 * f(h), h) for f in (ONE, FIVE)),
    "remat": lambda h, x: jax.checkpoint(ONE)(h) + jax.checkpoint(FIVE)(h),
    "a closure over a tracer": lambda h, x: sum(jax.jit(lambda h, f=f: x[0] * f(h))(h) for f in (ONE, FIVE)),
    "while_loop": scaled_by_a_loop,
}
BACKWARDS = {
    "custom_vjp by a factory": lambda h, x: with_slope_backwards(1.0)(h) + with_slope_backwards(5.0)(h),
    "custom_vjp with nondiff_argnums": lambda h, x: sloped_backwards(h, 1.0) + sloped_backwards(h, 5.0),
}
CALLS = itertools.count(1)
# What is not rewritten, and what is rewritten but not compared in every digit, or at all.
REFUSED = {
    "a rule that closes over a tracer": lambda h, x: with_slope(x[0] + x[1])(h) + with_slope(x[0] - x[1])(h),
    "a function that changes from call to call": lambda h, x: next(CALLS) * jnp.tanh(h),
}
UNUSUAL = {
    "single precision": lambda h, x: jnp.sin(h.astype(jnp.float32)).astype(float),
    "not finite": lambda h, x: jnp.log(x[0] - 2) * h,
    "a print": lambda h, x: (jax.debug.print("printed {}", x[0]), jnp.sin(h))[1],
}
CASES = [(name, transport) for name in BODIES] + [(name, value) for name in BACKWARDS]


class Network(eqx.Module):
    first: jax.Array
    hidden: jax.Array
    last: jax.Array
    body: str = eqx.field(static=True)

    def __call__(self, x):
        h = self.hidden @ jnp.sin(self.first @ x)
        return self.last @ (BODIES | BACKWARDS | REFUSED | UNUSUAL)[self.body](h, x)


def objective_of(body, residual, **limits):
    keys = jax.random.split(jax.random.key(0), 3)
    shapes = ((WIDTH, 2), (WIDTH, WIDTH), (WIDTH,))
    network = Network(*(jax.random.normal(key, shape) / 4 for key, shape in zip(keys, shapes, strict=True)), body)
    problem = sngd.Problem(SQUARE, [sngd.Interior(residual)], quadrature=sngd.GaussLegendre(2))
    return *make_objective(problem, network, Limits(dense_bytes=0, **limits)), network


def as_written(network, residual):
    """The weighted residual as a function of the parameters, by nothing but JAX."""
    rule = sngd.GaussLegendre(2).rule(*np.array(SQUARE.bounds).T)
    _, unravel = ravel_pytree(network)
    at = lambda theta, x, weight: jnp.sqrt(weight) * residual(Field(unravel(theta), SQUARE), x)
    return lambda theta: jax.vmap(at, (None, 0, 0))(theta, *map(jnp.asarray, rule))


@pytest.mark.parametrize(("body", "residual"), CASES, ids=[name for name, _ in CASES])
def test_rows_and_gradient_are_those_of_the_function_as_written(body, residual):
    objective, theta, network = objective_of(body, residual)
    assert objective.storage == "kept as outer products"

    @eqx.filter_jit
    def found(objective, theta):
        linearization = objective.linearize(theta)
        return objective.residual(theta), linearization.factor.rmatmul(jnp.eye(objective.rows)), linearization.gradient

    function = as_written(network, residual)
    values, jacobian = jax.jit(lambda theta: (function(theta), jax.jacrev(function)(theta)))(theta)
    expected = (values, jacobian.T, jacobian.T @ values)
    for result, reference in zip(found(objective, theta), expected, strict=True):
        np.testing.assert_allclose(result, reference, rtol=0, atol=1e-13 * np.abs(reference).max())


@pytest.mark.parametrize("body", REFUSED)
def test_what_cannot_be_rewritten_is_left_as_it_is_with_a_warning(body):
    with pytest.warns(RuntimeWarning, match=r"the Jacobian is not kept as outer products, since rewriting .* fails"):
        objective, *_ = objective_of(body, value)
    assert objective.storage == "recomputed in blocks"


def test_without_rewriting_a_rule_may_close_over_a_tracer():
    with pytest.warns(RuntimeWarning, match="the results are right"):
        objective, theta, network = objective_of("a rule that closes over a tracer", value)
    function = as_written(network, value)
    expected = jax.jit(jax.grad(lambda theta: jnp.sum(function(theta) ** 2) / 2))(theta)
    gradient = eqx.filter_jit(lambda objective, theta: objective.linearize(theta).gradient)(objective, theta)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("body", UNUSUAL)
def test_unusual_functions_are_rewritten_without_a_warning(body, capfd):
    objective, *_ = objective_of(body, value)
    assert objective.storage == "kept as outer products"
    assert "printed" not in capfd.readouterr().out
