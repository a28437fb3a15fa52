"""Ordinary differential equations: boundary value problems in `x`, initial value problems in `t`."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sngd.geometry import interval
from sngd.library._point import Point
from sngd.library._reference import Slopes, evaluate, initial_value_series
from sngd.problem import Dirichlet, Field, Initial, Interior, Neumann, Problem, Robin, partial


def boundary_layer_robin(eps: float = 1e-2, force: float = 1.0) -> Problem:
    """A boundary layer with a condition of Robin's: `-eps u'' + u' = f` on `[0, 1]`, `u(0) = 0`, `u(1) + u'(1) = f`.

    The solution is `f (x - B (exp((x - 1) / eps) - exp(-1 / eps)))` with `B = 1 / (1 + 1 / eps - exp(-1 / eps))`.
    """
    factor = 1 / (1 + 1 / eps - math.exp(-1 / eps))
    conditions = [Dirichlet(0.0, on="lower"), Robin(1.0, force, on="upper")]
    return _boundary_layer(eps, force, factor, conditions, "boundary-layer-robin")


def boundary_layer(eps: float = 1e-2, force: float = 1.0) -> Problem:
    """A boundary layer: `-eps u'' + u' = f` on `[0, 1]`, `u = 0` at both ends.

    The solution is `f (x - (exp((x - 1) / eps) - exp(-1 / eps)) / (1 - exp(-1 / eps)))`.
    """
    factor = 1 / (1 - math.exp(-1 / eps))
    return _boundary_layer(eps, force, factor, [Dirichlet(0.0)], "boundary-layer")


def _boundary_layer(eps: float, force: float, factor: float, conditions: list, name: str) -> Problem:
    """Both have solutions of one form, with a different factor of the layer."""

    def equation(u: Field, x: Point) -> Array:
        return -eps * partial(u, "x", "x")(x) + partial(u, "x")(x) - force

    def exact(x: Point) -> Array:
        layer = jnp.exp((x[0] - 1) / eps) - math.exp(-1 / eps)
        return force * (x[0] - factor * layer)

    return Problem(interval(x=(0, 1)), [Interior(equation), *conditions], exact=exact, name=name)


def beam(load: float = 1.0) -> Problem:
    """A beam that is clamped at both ends: `u'''' = -q` on `[0, 1]`, `u = u' = 0` at both ends.

    The solution is `-q x^2 (1 - x)^2 / 24`.
    """
    equation = Interior(lambda u, x: partial(u, "x", "x", "x", "x")(x) + load)
    return Problem(
        interval(x=(0, 1)),
        [equation, Dirichlet(0.0), Neumann(0.0)],
        exact=lambda x: -load * x[0] ** 2 * (1 - x[0]) ** 2 / 24,
        name="beam",
    )


def lotka_volterra(
    birth: float = 2.0,
    predation: float = 0.04,
    conversion: float = 0.02,
    death: float = 1.06,
    prey: float = 100.0,
    predators: float = 15.0,
) -> Problem:
    """Predators and their prey, by Lotka and Volterra: `r' = a r - b r p`, `p' = c r p - d p` for `t` in `[0, 10]`.

    They begin with `prey` and `predators`. The solution is computed, by piecewise Chebyshev series.
    """
    rates, start = (birth, predation, conversion, death), {"r": prey, "p": predators}
    return _initial_value_problem("lotka-volterra", _predation, rates, start, 10.0, pieces=128)


def lorenz(sigma: float = 10.0, rho: float = 15.0, beta: float = 8 / 3) -> Problem:
    """Lorenz' equations: `a' = s (b - a)`, `b' = a (r - c) - b`, `c' = a b - beta c` for `t` in `[0, 3]`.

    They begin at `(-8, 7, 27)`. The solution is computed, by piecewise Chebyshev series (Lorenz, J. Atmos. Sci. 20,
    1963).
    """
    start = {"a": -8.0, "b": 7.0, "c": 27.0}
    return _initial_value_problem("lorenz", _convection_rolls, (sigma, rho, beta), start, 3.0, pieces=128)


def van_der_pol(damping: float = 5.0, stiffness: float = 1.0, start: float = 2.0) -> Problem:
    """Van der Pol's oscillator: `y'' = m (1 - y^2) y' - k y` for `t` in `[0, 12]`, `y` given and `y' = 0` at first.

    The solution is computed, by piecewise Chebyshev series (van der Pol, Philos. Mag. 2, 1926).
    """
    series = initial_value_series(_relaxation, (damping, stiffness), (start, 0.0), 12.0, 256)
    solution = evaluate(series[:, :, :1], 12.0)

    def equation(y: Field, x: Point) -> Array:
        return partial(y, "t", "t")(x) - damping * (1 - y(x) ** 2) * partial(y, "t")(x) + stiffness * y(x)

    return Problem(
        interval(t=(0, 12)),
        [Interior(equation), Initial(start), Initial(0.0, derivative=1)],
        unknowns=("y",),
        exact=lambda t: solution(t[0])[0],
        name="van-der-pol",
    )


def _predation(r, p, birth: float, predation: float, conversion: float, death: float) -> tuple:
    return birth * r - predation * r * p, conversion * r * p - death * p


def _convection_rolls(a, b, c, sigma: float, rho: float, beta: float) -> tuple:
    return sigma * (b - a), a * (rho - c) - b, a * b - beta * c


def _relaxation(y, v, damping: float, stiffness: float) -> tuple:
    return v, damping * (1 - y**2) * v - stiffness * y


def _initial_value_problem(
    name: str, slopes: Slopes, parameters: tuple[float, ...], start: dict[str, float], end: float, pieces: int
) -> Problem:
    """The system `y' = slopes(*y, *parameters)` on `[0, end]`, of the unknowns that `start` has values of."""
    first = tuple(start.values())
    solution = evaluate(initial_value_series(slopes, parameters, first, end, pieces), end)

    def equations(x: Point, **unknowns: Field) -> Array:
        rates = slopes(*(unknowns[name](x) for name in start), *parameters)
        return jnp.stack([partial(unknowns[name], "t")(x) for name in start]) - jnp.stack(rates)

    return Problem(
        interval(t=(0, end)),
        [Interior(equations), Initial(np.array(first))],
        exact=lambda t: solution(t[0]),
        unknowns=tuple(start),
        name=name,
    )
