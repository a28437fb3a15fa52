"""Poisson's equation in an annulus, with a constant source and values zero at both circles."""

import jax.numpy as jnp

import sngd


def exact(x):
    square = x[0] ** 2 + x[1] ** 2
    return (1 - square) / 4 + 3 * jnp.log(square) / (8 * jnp.log(2.0))


ring = sngd.annulus(radii=(1, 2))
equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x), -1.0)
problem = sngd.Problem(ring, [equation, sngd.Dirichlet(0.0)], exact=exact, name="annulus")
