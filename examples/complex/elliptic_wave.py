"""A periodic solution of the cubic Schroedinger equation, `dn(x; m) exp(i (1 - m / 2) t)`, with elliptic functions."""

import jax.numpy as jnp
import numpy as np
from scipy.special import ellipk, ellipkm1

import sngd

TRUE = {}
M = 0.7
PERIOD = 2 * float(ellipk(M))


def dn(x):
    """The elliptic function by its Fourier series (NIST Digital Library of Mathematical Functions, 22.11.3)."""
    numbers = np.arange(1, 40)
    powers = np.exp(-np.pi * ellipkm1(M) / ellipk(M)) ** numbers
    return (
        2 * np.pi / PERIOD * (0.5 + 2 * jnp.sum(powers / (1 + powers**2) * jnp.cos(2 * np.pi * numbers * x / PERIOD)))
    )


def exact(x):
    return dn(x[1]) * jnp.exp(1j * (1 - M / 2) * x[0])


def schroedinger(psi, x):
    return 1j * sngd.partial(psi, "t")(x) + sngd.laplacian(psi)(x) / 2 + jnp.abs(psi(x)) ** 2 * psi(x)


domain = sngd.space_time(t=(0, 1.5), x=(0, PERIOD))
conditions = [sngd.Interior(schroedinger), sngd.Initial(exact), sngd.Periodic("x", (0, 1))]
unknowns = [sngd.Unknown("psi", complex=True)]
problem = sngd.Problem(domain, conditions, unknowns=unknowns, exact=exact, name="elliptic-wave")
