"""The viscous Burgers equation with a front that travels: `sngd solve examples/problems/burgers.py`."""

import jax.numpy as jnp

import sngd

VISCOSITY = 0.1


def exact(x):
    return 1 - jnp.tanh((x[1] - x[0]) / (2 * VISCOSITY))


def equation(u, x):
    transport = sngd.partial(u, "t")(x) + u(x) * sngd.partial(u, "x")(x)
    return transport - VISCOSITY * sngd.partial(u, "x", "x")(x)


domain = sngd.space_time(t=(0, 1), x=(-1, 2))
conditions = [sngd.Interior(equation), sngd.Initial(exact), sngd.Dirichlet(exact)]
problem = sngd.Problem(domain, conditions, exact=exact, name="burgers")
