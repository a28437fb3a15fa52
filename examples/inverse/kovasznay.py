"""Readings of the velocity of Kovasznay's flow tell the ratio of convection and viscosity, and not both coefficients.

Steady equations without a force hold for multiples of both coefficients and of the pressure as well.
"""

import jax
import jax.numpy as jnp
import numpy as np

import sngd

TRUE = {"convection": 1.0, "viscosity": 0.025}
OPEN = "1 convection +0.025 viscosity"
RATE = 20 - np.sqrt(400 + 4 * np.pi**2)


def exact(x):
    growth = jnp.exp(RATE * x[0])
    u, v = 1 - growth * jnp.cos(2 * jnp.pi * x[1]), RATE / (2 * jnp.pi) * growth * jnp.sin(2 * jnp.pi * x[1])
    return jnp.stack([u, v, (1 - growth**2) / 2])


def equations(u, v, p, x, convection, viscosity):
    def momentum(w, axis):
        carried = u(x) * sngd.partial(w, "x")(x) + v(x) * sngd.partial(w, "y")(x)
        return convection * carried + sngd.partial(p, axis)(x) - viscosity * sngd.laplacian(w)(x)

    return momentum(u, "x"), momentum(v, "y"), sngd.partial(u, "x")(x) + sngd.partial(v, "y")(x)


box = sngd.box(x=(-0.5, 1), y=(-0.5, 1.5))
where = box.grid(21)
readings = np.asarray(jax.vmap(exact)(jnp.asarray(where)))[:, :2]
conditions = [sngd.Interior(equations), sngd.Data(where, readings, noise=0.0, of=("u", "v"))]
constants = [sngd.Constant("convection", start=0.5), sngd.Constant("viscosity", start=0.5)]
problem = sngd.Problem(box, conditions, unknowns=["u", "v", "p", *constants], exact=exact, name="kovasznay")
