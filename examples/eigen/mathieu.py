"""Mathieu's equation with `q = 5`, whose solutions have the period `2 pi`."""

import jax.numpy as jnp
import numpy as np
from scipy.special import mathieu_a, mathieu_b

import sngd

COUNT = 5
PARAMETER = 5.0
VALUES = np.sort([*mathieu_a([0, 1, 2], PARAMETER), *mathieu_b([1, 2], PARAMETER)])

circle = sngd.interval(x=(0, 2 * np.pi))
equation = sngd.Interior(lambda u, x, E, q: -sngd.partial(u, "x", "x")(x) + 2 * q * jnp.cos(2 * x[0]) * u(x) - E * u(x))
conditions = [equation, sngd.Periodic("x", derivatives=(0, 1))]
unknowns = ["u", sngd.Constant("E")]
problem = sngd.Problem(circle, conditions, unknowns=unknowns, parameters={"q": PARAMETER}, name="mathieu")
