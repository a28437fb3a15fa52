"""The ten lowest frequencies of a cube, of which three are threefold."""

import itertools

import jax.numpy as jnp
import numpy as np

import sngd

COUNT = 10
WAVES = sorted(itertools.product((1, 2, 3), repeat=3), key=lambda wave: sum(n**2 for n in wave))[:10]
VALUES = np.pi**2 * np.sum(np.array(WAVES) ** 2, axis=1)


def function(number, x):
    return jnp.prod(jnp.sin(jnp.pi * jnp.array(WAVES[number]) * x))


block = sngd.box(x=(0, 1), y=(0, 1), z=(0, 1))
equation = sngd.Interior(lambda u, x, E: -sngd.laplacian(u)(x) - E * u(x))
problem = sngd.Problem(block, [equation, sngd.Dirichlet(0.0)], unknowns=["u", sngd.Constant("E")], name="cube")
