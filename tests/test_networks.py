"""Networks against NumPy."""

import jax
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
