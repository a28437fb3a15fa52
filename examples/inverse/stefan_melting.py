"""Neumann's solution of the one-phase Stefan problem: a wall of temperature one melts a solid at zero.

The temperature of the liquid is `u`, and its front `s`. Lengths are scaled with the front, so that the liquid lies in
`0 <= y <= 1`: `u_t = u_yy / s^2 + y s' u_y / s`, and `s s' = -u_y` at the front. At the start the front has left the
wall.
"""

import jax.numpy as jnp
from jax.scipy.special import erf

import sngd

TRUE = {}

# The root of sqrt(pi) R exp(R^2) erf(R) = 1, for a Stefan number of one.
RATE = 0.6200626333135956


def front(t):
    return 2 * RATE * jnp.sqrt(t)


def temperature(x):
    return 1 - erf(RATE * x[1]) / erf(RATE)


def exact(x):
    return jnp.stack([temperature(x), front(x[0])])


def diffusion(u, s, x):
    speed = sngd.partial(s, "t")(x)
    carried = x[1] * speed * sngd.partial(u, "y")(x) / s(x)
    return sngd.partial(u, "t")(x) - sngd.partial(u, "y", "y")(x) / s(x) ** 2 - carried


liquid = sngd.space_time(t=(0.1, 1), y=(0, 1))
wall, melting = liquid.face("y", "lower"), liquid.face("y", "upper")
conditions = [
    sngd.Interior(diffusion),
    sngd.Initial(temperature, of="u"),
    sngd.Initial(lambda x: front(x[0]), of="s"),
    sngd.Dirichlet(1.0, of="u", on=wall),
    sngd.Dirichlet(0.0, of="u", on=melting),
    sngd.Boundary(lambda u, s, x: s(x) * sngd.partial(s, "t")(x) + sngd.partial(u, "y")(x), on=melting),
]
unknowns = ["u", sngd.Unknown("s", "t", start=0.5)]
problem = sngd.Problem(liquid, conditions, unknowns=unknowns, exact=exact, name="stefan-melting")
