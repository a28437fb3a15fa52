"""How cells are halved where the solution is rich, and joined where it is not."""

import math

import numpy as np
from jaxtyping import Float

from sngd.features._mesh import halves, siblings
from sngd.features._network import Network
from sngd.geometry import Box

# Cells whose residual is at least this part of the largest one are halved together.
_MARKED = 1e-2

# Points of a cell are at its faces up to this part of the domain.
_AT = 1e-12

# Where cells are graded, those whose residual is at least this part of the largest one.
_LARGEST = 0.2

# The part of the coefficients of a Legendre series, from the last ones on, that tells how well a solution is resolved;
# and the number of coefficients on each axis, by the dimension.
_TAIL, _COEFFICIENTS = 1 / 3, {1: 16, 2: 16, 3: 8}

# Two halves are joined where the tail of the joined cell is at most this part of the largest one, or rounding errors.
_JOINED, _ROUNDING = 0.1, 1e-14

# A component that is smaller than this part of the largest one counts as that part of it.
_VANISHES = 1e-3


class Refinement:
    """The cells of a domain.

    - `domain`: of the problem. `time`: the index of the axis along which windows follow each other, if they do.
    - `halvings`: how often an axis is halved at most. `cells`: their number at most.
    """

    def __init__(self, domain: Box, time: int | None, halvings: int, cells: int):
        self._domain, self._time, self._halvings, self._cells = domain, time, halvings, cells

    def divided(self, network: Network, residuals: Float[np.ndarray, " K"]) -> tuple[Box, ...] | None:
        """Smaller cells where the residual is large, or a shorter window; `None` where there are none.

        - `network`: the solution in the present cells. `residuals`: the norm of the residual in each of them.
        """
        cells, time = network.cells, self._time
        if not np.all(np.isfinite(residuals)):
            return None if time is None else self._shortened(cells, time)
        marked = residuals >= _MARKED * np.max(residuals)
        axes = np.argmax(self._tails(network, cells), axis=1)
        shorter, found = False, []
        for cell, axis, mark in zip(cells, axes.tolist(), marked, strict=True):
            if mark and not self._may_be_halved(cell, axis):
                return None
            if mark and axis != time:
                found.extend(halves(cell, axis))
            else:
                found.append(cell)
            shorter = shorter or (mark and axis == time)
        if len(found) > self._cells:
            return None
        return self._shortened(tuple(found), time) if shorter and time is not None else tuple(found)

    def graded(
        self, cells: tuple[Box, ...], residuals: Float[np.ndarray, " K"], worst: Float[np.ndarray, "K d"], times: int
    ) -> tuple[Box, ...] | None:
        """Smaller cells close to the points where the residual is large; `None` where there are none.

        - `residuals`: the norm of the residual in each cell. `worst`: the point of each cell where it is largest.
        - `times`: how often a cell is halved along all axes towards its point.
        """
        if not np.all(np.isfinite(residuals)):
            return None
        marked = residuals >= _LARGEST * np.max(residuals)
        found = []
        for cell, point, mark in zip(cells, worst, marked, strict=True):
            found.extend(self._towards(cell, point, times) if mark else [cell])
        return tuple(found) if len(cells) < len(found) <= self._cells else None

    def towards(self, cells: tuple[Box, ...], point: Float[np.ndarray, " d"], times: int) -> tuple[Box, ...]:
        """The cells, of which those at a point are halved along all axes towards it so many times."""
        slack = _AT * self._domain.half_sides
        found = list(cells)
        for _ in range(times):
            there = [cell for cell in found if np.all(np.abs(point - cell.center) <= cell.half_sides + slack)]
            halved = [part for cell in there for part in self._towards(cell, cell.center, 1)]
            found = [cell for cell in found if not any(cell is other for other in there)] + halved
        return tuple(found) if len(found) <= self._cells else cells

    def _towards(self, cell: Box, point: Float[np.ndarray, " d"], times: int) -> list[Box]:
        axes = range(self._domain.dimension)
        if not times or not all(self._may_be_halved(cell, axis) for axis in axes):
            return [cell]
        parts = [cell]
        for axis in axes:
            parts = [half for part in parts for half in halves(part, axis)]
        nearest = min(parts, key=lambda part: float(np.max(np.abs(point - part.center) / part.half_sides)))
        return [*(part for part in parts if part is not nearest), *self._towards(nearest, point, times - 1)]

    def _shortened(self, cells: tuple[Box, ...], time: int) -> tuple[Box, ...] | None:
        """The first halves in time."""
        if not self._may_be_halved(cells[0], time):
            return None
        return tuple(halves(cell, time)[0] for cell in cells)

    def _may_be_halved(self, cell: Box, axis: int) -> bool:
        """Whether half of the cell is as long as a side may be."""
        return cell.half_sides[axis] >= 0.9 * 2 * self._domain.half_sides[axis] / 2.0**self._halvings

    def joined(self, network: Network) -> tuple[Box, ...]:
        """The cells, with those halves joined that are not needed."""
        cells = network.cells
        axes = tuple(axis for axis in range(self._domain.dimension) if axis != self._time)
        pairs = siblings(cells, self._domain, axes)
        if not pairs:
            return cells
        allowed = np.maximum(_JOINED * np.max(self._tails(network, cells), axis=0), _ROUNDING)
        whole = self._tails(network, tuple(box for *_, box in pairs))
        gone: set[int] = set()
        joined: dict[int, Box] = {}
        for (one, two, box), tails in zip(pairs, whole, strict=True):
            if not gone & {one, two} and np.all(tails <= allowed):
                gone |= {one, two}
                joined[one] = box
        kept = [joined.get(number, cell) for number, cell in enumerate(cells) if number in joined or number not in gone]
        return tuple(kept)

    def _tails(self, network: Network, boxes: tuple[Box, ...]) -> Float[np.ndarray, "n d"]:
        """The last coefficients of the Legendre series along each axis in each box, as a part of the solution."""
        dimension = self._domain.dimension
        count = _COEFFICIENTS[dimension]
        nodes, weights = np.polynomial.legendre.leggauss(count)
        degrees = np.arange(count)
        transform = np.polynomial.legendre.legvander(nodes, count - 1).T * weights * (degrees[:, None] + 0.5)
        unit = np.stack(np.meshgrid(*[nodes] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
        values = np.stack([network(box.center + box.half_sides * unit) for box in boxes])
        sizes = np.sqrt(np.mean(values**2, axis=(0, 1)))
        sizes = np.maximum(np.maximum(sizes, _VANISHES * np.max(sizes)), np.finfo(float).tiny)
        series = (values / sizes).reshape(len(boxes), *[count] * dimension, -1)
        every = range(1, dimension + 1)
        for axis in every:
            series = np.moveaxis(np.tensordot(transform, series, (1, axis)), 0, axis)
        last = slice(math.ceil(count * (1 - _TAIL)), None)
        squares = [np.sum(np.moveaxis(series, axis, 1)[:, last] ** 2, axis=tuple(every)) for axis in every]
        return np.nan_to_num(np.sqrt(np.max(np.stack(squares, axis=1), axis=2)), nan=np.inf)
