"""Unions, intersections and differences of regions, parts of them, and domains that are made of named regions."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from sngd._arguments import require_text
from sngd.geometry._box import Box, Face, Piece, box_of
from sngd.geometry._collocation import Collocation
from sngd.geometry._pieces import AbstractPiece, Several
from sngd.geometry._region import STEP, AbstractRegion, Side, quasi_random

# Boundaries of two regions are the same where they are closer than this part of the largest side.
_SAME = 1e-12


# A part of a region has at least this part of the points of a full box, if so many times as many as those are enough to
# find them.
_LEAST, _MOST = 0.5, 64


@dataclasses.dataclass(frozen=True, eq=False)
class _Combination(AbstractRegion):
    """A region that is made of two others with the same number of axes.

    A boundary point of a part belongs to the boundary of the whole where a small step inwards along its normal ends
    inside of the whole, and a step outwards ends outside.
    """

    first: AbstractRegion
    second: AbstractRegion

    def __post_init__(self):
        self._bounded(self.first.axes, *self._corners(), self.first.time_axis)

    def _corners(self) -> tuple[Any, Any]:
        """The bounds of a box around the region."""
        lower = np.maximum(self.first.lower, self.second.lower)
        upper = np.minimum(self.first.upper, self.second.upper)
        return lower, upper

    @classmethod
    def of(cls, first: AbstractRegion, second: AbstractRegion) -> "_Combination":
        """The combination. Raises `TypeError` or `ValueError` for what cannot be combined, and for an empty one."""
        if not isinstance(second, AbstractRegion):
            raise TypeError(f"a region is combined with {second!r}; combine it with another region, like sngd.disk")
        if first.dimension != second.dimension:
            raise ValueError(
                f"a region with the axes {', '.join(first.axes)} is combined with one with the axes "
                f"{', '.join(second.axes)}; both need the same number of axes"
            )
        found = cls(first, second)
        _require_not_empty(found)
        return found

    @property
    def pieces(self) -> tuple[AbstractPiece, ...]:
        return self._pieces

    @functools.cached_property
    def _pieces(self) -> tuple[AbstractPiece, ...]:
        return not_empty(self._possible_pieces)

    @property
    def _possible_pieces(self) -> list[AbstractPiece]:
        """The pieces, with others on which there is no point, so that only those of the whole need to be looked at."""
        first, second = (
            each._possible_pieces if isinstance(each, _Combination) else list(each.pieces)
            for each in (self.first, self.second)
        )
        second = [piece.flipped() for piece in second] if self._removes else second
        # Where the boundaries of both parts are the same, it is that of the first one.
        step, other = _SAME * float(np.max(self.half_sides)), self.first
        is_new = lambda points, normals: ~_is_boundary(other, points, normals, step)
        new = [on_boundary(piece, self).kept(is_new) for piece in second]
        return [*(on_boundary(piece, self) for piece in first), *new]

    _removes = False


class Union(_Combination):
    """The points of either region."""

    def contains(self, points: Float[np.ndarray, "n d"], margin: float = 0.0) -> Bool[np.ndarray, " n"]:
        return self.first.contains(points, margin) | self.second.contains(points, margin)

    def __repr__(self) -> str:
        return f"({self.first!r} | {self.second!r})"

    def _corners(self) -> tuple[Any, Any]:
        lower = np.minimum(self.first.lower, self.second.lower)
        upper = np.maximum(self.first.upper, self.second.upper)
        return lower, upper


class Intersection(_Combination):
    """The points of both regions."""

    def contains(self, points: Float[np.ndarray, "n d"], margin: float = 0.0) -> Bool[np.ndarray, " n"]:
        return self.first.contains(points, margin) & self.second.contains(points, margin)

    def __repr__(self) -> str:
        return f"({self.first!r} & {self.second!r})"


class Difference(_Combination):
    """The points of the first region that are not in the second one."""

    _removes = True

    def contains(self, points: Float[np.ndarray, "n d"], margin: float = 0.0) -> Bool[np.ndarray, " n"]:
        return self.first.contains(points, margin) & ~self.second.contains(points, -margin)

    def __repr__(self) -> str:
        return f"({self.first!r} - {self.second!r})"

    def _corners(self) -> tuple[Any, Any]:
        return self.first.lower, self.first.upper


@dataclasses.dataclass(frozen=True, eq=False)
class Part(AbstractRegion):
    """The part of a region in a box with the same axes."""

    whole: AbstractRegion
    cell: Box

    def __post_init__(self):
        self._bounded(self.whole.axes, self.cell.lower, self.cell.upper, self.whole.time_axis)

    @property
    def pieces(self) -> tuple[AbstractPiece, ...]:
        return tuple(found for piece in self.whole.pieces if (found := piece.part(self.cell)) is not None)

    @property
    def measure(self) -> float:
        return self.cell.measure

    def contains(self, points: Float[np.ndarray, "n d"], margin: float = 0.0) -> Bool[np.ndarray, " n"]:
        return self.whole.contains(points, margin) & self.cell.contains(points, margin)

    def spread(self, count: int, seed: int = 0) -> Collocation:
        """Points as dense as `count` of them in a full box; denser where the part is small, so that it has enough."""
        lower, upper = self.extent
        drawn = count
        while True:
            points = lower + (upper - lower) * quasi_random(drawn, self.dimension, seed)
            inside = points[self.whole.contains(points)]
            if len(inside) >= _LEAST * count or drawn >= _MOST * count:
                measure = self.measure * len(inside) / drawn
                inside = inside[:count]
                return Collocation(inside, np.zeros_like(inside), np.full(len(inside), measure / max(len(inside), 1)))
            drawn *= 4


@dataclasses.dataclass(frozen=True, eq=False)
class Regions(AbstractRegion):
    """A domain that is made of named regions, which do not overlap.

    - `named_regions`: the regions, by their names.
    """

    named_regions: Mapping[str, AbstractRegion]

    def __post_init__(self):
        lower = np.min([each.lower for each in self._all], axis=0)
        upper = np.max([each.upper for each in self._all], axis=0)
        self._bounded(self._all[0].axes, lower, upper, self._all[0].time_axis)

    @property
    def _all(self) -> tuple[AbstractRegion, ...]:
        return tuple(self.named_regions.values())

    def contains(self, points: Float[np.ndarray, "n d"], margin: float = 0.0) -> Bool[np.ndarray, " n"]:
        return np.any([each.contains(points, margin) for each in self._all], axis=0)

    @property
    def pieces(self) -> tuple[AbstractPiece, ...]:
        return self._pieces

    @functools.cached_property
    def _pieces(self) -> tuple[AbstractPiece, ...]:
        return not_empty(
            dataclasses.replace(on_boundary(piece, self), owner=name, frame=each)
            for name, each in self.named_regions.items()
            for piece in each.pieces
        )

    @property
    def measure(self) -> float:
        return sum(each.measure for each in self._all)

    def mapped(self, function: Callable[[Any], Any]) -> "Regions":
        """The images of the regions under a map, with their names."""
        return Regions({name: each.mapped(function) for name, each in self.named_regions.items()})

    def region(self, name: str) -> AbstractRegion:
        """The region with this name. Raises `ValueError` for an unknown one."""
        if name not in self.named_regions:
            raise ValueError(f"region is {name!r}; the regions of this domain are {', '.join(self.named_regions)}")
        return self.named_regions[name]

    def face(self, axis: str, side: Side) -> Piece:
        if self.time_axis is None or axis != self.time_axis or side not in ("lower", "upper"):
            return super().face(axis, side)
        return Several.of([self._instant(name, side) for name in self.named_regions])

    def initial_of(self, name: str) -> AbstractPiece:
        """One of the regions at the first instant. Raises `ValueError` if no axis is time."""
        _ = self.initial
        return self._instant(name, "lower")

    def _instant(self, name: str, side: Side) -> AbstractPiece:
        """One of the regions at the first or the last instant."""
        assert self.time_axis is not None
        region = self.region(name)
        face = region.face(self.time_axis, side)
        piece = face.surface if isinstance(face, Face) else face
        return dataclasses.replace(piece.of_region(self), owner=name, frame=region)

    @property
    def instants(self) -> tuple[Piece, ...]:
        return () if self.time_axis is None else self.faces(self.time_axis)

    def interface(self, first: str, second: str) -> tuple[AbstractPiece, ...]:
        """The pieces of the boundary of the first region that are also on that of the second one.

        The normals point from the first region to the second one. Raises `ValueError` for names of no region, and for
        regions that do not touch.
        """
        one, other = self.region(first), self.region(second)
        step = STEP * float(np.max(self.half_sides))
        meets = lambda points, normals: other.contains(points + step * normals)
        name, frame = f"{first} {second}", min(one, other, key=lambda each: each.measure)
        found = not_empty(
            dataclasses.replace(each.of_region(self).kept(meets), name=name, owner=first, frame=frame)
            for each in one.pieces
        )
        if not found:
            raise ValueError(f"the regions {first!r} and {second!r} do not touch; an interface needs a common boundary")
        return found

    def __repr__(self) -> str:
        return "Regions(" + ", ".join(f"{name}={each!r}" for name, each in self.named_regions.items()) + ")"


@dataclasses.dataclass(frozen=True, eq=False)
class Named(AbstractRegion):
    """A region whose whole boundary has another name."""

    given: AbstractRegion
    name: str

    def __post_init__(self):
        self._bounded(self.given.axes, self.given.lower, self.given.upper, self.given.time_axis)

    @property
    def measure(self) -> float:
        return self.given.measure

    def contains(self, points: Float[np.ndarray, "n d"], margin: float = 0.0) -> Bool[np.ndarray, " n"]:
        return self.given.contains(points, margin)

    def spread(self, count: int, seed: int = 0) -> Collocation:
        return self.given.spread(count, seed)

    @property
    def pieces(self) -> tuple[AbstractPiece, ...]:
        return tuple(dataclasses.replace(piece.of_region(self), name=self.name) for piece in self.given.pieces)


def not_empty(pieces: Iterable[AbstractPiece]) -> tuple[AbstractPiece, ...]:
    """The pieces on which there are points."""
    return tuple(piece for piece in pieces if len(piece.spread(256).weights))


def on_boundary(piece: AbstractPiece, whole: AbstractRegion) -> AbstractPiece:
    """The part of a piece of the boundary of a part that is on the boundary of the whole."""
    step = STEP * float(np.max(whole.half_sides))

    return piece.of_region(whole).kept(lambda points, normals: _is_boundary(whole, points, normals, step))


def _is_boundary(
    region: AbstractRegion, points: Float[np.ndarray, "n d"], normals: Float[np.ndarray, "n d"], step: float
) -> Bool[np.ndarray, " n"]:
    """Whether points are on the boundary of a region that has these outward normals, up to a step along them."""
    return region.contains(points - step * normals) & ~region.contains(points + step * normals)


def regions(**named: AbstractRegion) -> Regions:
    """A domain that is made of named regions with the same axes, which touch but do not overlap.

    Each unknown function has a value in each of the regions, and conditions name the region that they hold in:
    `Interior(equation, on="core")`. Between the regions, an `Interface` says how the functions fit together.

    Raises `TypeError` or `ValueError` for anything but two or more regions with the same axes that do not overlap.
    """
    if len(named) < 2:
        raise ValueError(f"regions are {', '.join(named) or 'none'}; name at least two, or take the region itself")
    for name, each in named.items():
        if not isinstance(each, AbstractRegion):
            raise TypeError(f"region {name!r} is {each!r}; it must be a region, like sngd.disk(...)")
    first = next(iter(named.values()))
    for name, each in named.items():
        if each.dimension != first.dimension:
            raise ValueError(
                f"region {name!r} has the axes {', '.join(each.axes)}, and the first one {', '.join(first.axes)}; all "
                "regions of a domain have the same axes"
            )
    _require_apart(named)
    return Regions(named)


def layers(axis: str, /, **bounds: tuple[float, float]) -> Regions:
    """A box that is cut along one axis into named layers.

    - `axis`: the name of that axis. `bounds`: first the layers, each with its bounds along the axis, one after the
      other; and the bounds of the other axes, whose names have one letter: `layers("y", copper=(0, 1), steel=(1, 3),
      x=(0, 2))`. The order of the axes is alphabetical, but an axis `t`, which is time, comes first.

    Raises `ValueError` for layers that do not follow each other.
    """
    names = {name: pair for name, pair in bounds.items() if len(name) > 1}
    others = {name: pair for name, pair in bounds.items() if len(name) == 1}
    if axis in others:
        raise ValueError(f"axis {axis!r} is given bounds of its own; its bounds are those of the layers")
    require_text("axis", axis)
    pairs = [box_of({name: pair}).bounds[0] for name, pair in names.items()]
    for (_, end), (start, _) in itertools.pairwise(pairs):
        if end != start:
            raise ValueError(f"layers along {axis!r} have the bounds {pairs}; each must begin where the last one ends")
    order = sorted([*others, axis], key=lambda name: (name != "t", name))
    return regions(**{name: box_of({each: others.get(each, pair) for each in order}) for name, pair in names.items()})


def _require_not_empty(region: AbstractRegion) -> None:
    lower, upper = region.extent
    if np.any(lower >= upper):
        raise ValueError(f"{region} is empty; the regions do not overlap")
    _ = region.measure


def _require_apart(named: Mapping[str, AbstractRegion]) -> None:
    names = list(named)
    for at, one in enumerate(names):
        points = named[one].spread(512).points
        for other in names[at + 1 :]:
            margin = -1e-6 * float(np.max(named[other].half_sides))
            both = named[other].contains(points, margin)
            if both.any():
                raise ValueError(
                    f"regions {one!r} and {other!r} overlap, for instance at {points[both][0].tolist()}; give regions "
                    "that do not, for instance by subtracting one from the other"
                )
