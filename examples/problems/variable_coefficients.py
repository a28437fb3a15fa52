"""Advection and diffusion on an oblong box, with a coefficient that varies and a manufactured solution."""

import jax.numpy as jnp

import sngd


def exact(x):
    return jnp.exp(-x[1]) * jnp.sin(2 * x[0]) + x[0] / 4


def operator(u, x):
    flux = u.like(lambda z: (1 + z[0] ** 2 / 4) * sngd.gradient(u)(z))
    return -sngd.divergence(flux)(x) + sngd.partial(u, "x")(x)


domain = sngd.box(x=(-2, 3), y=(0, 2))
solved = sngd.Field(exact, domain)
equation = sngd.Interior(lambda u, x: operator(u, x) - operator(solved, x))
problem = sngd.Problem(domain, [equation, sngd.Dirichlet(exact)], exact=exact, name="variable-coefficients")
