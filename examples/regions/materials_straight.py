"""Two materials whose conductivities are 1 and 400, with a straight interface."""

import jax.numpy as jnp

import sngd

CONDUCTIVITY = {"glass": 1.0, "copper": 400.0}


def glass(x):
    return jnp.sin(x[0]) * (jnp.exp(-((x[1] - 1) ** 2)) + 2 * (x[1] - 1))


def copper(x):
    return jnp.sin(x[0]) * (jnp.cos(x[1] - 1) + 2 / 400 * jnp.sin(x[1] - 1))


PIECES = {"glass": glass, "copper": copper}


def exact(x):
    return jnp.where(x[1] < 1, glass(x), copper(x))


def source_in_glass(x):
    height = x[1] - 1
    return jnp.sin(x[0]) * ((4 * height**2 - 3) * jnp.exp(-(height**2)) - 2 * height)


def flux(u, v, x, n):
    return CONDUCTIVITY["glass"] * sngd.directional(u, n)(x) - CONDUCTIVITY["copper"] * sngd.directional(v, n)(x)


slab = sngd.layers("y", glass=(0, 1), copper=(1, 3), x=(0, 2))
conditions = [
    sngd.Interior(lambda u, x: sngd.laplacian(u)(x), source_in_glass, on="glass"),
    sngd.Interior(lambda u, x: sngd.laplacian(u)(x), lambda x: -2 * copper(x), on="copper"),
    sngd.Interface("glass", "copper", flux),
    sngd.Dirichlet(exact),
]
problem = sngd.Problem(slab, conditions, exact=exact, name="materials-straight")
