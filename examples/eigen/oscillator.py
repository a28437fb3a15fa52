"""The harmonic oscillator of quantum mechanics, between ends that change its lowest functions by about 1e-11."""

import jax.numpy as jnp
import numpy as np

import sngd

COUNT = 5
VALUES = np.arange(5) + 0.5


def function(number, x):
    """The Hermite polynomial of this degree, times a Gaussian."""
    before, here = jnp.zeros(()), jnp.exp(-(x[0] ** 2) / 2)
    for degree in range(number):
        before, here = here, 2 * x[0] * here - 2 * degree * before
    return here


line = sngd.interval(x=(-8, 8))
equation = sngd.Interior(lambda u, x, E: -sngd.laplacian(u)(x) / 2 + x[0] ** 2 / 2 * u(x) - E * u(x))
problem = sngd.Problem(line, [equation, sngd.Dirichlet(0.0)], unknowns=["u", sngd.Constant("E")], name="oscillator")
