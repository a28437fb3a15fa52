"""Equations whose solutions travel: waves, convection, Klein-Gordon, Korteweg-de Vries and Schroedinger."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sngd.geometry import space_time
from sngd.library._point import Point
from sngd.problem import Dirichlet, Field, Initial, Interior, Neumann, Periodic, Problem, partial


def wave_a(speed: float = 2.0, amplitude_1: float = 1.0, amplitude_4: float = 0.5) -> Problem:
    """The wave equation: `u_tt = c^2 u_xx` on `[0, 1]^2`, `u` and `u_t` given at the beginning, `u = 0` at both ends.

    The solution is `a_1 sin(pi x) cos(c pi t) + a_4 sin(4 pi x) cos(4 c pi t)`, the problem of Wang, Yu and Perdikaris,
    J. Comput. Phys. 449 (2022), section 7.2.
    """
    modes, amplitudes = np.pi * np.array([1.0, 4.0]), np.array([amplitude_1, amplitude_4])

    def initial(x: Point) -> Array:
        return jnp.dot(amplitudes, jnp.sin(modes * x[1]))

    def exact(x: Point) -> Array:
        return jnp.dot(amplitudes, jnp.sin(modes * x[1]) * jnp.cos(speed * modes * x[0]))

    equation = Interior(lambda u, x: partial(u, "t", "t")(x) - speed**2 * partial(u, "x", "x")(x))
    conditions = [equation, Initial(initial), Initial(0.0, derivative=1), Dirichlet(0.0)]
    return Problem(space_time(t=(0, 1), x=(0, 1)), conditions, exact=exact, name="wave-a")


def convection(speed: float = 50.0, amplitude: float = 1.0) -> Problem:
    """The convection equation: `u_t + b u_x = 0` for `t` in `[0, 1]` on `[0, 2 pi]`, periodic in `x`.

    The solution is `a sin(x - b t)`, the problem of Krishnapriyan et al., NeurIPS 2021, section 3.
    """
    conditions = [
        Interior(lambda u, x: partial(u, "t")(x) + speed * partial(u, "x")(x)),
        Initial(lambda x: amplitude * jnp.sin(x[1])),
        Periodic("x"),
    ]
    return Problem(
        space_time(t=(0, 1), x=(0, 2 * math.pi)),
        conditions,
        exact=lambda x: amplitude * jnp.sin(x[1] - speed * x[0]),
        name="convection",
    )


def klein_gordon_2(frequency: float = 1.0, amplitude: float = 1.0) -> Problem:
    """The Klein-Gordon equation with a square: `u_tt - u_xx + u^2 = f` for `t` in `[0, 10]` on `[-1, 1]`.

    The solution `a x cos(w t)` is given at the ends, and with its derivative in time at the beginning.
    """

    def exact(x: Point) -> Array:
        return amplitude * x[1] * jnp.cos(frequency * x[0])

    def equation(u: Field, x: Point) -> Array:
        source = exact(x) ** 2 - frequency**2 * exact(x)
        return partial(u, "t", "t")(x) - partial(u, "x", "x")(x) + u(x) ** 2 - source

    conditions = [Interior(equation), Initial(exact), Initial(0.0, derivative=1), Dirichlet(exact)]
    return Problem(space_time(t=(0, 10), x=(-1, 1)), conditions, exact=exact, name="klein-gordon-2")


def klein_gordon_3(frequency: float = 5.0, amplitude: float = 1.0, cubic: float = 1.0) -> Problem:
    """The Klein-Gordon equation with a cube: `u_tt - u_xx + u^3 = f` on `[0, 1]^2`.

    The solution `a x cos(w pi t) + c (x t)^3` is given at the ends, and with its derivative in time at the beginning.
    It is the problem of Wang, Teng and Perdikaris, SIAM J. Sci. Comput. 43 (2021), section 4.2.
    """
    wave = frequency * jnp.pi

    def exact(z: Point) -> Array:
        t, x = z
        return amplitude * x * jnp.cos(wave * t) + cubic * (x * t) ** 3

    def source(z: Point) -> Array:
        t, x = z
        linear = -(wave**2) * amplitude * x * jnp.cos(wave * t) + 6 * cubic * (x**3 * t - x * t**3)
        return linear + exact(z) ** 3

    def equation(u: Field, x: Point) -> Array:
        return partial(u, "t", "t")(x) - partial(u, "x", "x")(x) + u(x) ** 3 - source(x)

    conditions = [Interior(equation), Initial(exact), Initial(0.0, derivative=1), Dirichlet(exact)]
    return Problem(space_time(t=(0, 1), x=(0, 1)), conditions, exact=exact, name="klein-gordon-3")


def kdv_soliton(wavenumber: float = 1.0, start: float = 2.0, nonlinearity: float = 6.0) -> Problem:
    """The soliton of Korteweg and de Vries: `u_t + n u u_x + u_xxx = 0` for `t` in `[0, 1]` on `[-10, 10]`.

    The solution `12 k^2 sech(k (x - 4 k^2 t + s))^2 / n` is given at the beginning and at both ends, with its
    derivative at the right one.
    """

    def phase(x: Point) -> Array:
        return wavenumber * (x[1] - 4 * wavenumber**2 * x[0] + start)

    def exact(x: Point) -> Array:
        return 12 * wavenumber**2 / nonlinearity / jnp.cosh(phase(x)) ** 2

    def slope(x: Point) -> Array:
        return -2 * wavenumber * jnp.tanh(phase(x)) * exact(x)

    def equation(u: Field, x: Point) -> Array:
        transport = partial(u, "t")(x) + nonlinearity * u(x) * partial(u, "x")(x)
        return transport + partial(u, "x", "x", "x")(x)

    conditions = [Interior(equation), Initial(exact), Dirichlet(exact), Neumann(slope, on="upper")]
    return Problem(space_time(t=(0, 1), x=(-10, 10)), conditions, exact=exact, name="kdv-soliton")


def schroedinger_soliton(amplitude: float = 1.0, nonlinearity: float = 1.0) -> Problem:
    """The soliton of Schroedinger's equation: `i h_t + h_xx / 2 + g |h|^2 h = 0` for `t` in `[0, 1.5]` on `[-5, 5]`.

    The unknowns are the real part `a` and the imaginary part `b` of `h`. With the amplitude `c` the solution
    `c sech(c x) exp(i c^2 t / 2) / sqrt(g)` is given at the beginning and at both ends.
    """

    def exact(x: Point) -> Array:
        angle = amplitude**2 * x[0] / 2
        size = amplitude / math.sqrt(nonlinearity) / jnp.cosh(amplitude * x[1])
        return size * jnp.stack([jnp.cos(angle), jnp.sin(angle)])

    def equations(a: Field, b: Field, x: Point) -> tuple[Array, Array]:
        density = nonlinearity * (a(x) ** 2 + b(x) ** 2)
        real = -partial(b, "t")(x) + partial(a, "x", "x")(x) / 2 + density * a(x)
        imaginary = partial(a, "t")(x) + partial(b, "x", "x")(x) / 2 + density * b(x)
        return real, imaginary

    conditions = [Interior(equations), Initial(exact), Dirichlet(exact)]
    domain = space_time(t=(0, 1.5), x=(-5, 5))
    return Problem(domain, conditions, unknowns=("a", "b"), exact=exact, name="schroedinger-soliton")
