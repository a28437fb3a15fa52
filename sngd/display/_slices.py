"""Slices of a region along one or two axes: their points, and the curves in which they meet its boundary."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from sngd._arguments import require_number, shown
from sngd.display._axes import side_ratio
from sngd.geometry import AbstractRegion, Box

# The numbers of points along each axis: of a curve, of a map of a box, of the only map of another region and of each
# of several ones. Those of other regions are for a square, and make as many points in all for an oblong.
_CURVE, _MAP, _FINE_MAP, _SEVERAL_MAPS = 401, 121, 241, 161

# Bisections between a point inside and one outside.
_BISECTIONS = 14


@dataclasses.dataclass(frozen=True, eq=False)
class Slice:
    """A uniform grid of points along one or two axes of a region.

    - `domain`: the region. `shown`: the indices of the axes that vary, and `counts`: the points along each of them.
    - `held`: a point, shape `(d,)`, which has the other coordinates.
    """

    domain: AbstractRegion
    shown: tuple[int, ...]
    held: Float[np.ndarray, " d"]
    counts: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the axes that vary."""
        return tuple(self.domain.axes[axis] for axis in self.shown)

    @property
    def place(self) -> str:
        """The coordinates that are held, in words."""
        others = [axis for axis in range(self.domain.dimension) if axis not in self.shown]
        return ", ".join(f"{self.domain.axes[axis]} = {self.held[axis]:.4g}" for axis in others)

    @functools.cached_property
    def along(self) -> tuple[Float[np.ndarray, " c"], ...]:
        """The coordinates along each of the axes that vary."""
        pairs = zip(self.shown, self.counts, strict=True)
        return tuple(np.linspace(*self.domain.bounds[axis], count) for axis, count in pairs)

    @functools.cached_property
    def points(self) -> Float[np.ndarray, "n d"]:
        """The points of the grid, inside and outside; the last of the axes that vary does so fastest."""
        grid = np.meshgrid(*self.along, indexing="ij")
        return self.raised(np.stack(grid, axis=-1).reshape(-1, len(self.shown)))

    def raised(self, places: Float[np.ndarray, "n s"]) -> Float[np.ndarray, "n d"]:
        """Points of the slice as points of the region."""
        points = np.tile(self.held, (len(places), 1))
        points[:, self.shown] = places
        return points

    @functools.cached_property
    def inside(self) -> Bool[np.ndarray, " n"]:
        """Which of the points are in the region. Raises `ValueError` if none is."""
        if isinstance(self.domain, Box):
            return np.ones(len(self.points), dtype=bool)
        found = self.domain.contains(self.points)
        if not found.any():
            raise ValueError(f"the slice at {self.place} is outside of the domain; give another one by at={{...}}")
        return found

    def filled(self, values: np.ndarray) -> np.ndarray:
        """Values at all points of the grid, from those at the points inside; elsewhere they are not numbers."""
        found = np.full(len(self.inside), np.nan)
        found[self.inside] = values
        return found

    def outline(self, region: AbstractRegion) -> Float[np.ndarray, "k 2 2"]:
        """Segments of the boundary of a region in the slice: one in each cell of the grid that it crosses.

        They join points on the sides of the cells that are found by bisection.
        """
        inside = np.pad(region.contains(self.points).reshape(self.counts), 1)
        grid = [np.concatenate([[2 * each[0] - each[1]], each, [2 * each[-1] - each[-2]]]) for each in self.along]
        nodes = np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1)
        first = self._crossings(region, inside, nodes)
        second = self._crossings(region, inside.T, nodes.swapaxes(0, 1)).swapaxes(0, 1)
        sides = np.stack([first[:, :-1], second[:-1], first[:, 1:], second[1:]], axis=2)
        crossed = np.isfinite(sides[..., 0])
        counts = np.sum(crossed, axis=2)
        return np.concatenate([sides[counts == n][crossed[counts == n]].reshape(-1, 2, 2) for n in (2, 4)])

    def _crossings(
        self, region: AbstractRegion, inside: Bool[np.ndarray, "a b"], nodes: Float[np.ndarray, "a b 2"]
    ) -> Float[np.ndarray, "e b 2"]:
        """The points at which the boundary crosses the sides of cells along the first axis; not numbers elsewhere."""
        change = inside[1:] != inside[:-1]
        left, right, starts = nodes[:-1][change], nodes[1:][change], inside[:-1][change]
        for _ in range(_BISECTIONS if len(left) else 0):
            middle = (left + right) / 2
            same = (region.contains(self.raised(middle)) == starts)[:, None]
            left, right = np.where(same, middle, left), np.where(same, right, middle)
        found = np.full(nodes[1:].shape, np.nan)
        found[change] = (left + right) / 2
        return found


def slices(
    domain: AbstractRegion, axes: Sequence[str] | str | None = None, at: Mapping[str, float] | None = None
) -> list[Slice]:
    """The slices of a region that a figure shows.

    - `axes`: the names of the one or two axes that vary. Left out, they are the first two axes of a box that `at` does
      not hold. Of another region they are the axes of space, with time if there is one of these alone; if there are
      three, there are three slices, one along each two of them.
    - `at`: the values of axes that are held, by their names. The other ones are held at the center of the domain.

    Raises `TypeError` or `ValueError` for axes that the domain does not have, for none or more than two, and for values
    that are no numbers within the bounds.
    """
    held = _held(domain, {} if at is None else at)
    point = domain.center
    for axis, value in held.items():
        point[axis] = value
    if axes is None:
        free = [axis for axis in range(domain.dimension) if axis not in held]
        if not free:
            raise ValueError(f"at holds all axes, {', '.join(domain.axes)}; leave one out, along which to draw")
        chosen = _default(domain, free)
    else:
        chosen = [_given(domain, axes, held)]
    return [Slice(domain, shown, point, _counts(domain, shown, len(chosen))) for shown in chosen]


def _held(domain: AbstractRegion, at: Any) -> dict[int, float]:
    """The values of axes that are held, by the indices of the axes."""
    if not isinstance(at, Mapping):
        raise TypeError(f"at is {shown(at)}; give the values of axes by their names, like {{{domain.axes[0]!r}: 0.5}}")
    for axis, value in at.items():
        if axis not in domain.axes:
            known = ", ".join(domain.axes)
            raise ValueError(f"at has {axis!r}, which is not an axis of this domain; its axes are {known}")
        require_number(f"at[{axis!r}]", value)
        low, high = domain.bounds[domain.index(axis)]
        if not low <= value <= high:
            raise ValueError(f"at[{axis!r}] is {value}; give one within the bounds of this axis, {low:g} to {high:g}")
    return {domain.index(axis): float(value) for axis, value in at.items()}


def _default(domain: AbstractRegion, free: list[int]) -> list[tuple[int, ...]]:
    if isinstance(domain, Box):
        return [tuple(free[:2])]
    space = [axis for axis in free if domain.axes[axis] != domain.time_axis]
    if len(space) < 2:
        return [tuple(free[:2])]
    return list(itertools.combinations(space[:3], 2))


def _given(domain: AbstractRegion, axes: Sequence[str] | str, held: Mapping[int, float]) -> tuple[int, ...]:
    names = [axes] if isinstance(axes, str) else list(axes)
    if not 1 <= len(names) <= 2 or len(set(names)) < len(names):
        raise ValueError(f"axes is {axes!r}; give one or two different axes of {', '.join(domain.axes)}")
    found = tuple(domain.index(name) for name in names)
    for axis in found:
        if axis in held:
            raise ValueError(f"at holds {domain.axes[axis]!r}, which axes names too; leave it out of one of them")
    return found


def _counts(domain: AbstractRegion, shown: tuple[int, ...], slices: int) -> tuple[int, ...]:
    if len(shown) == 1:
        return (_CURVE,)
    if isinstance(domain, Box):
        return (_MAP, _MAP)
    # Cells are squares, unless one side is very short or one of the axes is time.
    ratio = side_ratio(domain, shown)
    count = _FINE_MAP if slices == 1 else _SEVERAL_MAPS
    return round(count * math.sqrt(ratio)), round(count / math.sqrt(ratio))
