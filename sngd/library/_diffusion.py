"""Diffusion and reaction in time."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sngd.geometry import space_time
from sngd.library._point import Point
from sngd.library._reference import logistic_diffusion
from sngd.problem import Dirichlet, Field, Initial, Interior, Periodic, Problem, partial


def heat_a(diffusivity: float = 1.0, amplitude_1: float = 1.0, amplitude_3: float = 0.5) -> Problem:
    """The heat equation with two modes: `u_t = k u_xx` on `[0, 1]^2`, `u = 0` at both ends.

    The solution is the sum of `a_m exp(-k (m pi)^2 t) sin(m pi x)` over `m = 1, 3`, given at the beginning.
    """
    modes, amplitudes = np.pi * np.array([1.0, 3.0]), np.array([amplitude_1, amplitude_3])

    def initial(x: Point) -> Array:
        return jnp.dot(amplitudes, jnp.sin(modes * x[1]))

    def exact(x: Point) -> Array:
        return jnp.dot(amplitudes, jnp.exp(-diffusivity * modes**2 * x[0]) * jnp.sin(modes * x[1]))

    equation = Interior(lambda u, x: partial(u, "t")(x) - diffusivity * partial(u, "x", "x")(x))
    conditions = [equation, Initial(initial), Dirichlet(0.0)]
    return Problem(space_time(t=(0, 1), x=(0, 1)), conditions, exact=exact, name="heat-a")


def reaction(rate: float = 5.0, width: float = math.pi / 4) -> Problem:
    """The logistic equation at every place: `u_t = r u (1 - u)` for `t` in `[0, 1]` and `x` in `[0, 2 pi]`.

    It begins with `g = exp(-(x - pi)^2 / (2 w^2))`, and the solution is `g / (g + (1 - g) exp(-r t))`. This is the
    problem of Krishnapriyan et al., NeurIPS 2021, section 3.
    """

    def initial(x: Point) -> Array:
        return jnp.exp(-((x[1] - jnp.pi) ** 2) / (2 * width**2))

    def exact(x: Point) -> Array:
        return initial(x) / (initial(x) + (1 - initial(x)) * jnp.exp(-rate * x[0]))

    equation = Interior(lambda u, x: partial(u, "t")(x) - rate * u(x) * (1 - u(x)))
    domain = space_time(t=(0, 1), x=(0, 2 * math.pi))
    return Problem(domain, [equation, Initial(initial)], exact=exact, name="reaction")


def reaction_diffusion(diffusivity: float = 3.0, rate: float = 5.0, concentration: float = 1.0) -> Problem:
    """Logistic growth that diffuses: `u_t = k u_xx + r u (1 - u)` for `t` in `[0, 1]` on `[0, 2 pi]`, periodic in `x`.

    It begins with `exp(c (cos x - 1))`. The solution is computed, by Fourier series in `x` and piecewise Chebyshev
    series in `t`.
    """

    def equation(u: Field, x: Point) -> Array:
        growth = rate * u(x) * (1 - u(x))
        return partial(u, "t")(x) - diffusivity * partial(u, "x", "x")(x) - growth

    conditions = [
        Interior(equation),
        Initial(lambda x: jnp.exp(concentration * (jnp.cos(x[1]) - 1))),
        Periodic("x", derivatives=(0, 1)),
    ]
    return Problem(
        space_time(t=(0, 1), x=(0, 2 * math.pi)),
        conditions,
        exact=logistic_diffusion(diffusivity, rate, concentration),
        name="reaction-diffusion",
    )


def allen_cahn_front(diffusivity: float = 1.0, rate: float = 1.0) -> Problem:
    """A front of Allen and Cahn's equation: `u_t = k u_xx + r (u - u^3)` for `t` in `[0, 2]` on `[-10, 15]`.

    The solution `(1 - tanh((x / l - 3 r t / sqrt 2) / (2 sqrt 2))) / 2` with `l = sqrt(k / r)` is given at the
    beginning and at both ends.
    """
    length = math.sqrt(diffusivity / rate)

    def exact(x: Point) -> Array:
        return (1 - jnp.tanh((x[1] / length - 3 * rate * x[0] / math.sqrt(2)) / (2 * math.sqrt(2)))) / 2

    def equation(u: Field, x: Point) -> Array:
        return partial(u, "t")(x) - diffusivity * partial(u, "x", "x")(x) - rate * (u(x) - u(x) ** 3)

    conditions = [Interior(equation), Initial(exact), Dirichlet(exact)]
    return Problem(space_time(t=(0, 2), x=(-10, 15)), conditions, exact=exact, name="allen-cahn-front")
