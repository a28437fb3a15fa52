"""Segments in the plane and triangles in space: points spread on them, and nearest points of them."""

import dataclasses
import functools
import math
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from sngd.geometry._collocation import Collocation
from sngd.geometry._ordering import along_curve
from sngd.geometry._patches import cross

# Points by which the segments or triangles are found that are close to a point: of all of a curve and of all of a
# surface, the most along one of them, and how many of them are asked for.
_ON_CURVE, _ON_SURFACE, _MOST, _NEAREST = 4000, 40_000, 64, 8


@dataclasses.dataclass(frozen=True, eq=False)
class Simplices:
    """Segments in the plane or triangles in space, whose normals point outward.

    - `corners`: of each, in the user's units. A segment has the outside on its right, and seen from outside the corners
      of a triangle are counterclockwise.
    """

    corners: Float[np.ndarray, "m d d"]

    @functools.cached_property
    def _vectors(self) -> Float[np.ndarray, "m d"]:
        """The outward normals, as long as the segments, or as the areas of the triangles."""
        return cross(self._edges) / math.factorial(self.dimension - 1)

    @property
    def dimension(self) -> int:
        return self.corners.shape[2]

    @property
    def _edges(self) -> Float[np.ndarray, "m k d"]:
        return self.corners[:, 1:] - self.corners[:, :1]

    @functools.cached_property
    def measures(self) -> Float[np.ndarray, " m"]:
        """The lengths or the areas."""
        return np.linalg.norm(self._vectors, axis=1)

    @functools.cached_property
    def normals(self) -> Float[np.ndarray, "m d"]:
        return self._vectors / np.maximum(self.measures, np.finfo(float).tiny)[:, None]

    @functools.cached_property
    def shares(self) -> Float[np.ndarray, " m"]:
        """The areas or volumes of the cones from the center of the box around; their sum is enclosed.

        Source: the divergence theorem for the vector field `x`.
        """
        center = (np.min(self.corners, axis=(0, 1)) + np.max(self.corners, axis=(0, 1))) / 2
        return np.sum((self.corners[:, 0] - center) * self._vectors, axis=1) / self.dimension

    def scaled_measure(self, half_sides: Float[np.ndarray, " d"]) -> float:
        """The length or area in coordinates scaled to half sides of length one."""
        return scaled_measure(self.normals, self.measures, half_sides)

    def ordered(self) -> "Simplices":
        """The same in an order in which neighbors mostly follow each other."""
        return Simplices(self.corners[along_curve(np.mean(self.corners, axis=1))])

    def at(self, unit: Float[np.ndarray, "n k"]) -> Collocation:
        """The points of a unit interval or square, mapped such that equal areas stay equal; the weights are equal."""
        ends = np.cumsum(self.measures)
        along = unit[:, 0] * ends[-1]
        numbers = np.minimum(np.searchsorted(ends, along, side="right"), len(ends) - 1)
        rest = np.clip(1 - (ends[numbers] - along) / self.measures[numbers], 0.0, 1.0)
        parts = np.concatenate([rest[:, None], unit[:, 1:]], axis=1)
        # A parallelogram is folded to a triangle.
        parts = np.where(np.sum(parts, axis=1, keepdims=True) > 1, 1 - parts, parts) if parts.shape[1] == 2 else parts
        points = self.corners[numbers, 0] + np.einsum("nk,nkd->nd", parts, self._edges[numbers])
        return Collocation(points, self.normals[numbers], np.full(len(unit), ends[-1] / len(unit)))

    def nearest(self, points: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, "n d"], Int[np.ndarray, " n"]]:
        """The nearest point to each of the points, and the number of the segment or triangle that it lies on.

        Close to the segments or triangles it is exact. Far away it may be one that is farther by a small part.
        """
        tree, owners = self._samples
        count = min(_NEAREST, len(owners))
        rough, found = (np.asarray(each).reshape(len(points), count) for each in tree.query(points, k=count))
        candidates = owners[found]
        there, best = np.zeros_like(points), np.full(len(points), np.inf)
        numbers = np.zeros(len(points), dtype=np.int64)
        for at in range(count):
            is_new = ~np.any(candidates[:, :at] == candidates[:, at, None], axis=1)
            rows = np.flatnonzero(is_new & (rough[:, at] - 2 * self._spacing < best))
            on = _closest(self.corners[candidates[rows, at]], points[rows])
            distances = np.linalg.norm(on - points[rows], axis=1)
            is_nearer = distances < best[rows]
            rows = rows[is_nearer]
            there[rows], best[rows], numbers[rows] = on[is_nearer], distances[is_nearer], candidates[rows, at]
        return there, numbers

    def distances(self, points: Float[np.ndarray, "n d"], most: float) -> Float[np.ndarray, " n"]:
        """The distances of the points, where they are at most `most`; infinity elsewhere."""
        tree, _ = self._samples
        rough = np.asarray(tree.query(points, distance_upper_bound=most + 2 * self._spacing)[0])
        close = np.isfinite(rough)
        found = np.full(len(points), np.inf)
        found[close] = np.linalg.norm(self.nearest(points[close])[0] - points[close], axis=1)
        return np.where(found <= most, found, np.inf)

    @functools.cached_property
    def _spacing(self) -> float:
        """The distance of the points by which close segments or triangles are found; larger on very long ones."""
        total = float(np.sum(self.measures))
        dense = total / _ON_CURVE if self.dimension == 2 else math.sqrt(total / _ON_SURFACE)
        return max(dense, float(np.max(self._lengths)) / _MOST)

    @property
    def _lengths(self) -> Float[np.ndarray, " m"]:
        """The longest edge of each."""
        edges = self.corners - np.roll(self.corners, 1, axis=1)
        return np.max(np.linalg.norm(edges, axis=2), axis=1)

    @functools.cached_property
    def _samples(self) -> tuple[Any, Int[np.ndarray, " s"]]:
        """A tree of points on all segments or triangles, and the number of that on which each point lies."""
        from scipy.spatial import KDTree  # noqa: PLC0415 - takes half a second, which other regions do not need

        counts = np.maximum(np.ceil(self._lengths / self._spacing).astype(int), 1)
        points, owners = [], []
        for count in np.unique(counts):
            chosen = np.flatnonzero(counts == count)
            parts = _centers(int(count), self.dimension)
            points.append(np.einsum("sk,mkd->msd", parts, self.corners[chosen]).reshape(-1, self.dimension))
            owners.append(np.repeat(chosen, len(parts)))
        return KDTree(np.concatenate(points)), np.concatenate(owners)


def scaled_measure(
    normals: Float[np.ndarray, "m d"], measures: Float[np.ndarray, " m"], half_sides: Float[np.ndarray, " d"]
) -> float:
    """The length or area of elements in coordinates scaled to half sides of length one (Nanson's formula)."""
    return float(np.sum(measures * np.linalg.norm(normals * half_sides, axis=1)) / np.prod(half_sides))


def _centers(count: int, corners: int) -> Float[np.ndarray, "s k"]:
    """The barycentric coordinates of the centers of equal parts, `count` along each edge."""
    steps = np.arange(count)
    if corners == 2:
        along = (steps + 0.5) / count
        return np.stack([1 - along, along], axis=1)
    one, two = (each.ravel() for each in np.meshgrid(steps, steps, indexing="ij"))
    upright, reversed_ = one + two < count, one + two < count - 1
    one, two = (np.concatenate([(each[upright] + 1 / 3), (each[reversed_] + 2 / 3)]) / count for each in (one, two))
    return np.stack([1 - one - two, one, two], axis=1)


def _closest(corners: Float[np.ndarray, "n d d"], points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """The nearest point of a segment or triangle to each point."""
    one, two = corners[:, 0], corners[:, 1]
    found = _on_segment(one, two, points)
    if corners.shape[2] == 2:
        return found
    three = corners[:, 2]
    distance = _dot(found - points, found - points)
    for start, end in ((two, three), (three, one)):
        other = _on_segment(start, end, points)
        its = _dot(other - points, other - points)
        found, distance = np.where((its < distance)[:, None], other, found), np.minimum(its, distance)
    along, across, to = two - one, three - one, points - one
    aa, ab, bb, ta, tb = (
        _dot(*each) for each in ((along, along), (along, across), (across, across), (to, along), (to, across))
    )
    area = np.maximum(aa * bb - ab**2, np.finfo(float).tiny)
    u, v = (bb * ta - ab * tb) / area, (aa * tb - ab * ta) / area
    within = (u >= 0) & (v >= 0) & (u + v <= 1)
    return np.where(within[:, None], one + u[:, None] * along + v[:, None] * across, found)


def _on_segment(
    start: Float[np.ndarray, "n d"], end: Float[np.ndarray, "n d"], points: Float[np.ndarray, "n d"]
) -> Float[np.ndarray, "n d"]:
    """The nearest point of a segment to each point."""
    along = end - start
    part = _dot(points - start, along) / np.maximum(_dot(along, along), np.finfo(float).tiny)
    return start + np.clip(part, 0.0, 1.0)[:, None] * along


def _dot(one: Float[np.ndarray, "n d"], two: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    return np.einsum("nd,nd->n", one, two)
