"""The colors and lines of the parts of a domain."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from sngd.display._coverage import Part
from sngd.geometry import AbstractRegion, Regions

# Colors that are told apart with any color vision (Okabe and Ito, 2008; the last three by Tol, 2021), and lines for
# more parts than colors.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933", "#332288")
_LINES = ("-", "-.", ":")

# What has no condition is gray and dashed.
_MISSING, _DASHED = "#8A8A8A", (0, (3.0, 2.0))

# The tint of a domain without named regions, and those of regions.
_TINT, _TINTS = "#F1F1F1", ("#CFE3F3", "#FCE5C4", "#D2EBDC", "#EFD6E4", "#E3E0CC", "#D9D9D9")


# The color of points in the interior.
DOTS = "#444444"


@dataclasses.dataclass(frozen=True)
class Style:
    """How a part is drawn: its color, and the line of a curve in Matplotlib's notation."""

    color: str
    line: str | tuple[float, tuple[float, float]]


def styles_of(parts: Sequence[Part]) -> list[Style]:
    """A style for each of the parts. Interfaces and single points are black."""
    found, number = [], 0
    for part in parts:
        if not part.conditions:
            found.append(Style(_MISSING, _DASHED))
        elif part.kind in ("interface", "point"):
            found.append(Style("black", "-"))
        else:
            found.append(Style(_COLORS[number % len(_COLORS)], _LINES[number // len(_COLORS) % len(_LINES)]))
            number += 1
    return found


def tints_of(domain: AbstractRegion) -> list[str]:
    """The tint of each of the regions that the domain is made of, or of the domain."""
    if not isinstance(domain, Regions):
        return [_TINT]
    return [_TINTS[number % len(_TINTS)] for number in range(len(domain.named_regions))]


def add_entry(place: Any, label: str, tint: str) -> None:
    """An entry of the legend for points on a tint."""
    place.plot([], [], "s", color=tint, markeredgecolor=DOTS, markersize=7, label=label)
