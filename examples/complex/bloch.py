"""A packet of two Bloch waves of a free particle on one period: quasi-periodic values with a complex factor."""

import jax.numpy as jnp
import numpy as np

import sngd

TRUE = {}
K = 1.7


def wave(x, k):
    return jnp.exp(1j * (k * x[1] - k**2 / 2 * x[0]))


def exact(x):
    return wave(x, K) + wave(x, K + 2 * jnp.pi) / 2


def schroedinger(psi, x):
    return 1j * sngd.partial(psi, "t")(x) + sngd.laplacian(psi)(x) / 2


domain = sngd.space_time(t=(0, 0.3), x=(0, 1))
ends = sngd.Periodic("x", (0, 1), factor=np.exp(1j * K))
conditions = [sngd.Interior(schroedinger), sngd.Initial(exact), ends]
unknowns = [sngd.Unknown("psi", complex=True)]
problem = sngd.Problem(domain, conditions, unknowns=unknowns, exact=exact, name="bloch")
