"""`python -m benchmarks references`: each solution without a closed form against a second method.

Writes `results/references.json` and `results/references.md`.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp

from benchmarks.machine import RESULTS, write
from benchmarks.rows import ROWS, Row

# The largest errors of a step that SciPy is asked for, relative and absolute.
_RELATIVE, _ABSOLUTE = 1e-13, 1e-15

# The trapezoidal rule of the second method for Burgers' equation: its points, and where the Gaussian is cut off.
_TRAPEZOIDAL, _CUT = 801, 15.0

# More cosines than the reference has.
_COSINES = 24

Values = Float[np.ndarray, "n ..."]


def burgers(points: Float[np.ndarray, "n 2"], viscosity: float = 0.1, amplitude: float = 1.0) -> Values:
    """The integrals of Cole and Hopf by the trapezoidal rule, which converges exponentially for Gaussians."""
    nodes = np.linspace(-_CUT, _CUT, _TRAPEZOIDAL)
    angles = np.pi * (points[:, 1:] - np.sqrt(4 * viscosity * points[:, :1]) * nodes)
    exponents = -(nodes**2) - amplitude / (2 * np.pi * viscosity) * np.cos(angles)
    weights = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    return -amplitude * np.sum(weights * np.sin(angles), axis=1) / np.sum(weights, axis=1)


def reaction_diffusion(
    points: Float[np.ndarray, "n 2"], diffusivity: float = 3.0, rate: float = 5.0, concentration: float = 1.0
) -> Values:
    """More cosines, and Runge-Kutta steps of order eight in time."""
    numbers = np.arange(_COSINES + 1)
    nodes = np.pi * numbers / _COSINES
    to_values = np.cos(np.outer(nodes, numbers))
    to_cosines = np.linalg.inv(to_values)

    def slopes(t: float, cosines: np.ndarray) -> np.ndarray:
        values = to_values @ cosines
        return to_cosines @ (rate * values * (1 - values)) - diffusivity * numbers**2 * cosines

    initial = to_cosines @ np.exp(concentration * (np.cos(nodes) - 1))
    cosines = _runge_kutta(slopes, initial, points[:, 0])
    return np.sum(cosines * np.cos(np.outer(points[:, 1], numbers)), axis=1)


def lotka_volterra(
    points: Float[np.ndarray, "n 1"],
    birth: float = 2.0,
    predation: float = 0.04,
    conversion: float = 0.02,
    death: float = 1.06,
) -> Values:
    """Runge-Kutta steps of order eight."""

    def slopes(t: float, y: np.ndarray) -> list[float]:
        return [birth * y[0] - predation * y[0] * y[1], conversion * y[0] * y[1] - death * y[1]]

    return _runge_kutta(slopes, [100.0, 15.0], points[:, 0])


def lorenz(points: Float[np.ndarray, "n 1"], sigma: float = 10.0, rho: float = 15.0, beta: float = 8 / 3) -> Values:
    """Runge-Kutta steps of order eight."""

    def slopes(t: float, y: np.ndarray) -> list[float]:
        return [sigma * (y[1] - y[0]), y[0] * (rho - y[2]) - y[1], y[0] * y[1] - beta * y[2]]

    return _runge_kutta(slopes, [-8.0, 7.0, 27.0], points[:, 0])


def van_der_pol(points: Float[np.ndarray, "n 1"], stiffness: float = 1.0, start: float = 2.0) -> Values:
    """Runge-Kutta steps of order eight."""

    def slopes(t: float, y: np.ndarray) -> list[float]:
        return [y[1], 5 * (1 - y[0] ** 2) * y[1] - stiffness * y[0]]

    return _runge_kutta(slopes, [start, 0.0], points[:, 0])[:, 0]


SECOND_METHODS: dict[str, Callable[..., Values]] = {
    "reaction-diffusion": reaction_diffusion,
    "burgers-0.1": burgers,
    "burgers-0.01": functools.partial(burgers, viscosity=0.01),
    "burgers-0.01-over-pi": functools.partial(burgers, viscosity=0.01 / math.pi),
    "lotka-volterra": lotka_volterra,
    "lorenz": lorenz,
    "van-der-pol": van_der_pol,
}
"""By the names of the table: functions of points and of the parameters of the row."""


def difference(row: Row, changes: dict[str, float], points: Float[np.ndarray, "n d"]) -> float:
    """How far the exact solution of the library is from the second method: the largest error of a component."""
    exact = row.problem(**changes).exact_solution
    assert exact is not None
    values = np.asarray(jax.jit(jax.vmap(exact))(jnp.asarray(points)))
    return float(np.max(row.errors(values, SECOND_METHODS[row.name](points, **{**row.parameters, **changes}))))


def _runge_kutta(slopes: Callable, start: ArrayLike, times: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n m"]:
    """The solution at these times. The steps end at each: between its steps the method is of lower order."""
    instants, places = np.unique(times, return_inverse=True)
    found, before, value = [], 0.0, np.array(start, dtype=float)
    for instant in instants:
        if instant > before:
            done = solve_ivp(slopes, (before, instant), value, "DOP853", rtol=_RELATIVE, atol=_ABSOLUTE)
            before, value = instant, done.y[:, -1]
        found.append(value)
    return np.array(found)[places]


def main() -> None:
    """Compare on the grids of the table, with its parameters and with others."""
    figures = {}
    for row in ROWS:
        if row.name in SECOND_METHODS:
            moved = row.moved(np.random.default_rng(0))
            figures[row.name] = {
                "bar": row.bar,
                "difference": difference(row, {}, row.grid()),
                "difference_with_other_parameters": difference(row, moved, row.grid()) if moved else None,
            }
    write("references", figures)
    lines = ["| problem | bar | difference | with other parameters |", "|---|---|---|---|"]
    for name, found in figures.items():
        other = found["difference_with_other_parameters"]
        lines.append(f"| {name} | {found['bar']:.0e} | {found['difference']:.1e} | {other or math.nan:.1e} |")
    (RESULTS / "references.md").write_text("\n".join(lines).replace("| nan |", "| - |") + "\n")


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main()
