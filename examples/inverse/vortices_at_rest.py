"""Readings of the velocity of vortices at rest tell the viscosity, and nothing of the coefficient of convection.

The convection of Taylor and Green's vortices is a gradient, which the pressure takes up.
"""

import jax
import jax.numpy as jnp
import numpy as np

import sngd

TRUE = {"convection": 1.0, "viscosity": 0.05}
OPEN = "1 convection"


def exact(x):
    decay = jnp.exp(-2 * TRUE["viscosity"] * x[0])
    u, v = -decay * jnp.cos(x[1]) * jnp.sin(x[2]), decay * jnp.sin(x[1]) * jnp.cos(x[2])
    return jnp.stack([u, v, -(decay**2) * (jnp.cos(2 * x[1]) + jnp.cos(2 * x[2])) / 4])


def equations(u, v, p, x, convection, viscosity):
    def momentum(w, axis):
        carried = u(x) * sngd.partial(w, "x")(x) + v(x) * sngd.partial(w, "y")(x)
        forces = sngd.partial(p, axis)(x) - viscosity * sngd.laplacian(w)(x)
        return sngd.partial(w, "t")(x) + convection * carried + forces

    return momentum(u, "x"), momentum(v, "y"), sngd.partial(u, "x")(x) + sngd.partial(v, "y")(x)


block = sngd.space_time(t=(0, 1), x=(0, 2), y=(0, 2))
where = block.grid(9)
readings = np.asarray(jax.vmap(exact)(jnp.asarray(where)))[:, :2]
conditions = [sngd.Interior(equations), sngd.Data(where, readings, noise=0.0, of=("u", "v"))]
constants = [sngd.Constant("convection", start=0.5), sngd.Constant("viscosity", start=0.5)]
problem = sngd.Problem(block, conditions, unknowns=["u", "v", "p", *constants], exact=exact, name="vortices-at-rest")
