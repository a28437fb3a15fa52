"""The command `python -m reproduction figure`: the paper's figures from our runs."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reproduction.appendix import finite_element_mass, relu_mass
from reproduction.cells import SPECTRUM_STRIDE
from reproduction.losses import draw_losses, explain_lines, last_losses
from reproduction.measured import Measured, Results, measure
from reproduction.published import FIGURE_PROBLEMS, RANK_TOLERANCE

# Eigenvalues below this are drawn as this, as in the paper.
_ZERO = 1e-16

# The exponential rate of the line in Figure 1 of the paper.
_PAPERS_RATE = 1 / 18

_TITLES = {2: "Heat equation, network A2", 3: "Poisson's equation", 4: "Transport equation, c = 30"}
_NETWORKS = {2: "A2", 3: "4x20", 4: "4x20"}

# Sizes in inches, for a page and for the width of a phone. Both are shown at about their own size, so that the text of
# a figure is as large as that around it.
_WIDE, _NARROW = (7.0, 5.2), (3.6, 5.2)

# Colors of Okabe and Ito, as in Figures 2 to 4.
_GRADIENT, _NATURAL = "#D55E00", "#0072B2"

_MARKERS = "osD^vPX*<>"


def make_figure(number: int, results: Results, *, narrow: bool = False) -> Figure:
    """Figure `number` of the paper, from 1 to 5, drawn from finished cells.

    - `narrow`: whether the figure is as narrow as a phone, instead of a page.

    Raises `ValueError` for another number. Raises `LookupError` if no cell that the figure needs is finished.
    """
    figures: dict[int, Callable[..., Figure]] = {
        1: _spectra,
        2: lambda found, narrow: _losses(2, found, narrow),
        3: lambda found, narrow: _losses(3, found, narrow),
        4: lambda found, narrow: _losses(4, found, narrow),
        5: lambda _, narrow: _landscapes(narrow),
    }
    if number not in figures:
        raise ValueError(f"figure is {number}; the paper has figures 1 to {max(figures)}")
    return figures[number](results, narrow)


def describe_figure(number: int, results: Results) -> str:
    """What figure `number` shows, in words and numbers for readers who do not see it.

    Raises `LookupError` if no cell that the figure needs is finished.
    """
    if number == 1:
        spectra, _ = _found_spectra(results)
        rate, first = decay_fit(spectra[max(spectra)], SPECTRUM_STRIDE)
        return (
            f"Points that fall along a line on a logarithmic axis: eigenvalues at the iterations "
            f"{', '.join(f'{iteration:,}' for iteration in spectra)}. The last ones fall from {first:.0e} like "
            f"exp(-k/{1 / rate:.0f})."
        )
    if number == 5:
        conditions = [np.linalg.cond(matrix) for matrix in (finite_element_mass(2), relu_mass(2))]
        return (
            f"Two contour plots with condition numbers {conditions[0]:.1f} and {conditions[1]:.1f}. Gradient descent "
            "reaches the minimum in the first and stays far from it in the second; a natural gradient step reaches "
            "it in both."
        )
    ends = "; ".join(last_losses(item) for item in _drawn(number, results))
    return f"Curves of the loss against the iteration, on logarithmic axes. The means of the last losses are: {ends}."


def _found_spectra(results: Results) -> tuple[dict[int, np.ndarray], dict]:
    """The eigenvalues by iteration, and the cell that has them."""
    found = [result for result in results.values() if "eigenvalues" in result]
    if not found:
        raise LookupError("figure is 1, whose run is not finished; run `python -m reproduction run --figure 1` first")
    (result,) = found
    spectra = {int(iteration): np.array(values) for iteration, values in result["eigenvalues"].items()}
    return dict(sorted(spectra.items())), result


def _spectra(results: Results, narrow: bool) -> Figure:
    """Figure 1: eigenvalues of the Gramian in the course of the second run on the transport equation."""
    spectra, result = _found_spectra(results)
    figure, axis = _one_panel(narrow)
    colors = colormaps["viridis"](np.linspace(0, 0.85, len(spectra)))
    for place, (iteration, values) in enumerate(spectra.items()):
        indices, look = SPECTRUM_STRIDE * np.arange(len(values)), {"marker": _MARKERS[place % len(_MARKERS)], "ls": ""}
        label = f"iteration {iteration:,}"
        axis.semilogy(indices, np.maximum(values, _ZERO), **look, ms=3.5, color=colors[place], label=label)
    last = spectra[max(spectra)]
    rate, first = decay_fit(last, SPECTRUM_STRIDE)
    indices = np.arange(SPECTRUM_STRIDE * len(last))
    _draw_decay(axis, indices, first, rate, "k-", rf"fit to the last: $e^{{-k/{1 / rate:.0f}}}$")
    _draw_decay(axis, indices, last[0], _PAPERS_RATE, "k:", r"the paper's $\lambda_{\max}\, e^{-k/18}$")
    axis.axhline(RANK_TOLERANCE, color="gray", ls="--", lw=1, label="1e-13")
    made = f"{result['iterations']:,} of {result['iterations_asked']:,} iterations"
    axis.set_title(f"Transport, two-pass SNGD, run {result['seed'] + 1}:\n{made}", fontsize=10)
    axis.set(xlabel="index k of the eigenvalue", ylabel="eigenvalue of the Gramian")
    figure.legend(loc="outside lower center", ncols=2 if narrow else 3, fontsize=8)
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


def _drawn(number: int, results: Results) -> list[Measured]:
    """The optimizers whose losses figure `number` shows."""
    problem, network = FIGURE_PROBLEMS[number], _NETWORKS[number]
    measured = [item for item in measure(problem, results) if item.line.network == network]
    if not any(item.finished for item in measured):
        raise LookupError(
            f"figure is {number}, whose runs are not finished; run `python -m reproduction run --figure {number}` first"
        )
    return measured


def _losses(number: int, results: Results, narrow: bool) -> Figure:
    """Figures 2 to 4: the loss against iterations, as the mean over the runs and for each run.

    A cross marks the end of the longest run of an optimizer, if it ended before its last iteration.
    """
    measured = _drawn(number, results)
    figure, axis = _one_panel(narrow)
    for item in measured:
        draw_losses(axis, item, converged_too=number == 4)
    explain_lines(axis)
    axis.set_title(_TITLES[number], fontsize=10)
    axis.set(xlabel="iteration", ylabel="loss", xscale="log", yscale="log")
    axis.grid(alpha=0.3)
    shape = {"ncols": 2, "fontsize": 7.5, "handlelength": 2.4, "columnspacing": 0.8, "handletextpad": 0.5}
    figure.legend(loc="outside lower center", **shape if narrow else {"ncols": 3, "fontsize": 8.5, "handlelength": 3})
    return figure


def _landscapes(narrow: bool) -> Figure:
    """Figure 5: a quadratic energy over its flattest and its steepest direction, with the path of gradient descent.

    The first panel has the mass matrix of finite elements, the second panel that of ReLU units, which span the same
    functions.
    """
    figure = Figure(figsize=(3.6, 6.6) if narrow else (7.0, 4.1), layout="constrained")
    panels = (("Finite elements", finite_element_mass(2)), ("ReLU units", relu_mass(2)))
    axes = figure.subplots(2, 1, sharex=True) if narrow else figure.subplots(1, 2, sharey=True)
    flat, steep = np.meshgrid(np.linspace(-1.1, 1.1, 201), np.linspace(-1.1, 1.1, 201))
    for axis, (label, matrix) in zip(axes, panels, strict=True):
        values = np.linalg.eigvalsh(matrix)
        energy = values[0] * flat**2 + values[1] * steep**2
        axis.contour(flat, steep, energy, levels=10, colors="gray", linewidths=0.7)
        start = np.array([-1.0, 0.9])
        path = descend(np.diag(values), start, steps=20)
        axis.plot(*path.T, "o-", ms=3, color=_GRADIENT, lw=1, label="gradient descent, 20 steps")
        natural = {"color": _NATURAL, "lw": 1.3, "label": "natural gradient, 1 step"}
        axis.plot([start[0], 0], [start[1], 0], "s--", ms=4, **natural)
        axis.set_title(f"{label}: condition number {values[1] / values[0]:.1f}", fontsize=10)
        axis.set(xlabel="flattest direction", ylabel="steepest direction", aspect="equal")
        axis.label_outer()
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=1 if narrow else 2, fontsize=9)
    return figure


def descend(
    matrix: Float[np.ndarray, "N N"], start: Float[np.ndarray, " N"], steps: int
) -> Float[np.ndarray, "steps+1 N"]:
    """The points of gradient descent on `(U, M U) / 2` with the step size `1 / lambda_max`, the start included."""
    contraction = np.eye(len(matrix)) - matrix / np.linalg.norm(matrix, 2)
    return np.array([np.linalg.matrix_power(contraction, step) @ start for step in range(steps + 1)])


def _one_panel(narrow: bool) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_NARROW if narrow else _WIDE, layout="constrained")
    return figure, figure.subplots()
