"""A rod that loses heat at its ends, `2 u + du/dn = 0`."""

import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

import sngd

COUNT = 5


def wave(number):
    """The root between `number pi` and `(number + 1) pi`."""
    if number % 2:
        equation = lambda k: k * np.cos(k / 2) + 2 * np.sin(k / 2)
    else:
        equation = lambda k: k * np.sin(k / 2) - 2 * np.cos(k / 2)
    return brentq(equation, number * np.pi, (number + 1) * np.pi, xtol=1e-15, rtol=1e-15)


WAVES = [wave(number) for number in range(COUNT)]
VALUES = np.array(WAVES) ** 2


def function(number, x):
    return (jnp.sin if number % 2 else jnp.cos)(WAVES[number] * (x[0] - 0.5))


line = sngd.interval(x=(0, 1))
equation = sngd.Interior(lambda u, x, E: -sngd.laplacian(u)(x) - E * u(x))
problem = sngd.Problem(line, [equation, sngd.Robin(2.0)], unknowns=["u", sngd.Constant("E")], name="robin")
