"""Poisson's equation in an ellipsoid."""

import jax.numpy as jnp

import sngd


def exact(x):
    return jnp.sin(2 * x[0] + 1) * jnp.exp(x[1] / 2) * jnp.cos(x[2])


def source(x):
    return -4.75 * exact(x)


ellipsoid = sngd.ellipsoid(center=(0, 0, 0), radii=(1, 0.7, 0.5))
equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x), source)
problem = sngd.Problem(ellipsoid, [equation, sngd.Dirichlet(exact)], exact=exact, name="ellipsoid")
