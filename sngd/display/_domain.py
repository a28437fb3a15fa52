"""A figure of the domain of a problem: its points, the pieces of its boundary, and which conditions hold there."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from sngd.display._coverage import Part, Sample, parts_of
from sngd.display._domain_plane import draw_line, draw_plane
from sngd.display._domain_space import draw_space
from sngd.display._styles import styles_of
from sngd.geometry import AbstractPiece, AbstractRegion, Collocation, Regions
from sngd.problem import AbstractProblem, Problem

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The distance of points on curves and on surfaces, in coordinates scaled to half sides of length one; and in more
# dimensions the points in the region that are as dense as those on a piece.
_DISTANCES, _COUNTS = {1: 1.0, 2: 0.004, 3: 0.06}, {4: 16_384, 5: 4096}

# A panel that is so many times wider than it is high has its legend below, in so many columns; and the height of a
# line, in inches.
_WIDE, _COLUMNS, _LINE = 1.4, 3, 0.2

# The most points of the interior, and the most axes, that are drawn.
_MOST_POINTS, _MOST_AXES = 3000, 3


def draw_domain(problem: AbstractProblem, *, axes: Sequence[str] | None = None, title: str | None = None) -> "Figure":
    """A figure of the domain of a problem: a line, a plane or a space, by the number of axes.

    It shows the points of the interior, those of the problem's own rule or of the default one; the pieces of the
    boundary in different colors, with arrows along their outward normals; named regions in different tints; and
    readings. The legend says which conditions hold on which piece. A piece without a condition is gray and dashed. In
    space the half of the boundary that is in front is left open, and the points are those in the cut.

    - `axes`: the names of two or three axes to draw. Left out, they are all axes. If there are more than three, they
      are the first three, of space where there are as many.
    - `title`: of the figure.

    Raises `ValueError` for axes that the domain does not have, for one or more than three, and where points or weights
    of the problem cannot be used.
    """
    # The import of Matplotlib takes a second, and a run needs Matplotlib only at its end.
    from matplotlib.figure import Figure  # noqa: PLC0415

    domain = problem.domain
    shown = _shown(domain, axes)
    parts = parts_of(problem, _sample(domain))
    drawn = [part for part in parts if _is_visible(part, shown)]
    figure = Figure(layout="constrained")
    draw_in = {1: draw_line, 2: draw_plane, 3: draw_space}[len(shown)]
    place = draw_in(figure, domain, shown, dict(_interior(problem)), list(zip(drawn, styles_of(drawn), strict=True)))
    for label, points in _readings(problem):
        flat = [np.zeros(len(points))] if len(shown) == 1 else []
        place.plot(*points[:, shown].T, *flat, "x", color="black", markersize=5, zorder=5, label=label)
    for label in _left_out([part for part in parts if part not in drawn]):
        place.plot([], [], " ", label=label)
    if len(shown) < domain.dimension:
        place.set_title(f"axes {', '.join(domain.axes[axis] for axis in shown)} of {domain.dimension}", fontsize=10)
    if title is not None:
        figure.suptitle(title)
    _add_legend(figure, place)
    return figure


def _shown(domain: AbstractRegion, axes: Sequence[str] | None) -> list[int]:
    """The indices of the axes to draw."""
    if axes is None:
        if domain.dimension <= _MOST_AXES:
            return list(range(domain.dimension))
        names = domain.space_axes if len(domain.space_axes) >= _MOST_AXES else domain.axes
        return [domain.index(name) for name in names[:_MOST_AXES]]
    names = [axes] if isinstance(axes, str) else list(axes)
    if len(set(names)) < len(names) or not min(2, domain.dimension) <= len(names) <= _MOST_AXES:
        raise ValueError(f"axes is {axes!r}; give two or three different axes of {', '.join(domain.axes)}")
    return [domain.index(name) for name in names]


def _sample(domain: AbstractRegion) -> Sample:
    def sample(piece: AbstractPiece) -> Collocation:
        if domain.dimension in _DISTANCES:
            # A seed that is not zero has equidistant points on curves.
            return piece.at_distance(_DISTANCES[domain.dimension], 1)
        return piece.spread(_COUNTS[min(domain.dimension, max(_COUNTS))])

    return sample


def _interior(problem: AbstractProblem) -> Iterator[tuple[str, Float[np.ndarray, "n d"]]]:
    """The points of the interior by their label in the legend, of each of the regions that the domain is made of."""
    domain = problem.domain
    regions = domain.named_regions if isinstance(domain, Regions) else {"interior": domain}
    for name, region in regions.items():
        points = problem.interior(part=region).points
        chosen = np.random.default_rng(0).permutation(len(points))[:_MOST_POINTS]
        yield f"{name}: {len(points):,} points", points[chosen]


def _readings(problem: AbstractProblem) -> Iterator[tuple[str, Float[np.ndarray, "n d"]]]:
    for condition in problem.conditions if isinstance(problem, Problem) else ():
        if condition.is_of_readings:
            points = condition.readings(problem.domain).points
            yield f"{condition.label}: {len(points):,} points", points


def _is_visible(part: Part, shown: Sequence[int]) -> bool:
    """Whether the shadow of a part on the axes that are drawn is not all of the domain's."""
    return part.kind == "point" or bool(np.any(part.found.normals[:, shown]))


def _left_out(parts: Sequence[Part]) -> list[str]:
    """The parts that are not drawn, by their conditions, in words."""
    found: dict[tuple[str, ...], list[Part]] = {}
    for part in parts:
        found.setdefault(part.conditions, []).append(part)
    groups = [
        replace(group[0], name=f"{len(group)} pieces" if len(group) > 1 else group[0].name) for group in found.values()
    ]
    return [f"{group.label} (not drawn)" for group in groups]


def _add_legend(figure: "Figure", place: Any) -> None:
    """A legend at the right of the panel, or below a wide one, where it makes the figure higher."""
    handles, labels = place.get_legend_handles_labels()
    width, height = figure.get_size_inches()
    if width < _WIDE * height:
        figure.legend(handles, labels, loc="outside right upper", fontsize=9, frameon=False)
        return
    columns = min(_COLUMNS, len(labels))
    figure.set_size_inches(width, height + _LINE * -(-len(labels) // columns))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=9, frameon=False)
