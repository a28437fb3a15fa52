"""Equations of Poisson, of Helmholtz and of the plate in two dimensions."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sngd.geometry import box
from sngd.library._point import Point
from sngd.problem import Boundary, Dirichlet, Field, Interior, Problem, directional, laplacian


def poisson_a(frequency_x: float = 2.0, frequency_y: float = 1.0, slope: float = 1.0) -> Problem:
    """Poisson's equation with a wave and a polynomial: `u_xx + u_yy = f` on `[0, 2] x [-1, 1]`.

    The solution `sin(a pi x) sin(b pi y) + c x^2 y`, with the two frequencies and the slope, is given on the boundary.
    """
    squares = (frequency_x**2 + frequency_y**2) * jnp.pi**2

    def wave(x: Point) -> Array:
        return jnp.sin(frequency_x * jnp.pi * x[0]) * jnp.sin(frequency_y * jnp.pi * x[1])

    def exact(x: Point) -> Array:
        return wave(x) + slope * x[0] ** 2 * x[1]

    def equation(u: Field, x: Point) -> Array:
        return laplacian(u)(x) + squares * wave(x) - 2 * slope * x[1]

    domain = box(x=(0, 2), y=(-1, 1))
    return Problem(domain, [Interior(equation), Dirichlet(exact)], exact=exact, name="poisson-a")


def helmholtz_a(frequency_x: float = 1.0, frequency_y: float = 4.0, squared_wavenumber: float = 1.0) -> Problem:
    """Helmholtz's equation with a source: `u_xx + u_yy + k^2 u = f` on `[-1, 1]^2`.

    The solution `sin(a pi x) sin(b pi y)` is given on the boundary. This is the problem of Wang, Teng and Perdikaris,
    SIAM J. Sci. Comput. 43 (2021), section 4.1. The smallest eigenvalue of the Laplacian is `pi^2 / 2`, so that `k^2`
    must stay below it.
    """
    coefficient = squared_wavenumber - (frequency_x**2 + frequency_y**2) * jnp.pi**2

    def exact(x: Point) -> Array:
        return jnp.sin(frequency_x * jnp.pi * x[0]) * jnp.sin(frequency_y * jnp.pi * x[1])

    def equation(u: Field, x: Point) -> Array:
        return laplacian(u)(x) + squared_wavenumber * u(x) - coefficient * exact(x)

    domain = box(x=(-1, 1), y=(-1, 1))
    return Problem(domain, [Interior(equation), Dirichlet(exact)], exact=exact, name="helmholtz-a")


def helmholtz_plane_waves(
    wavenumber: float = 20.0,
    amplitude_1: float = 1.0,
    amplitude_2: float = 0.7,
    amplitude_3: float = 0.4,
    angle_1: float = 0.3,
    angle_2: float = 1.4,
    angle_3: float = 2.9,
) -> Problem:
    """Helmholtz's equation with three plane waves: `u_xx + u_yy + k^2 u = 0` on the unit square.

    The solution, the sum over `j` of `a_j cos(k d_j . x + j)` with `d_j` the unit vector at the angle `j`, is given on
    the boundary. The conditions do not determine it where `k^2` is an eigenvalue `(m^2 + n^2) pi^2` of the Laplacian.
    """
    amplitudes = np.array([amplitude_1, amplitude_2, amplitude_3])
    angles, phases = np.array([angle_1, angle_2, angle_3]), np.arange(1, 4)
    waves = wavenumber * np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def exact(x: Point) -> Array:
        return jnp.dot(amplitudes, jnp.cos(jnp.dot(waves, x) + phases))

    equation = Interior(lambda u, x: laplacian(u)(x) + wavenumber**2 * u(x))
    return Problem(box(x=(0, 1), y=(0, 1)), [equation, Dirichlet(exact)], exact=exact, name="helmholtz-plane-waves")


def multiscale_poisson(
    amplitude_4: float = 1.0, amplitude_8: float = 1.0, amplitude_12: float = 1.0, amplitude_16: float = 1.0
) -> Problem:
    """Poisson's equation with four scales: `u_xx + u_yy = f` on the unit square, `u = 0` on its boundary.

    The solution is the mean of `a_k sin(k pi x) sin(k pi y)` over `k = 4, 8, 12, 16`.
    """
    amplitudes = np.array([amplitude_4, amplitude_8, amplitude_12, amplitude_16]) / 4
    frequencies = np.pi * np.arange(4, 17, 4)

    def scales(x: Point) -> Array:
        return jnp.sin(frequencies * x[0]) * jnp.sin(frequencies * x[1])

    def equation(u: Field, x: Point) -> Array:
        return laplacian(u)(x) + jnp.dot(2 * frequencies**2 * amplitudes, scales(x))

    return Problem(
        box(x=(0, 1), y=(0, 1)),
        [Interior(equation), Dirichlet(0.0)],
        exact=lambda x: jnp.dot(amplitudes, scales(x)),
        name="multiscale-poisson",
    )


def biharmonic(growth: float = 1.0, frequency: float = 1.0) -> Problem:
    """The biharmonic equation: `Lap Lap u = f` on the unit square, with `u` and its normal derivative on the boundary.

    The solution is `exp(g x) sin(w pi y)`.
    """
    squares = growth**2 - (frequency * jnp.pi) ** 2

    def exact(x: Point) -> Array:
        return jnp.exp(growth * x[0]) * jnp.sin(frequency * jnp.pi * x[1])

    def slopes(x: Point) -> Array:
        along_y = frequency * jnp.pi * jnp.exp(growth * x[0]) * jnp.cos(frequency * jnp.pi * x[1])
        return jnp.stack([growth * exact(x), along_y])

    def normal_derivative(u: Field, x: Point, normal: Point) -> Array:
        return directional(u, normal)(x) - slopes(x) @ normal

    equation = Interior(lambda u, x: laplacian(laplacian(u))(x) - squares**2 * exact(x))
    conditions = [equation, Dirichlet(exact), Boundary(normal_derivative)]
    return Problem(box(x=(0, 1), y=(0, 1)), conditions, exact=exact, name="biharmonic")
