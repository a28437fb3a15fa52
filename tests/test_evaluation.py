"""Traced functions evaluated by NumPy, against JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sngd.linearize._numpy import Evaluation
from sngd.networks import ACTIVATIONS

X = jnp.array([0.3, 1.7, 0.9])
MATRIX = jnp.arange(12.0).reshape(3, 4) / 7

A, B = np.random.default_rng(0).normal(size=(2, 4, 3, 2))

FUNCTIONS = {
    "numbers": lambda x: [jnp.abs(-x) + jnp.exp(x) - jnp.log(x), jnp.sqrt(x) / x, x**3, x**-2, jnp.tanh(x)],
    "sines": lambda x: [jnp.sin(x), jnp.cos(x), ACTIVATIONS["sin"](x)],
    "comparisons": lambda x: [x > 1, x >= 0.9, x < 0.9, x <= 0.9, jnp.maximum(x, 1), jnp.minimum(x, 1)],
    "choices": lambda x: [jnp.where(x > 1, x, 2 * x), jnp.where(x > 1, 0.0, x)],
    "shapes": lambda x: [x[None], x[:, None] + jnp.ones(2), MATRIX.T, jnp.sum(MATRIX, 1)],
    "slices": lambda x: [x[1:], x[1], MATRIX.reshape(2, 6)[1:, 1:4]],
    "parts": lambda x: [jnp.concatenate([x, x]), jnp.stack([x, x], 1), *jnp.split(MATRIX, [1, 3], 1)],
    "products": lambda x: [x @ MATRIX, MATRIX.T @ x, jnp.outer(x, x), jnp.einsum("bij,bkj->bik", A, B)],
    "types": lambda x: [x.astype(jnp.float32) * 2, jnp.arange(3) + x, jnp.float64(x > 1)],
    "calls": lambda x: [jax.checkpoint(jnp.sin)(x), jax.nn.softplus(x), jax.jit(jnp.square)(x)],
    "what is left to JAX": lambda x: [jnp.cumsum(x), jnp.sort(x), jax.lax.fori_loop(0, 3, lambda _, x: 2 * x, x)],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_are_those_of_jax(name):
    closed = jax.make_jaxpr(FUNCTIONS[name])(X)
    evaluation = Evaluation(closed.jaxpr, closed.consts, [X])
    for found, expected in zip(evaluation.results, FUNCTIONS[name](X), strict=True):
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(found, expected, rtol=1e-6 if found.dtype == np.float32 else 1e-14)


def test_rounding_is_that_of_the_largest_number_on_the_way():
    closed = jax.make_jaxpr(lambda x: (x + 1e6) - 1e6)(1.0)
    assert Evaluation(closed.jaxpr, closed.consts, [1.0]).rounding == pytest.approx(1e6 * 2.0**-52, rel=1e-5)
