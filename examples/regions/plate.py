"""Poisson's equation on a plate with two holes: values at the holes and at the ends, slopes at the long sides."""

import jax.numpy as jnp

import sngd


def exact(x):
    return jnp.sin(2 * x[0] + 1) * jnp.cos(jnp.pi * x[1]) + x[0]


def source(x):
    return -(4 + jnp.pi**2) * (exact(x) - x[0])


plate = sngd.box(x=(0, 4), y=(0, 1))
for center, radius in [((1, 0.5), 0.2), ((2.5, 0.4), 0.25)]:
    plate = plate - sngd.disk(center, radius, name="hole")
conditions = [
    sngd.Interior(lambda u, x: sngd.laplacian(u)(x), source),
    sngd.Dirichlet(exact, on=[plate.piece("hole"), *plate.faces("x")]),
    sngd.Neumann(0.0, on=plate.faces("y")),
]
problem = sngd.Problem(plate, conditions, exact=exact, name="plate")
