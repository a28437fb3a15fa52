"""Cells: boxes that make up a part of a domain, halved where needed, and the interfaces between them."""

import dataclasses
import itertools
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from sngd.geometry import Box, Face
from sngd.problem import Problem

# Faces whose distance is at most this part of the side of the domain are the same.
_SAME = 1e-12


@dataclasses.dataclass(frozen=True)
class Interface:
    """A part of the upper face of one cell that is a part of the lower face of another one.

    - `first`, `second`: the numbers of the two cells. `face`: the upper face of a box in the first cell, along `axis`.
    - `shift`: what must be added to coordinates of the first cell for those of the second one: zero, or minus a period.
    - `factor`: what functions in the second cell are multiplied by for those in the first one.
    """

    first: int
    second: int
    face: Face
    shift: float
    factor: complex = 1.0

    @property
    def axis(self) -> int:
        return self.face.index

    def points(self, problem: Problem) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n d"]]:
        """The points of the boundary rule of a problem, as points of the first and of the second cell."""
        points = problem.on_faces([self.face]).points
        if not isinstance(problem.domain, Box):
            points = points[problem.domain.contains(points)]
        there = points.copy()
        there[:, self.axis] += self.shift
        return points, there


def halves(cell: Box, axis: int) -> tuple[Box, Box]:
    """The two halves of a cell along an axis."""
    lower, upper = cell.extent
    middle = cell.center[axis]
    return _box(cell, lower, _with(upper, axis, middle)), _box(cell, _with(lower, axis, middle), upper)


def between(cell: Box, axis: int, start: float, end: float) -> Box:
    """The cell with other bounds along one axis."""
    lower, upper = cell.extent
    return _box(cell, _with(lower, axis, start), _with(upper, axis, end))


def stretched(cell: Box, before: Box, now: Box) -> Box:
    """The cell of a domain that is where a cell of another domain with the same axes was."""
    lower, upper = ((np.array(bound) - before.lower) / (2 * before.half_sides) for bound in cell.extent)
    sides = 2 * now.half_sides
    # Faces of the domain stay faces of the domain, whatever the rounding errors are.
    place = lambda share: np.where(share == 1, now.upper, now.lower + share * sides)
    return _box(now, place(lower), place(upper))


def siblings(cells: tuple[Box, ...], domain: Box, axes: tuple[int, ...]) -> list[tuple[int, int, Box]]:
    """Pairs of cells that are the two halves of one box, by their numbers, and that box.

    - `axes`: along which the cells have been halved, starting from the domain.
    """
    found = []
    for (one, first), (two, second) in itertools.permutations(enumerate(cells), 2):
        for axis in axes:
            (low, high), (lower, upper) = first.extent, second.extent
            side, others = high[axis] - low[axis], [at for at in range(domain.dimension) if at != axis]
            apart = np.concatenate([(low - lower)[others], (high - upper)[others], [high[axis] - lower[axis]]])
            place = (low[axis] - domain.lower[axis]) / (2 * side)
            equal = abs(upper[axis] - lower[axis] - side) <= _SAME * side and abs(place - round(place)) <= 1e-6
            if equal and np.max(np.abs(apart)) <= _SAME * np.max(domain.half_sides):
                found.append((one, two, _box(domain, low, upper)))
    return found


def interfaces(cells: tuple[Box, ...], domain: Box, joined: Mapping[int, complex] | None = None) -> list[Interface]:
    """All interfaces between cells.

    - `joined`: axes along which the last cells meet the first ones, and the factor on the functions there.
    """
    joined = joined or {}
    bounds = np.array([cell.extent for cell in cells])
    near = _SAME * domain.half_sides
    found = []
    for axis in range(domain.dimension):
        others = np.arange(domain.dimension) != axis
        meetings = [(0.0, bounds[:, 1, axis], np.full(len(cells), True))]
        if axis in joined:
            ends = np.abs(bounds[:, 1, axis] - domain.upper[axis]) <= near[axis]
            meetings.append((domain.lower[axis] - domain.upper[axis], bounds[:, 1, axis], ends))
        for shift, uppers, there in meetings:
            for first in np.flatnonzero(there):
                meets = np.abs(bounds[:, 0, axis] - (uppers[first] + shift)) <= near[axis]
                for second in np.flatnonzero(meets):
                    lower = np.maximum(bounds[first, 0], bounds[second, 0])
                    upper = np.minimum(bounds[first, 1], bounds[second, 1])
                    if np.all((upper - lower)[others] > near[others]):
                        lower[axis], upper[axis] = bounds[first, :, axis]
                        face = Face(_box(domain, lower, upper), domain.axes[axis], "upper")
                        found.append(Interface(int(first), int(second), face, shift, joined[axis] if shift else 1.0))
    return found


def _box(like: Box, lower: np.ndarray, upper: np.ndarray) -> Box:
    return dataclasses.replace(like, lower=tuple(lower.tolist()), upper=tuple(upper.tolist()))


def _with(values: np.ndarray, axis: int, value: float) -> np.ndarray:
    changed = values.copy()
    changed[axis] = value
    return changed
