"""Two coupled nonlinear equations, a predator and its prey that diffuse: a system with a manufactured solution."""

import jax.numpy as jnp

import sngd


def exact(x):
    return jnp.stack([2 + jnp.sin(jnp.pi * x[0]) * jnp.cos(x[1]), jnp.exp(x[0] - x[1])])


def operator(u, x):
    prey, predator = u(x)
    meeting = jnp.stack([prey * predator, -prey * predator])
    return -sngd.laplacian(u)(x) + meeting


domain = sngd.box(x=(0, 1), y=(0, 1))
solved = sngd.Field(exact, domain)
equation = sngd.Interior(lambda u, x: operator(u, x) - operator(solved, x))
problem = sngd.Problem(domain, [equation, sngd.Dirichlet(exact)], exact=exact, outputs=2, name="coupled")
