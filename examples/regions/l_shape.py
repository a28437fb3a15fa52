"""Laplace's equation on an L-shape, with a solution that is smooth in spite of the corner."""

import jax.numpy as jnp

import sngd


def exact(x):
    return jnp.exp(-jnp.pi * x[0]) * jnp.sin(jnp.pi * x[1])


shape = sngd.box(x=(0, 2), y=(0, 2)) - sngd.box(x=(1, 2), y=(1, 2))
equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x))
problem = sngd.Problem(shape, [equation, sngd.Dirichlet(exact)], exact=exact, name="l-shape")
