"""A beam that is clamped at one end, with a load at its middle: the third derivative jumps."""

import jax.numpy as jnp

import sngd

TIP = -5 / 48


def inner(x):
    return -(x[0] ** 2) * (1.5 - x[0]) / 6


def outer(x):
    return -(3 * x[0] - 0.5) / 24


PIECES = {"inner": inner, "outer": outer}


def exact(x):
    return jnp.where(x[0] < 0.5, inner(x), outer(x))


def derivative(w, order):
    return sngd.partial(w, *["x"] * order)


def load(u, v, x, n):
    """Slopes and moments match, and the shear force jumps by the load."""
    first, second, third = (derivative(u, order)(x) - derivative(v, order)(x) for order in (1, 2, 3))
    return first, second, third - 1


beam = sngd.layers("x", inner=(0, 0.5), outer=(0.5, 1))
conditions = [
    sngd.Interior(lambda w, x: derivative(w, 4)(x)),
    sngd.Boundary(lambda w, x: (w(x), derivative(w, 1)(x)), on=beam.face("x", "lower")),
    sngd.Boundary(lambda w, x: (derivative(w, 2)(x), derivative(w, 3)(x)), on=beam.face("x", "upper")),
    sngd.Interface("inner", "outer", load),
]
problem = sngd.Problem(beam, conditions, unknowns=["w"], exact=exact, name="cantilever")
