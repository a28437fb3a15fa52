"""Sums carried through a network as one, against the same functions as they are written."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.linearize._collapse import fewest_products
from sngd.linearize._graph import graph_of
from sngd.linearize._jaxpr import bind
from sngd.linearize._layers import linear_leaves
from sngd.networks import ACTIVATIONS, MLP, make_network
from sngd.problem import Field, gradient

BOX = sngd.box(x=(0, 2), y=(-1, 1), z=(0, 1))
WIDTH = 8
POINT = jnp.array([0.3, -0.4, 0.6])

D = sngd.partial


def along_each(u, x):
    """The Laplacian without a batch."""
    return D(u, "x", "x")(x) + D(u, "y", "y")(x) + D(u, "z", "z")(x)


def flux(u):
    return D(u.like(lambda x: jnp.exp(x[0]) * D(u, "x")(x)), "x")


def square(u, x):
    """A product of a vector with itself, in which a sum with another product may take one place and not the other."""
    return gradient(u)(x) @ gradient(u)(x)


# Residuals, and how many vectors meet the matrix of a hidden layer: as written, and at least.
RESIDUALS = {
    "heat": (lambda u, x: D(u, "z")(x) - D(u, "x", "x")(x) / 4, 4, 3),
    "burgers": (lambda u, x: D(u, "z")(x) + u(x) * D(u, "x")(x) - 0.1 * D(u, "x", "x")(x), 4, 3),
    "laplacian": (lambda u, x: sngd.laplacian(u)(x) + jnp.sin(x[0]), 7, 5),
    "laplacian, one by one": (along_each, 7, 5),
    "helmholtz": (lambda u, x: -3 * sngd.laplacian(u)(x) / x[0] + u(x) ** 3, 7, 5),
    "wave and damping": (lambda u, x: D(u, "x", "x")(x) - D(u, "y", "y")(x) + (1 + x[1]) * D(u, "x")(x), 5, 4),
    "a coefficient": (lambda u, x: D(u, "y")(x) - flux(u)(x), 4, 3),
    "two equations": (lambda u, x: jnp.stack([D(u, "z")(x) - D(u, "x", "x")(x), u(x) * D(u, "y", "y")(x)]), 6, 5),
    "hamilton-jacobi": (lambda u, x: -sngd.laplacian(u)(x) + jnp.sin(x) @ gradient(u)(x) + square(u, x), 7, 5),
    "an eikonal equation": (lambda u, x: jnp.sum(gradient(u)(x) ** 2) - 1, 4, 4),
    "a square of the derivative by time": (lambda u, x: D(u, "z")(x) ** 2 - D(u, "x", "x")(x), 4, 4),
}


@pytest.fixture(params=RESIDUALS)
def case(request, key):
    residual, written, least = RESIDUALS[request.param]
    leaves, structure = jax.tree.flatten(make_network(f"3x{WIDTH}", BOX.bounds, key=key))

    def function(*leaves):
        network = jax.tree.unflatten(structure, leaves)
        return (residual(Field(lambda x: network(x).reshape(()), BOX), POINT),)

    return function, leaves, written, least


def hidden_products(graph):
    """How many vectors meet the matrices of hidden layers, per layer."""
    found = 0
    for node in graph.nodes:
        if node.name == "dot_general" and (WIDTH, WIDTH) in (node.shape_of(0), node.shape_of(1)):
            found += int(np.prod(node.shape)) // WIDTH
    return found / 2


def test_the_highest_derivatives_share_a_product(case):
    function, leaves, written, least = case
    assert hidden_products(graph_of(function, *leaves)) == written
    assert hidden_products(fewest_products(function, *leaves)) == least


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_function_and_its_derivative_share_what_they_have_in_common(activation, key):
    """One product with the matrix of a hidden layer for `u`, and one for `u_x`."""
    leaves, structure = jax.tree.flatten(MLP((3, WIDTH, WIDTH, WIDTH, 1), BOX.bounds, key=key, activation=activation))

    def function(*leaves):
        u = Field(jax.tree.unflatten(structure, leaves), BOX)
        return (u(POINT) + D(u, "x")(POINT),)

    assert hidden_products(graph_of(function, *leaves)) == 2


def test_values_and_derivatives_are_those_of_the_function(case):
    function, leaves, *_ = case
    reals = [index for index, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    graph = fewest_products(function, *leaves)

    def written(*leaves):
        return jnp.ravel(function(*leaves)[0])

    def collapsed(*leaves):
        return jnp.ravel(graph.evaluate(leaves, bind)[0])

    values, expected = (jax.jit(way)(*leaves) for way in (collapsed, written))
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-14 * (np.abs(expected).max() + 1))
    derivatives = (jax.jit(jax.jacrev(way, reals))(*leaves) for way in (collapsed, written))
    for found, expected in zip(*derivatives, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * max(1, np.abs(expected).max()))


def test_weights_are_not_added_up(key):
    """Two matrices that meet the same vector stay two, and one whose products are summed is not summed instead."""
    leaves = jax.random.normal(key, (2, WIDTH, WIDTH))

    def rows(leaves):
        vector = jnp.sin(jnp.arange(8.0))
        return leaves[0] @ vector + leaves[1] @ vector

    assert linear_leaves(rows, leaves) == {0, 1}
    assert linear_leaves(lambda leaves: jnp.sum(rows(leaves)), leaves) == {0, 1}
    assert linear_leaves(lambda leaves: jnp.sum(leaves[0].T @ leaves[1].sum(1)[None].T, 0), leaves) == {0}


def test_layers_with_scaled_skips(key):
    """Sums that differ by a factor are one: there would be twice as many with each layer."""
    depth = 8
    weights = jax.random.normal(key, (depth, WIDTH, WIDTH)) / WIDTH**0.5
    scales = 0.1 + 0.1 * jnp.arange(depth)
    start = jax.random.normal(key, (WIDTH, 3))

    def function(scales, *weights):
        def network(x):
            hidden = jnp.sin(start @ x)
            for scale, weight in zip(scales, weights, strict=True):
                hidden = hidden + scale * jnp.sin(weight @ hidden)
            return jnp.sum(hidden)

        u = Field(network, BOX)
        return (D(u, "z")(POINT) - D(u, "x", "x")(POINT) / 4 + sngd.laplacian(u)(POINT),)

    plain, graph = graph_of(function, scales, *weights), fewest_products(function, scales, *weights)
    assert graph.multiplications < 0.75 * plain.multiplications
    assert len(graph.nodes) < 2 * len(plain.nodes)
    ways = (lambda *leaves: graph.evaluate(leaves, bind), function)
    (found,), (expected,) = (jax.jit(way)(scales, *weights) for way in ways)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_a_quotient_by_zero_is_left_to_the_function(key):
    weight = jax.random.normal(key, (WIDTH, WIDTH))
    function = lambda weight: (weight @ jnp.sin(weight[0]) + weight @ jnp.cos(weight[0]) + weight[0] / 0.0,)
    graph = fewest_products(function, weight)
    np.testing.assert_array_equal(graph.evaluate((weight,), bind)[0], function(weight)[0])


def test_sums_that_fan_out_are_left_alone(key):
    """Each line has twice as many terms as the one before: written out, it would never end."""
    weight = jax.random.normal(key, (WIDTH, WIDTH))

    def function(weight, coefficients):
        vector = weight @ jnp.ones(WIDTH)
        for coefficient in coefficients:
            vector = vector + coefficient * vector
        return (vector,)

    coefficients = list(1 / (3.0 + jnp.arange(60)))
    arguments = (weight, coefficients)
    flat = lambda weight, *coefficients: function(weight, coefficients)
    (found,) = fewest_products(flat, weight, *coefficients).evaluate((weight, *coefficients), bind)
    np.testing.assert_allclose(found, function(*arguments)[0], rtol=1e-14)


def test_what_a_function_prints_it_prints_once(key, capfd):
    weight = jax.random.normal(key, (WIDTH, WIDTH))

    def function(weight):
        jax.debug.print("sum {}", jnp.sum(weight))
        vectors = jnp.eye(WIDTH)[:2] * jnp.sin(jnp.sum(weight))
        return (weight @ vectors[0] + weight @ vectors[1],)

    graph = fewest_products(function, weight)
    capfd.readouterr()
    jax.block_until_ready(graph.evaluate([weight], bind))
    jax.effects_barrier()
    assert capfd.readouterr().out.count("sum") == 1
