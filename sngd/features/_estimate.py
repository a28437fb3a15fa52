"""The error of a fit: what the linearized problem makes of the residual between the points.

The residual between the points is put into the linearized problem as data, and solved on features of another draw
(defect correction: Stetter, Numer. Math. 29, 1978). The solution is an approximation of the error as a function.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Float

from sngd.features._basis import Basis
from sngd.features._families import Features, Layer
from sngd.features._fit import Fit
from sngd.features._fit import fit as refit
from sngd.features._network import Network
from sngd.features._points import points_of_norms
from sngd.features._system import System

# By how much wider the features of a correction are spread; and fewer features than these are doubled.
_WIDER, _FEW = 1.2, 256

# The damping of a correction as a part of the norm of a block: two digits of it are enough, and what is left of the
# residual is rough, so that less damping would amplify it.
_DAMPING = 1e-6

# A function that is smaller than this part of the largest one is measured against that part of it.
_VANISHES = 1e-3


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What is known of the error of a fit.

    - `correction`: an approximation of the error as a function, with its sign changed: what to add to the solution.
      The residual that it leaves and rounding errors are counted in `errors` too.
    - `errors`, `sizes`: root mean squares of the error and of the solution, for each unknown function, shape `(f,)`.
    - `residuals`: the norm of the residual between the points in each cell and at its interfaces, in units, `(K,)`.
    """

    correction: Network
    errors: Float[np.ndarray, " f"]
    sizes: Float[np.ndarray, " f"]
    residuals: Float[np.ndarray, " K"]

    @property
    def error(self) -> float:
        """The relative L2 error, the largest over the unknown functions."""
        return relative(self.errors, self.sizes)

    @property
    def absolute(self) -> float:
        """The root mean square of the error, over all functions; infinite where it is not known."""
        found = float(np.linalg.norm(self.errors))
        return found if math.isfinite(found) else math.inf


def relative(errors: Float[np.ndarray, " f"], sizes: Float[np.ndarray, " f"]) -> float:
    """The largest relative error of the unknown functions; at least the machine precision."""
    largest = float(np.max(sizes))
    if not (0 < largest < math.inf and np.all(np.isfinite(errors))):
        return math.inf
    return max(float(np.max(errors / np.maximum(sizes, _VANISHES * largest))), float(np.finfo(float).eps))


def for_correction(features: Features) -> Features:
    """The features on which the error of a fit on `features` is approximated."""
    count = 2 * features.count if features.count < _FEW else features.count
    return dataclasses.replace(features.scaled(*[_WIDER] * len(features.bandwidths)), count=count)


def estimates(
    fit: Fit, systems: tuple[System, ...], layer: Layer, points: Float[np.ndarray, "n d"], decay: float = 1.0
) -> list[Estimate]:
    """The error of a fit by defect correction, for each of the systems, which differ in their offsets alone.

    - `systems`: of the problem at points other than those of the fit. `layer`: the features of the correction.
    - `points`: at which norms are taken. `decay`: the power of the share of a cell by which a residual that oscillates
      there changes the solution; one where the change stays in the cell.
    """
    first, network, basis, own = systems[0], fit.network, Basis(layer), Basis(fit.network.layer)
    jacobian = first.jacobian(basis, None if fit.linear else network, own)
    units = first.units(jacobian, basis)
    blocks = first.blocks(jacobian, dataclasses.replace(first.zero(layer), numbers=network.numbers), units)
    # A constant at a bound stays there.
    blocks = blocks.without(first.at_bounds(network))
    sides = [system.stacked(network, units, own) for system in systems]
    right = [np.stack(parts, axis=1) for parts in zip(*sides, strict=True)]
    components = first.problem.components
    norms, here = components.norms, network(points)
    solution = components.at_points(points, here)
    shares = first.problem.shares(points)
    sizes = norms(_root_mean_square(solution, shares))
    residuals = first.by_cells([part[:, 0] for part in right])
    if not (blocks.is_finite and all(np.all(np.isfinite(part)) for part in right)):
        return [Estimate(first.zero(layer), np.full_like(sizes, math.inf), sizes, residuals) for _ in systems]
    updates = blocks.solve([-part for part in right], _DAMPING * blocks.scale)
    rounding = float(np.finfo(float).eps) * np.max(np.linalg.norm(network.outputs, axis=2), axis=0)
    found = []
    for at in range(len(systems)):
        columns, numbers = updates.columns[:, :, at], updates.border[:, at]
        outputs = layer.outputs_of(columns, first.problem.outputs)
        correction = Network(layer, network.cells, outputs, numbers)
        changes = blocks.times(columns, numbers)
        rest = first.by_cells([part[:, at] + change for part, change in zip(right, changes, strict=True)])
        # What the features of the correction cannot make oscillates faster, and so changes the solution at most as much
        # as they would for the same residual: by the root mean square of a wave, in units of its response.
        left = float(np.sum(_shares(first) ** decay * rest**2)) / 2
        change = components.at_points(points, here + correction(points)) - solution if components.has_trials else None
        apart = _root_mean_square(correction(points) if change is None else change, shares)
        errors = norms(np.sqrt(apart**2 + left + rounding**2))
        found.append(Estimate(correction, errors, sizes, residuals))
    return found


def compared(estimate: Estimate, fit: Fit, layer: Layer, guess: Network | None, steps: int) -> Estimate:
    """The estimate with errors that are at least the differences of a fit from one on other features.

    The residual between the points does not tell how far functions are open between readings, or between points that
    the library must not add to.

    - `layer`: the other features. `guess`: a network of these from which a nonlinear equation is solved. `steps`:
      Gauss-Newton steps at most.
    """
    other = refit(fit.system, layer, steps=steps, linear=fit.linear, start=guess).network
    points = points_of_norms(fit.system.problem.domain, fit.network.cells)
    numbers = fit.network.numbers - other.numbers
    correction = estimate.correction
    numbers = np.where(np.abs(numbers) > np.abs(correction.numbers), numbers, correction.numbers)
    components = fit.system.problem.components
    both = [components.at_points(points, each(points)) for each in (fit.network, other)]
    apart = components.norms(_root_mean_square(both[0] - both[1], fit.system.problem.shares(points)))
    errors, correction = np.maximum(estimate.errors, apart), dataclasses.replace(correction, numbers=numbers)
    return dataclasses.replace(estimate, errors=errors, correction=correction)


def _shares(system: System) -> Float[np.ndarray, " K"]:
    """The measure of each cell as a part of that of all cells."""
    measures = np.array([cell.measure for cell in system.cells])
    return measures / np.sum(measures)


def _root_mean_square(
    values: Float[np.ndarray, "n m"], shares: Float[np.ndarray, "n m"] | float
) -> Float[np.ndarray, " m"]:
    """The root of the mean of the squares times their shares, as `AbstractProblem.shares` has them."""
    return np.sqrt(np.mean(shares * values**2, axis=0))
