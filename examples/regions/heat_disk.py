"""The heat equation on a disk, in time."""

import jax.numpy as jnp

import sngd


def exact(x):
    return jnp.exp(-3 * x[0]) * jnp.sin(x[1] + 0.3) * jnp.cos(jnp.sqrt(2.0) * x[2])


cylinder = sngd.space_time(sngd.disk(), t=(0, 1))
heat = sngd.Interior(lambda u, x: sngd.partial(u, "t")(x) - sngd.laplacian(u)(x))
problem = sngd.Problem(cylinder, [heat, sngd.Initial(exact), sngd.Dirichlet(exact)], exact=exact, name="heat-disk")
