"""Corners of regions in the plane: where they are, and the angle of the region there."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from sngd.geometry._pieces import Several, Surface
from sngd.geometry._region import AbstractRegion

# Directions in which it is looked where the region is around a corner, the first one as a part of the angle between
# them, and the distance as a part of the largest side.
_DIRECTIONS, _OFFSET, _NEAR = 3600, 0.37, 1e-4

# Points closer than this part of the largest side are one corner, and an opening this much above pi is re-entrant.
_SAME, _MORE = 1e-6, 1e-3


@dataclasses.dataclass(frozen=True)
class Corner:
    """A corner of a region in the plane.

    - `at`: its coordinates. `start`: the angle of the side from which the region extends counterclockwise, in radians.
      `opening`: the angle in the region.
    """

    at: tuple[float, float]
    start: float
    opening: float


def corner_at(region: AbstractRegion, at: Float[np.ndarray, " 2"]) -> Corner | None:
    """The corner of a region at a point of its boundary; `None` where the region is no sector around the point."""
    distance = _NEAR * float(np.max(region.half_sides))

    def inside(angles: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        return region.contains(at + distance * np.stack([np.cos(angles), np.sin(angles)], axis=1))

    step = 2 * np.pi / _DIRECTIONS
    here = inside(step * (np.arange(_DIRECTIONS) + _OFFSET))
    starts, ends = np.flatnonzero(here & ~np.roll(here, 1)), np.flatnonzero(here & ~np.roll(here, -1))
    if len(starts) != 1:
        return None
    first, last = step * (float(starts[0]) + _OFFSET), step * (float(ends[0]) + _OFFSET)
    start, end = _switch(inside, first - step, first, False), _switch(inside, last, last + step, True)
    return Corner((float(at[0]), float(at[1])), start, (end - start) % (2 * math.pi))


def reentrant_corners(region: AbstractRegion) -> tuple[Corner, ...]:
    """The corners of a region in the plane at which its angle is larger than pi; none in other dimensions."""
    if region.dimension != 2 or region.time_axis is not None:
        return ()
    known: list[np.ndarray] = []
    for piece in region.pieces:
        for part in piece.parts if isinstance(piece, Several) else (piece,):
            for end in part.ends() if isinstance(part, Surface) else ():
                if all(np.max(np.abs(end - other)) > _SAME * np.max(region.half_sides) for other in known):
                    known.append(end)
    found = [corner for corner in (corner_at(region, at) for at in known) if corner is not None]
    return tuple(corner for corner in found if corner.opening > math.pi + _MORE)


def _switch(inside: Callable[[np.ndarray], np.ndarray], low: float, high: float, first: bool) -> float:
    """The angle between two others at which the region begins or ends."""
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if bool(inside(np.array([middle]))[0]) == first else (low, middle)
    return (low + high) / 2
