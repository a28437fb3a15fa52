"""Regions that are known by points alone: points inside, and points of the boundary with their normals."""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from sngd._arguments import shown
from sngd.geometry._cloud_checks import array_of, require_outward, require_together, require_unit, weights_of
from sngd.geometry._collocation import Collocation
from sngd.geometry._ordering import along_curve
from sngd.geometry._pieces import AbstractPiece
from sngd.geometry._region import AbstractRegion
from sngd.geometry._shapes import SPACE, names_of_axes
from sngd.geometry._simplices import scaled_measure

# Points on a boundary for each distance of the points in the region, and further ones.
_ON_BOUNDARY, _MORE = 1.5, 16

# One of so many points is left out of the fits, for validation.
_LEFT_OUT = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Cloud(AbstractRegion):
    """A region that is known by points alone.

    - `inside`: points of the region, with weights. `around`: points of its boundary, with weights and outward unit
      normals. `rows`: the numbers of the boundary points of each piece, by its name.
    """

    axes: tuple[str, ...]
    inside: Collocation
    around: Collocation
    rows: Mapping[str, Int[np.ndarray, " m"]]

    def __post_init__(self):
        every = np.concatenate([self.inside.points, self.around.points])
        self._bounded(self.axes, np.min(every, axis=0), np.max(every, axis=0))

    @property
    def measure(self) -> float:
        return float(np.sum(self.inside.weights))

    @property
    def estimated_measure(self) -> float:
        """The area or volume, by the part of a sequence of points in the box around that is inside."""
        return self._measured

    @functools.cached_property
    def _tree(self) -> Any:
        from scipy.spatial import KDTree  # noqa: PLC0415 - takes half a second, which other regions do not need

        return KDTree(self.around.points)

    @functools.cached_property
    def _order(self) -> Int[np.ndarray, " n"]:
        return along_curve(self.inside.points)

    def contains(self, points: Float[np.ndarray, "n d"], margin: float = 0.0) -> Bool[np.ndarray, " n"]:
        """Whether each point is behind the tangent plane at the nearest boundary point. It is as exact as these are."""
        nearest = np.asarray(self._tree.query(points)[1])
        height = np.sum((points - self.around.points[nearest]) * self.around.normals[nearest], axis=1)
        lower, upper = self.extent
        room = max(margin, 0.0)
        return (height <= margin) & np.all((points >= lower - room) & (points <= upper + room), axis=1)

    @property
    def pieces(self) -> tuple[AbstractPiece, ...]:
        return tuple(
            CloudSurface(name=name, region=self, given=self.around.kept(rows)) for name, rows in self.rows.items()
        )

    def spread(self, count: int, seed: int = 0) -> Collocation:
        """Some of the points, chosen evenly: at most `count`, and never more than there are.

        An odd seed chooses among the quarter of the points that the even ones leave out, for validation.
        """
        return _chosen(self.inside, self._order, count, seed)

    def __repr__(self) -> str:
        return f"Cloud({len(self.inside.weights):,} points, {len(self.around.weights):,} on the boundary)"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class CloudSurface(AbstractPiece):
    """A piece of the boundary of a cloud.

    - `given`: its points, with weights and outward unit normals.
    """

    given: Collocation

    @functools.cached_property
    def _order(self) -> Int[np.ndarray, " m"]:
        return along_curve(self.given.points)

    def _spread(self, distance: float, seed: int) -> Collocation:
        size = scaled_measure(self.given.normals, self.given.weights, self.region.half_sides)
        count = math.ceil(_ON_BOUNDARY * size / distance ** (self.region.dimension - 1)) + _MORE
        found = _chosen(self.given, self._order, count, seed)
        return dataclasses.replace(found, normals=self._outward(found.normals))

    def nearest(self, points: Float[np.ndarray, "n d"]) -> Collocation:
        from scipy.spatial import KDTree  # noqa: PLC0415 - takes half a second, which other regions do not need

        found = self.given.kept(np.asarray(KDTree(self.given.points).query(points)[1]))
        return Collocation(found.points, self._outward(found.normals), np.ones(len(points)))


def cloud(
    points: Any,
    boundary: Any,
    normals: Any,
    *,
    weights: Any = None,
    boundary_weights: Any = None,
    name: str = "boundary",
    names: Sequence[str] | None = None,
    axes: Sequence[str] | None = None,
) -> Cloud:
    """A region that is known by points inside and by points of its boundary with their normals.

    Conditions are imposed at these points alone; a quarter of them is left out of the fits and serves validation. But
    combinations with other regions, products with time and parts have quasi-random points, like other regions.

    - `points`: inside, shape `(n, d)`, in the user's units. `boundary`: shape `(m, d)`. `normals`: the outward unit
      normals at the boundary points, shape `(m, d)`.
    - `weights`, `boundary_weights`: of the points in integrals, shapes `(n,)` and `(m,)`. Left out, all points have
      equal shares of the volume and of the area, which are estimated from points that are spread evenly.
    - `name`: of the boundary. `names`: one for each boundary point instead; those with the same one are a piece.
    - `axes`: the names of the axes; left out, `x`, `y` and `z`.

    Any other point is inside if it is behind the tangent plane at the nearest boundary point.

    Raises `TypeError` for arrays of other kinds. Raises `ValueError` for other shapes, too few points, numbers that are
    not finite, weights that are not positive, normals that do not have length one or point inwards, and boundary points
    far away from the others.
    """
    inside = array_of("points", points)
    around = array_of("boundary", boundary, inside.shape[1])
    outward = array_of("normals", normals, inside.shape[1])
    dimension = inside.shape[1]
    require_unit(outward, len(around))
    found = names_of_axes(SPACE[:dimension] if axes is None else axes, dimension)
    rows = _rows(name, names, len(around))
    given = weights_of("weights", weights, len(inside))
    of_boundary = weights_of("boundary_weights", boundary_weights, len(around))
    require_together(inside, around)
    require_outward(inside, around, outward)
    ones = lambda array: np.ones(len(array))
    surface = Collocation(around, outward, ones(around) if of_boundary is None else of_boundary)
    interior = Collocation(inside, np.zeros_like(inside), ones(inside) if given is None else given)
    if given is None:
        volume = Cloud(found, interior, surface, rows).estimated_measure
        interior = dataclasses.replace(interior, weights=ones(inside) * volume / len(inside))
    if of_boundary is None:
        area = _area(around, outward, np.mean(inside, axis=0), float(np.sum(interior.weights)))
        surface = dataclasses.replace(surface, weights=ones(around) * area / len(around))
    return Cloud(found, interior, surface, rows)


def _area(
    boundary: Float[np.ndarray, "m d"],
    normals: Float[np.ndarray, "m d"],
    center: Float[np.ndarray, " d"],
    volume: float,
) -> float:
    """The area that equal shares of boundary points have by the divergence theorem for the vector field `x - center`.

    Raises `ValueError` for a boundary that is not all around.
    """
    height = float(np.mean(np.sum((boundary - center) * normals, axis=1)))
    if not height > 0:
        raise ValueError(
            "boundary does not lie around the points, since its area cannot be estimated; give boundary_weights, or "
            "points on all of the boundary"
        )
    return boundary.shape[1] * volume / height


def _rows(name: str, names: Sequence[str] | None, count: int) -> dict[str, Int[np.ndarray, " m"]]:
    """The numbers of the boundary points of each piece. Raises `TypeError` or `ValueError` for other names."""
    if names is None:
        if not isinstance(name, str):
            raise TypeError(f"name is {shown(name)}; it must be a text")
        return {name: np.arange(count)}
    given = [str(each) if isinstance(each, str) else each for each in names]
    if isinstance(names, str) or not all(isinstance(each, str) for each in given):
        raise TypeError(f"names is {shown(names)}; give a text for each boundary point")
    if len(given) != count:
        raise ValueError(f"names holds {len(given)} names; give one for each of the {count} boundary points")
    labels = np.array(given)
    return {each: np.flatnonzero(labels == each) for each in dict.fromkeys(given)}


def _chosen(given: Collocation, order: Int[np.ndarray, " n"], count: int, seed: int) -> Collocation:
    """At most so many of the points for fits, or for validation if the seed is odd, with the weight of all."""
    is_left_out = np.arange(len(order)) % _LEFT_OUT == _LEFT_OUT // 2
    kept = order[is_left_out if seed % 2 else ~is_left_out]
    if not len(kept):
        kept = order
    kept = kept[np.rint(np.linspace(0, len(kept) - 1, min(count, len(kept)))).astype(int)]
    found = given.kept(kept)
    return dataclasses.replace(found, weights=found.weights * np.sum(given.weights) / np.sum(found.weights))
