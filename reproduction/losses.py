"""Figures 2 to 4 of the paper: the loss against iterations, with the mean over the runs in front of the single runs."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes

from reproduction.measured import Measured
from reproduction.published import OPTIMIZER_NAMES

# Colors that color-blind readers can tell apart (Okabe and Ito). Dashes and markers tell the curves apart in gray.
_LOOKS: dict[str, dict[str, Any]] = {
    "adam": {"color": "#CC79A7", "ls": (0, (1, 1)), "marker": "o"},
    "bfgs": {"color": "#0072B2", "ls": (0, (5, 1.5)), "marker": "s"},
    "engd": {"color": "#D55E00", "ls": (0, (7, 1.5, 1.5, 1.5)), "marker": "^"},
    "single-pass": {"color": "#009E73", "ls": "-", "marker": "D"},
    "two-pass": {"color": "#000000", "ls": "-", "marker": "v"},
    "l-bfgs": {"color": "#56B4E9", "ls": (0, (3, 1, 1, 1, 1, 1)), "marker": "P"},
}
_CONVERGED = {"ls": (0, (1, 2)), "markerfacecolor": "white"}

# The markers of different optimizers begin at different fractions of the width, so that equal curves show both.
_FIRST_MARKER = dict(zip(_LOOKS, (0.0, 0.02, 0.04, 0.06, 0.08, 0.1), strict=True))
_MARKER_SPACING = 0.13

# A run whose last loss is above this times its initial loss has not converged.
_CONVERGED_BELOW = 1e-3

# The number of iterations at which losses are averaged over the runs.
_POINTS = 400


def draw_losses(axis: Axes, item: Measured, *, converged_too: bool) -> None:
    """Draw the losses of the runs of one optimizer: the runs thin and faint, and their mean in front.

    A mean that climbs is drawn faintly, and its running minimum in its place. Without runs, the legend says so.

    - `converged_too`: whether to draw the mean over the runs that converged as well, if some runs did not.
    """
    optimizer = item.line.optimizer
    look, label = _LOOKS[optimizer], OPTIMIZER_NAMES[optimizer]
    histories = [result["history"] for _, result in item.finished]
    if not histories:
        axis.plot([], [], **look, ms=4, label=f"{label} (not run yet)")
        return
    for (cell, _), history in zip(item.finished, histories, strict=True):
        _draw_run(axis, history, look["color"], f"{optimizer} seed {cell.seed}")
    _draw_mean(axis, item, histories, look, f"{label} ({item.runs})")
    converged = [history for history in histories if _last_loss(history) < _CONVERGED_BELOW * history["loss"][0]]
    if converged_too and converged and len(converged) < len(histories):
        _draw_mean(axis, item, converged, look | _CONVERGED, f"{label}, converged ({len(converged)})")


def explain_lines(axis: Axes) -> None:
    """Add entries to the legend for the lines and marks that all optimizers share."""
    axis.plot([], [], color="gray", lw=0.7, alpha=0.6, label="single runs")
    axis.plot([], [], "x", color="gray", ms=7, mew=1.6, label="longest run ended early")


def mean_loss(histories: list[dict[str, Any]], iterations: Int[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """The arithmetic mean of the losses of several runs, as in the paper.

    A run that ended before others counts with its last loss. The mean is NaN where a loss is not finite.
    """
    return np.mean([_at(history, iterations) for history in histories], axis=0)


def running_minimum(losses: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """The smallest of the losses up to each iteration. It is NaN where the loss itself is NaN."""
    return np.where(np.isnan(losses), np.nan, np.fmin.accumulate(losses))


def last_losses(item: Measured) -> str:
    """The optimizer and the mean of the last losses of its runs, as a text."""
    label, runs = OPTIMIZER_NAMES[item.line.optimizer], [_last_loss(result["history"]) for _, result in item.finished]
    return f"{label} {np.mean(runs):.1e}" if runs else f"{label} not run yet"


def _draw_run(axis: Axes, history: dict[str, Any], color: str, name: str) -> None:
    # The axis is logarithmic, so that the curve begins at iteration 1.
    iterations = np.maximum(history["iteration"], 1)[1:]
    axis.plot(iterations, _losses(history)[1:], color=color, lw=0.6, alpha=0.4, zorder=1, gid=name)


def _draw_mean(axis: Axes, item: Measured, histories: list[dict[str, Any]], look: dict[str, Any], label: str) -> None:
    last, optimizer = max(history["iteration"][-1] for history in histories), item.line.optimizer
    iterations = np.unique(np.geomspace(1, max(last, 1), _POINTS).astype(int))
    mean = mean_loss(histories, iterations)
    lowest = running_minimum(mean)
    if np.any(mean > lowest):
        axis.plot(iterations, mean, color=look["color"], lw=1, alpha=0.5, zorder=2, gid=f"{optimizer} raw mean")
    every = (_FIRST_MARKER[optimizer], _MARKER_SPACING)
    axis.plot(iterations, lowest, **look, ms=4, lw=1.7, zorder=3, markevery=every, label=label)
    if last < item.line.iterations:
        axis.plot(iterations[-1:], lowest[-1:], "x", color=look["color"], ms=7, mew=1.6, zorder=4)


def _last_loss(history: dict[str, Any]) -> float:
    return math.inf if history["loss"][-1] is None else history["loss"][-1]


def _at(history: dict[str, Any], iterations: np.ndarray) -> np.ndarray:
    """The loss at these iterations, or at the last iteration before them that the history has."""
    return _losses(history)[np.searchsorted(history["iteration"], iterations, side="right") - 1]


def _losses(history: dict[str, Any]) -> np.ndarray:
    return np.array([np.nan if loss is None else loss for loss in history["loss"]])
