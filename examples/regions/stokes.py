"""Stokes' equations in a channel with a hole; the pressure is given at one point."""

import jax.numpy as jnp

import sngd


def exact(x):
    u, v = -2 * jnp.sin(x[0] + 0.5) * jnp.sin(2 * x[1]), -jnp.cos(x[0] + 0.5) * jnp.cos(2 * x[1])
    return jnp.stack([u, v, jnp.cos(x[0]) * jnp.sin(x[1])])


def force(x):
    u, v, _ = exact(x)
    slope = jnp.stack([-jnp.sin(x[0]) * jnp.sin(x[1]), jnp.cos(x[0]) * jnp.cos(x[1])])
    return 5 * jnp.stack([u, v]) + slope


def momentum(u, v, p, x):
    return sngd.partial(p, "x")(x) - sngd.laplacian(u)(x), sngd.partial(p, "y")(x) - sngd.laplacian(v)(x)


channel = sngd.box(x=(0, 3), y=(0, 1)) - sngd.disk((1, 0.5), 0.2, name="hole")
conditions = [
    sngd.Interior(momentum, force),
    sngd.Interior(lambda u, v, x: sngd.partial(u, "x")(x) + sngd.partial(v, "y")(x)),
    sngd.Dirichlet(lambda x: exact(x)[:2], of=("u", "v")),
    sngd.Dirichlet(0.0, of="p", on=channel.point(0, 0)),
]
problem = sngd.Problem(channel, conditions, unknowns=["u", "v", "p"], exact=exact, name="stokes")
