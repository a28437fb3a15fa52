"""The frequencies of a clamped beam, `u'''' = E u`."""

import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

import sngd

COUNT = 5
WAVES = [
    brentq(lambda b: np.cos(b) - 1 / np.cosh(b), (n + 0.3) * np.pi, (n + 0.7) * np.pi, xtol=1e-15, rtol=1e-15)
    for n in range(1, COUNT + 1)
]
VALUES = np.array(WAVES) ** 4


def function(number, x):
    wave, s = WAVES[number], x[0] - 0.5
    pair = (jnp.sin, jnp.sinh) if number % 2 else (jnp.cos, jnp.cosh)
    first, second = (each(wave * s) / each(wave / 2) for each in pair)
    return first - second


line = sngd.interval(x=(0, 1))
equation = sngd.Interior(lambda u, x, E: sngd.partial(u, "x", "x", "x", "x")(x) - E * u(x))
conditions = [equation, sngd.Dirichlet(0.0), sngd.Neumann(0.0)]
problem = sngd.Problem(line, conditions, unknowns=["u", sngd.Constant("E")], name="beam")
