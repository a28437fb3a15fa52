"""Poisson's equation on cubes of many dimensions."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sngd.geometry import Box, box
from sngd.library._point import Point
from sngd.problem import Dirichlet, Interior, Problem, laplacian

# How many waves one problem has, and the seed of their directions.
_WAVES, _SEED = 10, 0


def poisson_cosines(dimension: int = 5, frequency: float = 1.0) -> Problem:
    """Poisson's equation with a cosine of every coordinate: `Lap u = f` on the unit cube.

    The solution, the sum of `cos(w pi x_i)`, is given on the boundary. It is the problem of E and Yu, Commun. Math.
    Stat. 6 (2018), with another sum.
    """
    wave = frequency * np.pi

    def exact(x: Point) -> Array:
        return jnp.sum(jnp.cos(wave * x))

    equation = Interior(lambda u, x: laplacian(u)(x) + wave**2 * exact(x))
    return Problem(_cube(dimension), [equation, Dirichlet(exact)], exact=exact, name=f"poisson-{dimension}d-cosines")


def poisson_directions(dimension: int = 5, frequency: float = 1.0) -> Problem:
    """Poisson's equation with waves of ten random directions: `Lap u = f` on the unit cube.

    The solution, the sum of `cos(w pi d_k . x)` over ten unit vectors `d_k`, the same in every call, is given on the
    boundary.
    """
    normal = np.random.default_rng(_SEED).standard_normal((_WAVES, dimension))
    waves = frequency * np.pi * normal / np.linalg.norm(normal, axis=1, keepdims=True)

    def exact(x: Point) -> Array:
        return jnp.sum(jnp.cos(waves @ x))

    equation = Interior(lambda u, x: laplacian(u)(x) + (frequency * np.pi) ** 2 * exact(x))
    return Problem(_cube(dimension), [equation, Dirichlet(exact)], exact=exact, name=f"poisson-{dimension}d-directions")


def poisson_product(dimension: int = 5, frequency: float = 1.0) -> Problem:
    """Poisson's equation with a product of sines: `Lap u = f` on the unit cube.

    The solution, the product of `sin(w pi x_i)`, is given on the boundary.
    """
    wave = frequency * np.pi

    def exact(x: Point) -> Array:
        return jnp.prod(jnp.sin(wave * x))

    equation = Interior(lambda u, x: laplacian(u)(x) + dimension * wave**2 * exact(x))
    return Problem(_cube(dimension), [equation, Dirichlet(exact)], exact=exact, name=f"poisson-{dimension}d-product")


def _cube(dimension: int) -> Box:
    return box(**{f"x{number}": (0, 1) for number in range(1, dimension + 1)})
