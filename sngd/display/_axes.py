"""How long the sides of a domain are drawn, and the frames of figures in a plane and in space."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from sngd.geometry import AbstractRegion

# Axes of space have one scale unless a side is so many times shorter than the longest one.
_MOST_OBLONG = 6.0

# An axis in space has fewer numbers if its side is shorter than this part of the longest one; and the size of a figure
# in space in that which Matplotlib gives it.
_SHORT, _ZOOM = 0.6, 0.85

# The free room around a domain in a plane, in parts of its longest side.
_ROOM = 0.03


def units(domain: AbstractRegion, shown: Sequence[int]) -> Float[np.ndarray, " s"]:
    """The lengths along some axes that are drawn as long as each other.

    They are equal for axes of space, and the side of the domain for time and for a side that is very short.

    - `shown`: the indices of the axes.
    """
    sides = 2 * domain.half_sides[list(shown)]
    in_space = np.array([domain.axes[axis] != domain.time_axis for axis in shown])
    longest = float(np.max(sides[in_space], initial=0.0))
    return np.where(in_space & (sides * _MOST_OBLONG >= longest), longest, sides)


def side_ratio(domain: AbstractRegion, shown: Sequence[int]) -> float:
    """How many times longer the first of two sides is drawn than the second one."""
    first, second = 2 * domain.half_sides[list(shown)] / units(domain, shown)
    return float(first / second)


def frame_plane(place: Any, domain: AbstractRegion, shown: Sequence[int], room: float = _ROOM) -> None:
    """Sets the limits, the names and the scale of two axes.

    - `room`: the free room around the domain, in parts of the longest side.
    """
    first, second = scales = units(domain, shown)
    for name, axis, scale in zip("xy", shown, scales, strict=True):
        low, high = domain.bounds[axis]
        getattr(place, f"set_{name}lim")(low - room * scale, high + room * scale)
        getattr(place, f"set_{name}label")(domain.axes[axis])
    place.set_aspect("equal" if first == second else "auto")


def frame_space(place: Any, domain: AbstractRegion, shown: Sequence[int]) -> None:
    """Sets the limits, the names and the scale of three axes."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    drawn = 2 * domain.half_sides[list(shown)] / units(domain, shown)
    for name, axis, side in zip("xyz", shown, drawn, strict=True):
        getattr(place, f"set_{name}lim")(*domain.bounds[axis])
        getattr(place, f"set_{name}label")(domain.axes[axis])
        # The first and the last of the numbers are where those of other axes are.
        numbers = MaxNLocator(4 if side > _SHORT else 3, prune="both")
        getattr(place, f"{name}axis").set_major_locator(numbers)
    place.set_box_aspect(drawn, zoom=_ZOOM)
