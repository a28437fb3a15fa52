"""A figure of a function on a box, as curves or maps, with the history of the run that found it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from sngd._history import History
from sngd.geometry import AbstractRegion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The numbers of points along each axis, for a curve and for a map.
_CURVE, _MAP = 401, 121

# The color scale of an error is logarithmic, to show the structure of the error. It begins at this part of the largest
# error.
_SMALLEST_SHOWN = 1e-3

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
    component: int = 0,
    title: str | None = None,
) -> "Figure":
    """A figure with one panel each for the function, the exact solution, the absolute error and the history.

    With one axis the panels are curves, with two axes they are maps. The other coordinates are those of the center of
    the domain. The figure does not use the state of pyplot.

    - `function`: a function from points, shape `(n, d)`, to values, shape `(n,)` or `(n, m)`. Of complex values the
      modulus is drawn.
    - `domain`: the domain of the points.
    - `history`: the history of the run.
    - `exact`: the exact solution, a function like `function`. If it is left out, the exact solution and the error are
      not drawn.
    - `deviation`: the standard deviation of the function, a function like `function`. Around a curve it makes a band
      of 95 % probability, and a map has a panel of it. If it is left out, it is not drawn.
    - `axes`: the names of the one or two axes that vary. By default they are the first one or two axes of the domain.
    - `component`: the index of the output to draw, from 0 to `m - 1`.
    - `title`: the title of the whole figure.

    Raises `ValueError` for an unknown axis, for no axis or more than two, and for a component that does not exist.
    """
    # The import of Matplotlib takes a second, and a run needs Matplotlib only at its end.
    from matplotlib.figure import Figure  # noqa: PLC0415

    shown = _positions(domain, axes)
    points, count = _slice(domain, shown)
    found = _component(function(points), component)
    panels = {"solution": _drawn(found)}
    if exact is not None:
        known = _component(exact(points), component)
        panels |= {"exact": _drawn(known), "absolute error": np.abs(found - known)}
    spread = None if deviation is None else _component(deviation(points), component)
    if spread is not None and len(shown) > 1:
        panels["standard deviation"] = spread
    outside = ~domain.contains(points, _ROUNDING * float(np.max(domain.half_sides)))
    if not outside.all():
        panels = {name: np.where(outside, np.nan, values) for name, values in panels.items()}
    figure = Figure(figsize=(4 * (len(panels) + 1), 3.4), layout="constrained")
    if title is not None:
        figure.suptitle(title)
    places = figure.subplots(1, len(panels) + 1)
    for place, (name, values) in zip(places, panels.items(), strict=False):
        place.set_title(name)
        place.set_xlabel(domain.axes[shown[0]])
        if len(shown) == 1:
            place.plot(points[:, shown[0]], values)
            if name == "solution" and spread is not None:
                ends = values + _QUANTILE * np.array([[-1.0], [1.0]]) * spread
                place.fill_between(points[:, shown[0]], *ends, alpha=0.3, label="95 %")
                place.legend()
            place.set_yscale("log" if name == "absolute error" else "linear")
        else:
            place.set_ylabel(domain.axes[shown[1]])
            _draw_map(figure, place, values.reshape(count, count).T, [domain.bounds[axis] for axis in shown], name)
    _draw_history(places[-1], history)
    return figure


def _positions(domain: AbstractRegion, axes: Sequence[str] | None) -> list[int]:
    """The indices of the axes that vary."""
    if axes is None:
        return list(range(min(domain.dimension, 2)))
    names = [axes] if isinstance(axes, str) else list(axes)
    if not 1 <= len(names) <= 2 or len(set(names)) < len(names):
        raise ValueError(f"axes is {axes!r}; give one or two different axes of {', '.join(domain.axes)}")
    return [domain.index(name) for name in names]


def _slice(domain: AbstractRegion, shown: list[int]) -> tuple[Float[np.ndarray, "n d"], int]:
    """The points of a grid along the axes that vary, and the number of points along each of these axes.

    The other coordinates are those of the center of the domain.
    """
    count = _CURVE if len(shown) == 1 else _MAP
    grid = np.meshgrid(*[np.linspace(*domain.bounds[axis], count) for axis in shown], indexing="ij")
    points = np.tile(np.mean(domain.bounds, axis=1), (grid[0].size, 1))
    points[:, shown] = np.stack(grid, axis=-1).reshape(-1, len(shown))
    return points, count


def _drawn(values: np.ndarray) -> Float[np.ndarray, " n"]:
    return np.abs(values) if np.iscomplexobj(values) else values


def _component(values: np.ndarray, component: int) -> np.ndarray:
    columns = values.reshape(len(values), -1)
    if component not in range(columns.shape[1]):
        raise ValueError(f"component is {component}; the solution has the components 0 to {columns.shape[1] - 1}")
    return columns[:, component]


def _draw_map(figure: "Figure", place: Any, image: np.ndarray, bounds: Sequence, name: str) -> None:
    from matplotlib.colors import LogNorm  # noqa: PLC0415

    top = np.nanmax(image)
    logarithmic = name == "absolute error" and top > 0
    norm = LogNorm(max(top * _SMALLEST_SHOWN, np.finfo(float).tiny), top) if logarithmic else None
    extent = (*bounds[0], *bounds[1])
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
    if positive.any() or measured.any():
        place.legend()
