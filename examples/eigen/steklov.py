"""Steklov's problem on the unit square: harmonic functions with `du/dn = E u` on all sides."""

import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

import sngd

COUNT = 5
ODD, EVEN = (
    brentq(equation, *between, xtol=1e-15, rtol=1e-15)
    for equation, between in (
        (lambda t: np.tanh(t) * np.sin(t) - np.cos(t), (0.1, np.pi / 2)),
        (lambda t: np.tanh(t) * np.cos(t) + np.sin(t), (np.pi / 2, np.pi)),
    )
)
VALUES = np.array([0.0, *[2 * ODD * np.tanh(ODD)] * 2, 2.0, *[2 * EVEN * np.tanh(EVEN)] * 2])


def function(number, x):
    first, second = (x - 0.5) if number % 2 else (x - 0.5)[::-1]
    if number in (0, 3):
        return first * second if number else jnp.ones(())
    if number in (1, 2):
        return jnp.cosh(2 * ODD * first) * jnp.sin(2 * ODD * second)
    return jnp.cosh(2 * EVEN * first) * jnp.cos(2 * EVEN * second)


square = sngd.box(x=(0, 1), y=(0, 1))
inside = sngd.Interior(lambda u, x: sngd.laplacian(u)(x))
sides = sngd.Boundary(lambda u, x, normal, E: sngd.directional(u, normal)(x) - E * u(x))
problem = sngd.Problem(square, [inside, sides], unknowns=["u", sngd.Constant("E")], name="steklov")
