"""The command `python -m reproduction figure`: the paper's figures from our runs."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reproduction.appendix import finite_element_mass, relu_mass
from reproduction.cells import SPECTRUM_STRIDE
from reproduction.measured import Measured, Results, measure
from reproduction.published import FIGURE_PROBLEMS, RANK_TOLERANCE

_LABELS = {
    "adam": "Adam",
    "bfgs": "BFGS",
    "engd": "ENGD",
    "single-pass": "SNGD, single-pass",
    "two-pass": "SNGD, two-pass",
    "l-bfgs": "L-BFGS",
}

# Colors that color-blind readers can tell apart (Okabe and Ito), with dashes for readers of gray prints.
_LOOKS: dict[str, tuple[str, Any]] = {
    "adam": ("#999999", (0, (1, 1))),
    "bfgs": ("#0072B2", (0, (5, 1.5))),
    "engd": ("#D55E00", (0, (7, 1.5, 1.5, 1.5))),
    "single-pass": ("#009E73", "-"),
    "two-pass": ("#000000", "-"),
    "l-bfgs": ("#56B4E9", (0, (3, 1, 1, 1, 1, 1))),
}
_CONVERGED_DASHES = (0, (1, 3))

# Eigenvalues below this are drawn as this, as in the paper.
_ZERO = 1e-16

# The exponential rate of the line in Figure 1 of the paper.
_PAPERS_RATE = 1 / 18

# A run whose last loss is above this times its initial loss has not converged.
_CONVERGED = 1e-3

# The number of iterations at which losses are averaged over the runs.
_POINTS = 400

_TITLES = {2: "Heat equation, network A2", 3: "Poisson's equation", 4: "Transport equation, c = 30"}

_SIZE = (7.0, 4.9)


def make_figure(number: int, results: Results) -> Figure:
    """Figure `number` of the paper, from 1 to 5, drawn from finished cells.

    Raises `ValueError` for another number. Raises `LookupError` if no cell that the figure needs is finished.
    """
    figures: dict[int, Callable[[Results], Figure]] = {
        1: _spectra,
        2: lambda found: _losses(2, found, "A2"),
        3: lambda found: _losses(3, found, "4x20"),
        4: lambda found: _losses(4, found, "4x20"),
        5: lambda _: _landscapes(),
    }
    if number not in figures:
        raise ValueError(f"figure is {number}; the paper has figures 1 to {max(figures)}")
    return figures[number](results)


def _spectra(results: Results) -> Figure:
    """Figure 1: eigenvalues of the Gramian in the course of the second run on the transport equation."""
    found = [result for result in results.values() if "eigenvalues" in result]
    if not found:
        raise LookupError("figure is 1, whose run is not finished; run `python -m reproduction run --figure 1` first")
    (result,) = found
    figure, axis = _one_panel()
    spectra = {int(iteration): np.array(values) for iteration, values in result["eigenvalues"].items()}
    colors = colormaps["viridis"](np.linspace(0, 0.85, len(spectra)))
    for color, (iteration, values) in zip(colors, sorted(spectra.items()), strict=True):
        indices = SPECTRUM_STRIDE * np.arange(len(values))
        axis.semilogy(indices, np.maximum(values, _ZERO), "o", ms=3, color=color, label=f"iteration {iteration:,}")
    last = spectra[max(spectra)]
    rate, first = decay_fit(last, SPECTRUM_STRIDE)
    indices = np.arange(SPECTRUM_STRIDE * len(last))
    _draw_decay(axis, indices, first, rate, "k-", rf"fit to the last: $e^{{-k/{1 / rate:.0f}}}$")
    _draw_decay(axis, indices, last[0], _PAPERS_RATE, "k:", r"the paper's $\lambda_{\max}\, e^{-k/18}$")
    axis.axhline(RANK_TOLERANCE, color="gray", ls="--", lw=1, label="1e-13")
    made = f"{result['iterations']:,} of {result['iterations_asked']:,} iterations"
    axis.set_title(f"Transport equation, two-pass SNGD, run {result['seed'] + 1}: {made}", fontsize=10)
    axis.set(xlabel="index k of the eigenvalue", ylabel="eigenvalue of the Gramian")
    axis.legend(ncols=2, fontsize=8)
    return figure


def _draw_decay(axis: Axes, indices: np.ndarray, first: float, rate: float, style: str, label: str) -> None:
    values = first * np.exp(-rate * indices)
    axis.semilogy(indices[values > _ZERO], values[values > _ZERO], style, lw=1, label=label)


def decay_fit(values: np.ndarray, stride: int = 1) -> tuple[float, float]:
    """The numbers `c` and `a` of a least-squares fit `a exp(-c k)` to the eigenvalues above the tolerance of the rank.

    - `values`: every `stride`-th eigenvalue, in falling order.
    """
    kept = values[values > RANK_TOLERANCE]
    slope, offset = np.polyfit(stride * np.arange(len(kept)), np.log(kept), 1)
    return -float(slope), float(np.exp(offset))


def _losses(number: int, results: Results, network: str) -> Figure:
    """Figures 2 to 4: the loss against iterations, averaged over the runs.

    A cross marks the end of the longest run of an optimizer, if it ended before its last iteration.
    """
    problem = FIGURE_PROBLEMS[number]
    measured = [item for item in measure(problem, results) if item.line.network == network]
    if not any(item.finished for item in measured):
        raise LookupError(
            f"figure is {number}, whose runs are not finished; run `python -m reproduction run --figure {number}` first"
        )
    figure, axis = _one_panel()
    for item in measured:
        _draw_runs(axis, item, converged_too=number == 4)
    axis.set_title(_TITLES[number], fontsize=10)
    axis.set(xlabel="iteration", ylabel="loss, mean over the runs", xscale="log", yscale="log")
    axis.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _draw_runs(axis: Axes, item: Measured, *, converged_too: bool) -> None:
    """Draw the mean loss of the runs of one optimizer, or write that there are no runs.

    - `converged_too`: whether to draw the mean over the runs that converged as well, if some runs did not.
    """
    label, look = _LABELS[item.line.optimizer], _LOOKS[item.line.optimizer]
    histories = [result["history"] for _, result in item.finished]
    if not histories:
        axis.plot([], [], color=look[0], ls=look[1], label=f"{label} (not run yet)")
        return
    asked = item.line.iterations
    _draw_mean(axis, histories, f"{label} ({item.runs})", look, asked)
    converged = [history for history in histories if _last_loss(history) < _CONVERGED * history["loss"][0]]
    if converged_too and converged and len(converged) < len(histories):
        _draw_mean(axis, converged, f"{label}, converged ({len(converged)})", (look[0], _CONVERGED_DASHES), asked)


def _draw_mean(axis: Axes, histories: list[dict[str, Any]], label: str, look: tuple[str, Any], asked: int) -> None:
    last = max(history["iteration"][-1] for history in histories)
    # The curve begins at iteration 1, because the axis is logarithmic.
    iterations = np.unique(np.geomspace(1, max(last, 1), _POINTS).astype(int))
    losses = np.mean([_at(history, iterations) for history in histories], axis=0)
    axis.plot(iterations, losses, color=look[0], ls=look[1], label=label, lw=1.5)
    if last < asked:
        axis.plot(iterations[-1:], losses[-1:], "x", color=look[0], ms=6)


def _last_loss(history: dict[str, Any]) -> float:
    return np.inf if history["loss"][-1] is None else history["loss"][-1]


def _at(history: dict[str, Any], iterations: np.ndarray) -> np.ndarray:
    """The loss at these iterations, or at the last iteration before them that the history has."""
    losses = np.array([np.nan if loss is None else loss for loss in history["loss"]])
    return losses[np.searchsorted(history["iteration"], iterations, side="right") - 1]


def _landscapes() -> Figure:
    """Figure 5: a quadratic energy over its flattest and its steepest direction, with the path of gradient descent.

    The left panel has the mass matrix of finite elements, the right panel that of ReLU units, which span the same
    functions.
    """
    figure = Figure(figsize=(7.0, 4.1), layout="constrained")
    panels = (("Finite elements", finite_element_mass(2)), ("ReLU units", relu_mass(2)))
    flat, steep = np.meshgrid(np.linspace(-1.1, 1.1, 201), np.linspace(-1.1, 1.1, 201))
    for axis, (label, matrix) in zip(figure.subplots(1, 2, sharey=True), panels, strict=True):
        values = np.linalg.eigvalsh(matrix)
        energy = values[0] * flat**2 + values[1] * steep**2
        axis.contour(flat, steep, energy, levels=10, colors="gray", linewidths=0.7)
        start = np.array([-1.0, 0.9])
        path = descend(np.diag(values), start, steps=20)
        axis.plot(*path.T, "o-", ms=3, color=_LOOKS["engd"][0], lw=1, label="gradient descent, 20 steps")
        axis.plot(
            [start[0], 0], [start[1], 0], "s--", ms=4, color=_LOOKS["bfgs"][0], lw=1.3, label="natural gradient, 1 step"
        )
        axis.set_title(f"{label}: condition number {values[1] / values[0]:.1f}", fontsize=10)
        axis.set(xlabel="flattest direction", aspect="equal")
    figure.axes[0].set_ylabel("steepest direction")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9)
    return figure


def descend(
    matrix: Float[np.ndarray, "N N"], start: Float[np.ndarray, " N"], steps: int
) -> Float[np.ndarray, "steps+1 N"]:
    """The points of gradient descent on `(U, M U) / 2` with the step size `1 / lambda_max`, the start included."""
    contraction = np.eye(len(matrix)) - matrix / np.linalg.norm(matrix, 2)
    return np.array([np.linalg.matrix_power(contraction, step) @ start for step in range(steps + 1)])


def _one_panel() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    return figure, figure.subplots()
