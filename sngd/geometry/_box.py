"""Boxes with named axes, and their faces."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from sngd.geometry._collocation import Collocation
from sngd.geometry._patches import Flat, cross
from sngd.geometry._pieces import AbstractPiece, Several, Surface
from sngd.geometry._region import AbstractRegion, Side, face_name, quasi_random

# The name of the time axis in the domains that `interval` and `space_time` make.
TIME = "t"


@dataclasses.dataclass(frozen=True)
class Box(AbstractRegion):
    """An axis-parallel box of any dimension `d`. The functions `interval`, `box` and `space_time` make one.

    - `axes`: the names of the axes, in the order of a point's coordinates.
    - `lower`, `upper`: one lower and one upper bound for each axis, in the user's units.
    - `time_axis`: the name of the axis that is time, or `None`.

    Raises `ValueError` for no axes, for repeated names, and for bounds that are not finite and increasing.
    """

    axes: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    time_axis: str | None = None

    def __post_init__(self):
        if not self.axes:
            raise ValueError("a domain needs at least one named axis, for instance box(x=(0, 1), y=(0, 1))")
        if len(set(self.axes)) != len(self.axes):
            raise ValueError(f"axes {self.axes} repeat a name; give every axis its own")
        for axis, low, high in zip(self.axes, self.lower, self.upper, strict=True):
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ValueError(f"bounds of axis {axis!r} are ({low}, {high}); they must be finite with lower < upper")

    @property
    def measure(self) -> float:
        """The length, area or volume of the box."""
        return math.prod(high - low for low, high in zip(self.lower, self.upper, strict=True))

    def contains(self, points: Float[np.ndarray, "n d"], margin: float = 0.0) -> Bool[np.ndarray, " n"]:
        lower, upper = self.extent
        return np.all((points >= lower - margin) & (points <= upper + margin), axis=1)

    def face(self, axis: str, side: Side) -> "Face":
        """The face on which `axis` is at its `"lower"` or `"upper"` bound.

        Raises `ValueError` for an unknown axis or side.
        """
        self.index(axis)
        if side not in ("lower", "upper"):
            raise ValueError(f'side is {side!r}; it must be "lower" or "upper"')
        return Face(self, axis, side)

    def faces(self, *axes: str) -> tuple["Face", ...]:
        """Both faces of these axes, or all `2 d` faces if no axis is named, with the two faces of the time axis."""
        return tuple(self.face(axis, side) for axis in axes or self.axes for side in ("lower", "upper"))

    @property
    def boundary(self) -> tuple["Face", ...]:
        """All faces of the space axes."""
        return tuple(Face(self, axis, side) for axis in self.space_axes for side in ("lower", "upper"))

    @property
    def pieces(self) -> tuple[Surface, ...]:
        return tuple(face.surface for face in self.boundary)

    @property
    def instants(self) -> tuple["Face", ...]:
        return () if self.time_axis is None else self.faces(self.time_axis)

    @property
    def hull(self) -> "Box":
        return self

    def part(self, cell: "Box") -> "Box | None":
        lower, upper = np.maximum(self.lower, cell.lower), np.minimum(self.upper, cell.upper)
        if np.any(lower >= upper):
            return None
        return dataclasses.replace(cell, lower=tuple(lower.tolist()), upper=tuple(upper.tolist()))

    def spread(self, count: int, seed: int = 0) -> Collocation:
        lower, upper = self.extent
        points = lower + (upper - lower) * quasi_random(count, self.dimension, seed)
        return Collocation(points, np.zeros_like(points), np.full(count, self.measure / count))

    def grid(self, count: int) -> np.ndarray:
        coordinates = [np.linspace(low, high, count) for low, high in zip(self.lower, self.upper, strict=True)]
        return np.stack(np.meshgrid(*coordinates, indexing="ij"), axis=-1).reshape(-1, self.dimension)


@dataclasses.dataclass(frozen=True)
class Face:
    """One side of a box: the points at which one axis is at its lower or upper bound.

    - `box`: the box.
    - `axis`: the name of that axis.
    - `side`: `"lower"` or `"upper"`.
    """

    box: Box
    axis: str
    side: Side

    @property
    def index(self) -> int:
        return self.box.index(self.axis)

    @property
    def position(self) -> float:
        """The coordinate along `axis` of all points of the face."""
        return (self.box.lower if self.side == "lower" else self.box.upper)[self.index]

    @property
    def normal(self) -> np.ndarray:
        """The outward unit normal, shape `(d,)`."""
        return np.eye(self.box.dimension)[self.index] * (-1.0 if self.side == "lower" else 1.0)

    @property
    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """The lower and the upper bounds of the other axes, each of shape `(d - 1,)`."""
        return np.delete(self.box.lower, self.index), np.delete(self.box.upper, self.index)

    def embed(self, points: np.ndarray) -> np.ndarray:
        """Points of the box, shape `(n, d)`, from their coordinates along the other axes, shape `(n, d - 1)`."""
        return np.insert(points, self.index, self.position, axis=1)

    @property
    def region(self) -> Box:
        """The box."""
        return self.box

    @property
    def name(self) -> str:
        return face_name(self.axis, self.side)

    @property
    def label(self) -> str:
        """The face in messages."""
        return f"the face {self.axis} = {self.position}"

    @property
    def is_initial(self) -> bool:
        """Whether the face is the box at the first instant."""
        return self.axis == self.box.time_axis and self.side == "lower"

    @property
    def is_final(self) -> bool:
        """Whether the face is the box at the last instant."""
        return self.axis == self.box.time_axis and self.side == "upper"

    @property
    def surface(self) -> Surface:
        """The face as a piece of a boundary."""
        lower, _ = self.extent
        edges = np.delete(np.diag(2 * self.box.half_sides), self.index, axis=0)
        sign = float(np.sign(self.normal @ cross(edges[None])[0]))
        return Surface(name=self.name, region=self.box, patches=(Flat(self.embed(lower[None])[0], edges),), sign=sign)

    def where(self, predicate: Callable[[Any], Any], name: str | None = None) -> Surface:
        """The part of the face in which a predicate of one point holds, as for other pieces of a boundary."""
        return self.surface.where(predicate, name)

    def spread(self, count: int, seed: int = 0) -> Collocation:
        """Points at the distance that `count` points have in the box."""
        return self.surface.spread(count, seed)

    def nearest(self, points: Float[np.ndarray, "n d"]) -> Collocation:
        """The nearest point of the face to each of the points, with the normal there. The weights are ones."""
        lower, upper = (np.insert(bound, self.index, self.position) for bound in self.extent)
        there = np.clip(points, lower, upper)
        return Collocation(there, np.tile(self.normal, (len(points), 1)), np.ones(len(points)))

    def part(self, cell: Box, start: float | None = None) -> "Face | None":
        """The part of the face in a box, or `None` where they do not meet.

        - `start`: the instant at which initial conditions are imposed in the box.
        """
        there = dataclasses.replace(self, box=cell)
        position = start if start is not None and self.is_initial else self.position
        return there if there.position == position else None


Place = AbstractRegion | AbstractPiece | Face
"""Where a condition may hold: in a region, or on a piece of a boundary."""

Piece = AbstractPiece | Face
"""Where on a boundary a condition may hold."""

Faces = Piece | Sequence[Piece] | Side | None
"""Where on the boundary a condition holds: on one face or piece, on several, on the faces of all space axes on one or
both sides, or on the whole boundary in space."""


def select_faces(domain: AbstractRegion, on: Faces, label: str) -> tuple[Piece, ...]:
    """The pieces of the boundary of `domain` that the argument `on` of a condition stands for.

    - `label`: the name of the condition in messages.

    Raises `TypeError` for anything but pieces. Raises `ValueError` for none, and for one of another domain.
    """
    if on is None or isinstance(on, str):
        return _all_faces(domain, on, label)
    example = f"domain.face({domain.axes[0]!r}, 'lower')"
    if not isinstance(domain, Box):
        example = f"domain.piece({domain.pieces[0].name!r})"
    single = isinstance(on, Face | AbstractPiece)
    pieces = (on,) if single else tuple(_flat(on)) if isinstance(on, Iterable) else (on,)
    if not pieces:
        raise ValueError(f"on is empty in {label}; name at least one face, for instance {example}")
    for piece in pieces:
        if not isinstance(piece, Face | AbstractPiece):
            raise TypeError(f"on of {label} holds {piece!r}; each must be a face, for instance {example}")
        if piece.region != domain:
            raise ValueError(f"on of {label} has a face of another domain, {piece.region}; take it from {domain}")
    return tuple(_single(pieces))


def _flat(given: Iterable) -> Iterator:
    """The pieces of a sequence, of which some may be sequences, as `interface` and `faces` return them."""
    for each in given:
        yield from each if isinstance(each, tuple | list) else (each,)


def _single(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces, with those that share a name one by one: in a domain of named regions their owners may differ.

    Those of them that a predicate has left without points are left out.
    """
    for piece in pieces:
        if isinstance(piece, Several):
            found = [part for part in _single(piece.parts) if len(part.spread(256).weights)]
            yield from found or piece.parts[:1]
        else:
            yield piece


def _all_faces(domain: AbstractRegion, side: str | None, label: str) -> tuple[Piece, ...]:
    """The whole boundary in space, or the faces of a box on the given side."""
    if side is None and not isinstance(domain, Box):
        return domain.boundary
    if not isinstance(domain, Box):
        known = ", ".join(dict.fromkeys(repr(piece.name) for piece in domain.pieces))
        raise ValueError(f"on of {label} is {side!r}; give domain.piece(name) with one of the names {known}")
    if side not in (None, "lower", "upper"):
        raise ValueError(
            f"on of {label} is {side!r}; it must be 'lower' or 'upper' for the faces of all space axes, or a face like "
            f"domain.face({domain.axes[0]!r}, 'lower')"
        )
    if not domain.space_axes:
        time = domain.axes[0]
        raise ValueError(
            f"{label} holds on the faces of the space axes, and this domain has none: its only axis {time} is time. "
            f"Write Initial for the first instant, or on=domain.face({time!r}, 'upper') for the last one"
        )
    return tuple(face for face in domain.boundary if side in (None, face.side))


def box(**bounds: tuple[float, float]) -> Box:
    """A box in space: `box(x=(0, 1), y=(0, 1))`. The order of the arguments is the order of the coordinates.

    Raises `ValueError` for bounds that are not two finite, increasing numbers. So do `interval` and `space_time`.
    """
    return _make(bounds, time_axis=None)


def interval(**bounds: tuple[float, float]) -> Box:
    """A one-dimensional box: `interval(x=(-1, 1))`. The axis called `t` is time: `interval(t=(0, 10))`.

    Raises `ValueError` for more than one axis.
    """
    if len(bounds) != 1:
        raise ValueError(f"interval has one axis, {len(bounds)} were given ({', '.join(bounds)}); use box for more")
    return _make(bounds, time_axis=TIME if TIME in bounds else None)


def box_of(bounds: Mapping[str, tuple[float, float]]) -> Box:
    """A box with these bounds, in which an axis called `t` is time."""
    return _make(bounds, time_axis=TIME if TIME in bounds else None)


def _make(bounds: Mapping[str, tuple[float, float]], time_axis: str | None) -> Box:
    pairs = [_pair(axis, given) for axis, given in bounds.items()]
    return Box(tuple(bounds), tuple(low for low, _ in pairs), tuple(high for _, high in pairs), time_axis)


def _pair(axis: str, given: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = map(float, given)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"bounds of axis {axis!r} are {given!r}; give a lower and an upper one, for instance (0, 1)"
        ) from error
    return low, high
