"""The paper's four problems, with exact solutions (section 5).

Each is made once, so that another run finds the functions that were compiled for the last one.
"""

import functools
import math

import jax.numpy as jnp
from jaxtyping import Array

from sngd.geometry import GaussLegendre, box, interval, space_time
from sngd.library._point import Point
from sngd.problem import Dirichlet, Energy, Field, Initial, Interior, Neumann, Periodic, Problem, laplacian, partial


@functools.cache
def heat() -> Problem:
    """The heat equation, eq. (10): `u_t = u_xx / 4` on `[0, 1]^2`, solved by `exp(-pi^2 t / 4) sin(pi x)`."""

    def equation(u: Field, x: Point) -> Array:
        return partial(u, "t")(x) - partial(u, "x", "x")(x) / 4

    def exact(x: Point) -> Array:
        return jnp.exp(-(jnp.pi**2) * x[0] / 4) * jnp.sin(jnp.pi * x[1])

    conditions = [Interior(equation), Initial(lambda x: jnp.sin(jnp.pi * x[1])), Dirichlet(0.0)]
    return Problem(space_time(t=(0, 1), x=(0, 1)), conditions, exact=exact, name="heat")


@functools.cache
def poisson() -> Problem:
    """Poisson's equation, eq. (11): `-(u_xx + u_yy) = f` on the unit square, solved by `sin(pi x) sin(pi y)`.

    The paper prints the gradient where it means the Laplacian.
    """

    def exact(x: Point) -> Array:
        return jnp.sin(jnp.pi * x[0]) * jnp.sin(jnp.pi * x[1])

    def equation(u: Field, x: Point) -> Array:
        return -laplacian(u)(x) - 2 * jnp.pi**2 * exact(x)

    return Problem(box(x=(0, 1), y=(0, 1)), [Interior(equation), Dirichlet(0.0)], exact=exact, name="poisson")


def _bvp_right_hand_side(x: Point) -> Array:
    """Eq. (12) prints the product of the two terms; `cos(pi x)` solves the problem with their sum."""
    return jnp.pi**2 * jnp.cos(jnp.pi * x[0]) + jnp.cos(jnp.pi * x[0]) ** 3


def _bvp_exact(x: Point) -> Array:
    return jnp.cos(jnp.pi * x[0])


@functools.cache
def bvp() -> Problem:
    """The nonlinear boundary value problem, eq. (12), by its residual: `-u'' + u^3 = f` on `[-1, 1]`, `u' = 0` at both
    ends, solved by `cos(pi x)`.
    """
    equation = Interior(lambda u, x: -partial(u, "x", "x")(x) + u(x) ** 3 - _bvp_right_hand_side(x))
    return Problem(interval(x=(-1, 1)), [equation, Neumann(0.0)], exact=_bvp_exact, name="bvp")


@functools.cache
def bvp_energy() -> Energy:
    """The same problem in the paper's variational form: minimize the integral of `u'^2 / 2 + u^4 / 4 - f u`.

    `u' = 0` at both ends is the natural boundary condition. The second variation along `v` is the integral of
    `v'^2 + 3 u^2 v^2`.
    """

    def density(u: Field, x: Point) -> Array:
        return partial(u, "x")(x) ** 2 / 2 + u(x) ** 4 / 4 - _bvp_right_hand_side(x) * u(x)

    def metric(u: Field, v: Field, x: Point) -> Array:
        return jnp.stack([partial(v, "x")(x), math.sqrt(3) * u(x) * v(x)])

    return Energy(interval(x=(-1, 1)), density, metric, exact=_bvp_exact, name="bvp-energy")


def transport(speed: float = 30.0) -> Problem:
    """The transport equation, eq. (13): `u_t + c u_x = 0` on `[0, 2 pi] x [0, 1]`, periodic in `x`, solved by
    `sin(x - c t)`.

    With a high speed the solution oscillates in time, and few points let a network interpolate a wrong one: the rule
    has fifty an axis, twice as many rows as the paper's network has parameters.
    """
    domain = space_time(x=(0, 2 * math.pi), t=(0, 1))
    conditions = [
        Interior(lambda u, x: partial(u, "t")(x) + speed * partial(u, "x")(x)),
        Initial(lambda x: jnp.sin(x[0])),
        Periodic("x"),
    ]
    return Problem(
        domain,
        conditions,
        quadrature=GaussLegendre(50),
        exact=lambda x: jnp.sin(x[0] - speed * x[1]),
        name="transport",
    )
