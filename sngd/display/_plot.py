"""A figure of a function on a region, as curves or maps, with the history of the run that found it."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from sngd._history import History
from sngd.display._maps import Values, draw_maps, norm_of
from sngd.display._slices import Slice, slices
from sngd.geometry import AbstractRegion, Box, Regions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEVIATION = "standard deviation"

# Within so many standard deviations a normal distribution has 95 % of its probability.
_QUANTILE = 1.96

# Points of a map that are outside of a region by this part of its largest side are in it.
_ROUNDING = 1e-9

# A history of at most so many records has a mark for each.
_FEW_RECORDS = 20


def draw(
    function: Callable[[Float[np.ndarray, "n d"]], np.ndarray],
    domain: AbstractRegion,
    history: History,
    *,
    exact: Callable[[Float[np.ndarray, "n d"]], np.ndarray] | None = None,
    deviation: Callable[[Float[np.ndarray, "n d"]], np.ndarray] | None = None,
    axes: Sequence[str] | None = None,
    at: Mapping[str, float] | None = None,
    surface: bool = False,
    component: int = 0,
    title: str | None = None,
) -> "Figure":
    """A figure with panels for the function, the exact solution, the absolute error and the history.

    With one axis the panels are curves, with two axes they are maps. Outside of the domain they are empty. The figure
    does not use the state of pyplot.

    - `function`: a function from points, shape `(n, d)`, to values, shape `(n,)` or `(n, m)`. Of complex values the
      modulus is drawn.
    - `domain`: the domain of the points.
    - `history`: the history of the run.
    - `exact`: the exact solution, a function like `function`. If it is left out, the exact solution and the error are
      not drawn.
    - `deviation`: the standard deviation of the function, a function like `function`. Around a curve it makes a band
      of 95 % probability, and a map has a panel of it. If it is left out, it is not drawn.
    - `axes`: the names of the one or two axes that vary. By default they are the first one or two axes of a box. Of
      another region they are the axes of space; if there are three, there are three slices.
    - `at`: the values of axes that do not vary, by their names. The other ones are those of the center of the domain.
    - `surface`: whether the values on the boundary surface are drawn too, for a domain with three axes of space.
    - `component`: the index of the output to draw, from 0 to `m - 1`.
    - `title`: the title of the whole figure.

    Raises `TypeError` or `ValueError` for an unknown axis, for no axis or more than two, for values of axes that are
    outside of their bounds, for a slice outside of the domain, for a surface in less than three dimensions, and for a
    component that does not exist.
    """
    chosen = slices(domain, axes, at)
    if surface:
        _require_surface(domain, chosen)

    def values(points: Float[np.ndarray, "n d"]) -> dict[str, Float[np.ndarray, " n"]]:
        found = _component(function(points), component)
        named = {"solution": _drawn(found)}
        if exact is not None:
            known = _component(exact(points), component)
            named |= {"exact": _drawn(known), "absolute error": np.abs(found - known)}
        if deviation is not None:
            named[DEVIATION] = _component(deviation(points), component)
        return named

    if len(chosen[0].shown) == 1:
        figure, last = _draw_curves(values, chosen[0], title)
    elif isinstance(domain, Box) and not surface:
        figure, last = _draw_box(values, chosen[0], title, held=bool(at))
    else:
        figure, last = draw_maps(values, domain, chosen, surface, title)
    _draw_history(last, history)
    return figure


def _require_surface(domain: AbstractRegion, chosen: Sequence[Slice]) -> None:
    if len(domain.space_axes) != 3:
        raise ValueError(
            f"surface is True, and the axes of space of this domain are {', '.join(domain.space_axes) or 'none'}; a "
            "surface needs three of them, so leave it out"
        )
    if len(chosen[0].shown) == 1:
        raise ValueError(f"surface is True, and axes names {chosen[0].names[0]!r} alone; name two axes or none")


def _panels(count: int, title: str | None) -> "tuple[Figure, Any]":
    """A figure with panels in a row."""
    # The import of Matplotlib takes a second, and a run needs Matplotlib only at its end.
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(4 * count, 3.4), layout="constrained")
    if title is not None:
        figure.suptitle(title)
    return figure, figure.subplots(1, count)


def _draw_curves(values: Values, part: Slice, title: str | None) -> "tuple[Figure, Any]":
    """Curves of each quantity along an axis, and a place for the history."""
    found = {name: part.filled(each) for name, each in values(part.points[part.inside]).items()}
    spread = found.pop(DEVIATION, None)
    figure, places = _panels(len(found) + 1, title)
    (along,), regions = part.along, _regions_along(part)
    for place, (name, each) in zip(places, found.items(), strict=False):
        place.set_title(name)
        place.set_xlabel(part.names[0])
        for inside in regions:
            # Functions may jump between regions, and have one color in all of them.
            place.plot(along[inside], each[inside], color="C0")
        if name == "solution" and spread is not None:
            ends = each + _QUANTILE * np.array([[-1.0], [1.0]]) * spread
            place.fill_between(along, *ends, alpha=0.3, label="95 %")
            place.legend()
        place.set_yscale("log" if name == "absolute error" else "linear")
    return figure, places[-1]


def _regions_along(part: Slice) -> list[Bool[np.ndarray, " n"]]:
    """Which points of a line are in each of the regions that the domain is made of, the first one that they are in."""
    if not isinstance(part.domain, Regions):
        return [np.ones(len(part.points), dtype=bool)]
    inside = np.stack([region.contains(part.points) for region in part.domain.named_regions.values()])
    return list(inside & (np.cumsum(inside, axis=0) == 1))


def _draw_box(values: Values, part: Slice, title: str | None, *, held: bool) -> "tuple[Figure, Any]":
    """Maps of each quantity on a rectangle, and a place for the history."""
    found = values(part.points)
    figure, places = _panels(len(found) + 1, title)
    for place, (name, each) in zip(places, found.items(), strict=False):
        place.set_title(f"{name}, {part.place}" if held and part.place else name)
        place.set_xlabel(part.names[0])
        place.set_ylabel(part.names[1])
        bounds = [part.domain.bounds[axis] for axis in part.shown]
        _draw_map(figure, place, each.reshape(part.counts).T, bounds, name)
    return figure, places[-1]


def _drawn(values: np.ndarray) -> Float[np.ndarray, " n"]:
    return np.abs(values) if np.iscomplexobj(values) else values


def _component(values: np.ndarray, component: int) -> np.ndarray:
    columns = values.reshape(len(values), -1)
    if component not in range(columns.shape[1]):
        raise ValueError(f"component is {component}; the solution has the components 0 to {columns.shape[1] - 1}")
    return columns[:, component]


def _draw_map(figure: "Figure", place: Any, image: np.ndarray, bounds: Sequence, name: str) -> None:
    extent = (*bounds[0], *bounds[1])
    norm = norm_of(name, image)
    mesh = place.imshow(image, origin="lower", extent=extent, aspect="auto", cmap="viridis", norm=norm)
    figure.colorbar(mesh, ax=place)


def _draw_history(place: Any, history: History) -> None:
    place.set_title("training")
    place.set_xlabel("iteration")
    # An energy may be negative. The difference from its lowest value shows the same descent.
    # A line through one point is invisible.
    marker = "o-" if len(history) <= _FEW_RECORDS else "-"
    least_squares = np.all(history.loss >= 0)
    loss = history.loss if least_squares else history.loss - history.loss.min()
    positive = loss > 0
    if positive.any():
        label = "loss" if least_squares else "loss above its lowest"
        place.semilogy(history.iteration[positive], loss[positive], marker, label=label)
    measured = np.isfinite(history.error)
    if measured.any():
        place.semilogy(history.iteration[measured], history.error[measured], marker, label="relative $L^2$ error")
    if len(history) == 1:
        # Marks at the one iteration, away from the legend.
        place.set_xticks(history.iteration)
        place.margins(y=0.4)
    if positive.any() or measured.any():
        place.legend()
