"""A function to fit: the condition is an equation without derivatives."""

import jax.numpy as jnp
from jaxtyping import Array

from sngd.geometry import Sobol, box
from sngd.library._point import Point
from sngd.problem import Interior, Problem

_POINTS = 2048


def regression(frequency_x: float = 3.0, frequency_y: float = 2.0, peak: float = 1.0) -> Problem:
    """Regression on 2,048 Sobol points: `u = g` on `[-1, 1]^2`.

    The function is `g = exp(sin(a x) cos(b y)) + p / (1 + x^2 + y^2)`.
    """

    def exact(x: Point) -> Array:
        bump = peak / (1 + x[0] ** 2 + x[1] ** 2)
        return jnp.exp(jnp.sin(frequency_x * x[0]) * jnp.cos(frequency_y * x[1])) + bump

    conditions, points = [Interior(lambda u, x: u(x), exact)], Sobol(_POINTS)
    return Problem(box(x=(-1, 1), y=(-1, 1)), conditions, quadrature=points, exact=exact, name="regression")
