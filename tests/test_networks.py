"""Networks against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sngd.networks import ACTIVATIONS, MLP, make_network

CASES = [(1.0, 0), (30.0, 1), (1e4, 2), (1e8, 3)]


@pytest.mark.parametrize(("reach", "seed"), CASES)
def test_sine_and_its_derivatives_are_accurate_to_rounding(reach, seed):
    sine = ACTIVATIONS["sin"]
    x = np.random.default_rng(seed).uniform(-reach, reach, 20_000)
    functions = [sine]
    for _ in range(3):
        functions.append(jax.grad(functions[-1]))
    expected = [np.sin(x), np.cos(x), -np.sin(x), -np.cos(x)]
    for function, values in zip(functions, expected, strict=True):
        np.testing.assert_allclose(jax.vmap(function)(x), values, rtol=0, atol=4e-16)


def test_sine_of_multiples_of_pi_and_of_small_numbers():
    sine = ACTIVATIONS["sin"]
    x = np.concatenate([np.pi * np.arange(-50, 51), [0.0, 1e-300, -1e-20]])
    np.testing.assert_allclose(jax.vmap(sine)(x), np.sin(x), rtol=1e-10, atol=1e-30)


def test_sine_and_its_derivatives_under_all_transformations():
    """The second derivative of `sin(2 x)` by forward, reverse and mixed mode, batched, compiled and recomputed."""
    double = lambda x: ACTIVATIONS["sin"](2 * x)
    forward = lambda f: lambda x: jax.jvp(f, (x,), (jnp.ones_like(x),))[1]
    ways = [
        jax.vmap(jax.grad(jax.grad(double))),
        jax.jit(forward(forward(double))),
        jax.vmap(forward(jax.grad(double))),
        jax.vmap(jax.grad(forward(double))),
        jax.vmap(jax.grad(jax.checkpoint(jax.grad(double)))),
    ]
    x = np.random.default_rng(0).uniform(-3, 3, 50)
    for way in ways:
        np.testing.assert_allclose(way(x), -4 * np.sin(2 * x), rtol=0, atol=4e-15)


def test_sine_of_divided_arrays():
    """A function on each device, whose derivative sums over all of them."""
    mesh = jax.make_mesh((1,), ("rows",), axis_types=(jax.sharding.AxisType.Auto,))
    x = np.linspace(-1, 1, 8)

    def total(scale, x):
        return jax.lax.psum(jnp.sum(ACTIVATIONS["sin"](scale * x)), "rows")

    spec = jax.sharding.PartitionSpec
    divided = jax.shard_map(total, mesh=mesh, in_specs=(spec(), spec("rows")), out_specs=spec())
    np.testing.assert_allclose(jax.jit(jax.grad(divided))(2.0, x), np.sum(x * np.cos(2 * x)), rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sine_keeps_the_precision_of_its_argument(dtype):
    x = np.linspace(-3, 3, 20, dtype=dtype)
    values, slopes = jax.jit(lambda x: jax.jvp(ACTIVATIONS["sin"], (x,), (jnp.ones_like(x),)))(x)
    assert values.dtype == slopes.dtype == dtype
    np.testing.assert_allclose(values, np.sin(x), rtol=0, atol=4 * np.finfo(dtype).eps)
    np.testing.assert_allclose(slopes, np.cos(x), rtol=0, atol=4 * np.finfo(dtype).eps)


def test_sine_of_integers_and_of_python_numbers():
    sine = ACTIVATIONS["sin"]
    np.testing.assert_allclose(sine(jnp.arange(3)), np.sin(np.arange(3)), rtol=0, atol=4e-16)
    np.testing.assert_allclose(sine(0.5), np.sin(0.5), rtol=0, atol=4e-16)


def test_relu_and_its_derivative():
    relu = ACTIVATIONS["relu"]
    x = np.array([-2.0, 0.0, 3.0, np.nan])
    np.testing.assert_array_equal(relu(x), [0.0, 0.0, 3.0, np.nan])
    np.testing.assert_array_equal(jax.vmap(jax.grad(relu))(x[:3]), [0.0, 0.0, 1.0])


@pytest.mark.parametrize("width", [20, 2000])
def test_the_first_layer_oscillates_as_fast_whatever_its_width(width):
    network = MLP((2, width, 1), ((0.0, 1.0), (0.0, 1.0)), key=jax.random.key(0), frequencies=(1.0, 6.0))
    largest = np.max(np.abs(network.weights[0]), axis=0)
    assert np.all(largest <= [2 / 3, 4.0])
    assert np.all(largest >= [0.55, 3.3])


def test_periodic_axes_have_the_period_of_the_box():
    bounds = ((-1.0, 2.0), (0.0, 5.0))
    network = make_network("2x8+periodic", bounds, key=jax.random.key(0), periodic=(1,))
    points = np.random.default_rng(0).uniform(-1, 2, (20, 2))
    shifted = points + np.array([0.0, 5.0])
    np.testing.assert_allclose(jax.vmap(network)(points), jax.vmap(network)(shifted), rtol=0, atol=1e-14)
    assert not np.allclose(jax.vmap(network)(points), jax.vmap(network)(points + np.array([3.0, 0.0])), atol=1e-2)
    assert (network.widths, network.weights[0].shape) == ((2, 8, 8, 1), (8, 3))


def test_bad_periodic_axes_are_refused():
    with pytest.raises(ValueError, match=r"periodic is \(2,\)"):
        MLP((2, 4, 1), ((0.0, 1.0), (0.0, 1.0)), key=jax.random.key(0), periodic=(2,))
    with pytest.raises(ValueError, match="the problem has no Periodic condition"):
        make_network("1x4+periodic", ((0.0, 1.0),), key=jax.random.key(0))
