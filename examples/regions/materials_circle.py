"""Two materials whose conductivities are 1 and 400, with a circular interface."""

import jax.numpy as jnp

import sngd

RADIUS = 0.5


def core(x):
    return (x[0] ** 2 + x[1] ** 2) ** 2


def rest(x):
    return core(x) / 400 + (1 - 1 / 400) * RADIUS**4


PIECES = {"core": core, "rest": rest}


def exact(x):
    return jnp.where(x[0] ** 2 + x[1] ** 2 < RADIUS**2, core(x), rest(x))


def source(x):
    return 16 * (x[0] ** 2 + x[1] ** 2)


def flux(u, v, x, n):
    return sngd.directional(u, n)(x) - 400 * sngd.directional(v, n)(x)


inner = sngd.disk(radius=RADIUS, name="circle")
domain = sngd.regions(core=inner, rest=sngd.box(x=(-1, 1), y=(-1, 1)) - inner)
conditions = [
    sngd.Interior(lambda u, x: sngd.laplacian(u)(x), source, on="core"),
    sngd.Interior(lambda u, x: 400 * sngd.laplacian(u)(x), source, on="rest"),
    sngd.Interface("core", "rest", flux),
    sngd.Dirichlet(exact),
]
problem = sngd.Problem(domain, conditions, exact=exact, name="materials-circle")
