"""The frequencies of a string: `-u''/2 = E u` with zero ends."""

import jax.numpy as jnp
import numpy as np

import sngd

COUNT = 5
VALUES = np.pi**2 * np.arange(1, 6) ** 2 / 2


def function(number, x):
    return jnp.sin((number + 1) * jnp.pi * x[0])


line = sngd.interval(x=(0, 1))
equation = sngd.Interior(lambda u, x, E: -sngd.laplacian(u)(x) / 2 - E * u(x))
problem = sngd.Problem(line, [equation, sngd.Dirichlet(0.0)], unknowns=["u", sngd.Constant("E")], name="string")
