"""A picture of a solution."""

from pathlib import Path

import numpy as np

from sngd.train._solution import Solution, evaluate_exact


def plot(solution: Solution, path: str | Path) -> None:
    """Draw the solution, the exact one and the error, where known, and the history; write it to `path`.

    For one axis, curves; for two, maps. More axes are held at the middle of the domain. The first component of a system
    is drawn. Written without touching pyplot's state.
    """
    from matplotlib.colors import LogNorm  # noqa: PLC0415 - takes a second, which a run needs only at its end
    from matplotlib.figure import Figure  # noqa: PLC0415

    domain = solution.problem.domain
    count = 401 if domain.dimension == 1 else 121
    shown = min(domain.dimension, 2)
    points = _slice(domain.lower, domain.upper, count, shown)
    panels = {"solution": _first(solution(points))}
    if solution.problem.exact is not None:
        exact = _first(evaluate_exact(solution.problem.exact, points))
        panels |= {"exact": exact, "absolute error": np.abs(panels["solution"] - exact)}
    figure = Figure(figsize=(4 * (len(panels) + 1), 3.4), layout="constrained")
    axes = figure.subplots(1, len(panels) + 1)
    for axis, (title, values) in zip(axes, panels.items(), strict=False):
        axis.set_title(title)
        axis.set_xlabel(domain.axes[0])
        if shown == 1:
            axis.plot(points[:, 0], values)
            if title == "absolute error":
                axis.set_yscale("log")
        else:
            extent = (domain.lower[0], domain.upper[0], domain.lower[1], domain.upper[1])
            # Colors of the error start a little above zero: a logarithmic map shows its structure, not only its peak.
            top = values.max()
            logarithmic = title == "absolute error" and top > 0
            norm = LogNorm(max(top * 1e-3, np.finfo(float).tiny), top) if logarithmic else None
            image = values.reshape(count, count).T
            mesh = axis.imshow(image, origin="lower", extent=extent, aspect="auto", cmap="viridis", norm=norm)
            axis.set_ylabel(domain.axes[1])
            figure.colorbar(mesh, ax=axis)
    _plot_history(axes[-1], solution)
    figure.savefig(path, dpi=120)


def _plot_history(axis, solution: Solution) -> None:
    history = solution.history
    axis.set_title("training")
    axis.set_xlabel("iteration")
    # An energy may be negative: its distance to the lowest value shows the same descent.
    least_squares = np.all(history.loss >= 0)
    loss = history.loss if least_squares else history.loss - history.loss.min()
    positive = loss > 0
    if positive.any():
        label = "loss" if least_squares else "loss above its lowest"
        axis.semilogy(history.iteration[positive], loss[positive], label=label)
    measured = np.isfinite(history.error)
    if measured.any():
        axis.semilogy(history.iteration[measured], history.error[measured], label="relative $L^2$ error")
    if positive.any() or measured.any():
        axis.legend()


def _slice(lower: tuple[float, ...], upper: tuple[float, ...], count: int, shown: int) -> np.ndarray:
    middle = [(low + high) / 2 for low, high in zip(lower[shown:], upper[shown:], strict=True)]
    coordinates = [np.linspace(lower[i], upper[i], count) for i in range(shown)] + [np.array([m]) for m in middle]
    return np.stack(np.meshgrid(*coordinates, indexing="ij"), axis=-1).reshape(-1, len(lower))


def _first(values: np.ndarray) -> np.ndarray:
    return values if values.ndim == 1 else values[:, 0]
