"""Laplace's equation on an L-shape, with a solution that is singular at the corner, and no functions made for it."""

import jax.numpy as jnp

import sngd


def exact(x):
    """`r^(2/3) sin(2 phi / 3)`, where `phi` is measured from the lower side of the corner."""
    phi = jnp.arctan2(x[1] - x[0], x[0] + x[1]) + 3 * jnp.pi / 4
    return (x @ x) ** (1 / 3) * jnp.sin(2 * phi / 3)


shape = sngd.polygon([(0, 0), (0, -1), (1, -1), (1, 1), (-1, 1), (-1, 0)])
equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x))
problem = sngd.Problem(shape, [equation, sngd.Dirichlet(exact)], exact=exact, name="corner-soft")
