"""The bright soliton of the cubic Schroedinger equation as one complex unknown."""

import jax.numpy as jnp

import sngd

TRUE = {}


def exact(x):
    return jnp.exp(0.5j * x[0]) / jnp.cosh(x[1])


def schroedinger(psi, x):
    return 1j * sngd.partial(psi, "t")(x) + sngd.laplacian(psi)(x) / 2 + jnp.abs(psi(x)) ** 2 * psi(x)


domain = sngd.space_time(t=(0, 1.5), x=(-5, 5))
conditions = [sngd.Interior(schroedinger), sngd.Initial(exact), sngd.Dirichlet(exact)]
unknowns = [sngd.Unknown("psi", complex=True)]
problem = sngd.Problem(domain, conditions, unknowns=unknowns, exact=exact, name="soliton")
