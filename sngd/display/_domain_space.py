"""The domain of a problem in space, cut open."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from sngd.display._axes import frame_space, units
from sngd.display._coverage import Part
from sngd.display._styles import DOTS, Style, add_entry, tints_of
from sngd.display._surfaces import brightness, draw_hexagons, hexagons
from sngd.geometry import AbstractRegion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The part of the points in the interior that is drawn, those closest to the cut.
_IN_CUT = 0.12

# Arrows on each piece, their length in parts of the longest side, and one in so many points in front of the cut that is
# drawn.
_ARROWS, _LENGTH, _THINNED = 14, 0.12, 5

# A piece is drawn as a surface if its normals are along the axes drawn up to this part.
_FLAT = 1e-6


def draw_space(
    figure: "Figure",
    domain: AbstractRegion,
    shown: Sequence[int],
    interior: Mapping[str, Float[np.ndarray, "n d"]],
    parts: Sequence[tuple[Part, Style]],
) -> Any:
    """The domain in space, or its shadow if it has more axes. Returns its panel.

    It is cut through the middle of the second axis. The half behind has its surface, and the one in front has dots.
    """
    figure.set_size_inches(8.0, 5.2)
    place = figure.add_subplot(projection="3d", computed_zorder=False)
    scales = units(domain, shown)
    for (label, points), tint in zip(interior.items(), tints_of(domain), strict=True):
        away = np.abs(points[:, shown[1]] - domain.center[shown[1]])
        # On a grid many points have the same distance.
        near = points[away <= np.quantile(away, _IN_CUT) + 1e-9 * scales[1]]
        place.scatter(*near[:, shown].T, s=5, color=DOTS, linewidths=0, depthshade=False, zorder=3)
        add_entry(place, f"{label}, in the cut", tint)
    surfaces = []
    for part, style in parts:
        points = part.found.points[:, shown]
        behind = points[:, 1] >= domain.center[shown[1]]
        if _is_surface(part, shown):
            surfaces.append(_surface(part, style, behind, domain, shown))
            _draw_arrows(place, points, part.found.normals[:, shown], behind, scales, style)
            points = points[~behind][::_THINNED]
        size = 30 if part.kind == "point" else 3
        place.scatter(*points.T, s=size, color=style.color, depthshade=False, zorder=4)
        place.plot([], [], [], "D" if part.kind == "point" else "s", color=style.color, label=part.label)
    if surfaces:
        # All of them are sorted together by their distances from the eye.
        draw_hexagons(place, *(np.concatenate(each) for each in zip(*surfaces, strict=True)))
    frame_space(place, domain, shown)
    return place


def _is_surface(part: Part, shown: Sequence[int]) -> bool:
    """Whether the part is a surface along the axes that are drawn."""
    lengths = np.linalg.norm(part.found.normals[:, shown], axis=1)
    return part.kind != "point" and bool(np.all(lengths > 1 - _FLAT))


def _surface(
    part: Part, style: Style, behind: Bool[np.ndarray, " n"], domain: AbstractRegion, shown: Sequence[int]
) -> tuple[Float[np.ndarray, "k 6 3"], Float[np.ndarray, "k 3"]]:
    """The hexagons of the half behind the cut, and their colors."""
    from matplotlib.colors import to_rgb  # noqa: PLC0415

    found, scales = part.found.kept(behind), units(domain, shown)
    points, normals = found.points[:, shown], found.normals[:, shown]
    # The weights are those of all other coordinates too.
    areas = found.weights / np.prod(np.delete(2 * domain.half_sides, shown))
    return hexagons(points, normals, areas, scales), brightness(normals, scales)[:, None] * np.array(
        to_rgb(style.color)
    )


def _draw_arrows(
    place: Any,
    points: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
    behind: Bool[np.ndarray, " n"],
    scales: Float[np.ndarray, " 3"],
    style: Style,
) -> None:
    """Arrows at some of the points. Those behind are drawn under the surface, which hides what is not outside."""
    seen = normals * scales
    arrows = _LENGTH * seen / np.linalg.norm(seen, axis=1, keepdims=True) * scales
    chosen = np.unique(np.linspace(0, len(points) - 1, _ARROWS).astype(int))
    for half, order in ((behind, 0), (~behind, 5)):
        some = chosen[half[chosen]]
        options = {"color": style.color, "linewidth": 1.1, "arrow_length_ratio": 0.3, "zorder": order}
        place.quiver(*points[some].T, *arrows[some].T, **options)
