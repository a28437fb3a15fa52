"""The four frequencies of a square membrane that are nearest to a number: one is threefold."""

import jax.numpy as jnp
import numpy as np

import sngd

COUNT = 4
NEAR = 500.0
WAVES = ((1, 7), (7, 1), (5, 5), (4, 6), (6, 4))
VALUES = np.pi**2 * np.sum(np.array(WAVES) ** 2, axis=1)


def function(number, x):
    first, second = WAVES[number]
    return jnp.sin(first * jnp.pi * x[0]) * jnp.sin(second * jnp.pi * x[1])


square = sngd.box(x=(0, 1), y=(0, 1))
equation = sngd.Interior(lambda u, x, E: -sngd.laplacian(u)(x) - E * u(x))
problem = sngd.Problem(square, [equation, sngd.Dirichlet(0.0)], unknowns=["u", sngd.Constant("E")], name="membrane")
