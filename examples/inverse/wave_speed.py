"""The speed field `c(x)` of a driven wave equation from readings of the whole field."""

import jax
import jax.numpy as jnp
import numpy as np

import sngd

TRUE = {}


def solution(x):
    return jnp.cos(2 * x[0]) * jnp.sin(2 * x[1] + 0.5) + 0.3 * x[0] * x[1]


def speed(x):
    return 1 + 0.3 * jnp.sin(2 * jnp.pi * x[1])


def exact(x):
    return jnp.stack([solution(x), speed(x)])


def force(x):
    return 4 * (speed(x) ** 2 - 1) * jnp.cos(2 * x[0]) * jnp.sin(2 * x[1] + 0.5)


strip = sngd.space_time(t=(0, 1), x=(0, 1))
equation = sngd.Interior(
    lambda u, c, x: sngd.partial(u, "t", "t")(x) - c(x) ** 2 * sngd.partial(u, "x", "x")(x) - force(x)
)
where = strip.grid(21)
readings = np.asarray(jax.vmap(solution)(jnp.asarray(where)))
problem = sngd.Problem(
    strip,
    [equation, sngd.Data(where, readings, noise=0.0, of="u")],
    unknowns=["u", sngd.Unknown("c", inputs="x", start=1.0)],
    exact=exact,
    name="wave-speed",
)
