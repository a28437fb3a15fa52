"""A network whose output layers were fitted on frozen features, with what is known of it."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from sngd._arrays import flattened
from sngd._history import Record
from sngd.features import Basis, Fit, Inference, Network, Probe, System, relative
from sngd.geometry import Regions
from sngd.linearize import field_of
from sngd.problem import Problem, Smooth
from sngd.solver._constants import found_constants
from sngd.solver._determinacy import axes_without_conditions
from sngd.solver._evaluation import error_points, evaluate_unknowns, exact_at, relative_difference
from sngd.solver._frozen_networks import as_cells, as_mlp
from sngd.solver._stability import Stability, stability_from

# Singular values below this part of the largest are left out where the stability of the problem is looked at.
_DIRECTIONS = 1e-8


@dataclasses.dataclass(frozen=True)
class FrozenSnapshot:
    """What a callback sees after the features of one number of columns have been fitted, as it sees a `Snapshot`.

    - `network`: the present one. `iteration`: how many have been looked at before. `fits`: those that the network is
      made of.
    """

    network: Callable
    iteration: int
    fits: tuple[Fit, ...]

    @property
    def theta(self) -> Float[Array, " p"]:
        """The parameters, shape `(p,)`."""
        return flattened(eqx.filter(self.network, eqx.is_inexact_array))

    def residual(self) -> Float[np.ndarray, " n"]:
        """The weighted residuals of all conditions at the points of the fits, one after the other."""
        parts = [part for each in self.fits for cell in each.system.residual(each.network) for part in cell]
        return np.concatenate(parts)


@dataclasses.dataclass(frozen=True)
class Stage:
    """A network with the estimate of its error.

    - `correction`: what is missing to the solution, approximately.
    - `error`, `absolute`: estimates of the relative error of the computation, and of its root mean square. `sizes`: of
      the unknown functions. `record`: what callbacks see.
    - `fits`: that the network is made of. `between`: gives the rows between the points of each fit.
    - `features`, `choices`: what was chosen. `probe`: gives the responses to changes of the solution.
    - `changes`: of the constants in their units, as the correction has them.
    - `in_cells`: whether there are cells. `inference`: what readings tell of the unknowns, if there are any.
    """

    network: Callable
    correction: Callable
    error: float
    absolute: float
    sizes: Float[np.ndarray, " m"]
    record: Record
    fits: tuple[Fit, ...]
    between: Callable[[], list[System]]
    features: str
    choices: dict[str, str]
    probe: Callable[[], Probe]
    changes: Float[np.ndarray, " c"]
    in_cells: bool = False
    inference: Inference | None = None

    @property
    def noise(self) -> float:
        """The relative error that the noise of readings makes."""
        if self.inference is None:
            return 0.0
        return relative(self.inference.deviations, self.sizes) if np.any(self.inference.deviations) else 0.0

    @property
    def leaves_open(self) -> bool:
        """Whether constants are not determined."""
        return self.inference is not None and bool(len(self.inference.undetermined))

    @property
    def total(self) -> tuple[float, float]:
        """The relative error and its root mean square, of the computation and of the noise together."""
        deviations = 0.0 if self.inference is None else float(np.linalg.norm(self.inference.deviations))
        return math.hypot(self.error, self.noise), math.hypot(self.absolute, deviations)

    def inferred(self, problem: Problem) -> dict[str, Any]:
        """What a solution of the problem has of it beside the functions: constants, covariance, modes, misfit."""
        inference, fitted = self.inference, self.fits[0]
        if inference is None:
            return {}
        constants = found_constants(
            problem,
            problem.units * fitted.network.numbers,
            problem.units * self.changes,
            inference,
            self.error,
        )
        modes = None
        if inference.modes is not None and np.any(inference.deviations):
            modes = as_cells([inference.modes], problem) if self.in_cells else as_mlp(inference.modes, problem)
        conditions = [problem.conditions[each.number] for each in fitted.system.rows]
        noisy = [at for at, each in enumerate(conditions) if each.noise_unit is not None]
        data = [at for at in noisy if not isinstance(conditions[at], Smooth)]
        count = sum(fitted.system.rows[at].count for at in data)
        known = (
            {}
            if not data
            else {
                "misfit": sum(inference.misfits[at] for at in data) + inference.misfits[-1],
                "freedom": count - sum(inference.followed[at] for at in data),
                "penalty": sum(inference.misfits[at] for at in noisy if at not in data),
            }
        )
        return {"constants": constants, "covariance": inference.covariance, "modes": modes, **known}

    def stability_of(self, problem: Problem) -> tuple[Stability | None, str]:
        """The stability of the linearized problem, and what the conditions lack, where they lack something.

        It is not known in a domain of named regions, for trial functions of several parts, of which only the sum is
        determined, for readings, between which functions may oscillate, for functions of some of the axes, and in cells
        for periodic conditions with a factor.
        """
        if isinstance(problem.domain, Regions) or problem.components.counts:
            return None, ""
        if self.in_cells and any(factor != 1 for factor in problem.joined_axes.values()):
            return None, ""
        if any(condition.is_of_readings for condition in problem.conditions) or any(
            len(axes) < problem.domain.dimension for axes in problem.inputs
        ):
            return None, ""
        stability = _stability(self.probe())
        if not stability.is_large:
            return stability, ""
        missing = axes_without_conditions(problem, field_of(self.network, problem))
        return dataclasses.replace(stability, lacks_conditions=bool(missing)), "; ".join(map(str, missing))


def error_of(problem: Problem, network: Callable) -> float:
    """The relative L2 error; not a number where no exact solution is known."""
    if problem.exact is None:
        return math.nan
    points = error_points(problem)
    return relative_difference(evaluate_unknowns(network, problem, points), exact_at(problem, points))


def without_constants(network: Network) -> Network:
    """The network without constants."""
    return dataclasses.replace(network, numbers=np.zeros(0))


def loss_of(systems: list[System], fits: tuple[Fit, ...]) -> float:
    """Half the sum of squares of the residuals, without those of initial conditions after the first window."""
    total = 0.0
    for number, (system, fitted) in enumerate(zip(systems, fits, strict=True)):
        basis = Basis(fitted.network.layer)
        for rows in system.rows:
            if not (number and rows.is_initial):
                total += sum(float(np.sum(part**2)) for part in rows.residual(fitted.network, basis))
    return total / 2


def _stability(found: Probe) -> Stability:
    """The stability of the linearized problem over changes by features.

    Changes are combinations of the features, in the order of the singular values of the evaluation at points.
    """
    _, singular, right = np.linalg.svd(found.values, full_matrices=False)
    kept = right[singular > _DIRECTIONS * singular[0]].T / singular[singular > _DIRECTIONS * singular[0]]
    outputs = found.responses.shape[1] // found.values.shape[1]
    directions = np.kron(np.eye(outputs), kept)
    # Smooth changes first, of all components alike, so that fewer directions are smoother ones.
    order = np.argsort(np.tile(np.arange(kept.shape[1]), outputs), kind="stable")
    below = found.responses @ directions[:, order]
    if not np.all(np.isfinite(below)):
        return Stability(math.inf, math.inf, 1.0)
    return stability_from(np.eye(below.shape[1]), below)
