"""Surfaces in space, drawn from points with normals and areas: each point is a small hexagon.

So a surface of any kind is drawn, whatever its parts are.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from sngd.geometry import AbstractRegion, Collocation, joined

# The area of a hexagon in that of its point, so that neighbors overlap and the surface has no gaps.
_OVERLAP = 4.5

# The distance of points on a boundary in coordinates scaled to half sides of length one, without and with time: the
# points of all instants are moved to one.
_DISTANCE, _DISTANCE_OF_ALL = 0.04, 0.15

# Where the light comes from, and how bright the darkest surface is.
_LIGHT, _DARKEST = np.array([0.4, -0.7, 0.6]) / 1.005, 0.55


def boundary_at(domain: AbstractRegion, held: Float[np.ndarray, " d"]) -> Collocation:
    """Points all over the boundary in space, whose weights are areas.

    - `held`: a point, shape `(d,)`, at the instant at which the boundary is taken, if there is time.
    """
    if domain.time_axis is None:
        return joined([piece.at_distance(_DISTANCE, 1) for piece in domain.pieces])
    time, parts = domain.index(domain.time_axis), []
    for piece in domain.pieces:
        found = piece.at_distance(_DISTANCE_OF_ALL, 1)
        points = found.points.copy()
        points[:, time] = held[time]
        there = piece.nearest(points)
        parts.append(Collocation(there.points, there.normals, found.weights / (2 * domain.half_sides[time])))
    return joined(parts)


def hexagons(
    points: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
    areas: Float[np.ndarray, " n"],
    units: Float[np.ndarray, " 3"],
) -> Float[np.ndarray, "n 6 3"]:
    """The corners of a hexagon around each of some points of a surface.

    - `units`: the lengths along the axes that are drawn as long as each other. As they are drawn, the hexagons are
      regular and orthogonal to the normals.
    """
    normals, stretch = _as_drawn(normals, units)
    radii = np.sqrt(_OVERLAP / np.pi * areas * stretch / np.prod(units))
    first = np.cross(normals, np.eye(3)[np.argmin(np.abs(normals), axis=1)])
    first /= np.linalg.norm(first, axis=1)[:, None]
    second = np.cross(normals, first)
    angles = np.arange(6) * np.pi / 3
    rims = np.cos(angles)[:, None] * first[:, None] + np.sin(angles)[:, None] * second[:, None]
    return points[:, None] + radii[:, None, None] * rims * units


def brightness(normals: Float[np.ndarray, "n 3"], units: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " n"]:
    """How bright surfaces with these normals are, at most one."""
    seen, _ = _as_drawn(normals, units)
    return _DARKEST + (1 - _DARKEST) * np.abs(seen @ _LIGHT)


def draw_hexagons(place: Any, corners: Float[np.ndarray, "n 6 3"], colors: np.ndarray) -> None:
    """Draws hexagons in space, each with its color, shape `(n, 3)` or `(n, 4)`."""
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection  # noqa: PLC0415

    place.add_collection3d(Poly3DCollection(corners, facecolors=colors, edgecolors="none"))


def _as_drawn(
    normals: Float[np.ndarray, "n 3"], units: Float[np.ndarray, " 3"]
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """Unit normals of surfaces as they are drawn, and the lengths before they are made so (Nanson's formula)."""
    seen = normals * units
    lengths = np.maximum(np.linalg.norm(seen, axis=1), np.finfo(float).tiny)
    return seen / lengths[:, None], lengths
