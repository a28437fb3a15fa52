"""The coefficient `h` of heat transfer in a condition at the end of a rod, `u' + h u = 0`, from five readings."""

import jax
import jax.numpy as jnp
import numpy as np

import sngd

TRUE = {"h": 2.0}

# The first eigenvalue of a rod with this condition at one end: rate * tan(rate) = h.
RATE = 1.0768739863118038


def exact(x):
    return jnp.exp(-(RATE**2) * x[0]) * jnp.cos(RATE * x[1])


rod = sngd.space_time(t=(0, 1), x=(0, 1))
heat = sngd.Interior(lambda u, x: sngd.partial(u, "t")(x) - sngd.laplacian(u)(x))
left = sngd.Neumann(0.0, on=rod.face("x", "lower"))
right = sngd.Robin(lambda x, h: h, on=rod.face("x", "upper"))
where = np.stack([np.linspace(0.2, 1.0, 5), np.full(5, 0.5)], axis=1)
data = sngd.Data(where, np.asarray(jax.vmap(exact)(jnp.asarray(where))), noise=0.0)
unknowns = ["u", sngd.Constant("h", start=1.0, lower=0.0)]
problem = sngd.Problem(
    rod, [heat, left, right, sngd.Initial(exact), data], unknowns=unknowns, exact=exact, name="boundary-coefficient"
)
