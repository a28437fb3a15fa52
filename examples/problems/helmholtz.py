"""The Helmholtz equation with waves of two lengths: `sngd solve examples/problems/helmholtz.py`."""

import jax.numpy as jnp

import sngd

WAVE_NUMBER = 5.0


def exact(x):
    return jnp.sin(3 * jnp.pi * x[0]) * jnp.cos(2 * jnp.pi * x[1])


def equation(u, x):
    force = (WAVE_NUMBER**2 - 13 * jnp.pi**2) * exact(x)
    return sngd.laplacian(u)(x) + WAVE_NUMBER**2 * u(x) - force


domain = sngd.box(x=(0, 1), y=(0, 1))
problem = sngd.Problem(domain, [sngd.Interior(equation), sngd.Dirichlet(exact)], exact=exact, name="helmholtz")
