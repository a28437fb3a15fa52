"""The error of a fit: what the linearized problem makes of the residual between the points.

The residual between the points is put into the linearized problem as data, and solved on features of another draw
(defect correction: Stetter, Numer. Math. 29, 1978). The solution is an approximation of the error as a function.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Float

from sngd.features._families import Features
from sngd.features._fit import Fit, least_squares, stacked, units_of
from sngd.features._network import Network
from sngd.features._rows import Rows

# By how much wider the features of a correction are spread; and fewer features than these are doubled.
_WIDER, _FEW = 1.2, 256

# Singular values below this part of the largest are left out for a correction: two digits of it are enough, and what is
# left of the residual is rough, so that small ones would amplify it.
_TRUNCATION = 1e-6

# A component that is smaller than this part of the largest one is measured against that part of it.
_VANISHES = 1e-3


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What is known of the error of a fit.

    - `correction`: an approximation of the error as a function, with its sign changed: what to add to the solution.
      The residual that it leaves and rounding errors are counted in `errors` too.
    - `errors`, `sizes`: root mean squares of the error and of the solution, for each component, shape `(m,)`.
    """

    correction: Network
    errors: Float[np.ndarray, " m"]
    sizes: Float[np.ndarray, " m"]

    @property
    def error(self) -> float:
        """The relative L2 error, the largest over the components of the solution."""
        return relative(self.errors, self.sizes)

    @property
    def absolute(self) -> float:
        """The root mean square of the error, over all components; infinite where it is not known."""
        found = float(np.linalg.norm(self.errors))
        return found if math.isfinite(found) else math.inf


def relative(errors: Float[np.ndarray, " m"], sizes: Float[np.ndarray, " m"]) -> float:
    """The largest relative error of the components; at least the machine precision."""
    largest = float(np.max(sizes))
    if not (0 < largest < math.inf and np.all(np.isfinite(errors))):
        return math.inf
    return max(float(np.max(errors / np.maximum(sizes, _VANISHES * largest))), float(np.finfo(float).eps))


def for_correction(features: Features) -> Features:
    """The features on which the error of a fit on `features` is approximated."""
    count = 2 * features.count if features.count < _FEW else features.count
    return dataclasses.replace(features.scaled(*[_WIDER] * len(features.bandwidths)), count=count)


def estimates(
    fit: Fit, rows: tuple[Rows, ...], features: Features, generator: np.random.Generator, unit: Float[np.ndarray, "n d"]
) -> list[Estimate]:
    """The error of a fit by defect correction, for each of the rows, which differ in their offsets alone.

    - `rows`: of the problem at points other than those of the fit. `features`: those of the correction.
    - `unit`: points of [0, 1]^d at which norms are taken, after they are scaled to the box.
    """
    first, outputs = rows[0], rows[0].problem.outputs
    layer = features.draw(generator, first.problem.periodic_axes)
    jacobian = first.jacobian(layer, None if fit.linear else fit.network)
    units = units_of(jacobian, first, layer)
    right = np.stack([stacked(part.residual(fit.network), units) for part in rows], axis=1)
    matrix, points = stacked(jacobian, units), fit.network.place.points(unit)
    root_mean_square = lambda network: np.sqrt(np.mean(network(points) ** 2, axis=0))
    sizes = root_mean_square(fit.network)
    if not (np.all(np.isfinite(matrix)) and np.all(np.isfinite(right))):
        unknown = Network(layer, np.zeros((outputs, len(layer))), fit.network.place)
        return [Estimate(unknown, np.full_like(sizes, math.inf), sizes) for _ in rows]
    updates, _ = least_squares(matrix, -right, _TRUNCATION)
    left = np.linalg.norm(right + matrix @ updates, axis=0)
    rounding = float(np.finfo(float).eps) * np.linalg.norm(fit.network.output, axis=1)
    found = []
    for update, rest in zip(updates.T, left, strict=True):
        correction = Network(layer, update.reshape(outputs, -1), fit.network.place)
        # What the features of the correction cannot make oscillates faster, and so changes the solution at most as much
        # as they would for the same residual: by the root mean square of a wave, in units of its response.
        errors = np.sqrt(root_mean_square(correction) ** 2 + rest**2 / 2 + rounding**2)
        found.append(Estimate(correction, errors, sizes))
    return found
