"""Shapes: balls, rings, polygons, and regions that a function is negative in."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from sngd._arguments import require_number, require_text
from sngd.geometry._collocation import Collocation
from sngd.geometry._patches import Ellipse, Ellipsoid, Flat
from sngd.geometry._pieces import AbstractPiece, Surface
from sngd.geometry._region import AbstractRegion

SPACE = ("x", "y", "z")

_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclasses.dataclass(frozen=True)
class Ball(AbstractRegion):
    """An ellipse or an ellipsoid whose axes are those of space. The functions `disk`, `ball`, ... make one.

    - `axes`, `center`, `radii`: one entry for each of two or three axes. `name`: of its boundary.
    """

    axes: tuple[str, ...]
    center_at: tuple[float, ...]
    radii: tuple[float, ...]
    name: str = "boundary"

    def __post_init__(self):
        center, radii = np.array(self.center_at), np.array(self.radii)
        self._bounded(self.axes, center - radii, center + radii)

    @property
    def measure(self) -> float:
        return (np.pi if len(self.axes) == 2 else 4 * np.pi / 3) * math.prod(self.radii)

    def contains(self, points: Float[np.ndarray, "n d"], margin: float = 0.0) -> Bool[np.ndarray, " n"]:
        scaled = np.sum(((points - np.array(self.center_at)) / self.radii) ** 2, axis=1)
        return scaled <= max(1 + margin / min(self.radii), 0.0) ** 2

    @property
    def pieces(self) -> tuple[AbstractPiece, ...]:
        kind, sign = (Ellipse, 1.0) if len(self.axes) == 2 else (Ellipsoid, -1.0)
        patch = kind(np.array(self.center_at), np.array(self.radii))
        return (Surface(name=self.name, region=self, patches=(patch,), sign=sign),)

    def spread(self, count: int, seed: int = 0) -> Collocation:
        """Points of a product rule: Gauss-Legendre along the radius, and equispaced points on each ring.

        In three dimensions it is also Gauss-Legendre in the height. Rings close to the center have fewer points, as the
        functions on them have fewer waves.
        """
        rings = _disk_rule if len(self.axes) == 2 else _ball_rule
        unit, weights = rings(0.0, count, seed)
        points = np.array(self.center_at) + unit * self.radii
        return Collocation(points, np.zeros_like(points), weights * math.prod(self.radii))


@dataclasses.dataclass(frozen=True)
class Annulus(AbstractRegion):
    """The part of a disk, or of a ball, that is outside of a smaller one with the same center.

    - `outer`, `inner`: the two balls, of which the inner one is a multiple of the outer one.
    """

    outer: Ball
    inner: Ball

    def __post_init__(self):
        self._bounded(self.outer.axes, self.outer.lower, self.outer.upper)

    @property
    def measure(self) -> float:
        return self.outer.measure - self.inner.measure

    def contains(self, points: Float[np.ndarray, "n d"], margin: float = 0.0) -> Bool[np.ndarray, " n"]:
        # The inner circle belongs to the region.
        return self.outer.contains(points, margin) & ~self.inner.contains(points, -margin - 1e-15)

    @property
    def pieces(self) -> tuple[AbstractPiece, ...]:
        return tuple(piece.of_region(self) for piece in (*self.outer.pieces, *(p.flipped() for p in self.inner.pieces)))

    def spread(self, count: int, seed: int = 0) -> Collocation:
        share = self.inner.radii[0] / self.outer.radii[0]
        rings = _disk_rule if len(self.axes) == 2 else _ball_rule
        unit, weights = rings(share, count, seed)
        points = np.array(self.outer.center_at) + unit * self.outer.radii
        return Collocation(points, np.zeros_like(points), weights * math.prod(self.outer.radii))


@dataclasses.dataclass(frozen=True)
class Polygon(AbstractRegion):
    """A polygon in the plane.

    - `corners`: counterclockwise, each a pair of coordinates. `names`: of the edges, each from a corner to the next.
    """

    axes: tuple[str, ...]
    corners: tuple[tuple[float, float], ...]
    names: tuple[str, ...]

    def __post_init__(self):
        self._bounded(self.axes, np.min(self.corners, axis=0), np.max(self.corners, axis=0))

    @property
    def measure(self) -> float:
        return _signed_area(np.array(self.corners))

    @functools.cached_property
    def _edges(self) -> tuple[np.ndarray, np.ndarray]:
        starts = np.array(self.corners)
        return starts, np.roll(starts, -1, axis=0) - starts

    def contains(self, points: Float[np.ndarray, "n d"], margin: float = 0.0) -> Bool[np.ndarray, " n"]:
        starts, edges = self._edges
        inside, nearest = np.zeros(len(points), dtype=bool), np.full(len(points), np.inf)
        for (x, y), (dx, dy) in zip(starts, edges, strict=True):
            crosses = (y > points[:, 1]) != (y + dy > points[:, 1])
            if dy:
                inside ^= crosses & (points[:, 0] < x + (points[:, 1] - y) * dx / dy)
            along = np.clip(((points[:, 0] - x) * dx + (points[:, 1] - y) * dy) / (dx**2 + dy**2), 0.0, 1.0)
            nearest = np.minimum(nearest, np.hypot(points[:, 0] - x - along * dx, points[:, 1] - y - along * dy))
        return inside | (nearest <= margin) if margin >= 0 else inside & (nearest >= -margin)

    @property
    def pieces(self) -> tuple[AbstractPiece, ...]:
        starts, edges = self._edges
        named: dict[str, list[Flat]] = {}
        for name, start, edge in zip(self.names, starts, edges, strict=True):
            named.setdefault(name, []).append(Flat(start, edge[None]))
        return tuple(Surface(name=name, region=self, patches=tuple(flat), sign=1.0) for name, flat in named.items())


def disk(
    center: Sequence[float] = (0.0, 0.0),
    radius: float = 1.0,
    *,
    name: str = "boundary",
    axes: Sequence[str] = SPACE[:2],
) -> Ball:
    """A disk with this center and radius.

    - `name`: of its boundary. `axes`: the names of the two axes.

    Raises `TypeError` or `ValueError` for anything but finite numbers and a positive radius, as the other shapes do.
    """
    return _ball(center, _round(radius, 2), name, axes, 2)


def ellipse(
    center: Sequence[float], radii: Sequence[float], *, name: str = "boundary", axes: Sequence[str] = SPACE[:2]
) -> Ball:
    """An ellipse whose axes are those of the plane, with the arguments of `disk` and a radius along each axis."""
    return _ball(center, radii, name, axes, 2)


def ball(
    center: Sequence[float] = (0.0, 0.0, 0.0),
    radius: float = 1.0,
    *,
    name: str = "boundary",
    axes: Sequence[str] = SPACE,
) -> Ball:
    """A ball in three dimensions, with the arguments of `disk`."""
    return _ball(center, _round(radius, 3), name, axes, 3)


def ellipsoid(
    center: Sequence[float], radii: Sequence[float], *, name: str = "boundary", axes: Sequence[str] = SPACE
) -> Ball:
    """An ellipsoid whose axes are those of space, with the arguments of `disk` and a radius along each axis."""
    return _ball(center, radii, name, axes, 3)


def annulus(
    center: Sequence[float] = (0.0, 0.0),
    radii: Sequence[float] = (0.5, 1.0),
    *,
    names: Sequence[str] = ("inner", "outer"),
    axes: Sequence[str] | None = None,
) -> Annulus:
    """The region between two circles, or between two spheres if the center has three coordinates.

    - `radii`: the inner and the outer one. `names`: of the inner and the outer boundary.

    Raises `TypeError` or `ValueError` as `disk` does, and for radii that do not increase.
    """
    dimension = 3 if isinstance(center, Sequence) and len(center) == 3 else 2
    inner, outer = numbers_of("radii", radii, 2)
    if not 0 < inner < outer:
        raise ValueError(f"radii is {tuple(radii)}; give a positive inner one and a larger outer one")
    if isinstance(names, str) or len(names) != 2:
        raise ValueError(f"names is {names!r}; give one for the inner and one for the outer boundary")
    given = axes if axes is not None else SPACE[:dimension]
    small, large = (
        _ball(center, (radius,) * dimension, name, given, dimension)
        for radius, name in zip((inner, outer), names, strict=True)
    )
    return Annulus(large, small)


def polygon(
    corners: Any,
    *,
    name: str = "boundary",
    names: Sequence[str] | None = None,
    axes: Sequence[str] = SPACE[:2],
) -> Polygon:
    """A polygon with these corners, in either direction.

    - `corners`: shape `(n, 2)`. `name`: of the whole boundary. `names`: of the edges instead, each from a corner to the
      next one; edges may share a name.

    Raises `TypeError` or `ValueError` for fewer than three corners, for repeated ones and for edges that cross.
    """
    try:
        points = np.array(corners, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(f"corners is {corners!r}; give pairs of numbers") from error
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.all(np.isfinite(points)):
        raise ValueError(f"corners has the shape {points.shape}; give at least three finite points, shape (n, 2)")
    if names is not None and (isinstance(names, str) or len(names) != len(points)):
        raise ValueError(f"names is {names!r}; give one for each of the {len(points)} edges")
    labels = [name] * len(points) if names is None else list(names)
    for label in labels:
        require_text("name", label)
    _require_simple(points)
    if _signed_area(points) < 0:
        points, labels = points[::-1], [*labels[-2::-1], labels[-1]]
    return Polygon(names_of_axes(axes, 2), tuple(map(tuple, points.tolist())), tuple(labels))


def numbers_of(name: str, given: Any, count: int) -> tuple[float, ...]:
    """So many finite numbers. Raises `TypeError` or `ValueError` for anything else."""
    try:
        found = tuple(float(each) for each in given)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} is {given!r}; give {count} numbers") from error
    if len(found) != count or not all(map(math.isfinite, found)):
        raise ValueError(f"{name} is {found}; give {count} finite numbers")
    return found


def _round(radius: Any, dimension: int) -> tuple[float, ...]:
    require_number("radius", radius)
    return (float(radius),) * dimension


def _ball(center: Any, radii: Any, name: str, axes: Sequence[str], dimension: int) -> Ball:
    found = numbers_of("radii", radii, dimension)
    if not min(found) > 0:
        raise ValueError(f"radius is {min(found)}; it must be positive")
    require_text("name", name)
    return Ball(names_of_axes(axes, dimension), numbers_of("center", center, dimension), found, name)


def names_of_axes(axes: Sequence[str], dimension: int) -> tuple[str, ...]:
    """The names of so many axes. Raises `ValueError` for others."""
    found = tuple(axes)
    if len(found) != dimension or len(set(found)) < dimension or not all(isinstance(axis, str) for axis in found):
        raise ValueError(f"axes is {found}; give {dimension} different names")
    return found


def _signed_area(points: np.ndarray) -> float:
    x, y = points.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def _require_simple(points: np.ndarray) -> None:
    """Raises `ValueError` for repeated corners, for an area of zero and for edges that cross or touch."""
    count = len(points)
    size = float(np.max(np.ptp(points, axis=0)))
    ends = np.roll(points, -1, axis=0)
    short = np.linalg.norm(ends - points, axis=1) <= 1e-12 * size
    if short.any():
        at = int(np.argmax(short))
        raise ValueError(f"corners repeat the point {points[at].tolist()}; give every corner once")
    turn = lambda a, b, c: (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    for one in range(count):
        for two in range(one + 2, count - (one == 0)):
            a, b, c, d = points[one], ends[one], points[two], ends[two]
            if turn(a, b, c) * turn(a, b, d) <= 0 and turn(c, d, a) * turn(c, d, b) <= 0:
                raise ValueError(
                    f"corners make edges that cross: from {a.tolist()} to {b.tolist()} and from {c.tolist()} to "
                    f"{d.tolist()}; give the corners in the order of the boundary"
                )
    if abs(_signed_area(points)) <= 1e-14 * size**2:
        raise ValueError("corners enclose no area; give those of a polygon")


def _radii(share: float, count: int, power: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes of the radius between `share` and one, and weights with its power."""
    nodes, weights = np.polynomial.legendre.leggauss(count + seed % 2)
    radius = share + (1 - share) * (nodes + 1) / 2
    return radius, weights * (1 - share) / 2 * radius**power


def _disk_rule(share: float, count: int, seed: int) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
    """Points of the part of the unit disk outside of the radius `share`, and their weights."""
    distance = math.sqrt(np.pi * (1 - share**2) / count)
    radius, weights = _radii(share, max(2, round((1 - share) / distance)), 1, seed)
    numbers = np.maximum(np.ceil(2 * np.pi * radius / distance), 5).astype(int)
    points, found = [], []
    for number, (r, weight, size) in enumerate(zip(radius, weights, numbers, strict=True)):
        angle = 2 * np.pi * (np.arange(size) + (number + 1 + seed) * _GOLDEN) / size
        points.append(r * np.stack([np.cos(angle), np.sin(angle)], axis=1))
        found.append(np.full(size, 2 * np.pi * weight / size))
    return np.concatenate(points), np.concatenate(found)


def _ball_rule(share: float, count: int, seed: int) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """The same of the unit ball."""
    distance = (4 * np.pi / 3 * (1 - share**3) / count) ** (1 / 3)
    radius, weights = _radii(share, max(2, round((1 - share) / distance)), 2, seed)
    points, found = [], []
    for number, (r, weight) in enumerate(zip(radius, weights, strict=True)):
        heights, bands = np.polynomial.legendre.leggauss(max(2, math.ceil(np.pi * r / distance)))
        for band, (height, part) in enumerate(zip(heights, bands, strict=True)):
            ring = math.sqrt(1 - height**2)
            size = max(4, math.ceil(2 * np.pi * r * ring / distance))
            angle = 2 * np.pi * (np.arange(size) + (number + band + 1 + seed) * _GOLDEN) / size
            unit = np.stack([ring * np.cos(angle), ring * np.sin(angle), np.full(size, height)], axis=1)
            points.append(r * unit)
            found.append(np.full(size, 2 * np.pi * weight * part / size))
    return np.concatenate(points), np.concatenate(found)
