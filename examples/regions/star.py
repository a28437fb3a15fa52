"""Poisson's equation on a star, a polygon with five re-entrant corners."""

import jax.numpy as jnp
import numpy as np

import sngd


def exact(x):
    return jnp.sin(2 * x[0] + 1) * jnp.exp(x[1] / 2)


def source(x):
    return -3.75 * exact(x)


angles = np.pi * np.arange(10) / 5
radii = np.tile([0.45, 1.0], 5)
star = sngd.polygon(np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1))
equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x), source)
problem = sngd.Problem(star, [equation, sngd.Dirichlet(exact)], exact=exact, name="star")
