"""Chebyshev collocation for linear equations of the table on an interval or a rectangle, by NumPy alone.

The unknowns are the coefficients of a Chebyshev series with as many terms along each axis. The equation holds at the
Chebyshev points of the first kind, as many fewer along each axis as there are conditions on it, so that the system is
square (Driscoll and Hale, IMA J. Numer. Anal. 36, 2016).
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy.polynomial import chebyshev

Values = Callable[..., Float[np.ndarray, "..."]]
"""A function of arrays of coordinates, one array an axis."""

# Terms an axis: of the first series, and at most on an interval, on a rectangle, and on one whose system is not
# separable.
_FIRST, _LINE, _SEPARABLE, _DENSE = 8, 2048, 256, 32


@dataclasses.dataclass(frozen=True)
class Condition:
    """The condition that a sum of derivatives along an axis has given values at one end of it.

    - `axis`: its index. `end`: -1 for the lower, 1 for the upper. `operator`: coefficients by orders of derivatives.
    """

    axis: int
    end: int
    operator: Mapping[int, float]
    values: Values


@dataclasses.dataclass(frozen=True)
class Equation:
    """A linear equation with constant coefficients on a box of one or two dimensions.

    - `bounds`: of each axis. `operator`: coefficients by the orders of the derivatives along the axes.
    """

    bounds: Sequence[tuple[float, float]]
    operator: Mapping[tuple[int, ...], float]
    source: Values
    conditions: Sequence[Condition]

    @property
    def is_separable(self) -> bool:
        """Whether the second axis has a second derivative alone, and given values at both ends."""
        others = [orders for orders in self.operator if len(orders) == 2 and orders[1]]
        ends = [condition.operator for condition in self.conditions if condition.axis == 1]
        return others == [(0, 2)] and ends == [{0: 1.0}] * 2

    def on(self, axis: int) -> list[Condition]:
        """The conditions at the ends of an axis."""
        return [condition for condition in self.conditions if condition.axis == axis]

    def half(self, axis: int) -> float:
        """Half of the length of an axis."""
        low, high = self.bounds[axis]
        return (high - low) / 2

    def coordinates(self, axis: int, scaled: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Coordinates along an axis from numbers in [-1, 1]."""
        return sum(self.bounds[axis]) / 2 + self.half(axis) * scaled

    def derivatives(
        self, axis: int, scaled: Float[np.ndarray, " n"], size: int, operator: Mapping[int, float]
    ) -> Float[np.ndarray, "n q"]:
        """The sum of derivatives along an axis of `size` Chebyshev polynomials, at numbers in [-1, 1]."""
        series = np.zeros((size, size))
        for order, coefficient in operator.items():
            found = chebyshev.chebder(np.eye(size), order) * coefficient / self.half(axis) ** order
            series[: len(found)] += found
        return chebyshev.chebvander(scaled, size - 1) @ series

    def at_end(self, condition: Condition, size: int) -> Float[np.ndarray, "1 q"]:
        """The left side of a condition, for `size` Chebyshev polynomials."""
        return self.derivatives(condition.axis, np.array([condition.end]), size, condition.operator)

    def position(self, condition: Condition) -> float:
        """The coordinate of the end at which a condition holds."""
        return self.bounds[condition.axis][condition.end > 0]

    def data(self, condition: Condition, scaled: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The right side of a condition of a rectangle, at numbers in [-1, 1] along the other axis."""
        other = self.coordinates(1 - condition.axis, scaled)
        fixed = np.full(len(scaled), self.position(condition))
        return condition.values(*((fixed, other) if condition.axis == 0 else (other, fixed)))


@dataclasses.dataclass(frozen=True)
class Collocated:
    """A solution by collocation.

    - `values`: at the points that were asked for. `terms`: of the series along each axis. `difference`: from the series
      with half as many, relative and in L2. `seconds`: of all series.
    """

    values: Float[np.ndarray, " n"]
    terms: int
    difference: float
    seconds: float


def collocate(equation: Equation, points: Float[np.ndarray, "n d"], tolerance: float) -> Collocated:
    """The solution at the points, by series that are doubled until two differ by no more than the tolerance.

    Where rounding errors do not let them come so near, the doubling ends at a largest size, and the series that differs
    least from the one before is taken.
    """
    start, solve, most = time.perf_counter(), _solved_at_once, _LINE
    if len(equation.bounds) == 2:
        solve, most = (_solved_by_modes, _SEPARABLE) if equation.is_separable else (_solved_at_once, _DENSE)
    scaled = [
        (points[:, axis] - equation.coordinates(axis, np.zeros(1))) / equation.half(axis)
        for axis in range(len(equation.bounds))
    ]
    size, before, best = _FIRST, _evaluate(solve(equation, _FIRST), scaled), None
    while size < most and (best is None or best.difference > tolerance):
        size *= 2
        values = _evaluate(solve(equation, size), scaled)
        difference = float(np.linalg.norm(values - before) / np.linalg.norm(values))
        if best is None or difference < best.difference:
            best = Collocated(values, size, difference, math.nan)
        before = values
    assert best is not None
    return dataclasses.replace(best, seconds=time.perf_counter() - start)


def _evaluate(
    coefficients: Float[np.ndarray, "q ..."], scaled: Sequence[Float[np.ndarray, " n"]]
) -> Float[np.ndarray, " n"]:
    """A series in one or two dimensions at points."""
    first, *others = (chebyshev.chebvander(each, len(coefficients) - 1) for each in scaled)
    values = first @ coefficients
    return np.sum(values * others[0], axis=1) if others else values


def _solved_at_once(equation: Equation, size: int) -> Float[np.ndarray, "q ..."]:
    """The coefficients of the series, by one dense system."""
    axes = range(len(equation.bounds))
    points = [chebyshev.chebpts1(size - len(equation.on(axis))) for axis in axes]
    matrix = np.zeros((math.prod(map(len, points)), size ** len(axes)))
    for orders, coefficient in equation.operator.items():
        factors = [equation.derivatives(axis, points[axis], size, {orders[axis]: 1.0}) for axis in axes]
        matrix += coefficient * functools.reduce(np.kron, factors)
    grid = np.meshgrid(*(equation.coordinates(axis, points[axis]) for axis in axes), indexing="ij")
    rows: list[np.ndarray] = [matrix]
    right = [equation.source(*grid).ravel()]
    for condition in equation.conditions:
        left = equation.at_end(condition, size)
        if len(axes) == 1:
            rows.append(left)
            right.append(condition.values(np.full(1, equation.position(condition))))
            continue
        # At the corners the conditions on the first axis are enough.
        others = chebyshev.chebpts1(size) if condition.axis == 0 else points[0]
        along = chebyshev.chebvander(others, size - 1)
        rows.append(np.kron(left, along) if condition.axis == 0 else np.kron(along, left))
        right.append(equation.data(condition, others))
    return _solve(np.concatenate(rows), np.concatenate(right)).reshape((size,) * len(axes))


def _solved_by_modes(equation: Equation, size: int) -> Float[np.ndarray, "q q"]:
    """The coefficients of the series, by one system along the first axis for each mode of the second one.

    A function that is linear along the second axis takes the values at its ends. The rest is a series in the
    polynomials `T_k - T_0` and `T_k - T_1`, `k` even and odd, which vanish there.
    """
    conditions = equation.on(0)
    lower, upper = sorted(equation.on(1), key=lambda condition: condition.end)
    times, places, all_times = (chebyshev.chebpts1(size - less) for less in (len(conditions), 2, 0))
    to_series = np.linalg.inv(chebyshev.chebvander(all_times, size - 1))
    ends = [to_series @ equation.data(condition, all_times) for condition in (lower, upper)]
    lift = np.stack([ends[1] + ends[0], ends[1] - ends[0]], axis=1) / 2
    basis = np.eye(size)[:, 2:]
    basis[np.arange(size - 2) % 2, np.arange(size - 2)] = -1.0

    along = equation.derivatives(0, times, size, {m: c for (m, n), c in equation.operator.items() if not n})
    second = equation.derivatives(1, places, size, {2: equation.operator[0, 2]}) @ basis
    first = chebyshev.chebvander(places, size - 1) @ basis
    linear = chebyshev.chebvander(places, 1)
    grid = np.meshgrid(equation.coordinates(0, times), equation.coordinates(1, places), indexing="ij")
    source = equation.source(*grid) - along @ lift @ linear.T
    starts = np.concatenate([equation.at_end(condition, size) for condition in conditions])
    given = np.stack([equation.data(condition, places) for condition in conditions]) - starts @ lift @ linear.T

    factors, modes = np.linalg.eig(np.linalg.solve(second, first))
    right = np.concatenate([np.linalg.solve(second, source.T).T, np.linalg.solve(first, given.T).T])
    right = np.linalg.solve(modes, right.T)
    left = factors[:, None, None] * along + chebyshev.chebvander(times, size - 1)
    left = np.concatenate([left, np.broadcast_to(starts, (size - 2, *starts.shape))], axis=1)
    found = np.real(modes @ _solve(left, right)).T
    series = found @ basis.T
    series[:, :2] += lift
    return series


def _solve(matrix: Float[np.ndarray, "*b n n"], right: Float[np.ndarray, "*b n"]) -> Float[np.ndarray, "*b n"]:
    """The solution of linear systems, whose columns and then rows are scaled to a largest entry of one."""
    columns = np.max(np.abs(matrix), axis=-2, keepdims=True)
    scaled = matrix / columns
    rows = np.max(np.abs(scaled), axis=-1, keepdims=True)
    found = np.linalg.solve(scaled / rows, (right / rows[..., 0])[..., None])[..., 0]
    return found / columns[..., 0, :]


def _values_given(exact: Values, axes: Sequence[int] = (0, 1)) -> list[Condition]:
    return [Condition(axis, end, {0: 1.0}, exact) for axis in axes for end in (-1, 1)]


def _constant(value: float) -> Values:
    return lambda *coordinates: np.full(np.shape(coordinates[0]), value)


def _sum(terms: Iterable[np.ndarray]) -> np.ndarray:
    return np.sum(list(terms), axis=0)


def _product_of_waves(
    bounds: Sequence[tuple[float, float]],
    frequency_x: float,
    frequency_y: float,
    squared_wavenumber: float = 0.0,
    slope: float = 0.0,
) -> Equation:
    """`u_xx + u_yy + k^2 u = f`, solved by `sin(a pi x) sin(b pi y) + c x^2 y`."""
    factor = squared_wavenumber - (frequency_x**2 + frequency_y**2) * np.pi**2
    wave = lambda x, y: np.sin(frequency_x * np.pi * x) * np.sin(frequency_y * np.pi * y)
    exact = lambda x, y: wave(x, y) + slope * x**2 * y
    source = lambda x, y: factor * wave(x, y) + slope * y * (2 + squared_wavenumber * x**2)
    return Equation(bounds, {(2, 0): 1.0, (0, 2): 1.0, (0, 0): squared_wavenumber}, source, _values_given(exact))


def _plane_waves(wavenumber: float, **parameters: float) -> Equation:
    """`u_xx + u_yy + k^2 u = 0`, solved by three plane waves."""
    waves = [(parameters[f"amplitude_{j}"], parameters[f"angle_{j}"], j) for j in (1, 2, 3)]
    phase = lambda angle, x, y: wavenumber * (np.cos(angle) * x + np.sin(angle) * y)
    exact = lambda x, y: _sum(amplitude * np.cos(phase(angle, x, y) + j) for amplitude, angle, j in waves)
    operator = {(2, 0): 1.0, (0, 2): 1.0, (0, 0): wavenumber**2}
    return Equation([(0, 1), (0, 1)], operator, _constant(0.0), _values_given(exact))


def _scales(**amplitudes: float) -> Equation:
    """`u_xx + u_yy = f` with zero data, solved by the mean of `a_k sin(k pi x) sin(k pi y)`."""
    modes = [(int(name.rpartition("_")[2]) * np.pi, value / len(amplitudes)) for name, value in amplitudes.items()]
    source = lambda x, y: _sum(-2 * k**2 * amplitude * np.sin(k * x) * np.sin(k * y) for k, amplitude in modes)
    return Equation([(0, 1), (0, 1)], {(2, 0): 1.0, (0, 2): 1.0}, source, _values_given(_constant(0.0)))


def _modes(**amplitudes: float) -> Values:
    """The sum of `a_m sin(m pi x)` at the beginning."""
    modes = [(int(name.rpartition("_")[2]) * np.pi, value) for name, value in amplitudes.items()]
    return lambda t, x: _sum(amplitude * np.sin(mode * x) for mode, amplitude in modes)


def _wave(speed: float, **amplitudes: float) -> Equation:
    """`u_tt = c^2 u_xx`."""
    starts = [Condition(0, -1, {0: 1.0}, _modes(**amplitudes)), Condition(0, -1, {1: 1.0}, _constant(0.0))]
    ends = _values_given(_constant(0.0), axes=(1,))
    return Equation([(0, 1), (0, 1)], {(2, 0): 1.0, (0, 2): -(speed**2)}, _constant(0.0), [*starts, *ends])


def _heat(diffusivity: float, **amplitudes: float) -> Equation:
    """`u_t = k u_xx`."""
    start = Condition(0, -1, {0: 1.0}, _modes(**amplitudes))
    ends = _values_given(_constant(0.0), axes=(1,))
    return Equation([(0, 1), (0, 1)], {(1, 0): 1.0, (0, 2): -diffusivity}, _constant(0.0), [start, *ends])


def _layer(eps: float, force: float, at_end: Mapping[int, float], value: float) -> Equation:
    """`-eps u'' + u' = f`, with a condition at the upper end that has `value` times the force."""
    start, end = Condition(0, -1, {0: 1.0}, _constant(0.0)), Condition(0, 1, at_end, _constant(value * force))
    return Equation([(0, 1)], {(2,): -eps, (1,): 1.0}, _constant(force), [start, end])


def _beam(load: float) -> Equation:
    """`u'''' = -q`, clamped."""
    clamped = [Condition(0, end, {order: 1.0}, _constant(0.0)) for end in (-1, 1) for order in (0, 1)]
    return Equation([(0, 1)], {(4,): 1.0}, _constant(-load), clamped)


def _plate(growth: float, frequency: float) -> Equation:
    """`Lap Lap u = f`, solved by `exp(g x) sin(w pi y)`."""
    wave = frequency * np.pi
    exact = lambda x, y: np.exp(growth * x) * np.sin(wave * y)
    slopes = (lambda x, y: growth * exact(x, y), lambda x, y: wave * np.exp(growth * x) * np.cos(wave * y))
    clamped = [Condition(axis, end, {1: 1.0}, slopes[axis]) for axis in (0, 1) for end in (-1, 1)]
    source = lambda x, y: (growth**2 - wave**2) ** 2 * exact(x, y)
    operator = {(4, 0): 1.0, (2, 2): 2.0, (0, 4): 1.0}
    return Equation([(0, 1), (0, 1)], operator, source, [*_values_given(exact), *clamped])


EQUATIONS: dict[str, Callable[..., Equation]] = {
    "heat": functools.partial(_heat, diffusivity=0.25, amplitude_1=1.0),
    "poisson": functools.partial(_product_of_waves, [(0, 1), (0, 1)], 1.0, 1.0),
    "poisson-a": functools.partial(_product_of_waves, [(0, 2), (-1, 1)]),
    "helmholtz-a": functools.partial(_product_of_waves, [(-1, 1), (-1, 1)]),
    "helmholtz-plane-waves-20": functools.partial(_plane_waves, 20.0),
    "helmholtz-plane-waves-50": functools.partial(_plane_waves, 50.0),
    "multiscale-poisson": _scales,
    "wave-a": _wave,
    "heat-a": _heat,
    "boundary-layer-robin": functools.partial(_layer, at_end={0: 1.0, 1: 1.0}, value=1.0),
    "boundary-layer-1e-2": functools.partial(_layer, at_end={0: 1.0}, value=0.0),
    "boundary-layer-1e-3": functools.partial(_layer, at_end={0: 1.0}, value=0.0),
    "boundary-layer-1e-4": functools.partial(_layer, eps=1e-4, at_end={0: 1.0}, value=0.0),
    "beam": _beam,
    "biharmonic": _plate,
}
"""By the names of the table: functions of the parameters of the row. Nonlinear rows are not among them."""
