"""Solutions without a closed form: piecewise Chebyshev series in time, computed once and evaluated by JAX.

`python -m benchmarks references` compares each with a second method.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import chebyshev

from sngd.library._point import Point

# The degree of the series on each piece, and how often the fixed-point iteration may repeat there.
_DEGREE, _ITERATIONS = 24, 400

# Cosines in space, of which the last ones of smooth data are below the rounding errors.
_COSINES = 16

Slopes = Callable[..., tuple]
"""The right-hand sides of a system, as functions of its components and then of its parameters."""


@functools.lru_cache(maxsize=64)
def initial_value_series(
    slopes: Slopes, parameters: tuple[float, ...], start: tuple[float, ...], end: float, pieces: int
) -> Float[np.ndarray, "pieces terms m"]:
    """Chebyshev coefficients on equal pieces of `[0, end]` of the solution of `y' = slopes(*y, *parameters)`."""

    def derivative(y: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "n m"]:
        return np.stack(slopes(*y.T, *parameters), axis=1)

    return integrate(derivative, np.array(start), end / pieces, pieces)


def integrate(
    derivative: Callable[[np.ndarray], np.ndarray], start: Float[np.ndarray, " m"], step: float, pieces: int
) -> Float[np.ndarray, "pieces terms m"]:
    """Chebyshev coefficients of the solution of `y' = derivative(y)`, piece by piece.

    On each piece `y = y_0 + the integral of derivative(y)` is solved at the Chebyshev points by fixed-point iteration,
    until nothing but rounding errors changes. Raises `RuntimeError` where it does not converge.
    """
    nodes = chebyshev.chebpts2(_DEGREE + 1)
    to_series = np.linalg.inv(chebyshev.chebvander(nodes, _DEGREE))
    # The integral from the left end of the series, of one degree more, at the nodes; the length of a piece is 2 there.
    integral = chebyshev.chebint(np.eye(_DEGREE + 1), lbnd=-1) * step / 2
    cumulative = chebyshev.chebvander(nodes, _DEGREE + 1) @ integral @ to_series
    found = []
    for _ in range(pieces):
        values = np.tile(start, (len(nodes), 1))
        for _ in range(_ITERATIONS):
            previous, values = values, start + cumulative @ derivative(values)
            if np.max(np.abs(values - previous)) <= 16 * np.finfo(float).eps * np.max(np.abs(values)):
                break
        else:
            raise RuntimeError(f"the reference solution does not converge with {pieces} pieces; take more")
        found.append(to_series @ values)
        start = values[-1]
    return np.stack(found)


def evaluate(series: Float[np.ndarray, "pieces terms m"], end: float) -> Callable[[Array], Array]:
    """The function on `[0, end]` with these Chebyshev coefficients on equal pieces, by Clenshaw's recurrence."""
    pieces, table = len(series), jnp.asarray(series)

    def at(t: Array) -> Array:
        place = t * (pieces / end)
        piece = jnp.clip(jnp.floor(place), 0, pieces - 1).astype(int)
        local, coefficients = 2 * (place - piece) - 1, table[piece]
        step = lambda sums, coefficient: ((coefficient + 2 * local * sums[0] - sums[1], sums[0]), None)
        start = (jnp.zeros_like(coefficients[0]),) * 2
        (last, before), _ = jax.lax.scan(step, start, coefficients[1:], reverse=True)
        return coefficients[0] + local * last - before

    return at


def logistic_diffusion(diffusivity: float, rate: float, concentration: float) -> Callable[[Point], Array]:
    """The even solution of period `2 pi` of `u_t = k u_xx + r u (1 - u)` that begins with `exp(c (cos x - 1))`."""
    coefficients = evaluate(_logistic_diffusion_series(diffusivity, rate, concentration), 1.0)
    numbers = np.arange(_COSINES + 1.0)
    return lambda x: coefficients(x[0]) @ jnp.cos(numbers * x[1])


@functools.lru_cache(maxsize=64)
def _logistic_diffusion_series(
    diffusivity: float, rate: float, concentration: float
) -> Float[np.ndarray, "pieces terms cosines"]:
    """Chebyshev coefficients in time of the coefficients of the cosines, with the product in space at points."""
    numbers = np.arange(_COSINES + 1)
    points = np.pi * numbers / _COSINES
    to_values = np.cos(np.outer(points, numbers))
    to_cosines = np.linalg.inv(to_values)

    def derivative(cosines: Float[np.ndarray, "n cosines"]) -> Float[np.ndarray, "n cosines"]:
        values = cosines @ to_values.T
        return rate * (values * (1 - values)) @ to_cosines.T - diffusivity * numbers**2 * cosines

    # The iteration needs few repetitions where a piece is short against the fastest decay.
    pieces = 2 ** math.ceil(math.log2(diffusivity * _COSINES**2 / 6))
    initial = to_cosines @ np.exp(concentration * (np.cos(points) - 1))
    return integrate(derivative, initial, 1.0 / pieces, pieces)
