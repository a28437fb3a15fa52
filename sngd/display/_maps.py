"""Maps of functions on a region that is no box, and their values on its boundary surface."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from sngd.display._axes import frame_plane, frame_space, side_ratio, units
from sngd.display._slices import Slice
from sngd.display._surfaces import boundary_at, draw_hexagons, hexagons
from sngd.geometry import AbstractRegion, Box, Regions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Values = Callable[[Float[np.ndarray, "n d"]], Mapping[str, Float[np.ndarray, " n"]]]
"""A function from points to the values of each quantity that is drawn, by the names of the quantities."""

# The color scale of an error is logarithmic, to show the structure of the error. It begins at this part of the largest
# error.
_SMALLEST_SHOWN = 1e-3

# The width of a panel that is alone or one of several in a row, and what its scale of colors and the names of its axes
# take of it; the least and the largest height of a map, and what the title and the name of an axis take. All in inches.
_WIDTH, _SEVERAL, _BESIDE, _LOWEST, _HIGHEST, _WORDS = 4.2, 3.3, 1.35, 1.2, 3.2, 0.75

_HEIGHT_OF_HISTORY = 2.4


def draw_maps(
    values: Values, domain: AbstractRegion, slices: Sequence[Slice], surface: bool, title: str | None
) -> "tuple[Figure, Any]":
    """A figure with a map of each quantity in each of the slices, and a place for one more panel.

    The maps are empty outside of the region, and the curves in which it ends are drawn on top. One slice alone has its
    panels in rows of two. With more, each quantity has a row, with one scale of colors.

    - `surface`: whether the values on the boundary surface are drawn too.
    """
    from matplotlib.cm import ScalarMappable  # noqa: PLC0415 - takes a second, which other commands do not need
    from matplotlib.figure import Figure  # noqa: PLC0415

    found = [{name: each.filled(part) for name, part in values(each.points[each.inside]).items()} for each in slices]
    names = list(found[0])
    figure = Figure(layout="constrained")
    if title is not None:
        figure.suptitle(title)
    on_boundary = boundary_at(domain, slices[0].held) if surface else None
    at_boundary = values(on_boundary.points) if on_boundary is not None else {}
    panels, last = _places(figure, domain, slices, names, surface)
    outlines = [_outlines(each) for each in slices]
    for name, row in zip(names, panels, strict=True):
        every = [part[name] for part in found] + ([at_boundary[name]] if surface else [])
        norm = norm_of(name, np.concatenate(every))
        colors = ScalarMappable(norm, "viridis")
        # Errors of zero have the color of the smallest that are shown.
        every = [np.maximum(each, norm.vmin) for each in every]
        for place, part, image, outline in zip(row, slices, every, outlines, strict=False):
            _draw_map(place, part, image, colors, outline)
            place.set_title(f"{name}, {part.place}" if part.place else name)
        if on_boundary is not None:
            _draw_surface(row[-1], domain, on_boundary, colors.to_rgba(every[-1]))
            row[-1].set_title(f"{name} on the boundary", y=1.0)
        figure.colorbar(colors, ax=row, shrink=0.9)
    return figure, last


def _places(
    figure: "Figure", domain: AbstractRegion, slices: Sequence[Slice], names: Sequence[str], surface: bool
) -> tuple[list[list[Any]], Any]:
    """The panels of each quantity, and the last one of the figure."""
    heights = [1 / side_ratio(each.domain, each.shown) for each in slices]
    if len(slices) == 1 and not surface:
        rows = (len(names) + 2) // 2
        height = _height(_WIDTH, heights[0])
        figure.set_size_inches(2 * _WIDTH, rows * height)
        grid = figure.add_gridspec(rows, 2)
        places = [figure.add_subplot(grid[number // 2, number % 2]) for number in range(len(names) + 1)]
        return [[place] for place in places[:-1]], places[-1]
    columns = len(slices) + surface
    height = _height(_SEVERAL, max(*heights, 1.0 * surface))
    figure.set_size_inches(_SEVERAL * columns + 0.6, len(names) * height + _HEIGHT_OF_HISTORY)
    ratios = [height] * len(names) + [_HEIGHT_OF_HISTORY]
    grid = figure.add_gridspec(len(names) + 1, columns, height_ratios=ratios)
    kinds = [None] * len(slices) + ["3d"] * surface
    panels = [
        [figure.add_subplot(grid[row, column], projection=kind) for column, kind in enumerate(kinds)]
        for row in range(len(names))
    ]
    return panels, figure.add_subplot(grid[-1, :])


def _height(width: float, ratio: float) -> float:
    """The height of a row of panels with this width, in which maps have this ratio of the height to the width."""
    return float(np.clip((width - _BESIDE) * ratio, _LOWEST, _HIGHEST)) + _WORDS


def norm_of(name: str, values: np.ndarray) -> Any:
    """The scale of colors for these values of a quantity, some of which may be no numbers."""
    from matplotlib.colors import LogNorm, Normalize  # noqa: PLC0415

    finite = values[np.isfinite(values)]
    low, high = (float(np.min(finite)), float(np.max(finite))) if len(finite) else (0.0, 1.0)
    if name == "absolute error" and high > 0:
        return LogNorm(max(high * _SMALLEST_SHOWN, np.finfo(float).tiny), high)
    return Normalize(low, high)


def _draw_map(place: Any, part: Slice, image: Float[np.ndarray, " n"], colors: Any, outlines: Sequence) -> None:
    from matplotlib.collections import LineCollection  # noqa: PLC0415

    # A pixel has its point in the middle.
    ends = [(each[0], each[-1], (each[1] - each[0]) / 2) for each in part.along]
    extent = [end for low, high, half in ends for end in (low - half, high + half)]
    shown = np.ma.masked_invalid(image.reshape(part.counts).T)
    place.imshow(shown, origin="lower", extent=extent, cmap=colors.cmap, norm=colors.norm, interpolation="nearest")
    for segments in outlines:
        place.add_collection(LineCollection(segments, colors="black", linewidths=1.2, capstyle="round"))
    frame_plane(place, part.domain, part.shown)


def _outlines(part: Slice) -> list[Float[np.ndarray, "k 2 2"]]:
    """The boundary of the region in a slice, or of each of the regions that it is made of."""
    if isinstance(part.domain, Box):
        return []
    regions = part.domain.named_regions.values() if isinstance(part.domain, Regions) else (part.domain,)
    return [part.outline(region) for region in regions]


def _draw_surface(place: Any, domain: AbstractRegion, found: Any, colors: np.ndarray) -> None:
    shown = [domain.index(axis) for axis in domain.space_axes]
    scales = units(domain, shown)
    draw_hexagons(place, hexagons(found.points[:, shown], found.normals[:, shown], found.weights, scales), colors)
    frame_space(place, domain, shown)
