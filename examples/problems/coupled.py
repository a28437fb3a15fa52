"""Two coupled nonlinear equations, a predator and its prey that diffuse: a system with a manufactured solution."""

import jax.numpy as jnp

import sngd


def exact(x):
    return jnp.stack([2 + jnp.sin(jnp.pi * x[0]) * jnp.cos(x[1]), jnp.exp(x[0] - x[1])])


def operator(u, v, x):
    meeting = u(x) * v(x)
    return jnp.stack([-sngd.laplacian(u)(x) + meeting, -sngd.laplacian(v)(x) - meeting])


domain = sngd.box(x=(0, 1), y=(0, 1))
prey, predator = (sngd.Field(lambda x, at=at: exact(x)[at], domain) for at in (0, 1))
equation = sngd.Interior(lambda u, v, x: operator(u, v, x) - operator(prey, predator, x))
problem = sngd.Problem(domain, [equation, sngd.Dirichlet(exact)], unknowns=["u", "v"], exact=exact, name="coupled")
