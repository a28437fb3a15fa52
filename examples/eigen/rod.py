"""A rod with insulated ends, whose lowest eigenvalue is zero."""

import jax.numpy as jnp
import numpy as np

import sngd

COUNT = 5
VALUES = np.pi**2 * np.arange(5) ** 2


def function(number, x):
    return jnp.cos(number * jnp.pi * x[0])


line = sngd.interval(x=(0, 1))
equation = sngd.Interior(lambda u, x, E: -sngd.laplacian(u)(x) - E * u(x))
problem = sngd.Problem(line, [equation, sngd.Neumann(0.0)], unknowns=["u", sngd.Constant("E")], name="rod")
