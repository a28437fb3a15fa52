"""Regions whose boundary is made of triangles in space, or that are made of triangles in the plane."""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from sngd._arguments import shown
from sngd.geometry._collocation import Collocation
from sngd.geometry._crossings import Crossings
from sngd.geometry._mesh_checks import boundary_of_plane, require_solid, triangles_of, vertices_of
from sngd.geometry._pieces import AbstractPiece
from sngd.geometry._region import AbstractRegion, quasi_random
from sngd.geometry._shapes import SPACE, names_of_axes
from sngd.geometry._simplices import Simplices

# Points of a curve for each distance of the points in the region, and further ones; and the same for a surface.
_ON_CURVES, _MORE_ON_CURVES, _ON_SURFACES, _MORE_ON_SURFACES = 1.2, 4, 1.5, 16

# The golden ratio, whose multiples are spread evenly modulo one.
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclasses.dataclass(frozen=True, eq=False)
class Mesh(AbstractRegion):
    """A solid whose boundary is made of triangles, or a plane region whose boundary is made of segments.

    - `crossings`: of the boundary. `parts`: the numbers of its segments or triangles, by the names of the pieces.
    """

    axes: tuple[str, ...]
    crossings: Crossings
    parts: Mapping[str, Int[np.ndarray, " m"]]

    def __post_init__(self):
        used = self.crossings.vertices[self.crossings.corners]
        self._bounded(self.axes, np.min(used, axis=(0, 1)), np.max(used, axis=(0, 1)))

    @functools.cached_property
    def _whole(self) -> Simplices:
        return Simplices(self.crossings.vertices[self.crossings.corners])

    @property
    def measure(self) -> float:
        return float(np.sum(self._whole.shares))

    def contains(self, points: Float[np.ndarray, "n d"], margin: float = 0.0) -> Bool[np.ndarray, " n"]:
        inside = self.crossings.winding(points) > 0
        if not margin or not len(points):
            return inside
        close = np.isfinite(self._whole.distances(points, abs(margin)))
        return inside | close if margin > 0 else inside & ~close

    @property
    def pieces(self) -> tuple[AbstractPiece, ...]:
        return self._pieces

    @functools.cached_property
    def _pieces(self) -> tuple[AbstractPiece, ...]:
        corners = self._whole.corners
        return tuple(
            MeshSurface(name=name, region=self, simplices=Simplices(corners[numbers]).ordered())
            for name, numbers in self.parts.items()
        )

    def __repr__(self) -> str:
        kind = "triangles" if self.dimension == 3 else "segments"
        return f"Mesh(bounded by {len(self.crossings.corners):,} {kind})"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class MeshSurface(AbstractPiece):
    """A piece of the boundary of a mesh.

    - `simplices`: the segments or triangles that it is made of.
    """

    simplices: Simplices

    def _spread(self, distance: float, seed: int) -> Collocation:
        size = self.simplices.scaled_measure(self.region.half_sides)
        if self.simplices.dimension == 2:
            count = math.ceil(_ON_CURVES * size / distance) + _MORE_ON_CURVES
            unit = ((np.arange(count) + (0.5 + seed * _GOLDEN) % 1.0) / count)[:, None]
        else:
            count = math.ceil(_ON_SURFACES * size / distance**2) + _MORE_ON_SURFACES
            unit = quasi_random(count, 2, seed)
        found = self.simplices.at(unit)
        return dataclasses.replace(found, normals=self._outward(found.normals))

    def nearest(self, points: Float[np.ndarray, "n d"]) -> Collocation:
        there, numbers = self.simplices.nearest(points)
        return Collocation(there, self._outward(self.simplices.normals[numbers]), np.ones(len(points)))


def mesh(
    vertices: Any,
    triangles: Any,
    *,
    name: str = "boundary",
    groups: Mapping[str, Any] | None = None,
    axes: Sequence[str] | None = None,
) -> Mesh:
    """The solid inside of a closed surface of triangles, or the region of the plane that triangles cover.

    - `vertices`: finite numbers of shape `(n, 3)` or, in the plane, `(n, 2)`, in the user's units. Equal ones
      are one vertex.
    - `triangles`: the numbers of the three vertices of each, from 0, shape `(m, 3)`. In space, the corners of a
      triangle are counterclockwise seen from outside, as in STL files. The surface may have several parts, and that of
      a hole inside has triangles whose corners are counterclockwise seen from the hole. In the plane, any order of the
      corners will do.
    - `name`: of the boundary. `groups`: names of pieces of a surface in space, each with the numbers of its triangles;
      the others are the piece `name`. In the plane, pieces are made by `domain.piece("boundary").where(predicate)`.
    - `axes`: the names of the axes; left out, `x`, `y` and in space `z`.

    Raises `TypeError` for arrays of other kinds. Raises `ValueError` for numbers that are not finite or out of range,
    for triangles without an area, for edges with one triangle alone, which are the rims of gaps, or with more than two,
    for triangles with the other orientation than their neighbors or than the surface needs, and for triangles that
    overlap or cross.
    """
    points = vertices_of(vertices)
    points, corners = triangles_of(points, triangles)
    dimension = points.shape[1]
    parts = _parts(groups, len(corners), name, dimension)
    found = names_of_axes(SPACE[:dimension] if axes is None else axes, dimension)
    if dimension == 2:
        corners = boundary_of_plane(points, corners)
        parts = {name: np.arange(len(corners))}
    crossings = Crossings(points, corners)
    if dimension == 3:
        require_solid(crossings)
    return Mesh(found, crossings, parts)


def _parts(groups: Any, count: int, name: str, dimension: int) -> dict[str, Int[np.ndarray, " m"]]:
    """The numbers of the triangles of each piece. Raises `TypeError` or `ValueError` for groups that are none."""
    if not isinstance(name, str):
        raise TypeError(f"name is {shown(name)}; it must be a text")
    if groups is None:
        return {name: np.arange(count)}
    if dimension == 2:
        raise ValueError(
            "groups are given for a region of the plane; name a part of its boundary by "
            f'domain.piece({name!r}).where(predicate, "name")'
        )
    if not isinstance(groups, Mapping) or not all(isinstance(each, str) for each in groups):
        raise TypeError(f'groups is {shown(groups)}; give numbers of triangles by names, as in {{"inlet": [0, 1]}}')
    owner = np.full(count, -1)
    for place, (group, given) in enumerate(groups.items()):
        numbers = np.asarray(given)
        if numbers.ndim != 1 or not len(numbers) or numbers.dtype.kind not in "iu":
            raise TypeError(f"groups[{group!r}] is {shown(given)}; give the numbers of its triangles")
        if numbers.min() < 0 or numbers.max() >= count:
            wrong = numbers[(numbers < 0) | (numbers >= count)][0]
            raise ValueError(
                f"groups[{group!r}] holds {wrong}, and the triangles have the numbers 0 to {count - 1}; give some of "
                "these"
            )
        if np.any(owner[numbers] >= 0):
            wrong = int(numbers[owner[numbers] >= 0][0])
            raise ValueError(f"groups[{group!r}] holds triangle {wrong}, and so does another one; give it to one")
        owner[numbers] = place
    found = {group: np.flatnonzero(owner == place) for place, group in enumerate(groups)}
    others = np.flatnonzero(owner < 0)
    if len(others):
        found[name] = np.sort(np.concatenate([others, found.get(name, np.zeros(0, dtype=int))]))
    return found
