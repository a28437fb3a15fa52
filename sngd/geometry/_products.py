"""Regions times an interval of one more axis, such as time."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from sngd.geometry._algebra import Regions
from sngd.geometry._box import TIME, Box, Piece, box_of
from sngd.geometry._collocation import Collocation, joined
from sngd.geometry._pieces import AbstractPiece
from sngd.geometry._region import AbstractRegion, Side, face_name

# Points along the further axis of a piece for each distance of the points in the region, and further ones.
_ALONG, _MORE = 1.2, 4


@dataclasses.dataclass(frozen=True, eq=False)
class Product(AbstractRegion):
    """A region times an interval of another axis, which comes first if it is time, and last if it is not.

    - `base`: the region. `axis`, `start`, `end`: the other axis and its bounds.
    """

    base: AbstractRegion
    axis: str
    start: float
    end: float
    is_time: bool

    def __post_init__(self):
        base, place = self.base, self.place
        axes, lower = _with(base.axes, place, self.axis), _with(base.lower, place, self.start)
        time = self.axis if self.is_time else base.time_axis
        self._bounded(axes, lower, _with(base.upper, place, self.end), time)

    @property
    def place(self) -> int:
        """The index of the further axis."""
        return 0 if self.is_time else self.base.dimension

    @property
    def measure(self) -> float:
        return self.base.measure * (self.end - self.start)

    def contains(self, points: Float[np.ndarray, "n d"], margin: float = 0.0) -> Bool[np.ndarray, " n"]:
        along = points[:, self.place]
        between = (along >= self.start - margin) & (along <= self.end + margin)
        return between & self.base.contains(np.delete(points, self.place, axis=1), margin)

    @property
    def pieces(self) -> tuple[AbstractPiece, ...]:
        place, lower, upper = self.place, self.start, self.end
        walls = tuple(
            Wall(name=piece.name, region=self, piece=piece, place=place, lower=lower, upper=upper)
            for piece in self.base.pieces
        )
        return walls if self.is_time else (*walls, self._cap("lower"), self._cap("upper"))

    def face(self, axis: str, side: Side) -> Piece:
        if axis == self.axis and side in ("lower", "upper"):
            return self._cap(side)
        return super().face(axis, side)

    @property
    def instants(self) -> tuple[Piece, ...]:
        return (self._cap("lower"), self._cap("upper")) if self.is_time else ()

    def _cap(self, side: Side) -> "Cap":
        position = self.start if side == "lower" else self.end
        name = face_name(self.axis, side)
        return Cap(
            name=name, region=self, base=self.base, place=self.place, position=position, is_upper=side == "upper"
        )

    def __repr__(self) -> str:
        return f"Product({self.base!r}, {self.axis}=({self.start}, {self.end}))"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Wall(AbstractPiece):
    """A piece of the boundary of a region times an interval.

    - `piece`: of that boundary. `place`: the index of the further axis. `lower`, `upper`: its bounds.
    """

    piece: AbstractPiece
    place: int
    lower: float
    upper: float

    def _spread(self, distance: float, seed: int) -> Collocation:
        half = self.scale.half_sides[self.place]
        count = math.ceil(_ALONG * (self.upper - self.lower) / half / distance) + _MORE
        nodes, weights = np.polynomial.legendre.leggauss(count + seed % 2)
        parts = []
        for number, (node, weight) in enumerate(zip(nodes, weights, strict=True)):
            found = self.piece.at_distance(distance, seed + 2 * number)
            along = self.lower + (self.upper - self.lower) * (node + 1) / 2
            points, normals = self._raised(found.points, along), self._raised(found.normals, 0.0)
            parts.append(Collocation(points, normals, found.weights * weight * (self.upper - self.lower) / 2))
        return joined(parts)

    def _raised(self, rows: Float[np.ndarray, "n k"], value: Any) -> Float[np.ndarray, "n d"]:
        return np.insert(rows, self.place, value, axis=1)

    def flipped(self) -> "Wall":
        return dataclasses.replace(self, piece=self.piece.flipped(), inward=not self.inward, cuts=self._flipped_cuts)

    def part(self, cell: Box, start: float | None = None) -> "Wall | None":
        lower, upper = max(self.lower, cell.lower[self.place]), min(self.upper, cell.upper[self.place])
        across = self.piece.part(_without(cell, self.place))
        if not lower < upper or across is None:
            return None
        return dataclasses.replace(self, region=self.region.part(cell), piece=across, lower=lower, upper=upper)

    def nearest(self, points: Float[np.ndarray, "n d"]) -> Collocation:
        found = self.piece.nearest(np.delete(points, self.place, axis=1))
        along = np.clip(points[:, self.place], self.lower, self.upper)
        return Collocation(self._raised(found.points, along), self._raised(found.normals, 0.0), found.weights)

    def holds(self, points: Float[np.ndarray, "n d"], margin: float) -> Bool[np.ndarray, " n"]:
        return super().holds(points, margin) & self.piece.holds(np.delete(points, self.place, axis=1), margin)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Cap(AbstractPiece):
    """A region at one end of an interval of another axis.

    - `base`: the region. `place`: the index of the other axis. `position`: its value. `is_upper`: at which end.
    """

    base: AbstractRegion
    place: int
    position: float
    is_upper: bool

    @property
    def is_initial(self) -> bool:
        return self._is_of_time and not self.is_upper

    @property
    def is_final(self) -> bool:
        return self._is_of_time and self.is_upper

    @property
    def _is_of_time(self) -> bool:
        time = self.region.time_axis
        return time is not None and self.region.index(time) == self.place

    def _spread(self, distance: float, seed: int) -> Collocation:
        share = self.base.measure / float(np.prod(np.delete(2 * self.scale.half_sides, self.place)))
        count = math.ceil(_ALONG * share * (2 / distance) ** self.base.dimension) + _MORE
        found = self.base.spread(count, seed)
        return Collocation(np.insert(found.points, self.place, self.position, axis=1), *self._same(found))

    def _same(self, found: Collocation) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
        up = 1.0 if self.is_upper != self.inward else -1.0
        return np.tile(up * np.eye(self.region.dimension)[self.place], (len(found.weights), 1)), found.weights

    def part(self, cell: Box, start: float | None = None) -> "Cap | None":
        position = start if start is not None and self.is_initial else self.position
        end = cell.upper[self.place] if self.is_upper else cell.lower[self.place]
        if end != position:
            return None
        base = self.base.part(_without(cell, self.place))
        return dataclasses.replace(self, region=self.region.part(cell), base=base, position=end)

    def nearest(self, points: Float[np.ndarray, "n d"]) -> Collocation:
        there = points.copy()
        there[:, self.place] = self.position
        return Collocation(there, *self._same(Collocation(there, there, np.ones(len(there)))))

    def holds(self, points: Float[np.ndarray, "n d"], margin: float) -> Bool[np.ndarray, " n"]:
        return super().holds(points, margin) & self.base.contains(np.delete(points, self.place, axis=1), margin)


def extrude(region: AbstractRegion, **bounds: tuple[float, float]) -> Product | Regions:
    """A region times an interval of another axis of space: `extrude(disk(), z=(0, 1))` is a cylinder.

    Raises `TypeError` or `ValueError` for anything but a region and two increasing bounds of one more axis.
    """
    return product(region, bounds, is_time=False)


def space_time(region: AbstractRegion | None = None, /, **bounds: tuple[float, float]) -> Box | Product | Regions:
    """A domain in space and time, whose axis called `t` is time.

    It is a box, `space_time(t=(0, 1), x=(0, 1))`, or a region times an interval: `space_time(disk(), t=(0, 1))`. If `t`
    is the only axis, as for an ordinary differential equation, the domain equals `interval(t=(0, 1))`.

    Raises `ValueError` if there is no axis `t`, and `TypeError` for a region that is none.
    """
    if region is not None:
        if set(bounds) != {TIME}:
            raise ValueError(
                f"bounds are given for {', '.join(bounds) or 'no axis'}; give those of {TIME} beside a region"
            )
        return product(region, bounds, is_time=True)
    if TIME not in bounds:
        raise ValueError(
            f"space_time needs an axis t; axes given: {', '.join(bounds) or 'none'}. Make a domain without time by box"
        )
    return box_of(bounds)


def product(region: AbstractRegion, bounds: Mapping[str, tuple[float, float]], is_time: bool) -> Product | Regions:
    """A region times an interval of another axis."""
    if isinstance(region, Regions):
        return Regions({name: product(each, bounds, is_time) for name, each in region.named_regions.items()})
    if not isinstance(region, AbstractRegion):
        raise TypeError(f"region is {region!r}; it must be a region, like sngd.disk(...)")
    if len(bounds) != 1:
        raise ValueError(f"bounds are given for {', '.join(bounds) or 'no axis'}; give those of one more axis")
    ((axis, given),) = bounds.items()
    if axis in region.axes:
        raise ValueError(f"axis {axis!r} is one of the region already; its axes are {', '.join(region.axes)}")
    interval = box_of({axis: given})
    return Product(region, axis, interval.lower[0], interval.upper[0], is_time)


def _with(values: tuple, place: int, value: Any) -> tuple:
    return (*values[:place], value, *values[place:])


def _without(cell: Box, place: int) -> Box:
    """The face of a box, as a box of the other axes."""
    names = ("axes", "lower", "upper")
    axes, lower, upper = (tuple(v for at, v in enumerate(getattr(cell, name)) if at != place) for name in names)
    return Box(axes, lower, upper, cell.time_axis if cell.time_axis in axes else None)
