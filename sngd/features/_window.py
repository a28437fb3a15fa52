"""The solution in one window of time, and what the solutions in several windows tell together."""

import dataclasses

import numpy as np

from sngd.features._estimate import Estimate, relative
from sngd.features._families import Features
from sngd.features._fit import Fit
from sngd.features._inference import Inference
from sngd.features._system import System


@dataclasses.dataclass(frozen=True)
class Window:
    """The solution in one window.

    - `start`, `end`: of the window; not numbers where there is no time axis to march along.
    - `features`: of the cells. `fit`: of their output layers. `estimate`: the error, to which the errors of the windows
      before have grown. `added`: the relative error that the window adds. `between`: the rows between the points of
      the fit.
    - `inference`: what readings tell of the unknowns; `None` without readings that have noise and without constants.
    """

    start: float
    end: float
    features: Features
    fit: Fit
    estimate: Estimate
    added: float
    between: System
    inference: Inference | None = None


def error_over(windows: list[Window]) -> tuple[float, float]:
    """The estimated relative error over all windows, and the root mean square of the error."""
    lengths = np.array([window.end - window.start for window in windows]) if len(windows) > 1 else np.ones(1)
    mean = lambda values: np.sqrt(lengths @ np.array(values) ** 2 / lengths.sum())
    errors, sizes = (mean([getattr(window.estimate, name) for window in windows]) for name in ("errors", "sizes"))
    return relative(errors, sizes), float(np.linalg.norm(errors))


def arrays_of(window: Window) -> dict[str, np.ndarray]:
    """All of a window that `Marcher.restored` does not find out again, as arrays."""
    network, estimate = window.fit.network, window.estimate
    return {
        "instants": np.array([window.start, window.end]),
        "cells": np.array([cell.bounds for cell in network.cells]),
        "outputs": network.outputs,
        "correction": estimate.correction.outputs,
        "constants": np.stack([network.numbers, estimate.correction.numbers]),
        "errors": estimate.errors,
        "sizes": estimate.sizes,
        "residuals": estimate.residuals,
        "numbers": np.array([window.added, window.fit.residual, window.fit.steps]),
    }
