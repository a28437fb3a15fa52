"""Where lines cross a closed boundary of segments or triangles: how often the boundary winds around a point.

A line through the point crosses the boundary outward or inward. Above a point inside, one more of the crossings is
outward than inward. Lines are parallel to an oblique direction, and the segments or triangles are kept in the cells of
a grid that is orthogonal to it, so that each point meets few of them.
"""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from sngd.geometry._patches import cross

# Cells of the grid for each segment or triangle, entries of the cells for each of them and at least, and pairs of a
# point and a triangle that are compared at once.
_CELLS, _ENTRIES, _LEAST, _AT_ONCE = 1.0, 16, 2**21, 2**18

# Directions that are tried.
_DIRECTIONS = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Crossings:
    """Crossings of a closed boundary with lines.

    - `vertices`: shape `(n, d)`, with `d` of two or three. `corners`: the numbers of the vertices of each segment
      or triangle, shape `(m, d)`, such that the normals point outward.
    """

    vertices: Float[np.ndarray, "n d"]
    corners: Int[np.ndarray, "m d"]

    def winding(self, points: Float[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
        """How often the boundary winds around each of the points: once for points inside, and not for others."""
        found, left = np.zeros(len(points), dtype=np.int64), np.arange(len(points))
        for direction in range(_DIRECTIONS):
            above, whole = self._along(direction).counts(points[left])
            found[left] = above
            # The crossings of a whole line cancel, except where it meets a vertex or an edge, to rounding.
            left = left[whole != 0]
            if not len(left):
                break
        return found

    def _along(self, direction: int) -> "_Lines":
        if direction not in self._made:
            self._made[direction] = _Lines.of(self.vertices, self.corners, direction)
        return self._made[direction]

    @functools.cached_property
    def _made(self) -> dict[int, "_Lines"]:
        return {}


@dataclasses.dataclass(frozen=True, eq=False)
class _Lines:
    """Crossings with the lines of one direction, which is the last axis of turned coordinates.

    - `center`, `turn`: turned coordinates are `(points - center) @ turn`.
    - `sides`, `is_reversed`: of each segment or triangle, the functions of the other coordinates, linear with a
      constant, that are positive on one side of each of its corners or edges; the functions of two neighbors are the
      same to the last bit. And whether it is the other side on which its inside lies if its normal points up.
    - `planes`: the normals, and what their product with a point is on the plane, shape `(m, d + 1)`.
    - `lower`, `widths`, `shape`: of the grid. `starts`, `entries`: the segments or triangles in each of its cells.
    """

    center: Float[np.ndarray, " d"]
    turn: Float[np.ndarray, "d d"]
    sides: Float[np.ndarray, "m d d"]
    is_reversed: Bool[np.ndarray, "m d"]
    planes: Float[np.ndarray, "m e"]
    lower: Float[np.ndarray, " k"]
    widths: Float[np.ndarray, " k"]
    shape: tuple[int, ...]
    starts: Int[np.ndarray, " c"]
    entries: Int[np.ndarray, " e"]

    @classmethod
    def of(cls, vertices: np.ndarray, corners: np.ndarray, direction: int) -> "_Lines":
        dimension = vertices.shape[1]
        turn = np.linalg.qr(np.random.default_rng(direction).normal(size=(dimension, dimension)))[0]
        # The turn keeps the orientation, so that normals still point outward.
        turn[:, 0] *= np.sign(np.linalg.det(turn))
        center = (np.min(vertices, axis=0) + np.max(vertices, axis=0)) / 2
        turned = (vertices - center) @ turn
        sides, is_reversed = _sides(turned[:, :-1], corners)
        first = turned[corners[:, 0]]
        normals = cross(turned[corners[:, 1:]] - first[:, None])
        planes = np.concatenate([normals, np.sum(normals * first, axis=1, keepdims=True)], axis=1)
        return cls(center, turn, sides, is_reversed, planes, *_grid(turned[:, :-1], corners))

    def counts(self, points: Float[np.ndarray, "n d"]) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """Of the line through each point, the outward crossings minus the inward ones: above the point, and all."""
        turned = (points - self.center) @ self.turn
        above, whole = np.zeros(len(points)), np.zeros(len(points))
        for rows, faces in self._pairs(turned[:, :-1]):
            here = turned[rows]
            sides = self.sides[faces]
            values = sides[:, :, -1]
            for axis in range(here.shape[1] - 1):
                values = values + sides[:, :, axis] * here[:, axis, None]
            within = (values >= 0) != self.is_reversed[faces]
            up, down = within.all(axis=1), ~within.any(axis=1)
            crossed = up | down
            rows, faces, here, up = rows[crossed], faces[crossed], here[crossed], up[crossed]
            signs = np.where(up, 1.0, -1.0)
            planes = self.planes[faces]
            is_above = (np.sum(planes[:, :-1] * here, axis=1) - planes[:, -1]) * signs < 0
            whole += np.bincount(rows, signs, len(points))
            above += np.bincount(rows, signs * is_above, len(points))
        return np.rint(above).astype(np.int64), np.rint(whole).astype(np.int64)

    def _pairs(self, flat: Float[np.ndarray, "n k"]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The numbers of points, and of segments or triangles that a line through each of them may cross."""
        cells = np.floor((flat - self.lower) / self.widths)
        there = np.flatnonzero(np.all((cells >= 0) & (cells < self.shape), axis=1))
        places = np.asarray(np.ravel_multi_index(tuple(cells[there].astype(np.int64).T), self.shape))
        numbers = self.starts[places + 1] - self.starts[places]
        ends = np.cumsum(numbers)
        start = 0
        while start < len(there):
            done = ends[start - 1] if start else 0
            stop = max(int(np.searchsorted(ends, done + _AT_ONCE, side="right")), start + 1)
            within = _counted(numbers[start:stop])
            rows = np.repeat(np.arange(start, stop), numbers[start:stop])
            yield there[rows], self.entries[self.starts[places[rows]] + within]
            start = stop


def _counted(numbers: Int[np.ndarray, " n"]) -> Int[np.ndarray, " k"]:
    """From zero up to each of the numbers, one after the other: `[2, 3]` gives `[0, 1, 0, 1, 2]`."""
    return np.arange(int(np.sum(numbers))) - np.repeat(np.cumsum(numbers) - numbers, numbers)


def _sides(flat: Float[np.ndarray, "n k"], corners: Int[np.ndarray, "m d"]) -> tuple[np.ndarray, np.ndarray]:
    """The linear functions on whose sides a point is, and which of them are reversed."""
    if flat.shape[1] == 1:
        # A segment whose normal points up runs from the right to the left.
        values = np.stack([np.full(corners.shape, -1.0), flat[corners, 0]], axis=2)
        return values, np.broadcast_to([False, True], corners.shape)
    starts, ends = corners, np.roll(corners, -1, axis=1)
    low, high = flat[np.minimum(starts, ends)], flat[np.maximum(starts, ends)]
    along = high - low
    constant = along[..., 1] * low[..., 0] - along[..., 0] * low[..., 1]
    return np.stack([-along[..., 1], along[..., 0], constant], axis=2), starts > ends


def _grid(flat: Float[np.ndarray, "n k"], corners: Int[np.ndarray, "m d"]) -> tuple[Any, ...]:
    """The lower bounds, the widths and the number of the cells of a grid, and what each of the cells meets."""
    low, high = np.min(flat[corners], axis=1), np.max(flat[corners], axis=1)
    lower, sides = np.min(low, axis=0), np.ptp(flat[corners].reshape(-1, flat.shape[1]), axis=0)
    count = np.full(len(lower), max(round((_CELLS * len(corners)) ** (1 / len(lower))), 1))
    while True:
        # A little more room, so that the last vertex is in the last cell.
        widths = np.maximum(sides * (1 + 1e-12), np.finfo(float).tiny) / count
        first, last = (np.floor((each - lower) / widths).astype(np.int64) for each in (low, high))
        spans = last - first + 1
        numbers = np.prod(spans, axis=1)
        if np.sum(numbers) <= max(_ENTRIES * len(corners), _LEAST) or np.all(count == 1):
            break
        count = np.maximum(count // 2, 1)
    # Small integers, as there are many entries.
    faces = np.repeat(np.arange(len(corners), dtype=np.int32), numbers)
    rest, cells = _counted(numbers).astype(np.int32), np.zeros(len(faces), dtype=np.int32)
    for axis in reversed(range(len(lower))):
        here = spans[:, axis].astype(np.int32)[faces]
        cells += (first[:, axis].astype(np.int32)[faces] + rest % here) * np.int32(np.prod(count[axis + 1 :]))
        rest //= here
    order = np.argsort(cells, kind="stable")
    starts = np.searchsorted(cells[order], np.arange(int(np.prod(count)) + 1, dtype=np.int32))
    return lower, widths, tuple(int(each) for each in count), starts, faces[order]
