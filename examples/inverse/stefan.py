"""Stefan's problem of one phase: ice melts from a warm wall, and where it ends at each time is unknown.

With `y = x / s(t)` the liquid is the strip `0 < y < 1`. The solution is `u = exp(t - x + s_0) - 1` and `s = s_0 + t`.
"""

import jax.numpy as jnp

import sngd

TRUE = {}
FIRST = 0.5


def temperature(x):
    return jnp.exp(x[0] - x[1] * (FIRST + x[0]) + FIRST) - 1


def exact(x):
    return jnp.stack([temperature(x), FIRST + x[0]])


def equation(u, s, x):
    moving = sngd.partial(u, "t")(x) - x[1] * sngd.partial(s, "t")(x) / s(x) * sngd.partial(u, "y")(x)
    return moving - sngd.partial(u, "y", "y")(x) / s(x) ** 2


strip = sngd.space_time(t=(0, 1), y=(0, 1))
wall, front = strip.face("y", "lower"), strip.face("y", "upper")
conditions = [
    sngd.Interior(equation),
    sngd.Initial(exact),
    sngd.Dirichlet(temperature, of="u", on=wall),
    sngd.Dirichlet(0.0, of="u", on=front),
    sngd.Boundary(lambda u, s, x: s(x) * sngd.partial(s, "t")(x) + sngd.partial(u, "y")(x), on=front),
]
unknowns = ["u", sngd.Unknown("s", inputs="t", start=1.0)]
problem = sngd.Problem(strip, conditions, unknowns=unknowns, exact=exact, name="stefan")
