"""Domains: boxes with named axes, and their faces."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

Side = Literal["lower", "upper"]

# The name of the time axis in the domains that `interval` and `space_time` make.
_TIME = "t"


@dataclasses.dataclass(frozen=True)
class Box:
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
        """The index of `axis` among the coordinates. Raises `ValueError` for an axis that the domain does not have."""
        if axis not in self.axes:
            raise ValueError(f"axis {axis!r} is not an axis of this domain; its axes are {', '.join(self.axes)}")
        return self.axes.index(axis)

    def face(self, axis: str, side: Side) -> "Face":
        """The face on which `axis` is at its `"lower"` or `"upper"` bound.

        Raises `ValueError` for an unknown axis or side.
        """
        self.index(axis)
        if side not in ("lower", "upper"):
            raise ValueError(f'side is {side!r}; it must be "lower" or "upper"')
        return Face(self, axis, side)

    @property
    def faces(self) -> tuple["Face", ...]:
        """All `2 d` faces, including the two faces of the time axis."""
        return tuple(Face(self, axis, side) for axis in self.axes for side in ("lower", "upper"))

    @property
    def boundary(self) -> tuple["Face", ...]:
        """All faces of the space axes."""
        return tuple(Face(self, axis, side) for axis in self.space_axes for side in ("lower", "upper"))

    @property
    def initial(self) -> "Face":
        """The face at the first instant. Raises `ValueError` if no axis is time."""
        if self.time_axis is None:
            raise ValueError("this domain has no time axis; make it with space_time(t=(0, 1), x=(0, 1))")
        return Face(self, self.time_axis, "lower")

    @property
    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """The lower and the upper bounds, each of shape `(d,)`."""
        return np.array(self.lower), np.array(self.upper)

    @property
    def center(self) -> np.ndarray:
        """The center, shape `(d,)`."""
        return np.mean(self.extent, axis=0)

    @property
    def half_sides(self) -> np.ndarray:
        """Half the length of each side, shape `(d,)`."""
        lower, upper = self.extent
        return (upper - lower) / 2

    def embed(self, points: np.ndarray) -> np.ndarray:
        """The points themselves, shape `(n, d)`. The method of the same name of a `Face` adds a coordinate."""
        return points

    def grid(self, count: int) -> np.ndarray:
        """A uniform grid with `count` points for each axis, including the bounds.

        The shape is `(count ** d, d)`. The last coordinate varies fastest.
        """
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


Faces = Face | Sequence[Face] | Side | None
"""Which faces a condition holds on: one face, several faces, or the faces of all space axes on one or both sides."""


def select_faces(domain: Box, on: Faces, label: str) -> tuple[Face, ...]:
    """The faces of `domain` that the argument `on` of a condition stands for.

    - `label`: the name of the condition in messages.

    Raises `TypeError` for anything but faces. Raises `ValueError` for no face, and for a face of another domain.
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
    """The faces of all space axes on the given side, or on both sides if `side` is `None`."""
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
    return _make(bounds, time_axis=_TIME if _TIME in bounds else None)


def space_time(**bounds: tuple[float, float]) -> Box:
    """A box in space and time: `space_time(t=(0, 1), x=(0, 1))`. The axis called `t` is time.

    If `t` is the only axis, as for an ordinary differential equation, the domain equals `interval(t=(0, 1))`. Raises
    `ValueError` if there is no axis `t`.
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
