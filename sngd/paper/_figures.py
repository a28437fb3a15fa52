"""`sngd paper figure`: the paper's figures from our runs."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sngd.paper._appendix import finite_element_mass, relu_mass
from sngd.paper._cells import SPECTRUM_STRIDE
from sngd.paper._published import FIGURE_PROBLEMS, RANK_TOLERANCE

Results = dict[str, dict[str, Any]]

_LABELS = {
    "adam": "Adam",
    "bfgs": "BFGS",
    "engd": "ENGD",
    "single-pass": "SNGD, single-pass",
    "two-pass": "SNGD, two-pass",
    "l-bfgs": "L-BFGS",
}

# Eigenvalues below this are zero, as in the paper.
_ZERO = 1e-16

# A run of ENGD whose loss ends above this times the initial one has not converged.
_CONVERGED = 1e-3

# The mean of losses needs them at the same iterations.
_POINTS = 400

_SIZE = (7.0, 4.2)


def make_figure(number: int, results: Results) -> Figure:
    """Figure `number` of the paper, 1 to 5, from finished cells.

    Raises `ValueError` for another number, and `LookupError` where no cell that it needs is finished.
    """
    figures: dict[int, Callable[[Results], Figure]] = {
        1: _spectra,
        2: lambda found: _losses(2, found, "A2"),
        3: lambda found: _losses(3, found, "4x20"),
        4: lambda found: _losses(4, found, "4x20"),
        5: _landscapes,
    }
    if number not in figures:
        raise ValueError(f"figure is {number}; the paper has figures 1 to {max(figures)}")
    return figures[number](results)


def _spectra(results: Results) -> Figure:
    """Eigenvalues of the Gramian in the course of the second run on the transport equation."""
    found = [result for result in results.values() if "eigenvalues" in result]
    if not found:
        raise LookupError("figure is 1, whose run is not finished; run `sngd paper run --figure 1` first")
    (result,) = found
    figure = Figure(figsize=_SIZE, layout="constrained")
    axis = figure.subplots()
    spectra = {int(iteration): np.array(values) for iteration, values in result["eigenvalues"].items()}
    for index, (iteration, values) in enumerate(sorted(spectra.items())):
        color = f"C{index}"
        shown = np.maximum(values, _ZERO)
        axis.semilogy(SPECTRUM_STRIDE * np.arange(len(values)), shown, ".", ms=5, color=color, label=f"{iteration}")
    rate, largest = decay_rate(spectra[max(spectra)], SPECTRUM_STRIDE)
    indices = np.arange(0, SPECTRUM_STRIDE * len(spectra[max(spectra)]))
    line = largest * np.exp(-rate * indices)
    axis.semilogy(
        indices[line > _ZERO], line[line > _ZERO], "k-", lw=1, label=rf"$\lambda_{{\max}}\, e^{{-k/{1 / rate:.0f}}}$"
    )
    axis.axhline(RANK_TOLERANCE, color="gray", ls="--", lw=1, label="1e-13")
    axis.set(xlabel="index of the eigenvalue", ylabel="eigenvalue of the Gramian")
    axis.legend(title="iteration", ncols=2, fontsize=8)
    return figure


def decay_rate(values: np.ndarray, stride: int = 1) -> tuple[float, float]:
    """The rate `c` of a least-squares fit `a exp(-c k)` to the eigenvalues above the rank's tolerance, and the first.

    - `values`: every `stride`-th eigenvalue, falling.
    """
    kept = values[values > RANK_TOLERANCE]
    slope, _ = np.polyfit(stride * np.arange(len(kept)), np.log(kept), 1)
    return -float(slope), float(values[0])


def _losses(number: int, results: Results, network: str) -> Figure:
    """The loss against iterations, averaged over the runs."""
    problem = FIGURE_PROBLEMS[number]
    figure = Figure(figsize=_SIZE, layout="constrained")
    axis = figure.subplots()
    for index, (optimizer, label) in enumerate(_LABELS.items()):
        prefix = f"{problem}-{network}-{optimizer}-seed"
        histories = [result["history"] for name, result in results.items() if name.startswith(prefix)]
        if not histories:
            continue
        _draw_mean(axis, histories, f"{label} ({len(histories)})", f"C{index}", "-")
        converged = [history for history in histories if history["loss"][-1] < _CONVERGED * history["loss"][0]]
        if number == 4 and converged and len(converged) < len(histories):
            _draw_mean(axis, converged, f"{label}, converged only ({len(converged)})", f"C{index}", "--")
    if not axis.lines:
        raise LookupError(
            f"figure is {number}, whose runs are not finished; run `sngd paper run --figure {number}` first"
        )
    axis.set(xlabel="iteration", ylabel="loss, mean over the runs", xscale="log", yscale="log")
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    return figure


def _draw_mean(axis: Axes, histories: list[dict[str, Any]], label: str, color: str, style: str) -> None:
    last = max(history["iteration"][-1] for history in histories)
    iterations = np.unique(np.concatenate([[0], np.geomspace(1, max(last, 1), _POINTS).astype(int)]))
    losses = [_at(history, iterations) for history in histories]
    # From iteration 1, since the axis is logarithmic.
    axis.plot(iterations[1:], np.mean(losses, axis=0)[1:], style, color=color, label=label, lw=1.3)


def _at(history: dict[str, Any], iterations: np.ndarray) -> np.ndarray:
    """The loss at these iterations: between those that were kept, the one before; after the last, the last."""
    losses = np.array([np.nan if loss is None else loss for loss in history["loss"]])
    return losses[np.searchsorted(history["iteration"], iterations, side="right") - 1]


def _landscapes(results: Results) -> Figure:
    """Figure 5: the energy over its flattest and steepest direction, with gradient descent on it.

    Left the mass matrix of finite elements, right that of ReLU units, which spans the same functions.
    """
    figure = Figure(figsize=(7.0, 3.6), layout="constrained")
    panels = (("finite elements", finite_element_mass(4)), ("ReLU units", relu_mass(4)))
    for axis, (label, matrix) in zip(figure.subplots(1, 2), panels, strict=True):
        values = np.linalg.eigvalsh(matrix)
        ratio = values[0] / values[-1]
        flat, steep = np.meshgrid(np.linspace(-1.1, 1.1, 201), np.linspace(-1.1, 1.1, 201))
        axis.contour(flat, steep, ratio * flat**2 + steep**2, levels=12, colors="gray", linewidths=0.7)
        path = np.array([[-1.0 * (1 - ratio) ** k, 0.9 * (1 - 0.9) ** k] for k in range(21)])
        axis.plot(*path.T, "o-", ms=3, color="C3", lw=1, label="20 steps of gradient descent")
        axis.plot([-1.0, 0.0], [0.9, 0.0], "s--", ms=4, color="C0", lw=1, label="one natural gradient step")
        axis.set(title=f"{label}: condition number {1 / ratio:.3g}", xlabel="flattest direction", aspect="equal")
    figure.axes[0].set_ylabel("steepest direction")
    figure.axes[0].legend(fontsize=7, loc="lower right")
    return figure
