"""Regions: bounded parts of space, or of space and time, with named axes. Their algebra is in `_algebra`."""

import abc
import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Bool, Float

from sngd._arguments import require_text
from sngd.geometry._collocation import Collocation

if TYPE_CHECKING:
    from sngd.geometry._box import Box, Piece
    from sngd.geometry._pieces import AbstractPiece

Side = Literal["lower", "upper"]

# Points by which the measure of a region without a formula is found; and in how many draws points are sought in it.
_OF_MEASURE, _DRAWS = 2**15, 8

# Points of a grid that are closer to the boundary than this part of the largest side may be outside, and are left out.
_ROUNDING = 1e-12

# A boundary point of one region belongs to another if the point at this part of the largest side away, along the
# normal, is in it.
STEP = 1e-7


class AbstractRegion(abc.ABC):
    """A bounded part of space, or of space and time.

    - `axes`: the names of the axes, in the order of a point's coordinates.
    - `lower`, `upper`: the bounds of the smallest box around it, one for each axis, in the user's units.
    - `time_axis`: the name of the axis that is time, or `None`.

    Regions are combined by `|` (union), `&` (intersection) and `-` (difference). The axes of a combination are those of
    its first part.
    """

    axes: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    time_axis: str | None

    def _bounded(self, axes: tuple[str, ...], lower: Any, upper: Any, time_axis: str | None = None) -> None:
        """Sets what all regions have, for a class in which these are no fields."""
        found = {"axes": axes, "lower": lower, "upper": upper, "time_axis": time_axis}
        for name, value in found.items():
            is_bound = name in ("lower", "upper")
            object.__setattr__(self, name, tuple(float(each) for each in value) if is_bound else value)

    @abc.abstractmethod
    def contains(self, points: Float[np.ndarray, "n d"], margin: float = 0.0) -> Bool[np.ndarray, " n"]:
        """Whether each of the points is in the region.

        - `margin`: the length by which the region is enlarged, or made smaller if it is negative; approximately.
        """

    @property
    @abc.abstractmethod
    def pieces(self) -> tuple["AbstractPiece", ...]:
        """The pieces of the boundary in space, each with a name."""

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
    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """The lower and the upper bounds, each of shape `(d,)`."""
        return np.array(self.lower), np.array(self.upper)

    @property
    def hull(self) -> "Box":
        """The smallest box around the region."""
        from sngd.geometry._box import Box  # noqa: PLC0415 - boxes are regions

        return Box(self.axes, self.lower, self.upper, self.time_axis)

    @property
    def center(self) -> np.ndarray:
        """The center of the box around the region, shape `(d,)`."""
        return np.mean(self.extent, axis=0)

    @property
    def half_sides(self) -> np.ndarray:
        """Half the length of each side of the box around the region, shape `(d,)`."""
        lower, upper = self.extent
        return (upper - lower) / 2

    @property
    def measure(self) -> float:
        """The length, area or volume. Without a formula it is found by quasi-random points, to about a thousandth."""
        return self._measured

    @functools.cached_property
    def _measured(self) -> float:
        lower, upper = self.extent
        inside = self.contains(lower + (upper - lower) * quasi_random(_OF_MEASURE, self.dimension, 0))
        if not inside.any():
            raise ValueError(f"{self} is empty; no point of the box {self.bounds} is in it")
        return float(np.mean(inside) * np.prod(upper - lower))

    def index(self, axis: str) -> int:
        """The index of `axis` among the coordinates. Raises `ValueError` for an axis that the region does not have."""
        if axis not in self.axes:
            raise ValueError(f"axis {axis!r} is not an axis of this domain; its axes are {', '.join(self.axes)}")
        return self.axes.index(axis)

    @property
    def boundary(self) -> tuple["Piece", ...]:
        """The whole boundary in space."""
        return self.pieces

    def piece(self, name: str) -> "AbstractPiece":
        """The piece of the boundary with this name. Raises `ValueError` for a name that no piece has."""
        from sngd.geometry._pieces import Several  # noqa: PLC0415 - pieces have regions

        if found := [piece for piece in self.pieces if piece.name == name]:
            return Several.of(found)
        known = ", ".join(dict.fromkeys(repr(piece.name) for piece in self.pieces))
        raise ValueError(f"piece is {name!r}, which this domain does not have; its pieces are {known}")

    def face(self, axis: str, side: Side) -> "Piece":
        """The part of the boundary on which `axis` is at the `"lower"` or `"upper"` bound of a box.

        Raises `ValueError` for an unknown axis or side, and where no box has left such a face.
        """
        self.index(axis)
        if side not in ("lower", "upper"):
            raise ValueError(f'side is {side!r}; it must be "lower" or "upper"')
        return self.piece(face_name(axis, side))

    def faces(self, *axes: str) -> tuple["Piece", ...]:
        """The faces of these axes, or of all axes if none is named. Raises `ValueError` as `face` does."""
        return tuple(self.face(axis, side) for axis in axes or self.axes for side in ("lower", "upper"))

    @property
    def initial(self) -> "Piece":
        """The region at the first instant. Raises `ValueError` if no axis is time."""
        if self.time_axis is None:
            raise ValueError("this domain has no time axis; make it with space_time(t=(0, 1), x=(0, 1))")
        if not self.instants:
            raise ValueError(
                f"{self} combines regions in space and time, and its first instant is not known; combine regions of "
                "space and give the time last, as in space_time(one - other, t=(0, 1))"
            )
        return self.instants[0]

    @property
    def instants(self) -> tuple["Piece", ...]:
        """The region at the first and at the last instant; nothing if no axis is time, and where they are not known."""
        return ()

    def named(self, name: str) -> "AbstractRegion":
        """The same region, whose whole boundary is one piece with this name."""
        from sngd.geometry._algebra import Named  # noqa: PLC0415 - combinations are regions

        require_text("name", name)
        return Named(self, name)

    def mapped(self, function: Callable[[Any], Any]) -> "AbstractRegion":
        """The image of the region under a map, for instance a bent or a moving region.

        - `function`: from a point, shape `(d,)`, to the coordinates of its image, written with `jax.numpy`. It has an
          inverse. In a domain with time, the instant stays the same: `lambda p: (p[0], (1 + p[0]) * p[1], p[2])`.

        Raises `TypeError` or `ValueError` for a function that is none of this kind.
        """
        from sngd.geometry._maps import Mapped  # noqa: PLC0415 - images are regions

        return Mapped.of(self, function)

    def point(self, *coordinates: float, name: str = "point") -> "AbstractPiece":
        """A single point of the region, on which conditions may hold. Raises `ValueError` for a point outside."""
        from sngd.geometry._pieces import SinglePoint  # noqa: PLC0415 - pieces have regions

        return SinglePoint.of(self, coordinates, name)

    def embed(self, points: np.ndarray) -> np.ndarray:
        """The points themselves, shape `(n, d)`. The method of the same name of a `Face` adds a coordinate."""
        return points

    def grid(self, count: int) -> np.ndarray:
        """The points in the region of a uniform grid with `count` points for each axis of the box around it.

        The shape is `(n, d)`, with `n = count ** d` for a box, whose bounds are included. The last coordinate varies
        fastest.
        """
        coordinates = [np.linspace(low, high, count) for low, high in zip(self.lower, self.upper, strict=True)]
        points = np.stack(np.meshgrid(*coordinates, indexing="ij"), axis=-1).reshape(-1, self.dimension)
        return points[self.contains(points, -_ROUNDING * float(np.max(self.half_sides)))]

    def spread(self, count: int, seed: int = 0) -> Collocation:
        """Points that are spread evenly over the region, with weights for integrals over it.

        - `count`: of the points. Another `seed` gives other points.

        Raises `ValueError` for a region in which no points are found.
        """
        share = min(max(self.measure / float(np.prod(2 * self.half_sides)), 1e-6), 1.0)
        lower, upper = self.extent
        drawn, inside = math.ceil(1.1 * count / share) + 8, np.zeros((0, self.dimension))
        for _ in range(_DRAWS):
            points = lower + (upper - lower) * quasi_random(drawn, self.dimension, seed)
            inside = points[self.contains(points)][:count]
            if len(inside) == count:
                return Collocation(inside, np.zeros_like(inside), np.full(count, self.measure / count))
            drawn *= 2
        raise ValueError(f"{self} has no room for {count} points; {len(inside)} of {drawn // 2} are in it")

    def part(self, cell: "Box") -> "AbstractRegion | None":
        """The part of the region in a box with the same axes; `None` for a box that is known to be outside."""
        from sngd.geometry._algebra import Part  # noqa: PLC0415 - combinations are regions

        return Part(self, cell)

    def spacing(self, count: float) -> float:
        """The distance of points that are spread evenly, in coordinates scaled to half sides of length one."""
        share = self.measure / float(np.prod(2 * self.half_sides))
        return 2 * (share / count) ** (1 / self.dimension)

    def __or__(self, other: "AbstractRegion") -> "AbstractRegion":
        from sngd.geometry._algebra import Union  # noqa: PLC0415 - combinations are regions

        return Union.of(self, other)

    def __and__(self, other: "AbstractRegion") -> "AbstractRegion":
        from sngd.geometry._algebra import Intersection  # noqa: PLC0415 - combinations are regions

        return Intersection.of(self, other)

    def __sub__(self, other: "AbstractRegion") -> "AbstractRegion":
        from sngd.geometry._algebra import Difference  # noqa: PLC0415 - combinations are regions

        return Difference.of(self, other)


def face_name(axis: str, side: str) -> str:
    """The name of a face of a box among the pieces of a boundary."""
    return f"{axis} {side}"


def quasi_random(count: int, dimension: int, seed: int) -> Float[np.ndarray, "count dimension"]:
    """The first points of a scrambled Sobol sequence in the unit cube."""
    from scipy.stats import qmc  # noqa: PLC0415 - takes a second, which boxes do not need

    if not dimension:
        return np.zeros((count, 0))
    sampler = qmc.Sobol(dimension, scramble=True, rng=np.random.default_rng(seed))
    # Drawing a power of two and keeping the first points avoids SciPy's balance warning and keeps the sequence.
    return sampler.random_base2((count - 1).bit_length())[:count]
