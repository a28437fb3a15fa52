"""The heat equation on a disk whose radius grows from 1 to 1.5."""

import jax.numpy as jnp

import sngd


def exact(x):
    return jnp.exp(-3 * x[0]) * jnp.sin(x[1] + 0.3) * jnp.cos(jnp.sqrt(2.0) * x[2])


def grown(p):
    radius = 1 + p[0] / 2
    return p[0], radius * p[1], radius * p[2]


disk = sngd.space_time(sngd.disk(), t=(0, 1)).mapped(grown)
heat = sngd.Interior(lambda u, x: sngd.partial(u, "t")(x) - sngd.laplacian(u)(x))
problem = sngd.Problem(disk, [heat, sngd.Initial(exact), sngd.Dirichlet(exact)], exact=exact, name="expanding-disk")
