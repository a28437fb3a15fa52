"""Domains: boxes with named axes, and their faces."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

Side = Literal["lower", "upper"]

# The name of the axis that is time in the domains made by `interval` and `space_time`.
_TIME = "t"


@dataclasses.dataclass(frozen=True)
class Box:
    """An axis-parallel box of any dimension. Made by `interval`, `box` or `space_time`.

    - `axes`: the axis names, in the order of a point's coordinates.
    - `lower`, `upper`: one bound for each axis.
    - `time_axis`: the axis that is time, or `None`.

    Raises `ValueError` for no axes, repeated names, or bounds that are not finite and increasing.
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
    def dimension(self) -> int:
        return len(self.axes)

    @property
    def space_axes(self) -> tuple[str, ...]:
        return tuple(axis for axis in self.axes if axis != self.time_axis)

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """A lower and an upper bound for each axis."""
        return tuple(zip(self.lower, self.upper, strict=True))

    @property
    def measure(self) -> float:
        """The length, area or volume of the box."""
        return math.prod(high - low for low, high in zip(self.lower, self.upper, strict=True))

    def index(self, axis: str) -> int:
        """The position of `axis` among the coordinates. Raises `ValueError` for an axis the domain does not have."""
        if axis not in self.axes:
            raise ValueError(f"axis {axis!r} is not an axis of this domain; its axes are {', '.join(self.axes)}")
        return self.axes.index(axis)

    def face(self, axis: str, side: Side) -> "Face":
        """The face on which `axis` is at its `"lower"` or `"upper"` bound."""
        self.index(axis)
        if side not in ("lower", "upper"):
            raise ValueError(f'side is {side!r}; it must be "lower" or "upper"')
        return Face(self, axis, side)

    @property
    def faces(self) -> tuple["Face", ...]:
        """All faces, those of the time axis included."""
        return tuple(Face(self, axis, side) for axis in self.axes for side in ("lower", "upper"))

    @property
    def boundary(self) -> tuple["Face", ...]:
        """All faces of the space axes."""
        return tuple(Face(self, axis, side) for axis in self.space_axes for side in ("lower", "upper"))

    @property
    def initial(self) -> "Face":
        """The face at the first instant. Raises `ValueError` where no axis is time."""
        if self.time_axis is None:
            raise ValueError("this domain has no time axis; make it with space_time(t=(0, 1), x=(0, 1))")
        return Face(self, self.time_axis, "lower")

    @property
    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds, each of shape `(d,)`."""
        return np.array(self.lower), np.array(self.upper)

    def embed(self, points: np.ndarray) -> np.ndarray:
        """The points themselves: those of a box are not on a face, whose `embed` adds a coordinate."""
        return points

    def grid(self, count: int) -> np.ndarray:
        """A uniform grid with `count` points an axis, bounds included: shape `(count ** d, d)`, last axis fastest."""
        coordinates = [np.linspace(low, high, count) for low, high in zip(self.lower, self.upper, strict=True)]
        return np.stack(np.meshgrid(*coordinates, indexing="ij"), axis=-1).reshape(-1, self.dimension)


@dataclasses.dataclass(frozen=True)
class Face:
    """One side of a box."""

    box: Box
    axis: str
    side: Side

    @property
    def index(self) -> int:
        return self.box.index(self.axis)

    @property
    def position(self) -> float:
        """The value of the face's axis on the face."""
        return (self.box.lower if self.side == "lower" else self.box.upper)[self.index]

    @property
    def normal(self) -> np.ndarray:
        """The outward unit normal, shape `(d,)`."""
        return np.eye(self.box.dimension)[self.index] * (-1.0 if self.side == "lower" else 1.0)

    @property
    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of the other axes, each of shape `(d - 1,)`."""
        return np.delete(self.box.lower, self.index), np.delete(self.box.upper, self.index)

    def embed(self, points: np.ndarray) -> np.ndarray:
        """Points of the face's own coordinates, shape `(n, d - 1)`, as points of the box, shape `(n, d)`."""
        return np.insert(points, self.index, self.position, axis=1)


Faces = Face | Sequence[Face] | Side | None
"""Which faces: one, several, those of all space axes on one side, or those of all space axes."""


def select_faces(domain: Box, on: Faces, label: str) -> tuple[Face, ...]:
    """The faces of `domain` that `on` stands for, in a condition that messages call `label`.

    Raises `TypeError` for anything but faces, and `ValueError` for none, or for those of another domain.
    """
    if on is None or isinstance(on, str):
        return _all_faces(domain, on, label)
    example = f"domain.face({domain.axes[0]!r}, 'lower')"
    faces = (on,) if isinstance(on, Face) else tuple(on) if isinstance(on, Iterable) else (on,)
    if not faces:
        raise ValueError(f"on is empty in {label}; name at least one face, for instance {example}")
    for face in faces:
        if not isinstance(face, Face):
            raise TypeError(f"on of {label} holds {face!r}; each must be a face, for instance {example}")
        if face.box != domain:
            raise ValueError(f"on of {label} has a face of another domain, {face.box}; take it from {domain}")
    return faces


def _all_faces(domain: Box, side: str | None, label: str) -> tuple[Face, ...]:
    """The faces of all space axes, or those on one side."""
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
    """A box in space: `box(x=(0, 1), y=(0, 1))`. The order of the arguments is the order of the coordinates."""
    return _make(bounds, time_axis=None)


def interval(**bounds: tuple[float, float]) -> Box:
    """A one-dimensional box: `interval(x=(-1, 1))`. The axis called `t` is time: `interval(t=(0, 10))`.

    Raises `ValueError` for more than one axis.
    """
    if len(bounds) != 1:
        raise ValueError(f"interval has one axis, {len(bounds)} were given ({', '.join(bounds)}); use box for more")
    return _make(bounds, time_axis=_TIME if _TIME in bounds else None)


def space_time(**bounds: tuple[float, float]) -> Box:
    """A box in space and time: `space_time(t=(0, 1), x=(0, 1))`. The axis called `t` is time.

    With time alone, for an ordinary differential equation, it is the same domain as `interval(t=(0, 1))`. Raises
    `ValueError` where there is no axis `t`.
    """
    if _TIME not in bounds:
        raise ValueError(
            f"space_time needs an axis t; axes given: {', '.join(bounds) or 'none'}. Make a domain without time by box"
        )
    return _make(bounds, time_axis=_TIME)


def _make(bounds: dict[str, tuple[float, float]], time_axis: str | None) -> Box:
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
