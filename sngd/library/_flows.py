"""Flows of an incompressible fluid with the unknowns u, v and p, and Burgers' equation."""

import math

import jax.numpy as jnp
import numpy as np
from jax.nn import softmax
from jaxtyping import Array

from sngd.geometry import box, space_time
from sngd.library._point import Point
from sngd.problem import Dirichlet, Field, Initial, Interior, Problem, gradient, laplacian, partial

_HERMITE_NODES = 256


def _navier_stokes(viscosity: float, u: Field, v: Field, p: Field, x: Point) -> tuple[Array, Array, Array]:
    """The two equations of steady momentum and the one of continuity."""
    velocity = jnp.stack([u(x), v(x)])
    (u_x, u_y), (v_x, v_y), (p_x, p_y) = gradient(u)(x), gradient(v)(x), gradient(p)(x)
    first = velocity @ jnp.stack([u_x, u_y]) + p_x - viscosity * laplacian(u)(x)
    second = velocity @ jnp.stack([v_x, v_y]) + p_y - viscosity * laplacian(v)(x)
    return first, second, u_x + v_y


def kovasznay(reynolds: float = 40.0) -> Problem:
    """Kovasznay's flow behind a grid: the steady Navier-Stokes equations on `[-0.5, 1] x [-0.5, 1.5]`.

    The velocities are given on the boundary and the pressure at `x = 1`. With `l = R / 2 - sqrt(R^2 / 4 + 4 pi^2)`, the
    solution is `u = 1 - exp(l x) cos(2 pi y)`, `v = l exp(l x) sin(2 pi y) / (2 pi)` and `p = (1 - exp(2 l x)) / 2`
    (Kovasznay, Proc. Cambridge Philos. Soc. 44, 1948).
    """
    domain = box(x=(-0.5, 1), y=(-0.5, 1.5))
    # The difference of the two terms of `l`, without cancellation.
    rate = -4 * math.pi**2 / (reynolds / 2 + math.sqrt(reynolds**2 / 4 + 4 * math.pi**2))

    def exact(x: Point) -> Array:
        decay, angle = jnp.exp(rate * x[0]), 2 * jnp.pi * x[1]
        across = rate / (2 * jnp.pi) * decay * jnp.sin(angle)
        return jnp.stack([1 - decay * jnp.cos(angle), across, (1 - decay**2) / 2])

    conditions = [
        Interior(lambda u, v, p, x: _navier_stokes(1 / reynolds, u, v, p, x)),
        Dirichlet(lambda x: exact(x)[:2], of=("u", "v")),
        Dirichlet(lambda x: exact(x)[2], of="p", on=domain.face("x", "upper")),
    ]
    return Problem(domain, conditions, unknowns=("u", "v", "p"), exact=exact, name="kovasznay")


def taylor_green(viscosity: float = 0.01, amplitude: float = 1.0) -> Problem:
    """Taylor and Green's vortices that decay: the Navier-Stokes equations for `t` in `[0, 1]` on `[0, 2 pi]^2`.

    The velocities are given at the beginning and on the faces, the pressure at `x = 0`. With `d = a exp(-2 nu t)`, the
    solution is `u = -d cos x sin y`, `v = d sin x cos y` and `p = -d^2 (cos 2x + cos 2y) / 4` (Taylor and Green, Proc.
    R. Soc. A 158, 1937).
    """
    domain = space_time(t=(0, 1), x=(0, 2 * math.pi), y=(0, 2 * math.pi))

    def exact(z: Point) -> Array:
        t, x, y = z
        decay = amplitude * jnp.exp(-2 * viscosity * t)
        u, v = -jnp.cos(x) * jnp.sin(y), jnp.sin(x) * jnp.cos(y)
        return jnp.stack([decay * u, decay * v, -(decay**2) * (jnp.cos(2 * x) + jnp.cos(2 * y)) / 4])

    def velocity(x: Point) -> Array:
        return exact(x)[:2]

    def equations(u: Field, v: Field, p: Field, x: Point) -> tuple[Array, Array, Array]:
        first, second, continuity = _navier_stokes(viscosity, u, v, p, x)
        return partial(u, "t")(x) + first, partial(v, "t")(x) + second, continuity

    conditions = [
        Interior(equations),
        Initial(velocity, of=("u", "v")),
        Dirichlet(velocity, of=("u", "v")),
        Dirichlet(lambda x: exact(x)[2], of="p", on=domain.face("x", "lower")),
    ]
    return Problem(domain, conditions, unknowns=("u", "v", "p"), exact=exact, name="taylor-green")


def burgers(viscosity: float = 0.1, amplitude: float = 1.0) -> Problem:
    """Burgers' equation: `u_t + u u_x = nu u_xx` for `t` in `[0, 1]` on `[-1, 1]`.

    It begins with `u = -a sin(pi x)` and vanishes at both ends. By the transformation of Cole and Hopf the solution is
    a quotient of two integrals of Gaussians (Basdevant et al., Comput. Fluids 14, 1986, section 2), here by the rule of
    Gauss and Hermite with 256 nodes.
    """
    nodes, weights = np.polynomial.hermite.hermgauss(_HERMITE_NODES)
    # Those below the smallest normal number have no digits, and their logarithms no bound.
    nodes, logarithms = nodes[weights > 1e-300], np.log(weights[weights > 1e-300])

    def exact(x: Point) -> Array:
        # The exponent is at most a few hundred, so that the weights keep their digits. The largest one is one before
        # they are divided by their sum, so that none overflows.
        angles = jnp.pi * (x[1] - jnp.sqrt(4 * viscosity * x[0]) * nodes)
        shares = softmax(logarithms - amplitude / (2 * jnp.pi * viscosity) * jnp.cos(angles))
        return -amplitude * shares @ jnp.sin(angles)

    def equation(u: Field, x: Point) -> Array:
        return partial(u, "t")(x) + u(x) * partial(u, "x")(x) - viscosity * partial(u, "x", "x")(x)

    conditions = [Interior(equation), Initial(lambda x: -amplitude * jnp.sin(jnp.pi * x[1])), Dirichlet(0.0)]
    return Problem(space_time(t=(0, 1), x=(-1, 1)), conditions, exact=exact, name="burgers")
