"""The coefficients of convection and viscosity from readings of the velocity, without those of the pressure.

Taylor and Green's vortices decay and are carried by a uniform stream.
"""

import jax
import jax.numpy as jnp
import numpy as np

import sngd

TRUE = {"convection": 1.0, "viscosity": 0.05}
STREAM = (0.6, 0.3)


def exact(x):
    decay = jnp.exp(-2 * TRUE["viscosity"] * x[0])
    a, b = x[1] - STREAM[0] * x[0], x[2] - STREAM[1] * x[0]
    u, v = STREAM[0] - decay * jnp.cos(a) * jnp.sin(b), STREAM[1] + decay * jnp.sin(a) * jnp.cos(b)
    return jnp.stack([u, v, -(decay**2) * (jnp.cos(2 * a) + jnp.cos(2 * b)) / 4])


def equations(u, v, p, x, convection, viscosity):
    def momentum(w, axis):
        carried = u(x) * sngd.partial(w, "x")(x) + v(x) * sngd.partial(w, "y")(x)
        return (
            sngd.partial(w, "t")(x) + convection * carried + sngd.partial(p, axis)(x) - viscosity * sngd.laplacian(w)(x)
        )

    return momentum(u, "x"), momentum(v, "y"), sngd.partial(u, "x")(x) + sngd.partial(v, "y")(x)


block = sngd.space_time(t=(0, 1), x=(0, 2), y=(0, 2))
where = block.grid(9)
readings = np.asarray(jax.vmap(exact)(jnp.asarray(where)))[:, :2]
conditions = [
    sngd.Interior(equations),
    sngd.Data(where, readings, noise=0.0, of=("u", "v")),
    # The equations leave a function of time open in the pressure.
    sngd.Dirichlet(lambda x: exact(x)[2], of="p", on=block.face("x", "lower")),
]
constants = [sngd.Constant("convection", start=0.5), sngd.Constant("viscosity", start=0.5)]
problem = sngd.Problem(block, conditions, unknowns=["u", "v", "p", *constants], exact=exact, name="navier-stokes")
