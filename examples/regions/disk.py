"""Poisson's equation on a disk, in Cartesian coordinates."""

import jax.numpy as jnp

import sngd


def exact(x):
    return jnp.sin(2 * x[0] + 1) * jnp.exp(x[1] / 2)


def source(x):
    return -3.75 * exact(x)


disk = sngd.disk(center=(0.5, 0), radius=1)
equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x), source)
problem = sngd.Problem(disk, [equation, sngd.Dirichlet(exact)], exact=exact, name="disk")
