"""Networks against NumPy."""

import jax
import numpy as np
import pytest

from sngd.networks import ACTIVATIONS

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
