"""Poisson's equation on an L-shape with a trial function that is zero on the boundary, and a singular solution.

No such trial function reaches the solution: that of the corner has derivatives that are not finite.
"""

import jax.numpy as jnp

import sngd


def window(x):
    return (1 - x[0] ** 2) * (1 - x[1] ** 2)


def exact(x):
    """`r^(2/3) sin(2 phi / 3)`, times a function that is zero on the outer sides."""
    phi = jnp.arctan2(x[1] - x[0], x[0] + x[1]) + 3 * jnp.pi / 4
    return window(x) * (x @ x) ** (1 / 3) * jnp.sin(2 * phi / 3)


def trial(v, x):
    """Zero on the boundary, by the sum of two distances as in Rvachev's calculus."""
    return window(x) * (x[0] + x[1] + jnp.sqrt(x @ x)) * v


shape = sngd.polygon([(0, 0), (0, -1), (1, -1), (1, 1), (-1, 1), (-1, 0)])
source = sngd.laplacian(sngd.Field(exact, shape))
equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x), lambda x: source(x))
problem = sngd.Problem(shape, [equation], unknowns=[sngd.Unknown("u", trial=trial)], exact=exact, name="corner-hard")
