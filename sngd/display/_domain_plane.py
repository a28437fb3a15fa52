"""The domain of a problem on a line and in a plane."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from sngd.display._axes import frame_plane, side_ratio, units
from sngd.display._coverage import Part
from sngd.display._curves import curves_through
from sngd.display._slices import slices
from sngd.display._styles import DOTS, Style, add_entry, tints_of
from sngd.geometry import AbstractRegion, Regions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# How many arrows there are on all curves together, about, and at least on each; their length, and the free room around
# the domain for them, in parts of the longest side.
_ARROWS, _LEAST, _LENGTH, _ROOM = 40, 2, 0.045, 0.07

_WIDTH, _LOWEST, _HIGHEST = 7.0, 2.6, 6.0


def draw_line(
    figure: "Figure",
    domain: AbstractRegion,
    shown: Sequence[int],
    interior: Mapping[str, Float[np.ndarray, "n d"]],
    parts: Sequence[tuple[Part, Style]],
) -> Any:
    """The domain on a line. Returns its panel."""
    figure.set_size_inches(_WIDTH, 1.5)
    place = figure.subplots()
    low, high = domain.bounds[0]
    (line,) = slices(domain)
    regions = domain.named_regions.values() if isinstance(domain, Regions) else (domain,)
    for region, tint in zip(regions, tints_of(domain), strict=True):
        inside = np.where(region.contains(line.points), 0.0, np.nan)
        place.plot(line.along[0], inside, color=tint, linewidth=8, solid_capstyle="butt", zorder=1)
    for (label, points), tint in zip(interior.items(), tints_of(domain), strict=True):
        place.plot(points[:, 0], np.zeros(len(points)), "|", color=DOTS, markersize=7, zorder=2)
        add_entry(place, label, tint)
    for part, style in parts:
        at = part.found.points[:, 0]
        place.plot(at, np.zeros(len(at)), _marker(part), color=style.color, label=part.label, zorder=4, clip_on=False)
        _draw_arrows(place, np.stack([at, 0 * at], axis=1), part.found.normals[:, :1] * [1, 0], [high - low, 1], style)
    place.set_xlim(low - _ROOM * (high - low), high + _ROOM * (high - low))
    place.set_ylim(-1, 1)
    place.set_xlabel(domain.axes[0])
    place.spines[["left", "right", "top"]].set_visible(False)
    place.set_yticks([])
    return place


def draw_plane(
    figure: "Figure",
    domain: AbstractRegion,
    shown: Sequence[int],
    interior: Mapping[str, Float[np.ndarray, "n d"]],
    parts: Sequence[tuple[Part, Style]],
) -> Any:
    """The domain in a plane, or its shadow if it has more axes. Returns its panel."""
    figure.set_size_inches(_WIDTH, float(np.clip(_WIDTH / side_ratio(domain, shown), _LOWEST, _HIGHEST)))
    place = figure.subplots()
    is_shadow = len(shown) < domain.dimension
    if not is_shadow:
        _draw_tints(place, domain)
    for (label, points), tint in zip(interior.items(), tints_of(domain), strict=True):
        place.scatter(*points[:, shown].T, s=4, color=DOTS, linewidths=0, zorder=2)
        add_entry(place, label, tint)
    total = sum(float(np.sum(part.found.weights)) for part, _ in parts)
    for part, style in parts:
        points = part.found.points[:, shown]
        if is_shadow or part.kind == "point":
            size = 6 if part.kind == "point" else 1.5
            place.plot(*points.T, _marker(part), color=style.color, markersize=size, label=part.label, zorder=4)
        else:
            share = float(np.sum(part.found.weights)) / total
            _draw_curve(place, part, style, units(domain, shown), max(_LEAST, round(_ARROWS * share)))
    frame_plane(place, domain, shown, _ROOM)
    place.set_anchor("N")
    return place


def _marker(part: Part) -> str:
    return "D" if part.kind == "point" else "o"


def _draw_tints(place: Any, domain: AbstractRegion) -> None:
    from matplotlib.colors import to_rgba  # noqa: PLC0415

    (part,) = slices(domain, domain.axes)
    image = np.zeros((*part.counts, 4))
    regions = domain.named_regions.values() if isinstance(domain, Regions) else (domain,)
    for region, tint in zip(regions, tints_of(domain), strict=True):
        image[region.contains(part.points).reshape(part.counts)] = to_rgba(tint)
    extent = [end for each in part.along for end in (each[0], each[-1])]
    place.imshow(image.transpose(1, 0, 2), origin="lower", extent=extent, zorder=1)


def _draw_curve(place: Any, part: Part, style: Style, scales: Float[np.ndarray, " 2"], arrows: int) -> None:
    points, normals = part.found.points, part.found.normals * scales
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.finfo(float).tiny)
    # The length that a point stands for, as it is drawn.
    typical = float(np.median(part.found.weights)) / float(np.max(scales))
    curves = curves_through(points / scales, normals, typical)
    for number, curve in enumerate(curves):
        label = part.label if not number else None
        place.plot(*points[curve].T, linestyle=style.line, color=style.color, linewidth=2.2, label=label, zorder=3)
    every = np.concatenate(curves)
    chosen = every[((np.arange(arrows) + 0.5) / arrows * len(every)).astype(int)]
    _draw_arrows(place, points[chosen], normals[chosen], scales, style)


def _draw_arrows(place: Any, points: np.ndarray, normals: np.ndarray, scales: Any, style: Style) -> None:
    """Arrows along unit normals as they are drawn."""
    arrows = _LENGTH * normals * scales
    options = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.003, "headwidth": 4.5, "headlength": 5}
    place.quiver(*points.T, *arrows.T, color=style.color, zorder=3, **options)
