"""A figure of the joint distribution of constants: densities, and ellipses of each pair."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The distance from the mean, in standard deviations, within which a normal distribution of two variables has 95 % of
# its probability; and how far panels reach.
_ELLIPSE, _REACH = np.sqrt(-2 * np.log(0.05)), 3.5


def draw_corner(
    names: Sequence[str], values: Float[np.ndarray, " c"], covariance: Float[np.ndarray, "c c"]
) -> "Figure":
    """A figure with the normal density of each constant, and an ellipse of 95 % probability of each pair.

    - `names`, `values`, `covariance`: of the constants, whose variances are positive.
    """
    # The import of Matplotlib takes a second, and a run needs Matplotlib only at its end.
    from matplotlib.figure import Figure  # noqa: PLC0415

    count, deviations = len(names), np.sqrt(np.diag(covariance))
    figure = Figure(figsize=(2.2 * count + 1, 2.2 * count), layout="constrained")
    places: Any = figure.subplots(count, count, squeeze=False, sharex="col")
    for row, column in np.ndindex(count, count):
        place = places[row, column]
        if column > row:
            place.set_axis_off()
            continue
        place.set_xlim(*(values[column] + _REACH * deviations[column] * np.array([-1, 1])))
        if row == column:
            _draw_density(place, float(values[row]), float(deviations[row]))
        else:
            at = [column, row]
            _draw_ellipse(place, values[at], covariance[np.ix_(at, at)])
            place.set_ylim(*(values[row] + _REACH * deviations[row] * np.array([-1, 1])))
        if row == count - 1:
            place.set_xlabel(names[column])
            place.tick_params(axis="x", rotation=45)
        if column == 0 and row > 0:
            place.set_ylabel(names[row])
        elif row != column:
            place.set_yticklabels([])
    return figure


def _draw_density(place: Any, value: float, deviation: float) -> None:
    apart = np.linspace(-_REACH, _REACH, 201)
    place.plot(value + deviation * apart, np.exp(-(apart**2) / 2), color="C0")
    place.set_yticks([])
    place.set_title(f"{value:.5g}\n$\\pm$ {deviation:.1e}", fontsize=9)


def _draw_ellipse(place: Any, center: Float[np.ndarray, " 2"], covariance: Float[np.ndarray, "2 2"]) -> None:
    angles = np.linspace(0, 2 * np.pi, 201)
    variances, axes = np.linalg.eigh(covariance)
    radii = _ELLIPSE * np.sqrt(np.maximum(variances, 0.0))
    points = center[:, None] + axes @ (radii[:, None] * np.stack([np.cos(angles), np.sin(angles)]))
    place.plot(*points, color="C0")
    place.plot(*center, ".", color="C0")
