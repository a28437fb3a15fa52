"""The output layer of given features by linear least squares, for nonlinear equations by Gauss-Newton steps.

The output layer enters a linear equation linearly, so that one least-squares problem gives it (variable projection:
Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973). Features that are nearly dependent make this problem ill-conditioned.
Its truncated singular value decomposition still finds small coefficients with a small residual, so the matrix is
decomposed itself and never squared.
"""

import dataclasses
import math

import numpy as np
import scipy.linalg
from jaxtyping import Float

from sngd.features._families import Layer
from sngd.features._network import Network
from sngd.features._rows import Rows

# Singular values below this part of the largest are left out: a few units in the last place.
TRUNCATION = 1e-15

# The same at the first Gauss-Newton step of a nonlinear equation. The part falls with the residual.
_EARLY = 1e-8

# A Gauss-Newton step must remove this part of what the linear model predicts, or half of the step is tried.
_SUFFICIENT, _HALVINGS = 0.1, 8

# A change of the residual that is predicted to this part belongs to a linear equation.
_LINEAR = 1e-9

# From the third step on, a whole step that leaves more than this part of the residual is the last one.
_SLOW = 0.5


@dataclasses.dataclass(frozen=True)
class Fit:
    """A network of one hidden layer whose output layer has been fitted.

    - `network`: the features and the output layer. `rows`: the rows that it was fitted to.
    - `units`: for each condition, the norm with which the rows respond to a unit coefficient, over the root of the
      weight that the user has given to the condition.
    - `residual`: the norm of the residual at these rows, each condition in its unit; infinite where the residual or its
      derivative is not finite. `rank`: the numerical rank.
    - `linear`: whether the equation was found to be linear. `steps`: linear problems solved.
    """

    network: Network
    rows: Rows
    units: tuple[float, ...]
    residual: float
    rank: int
    linear: bool
    steps: int


def fit(rows: Rows, layer: Layer, *, steps: int, linear: bool | None = None) -> Fit:
    """The output layer that leaves the smallest residual on these rows.

    A Gauss-Newton step finds the shortest output layer that solves the linearized problem, not the shortest change of
    it: large coefficients of an early step would stay, with their rounding errors. Early steps leave out more of the
    singular values, for the same reason.

    - `steps`: Gauss-Newton steps at most. `linear`: whether the equation is linear, so that one step is enough; left
      out, this is found out.
    """
    network = rows.zero(layer)
    values, jacobian = rows.residual(network), rows.jacobian(layer)
    units = units_of(jacobian, rows, layer)
    if linear is None:
        linear = _is_linear(rows, network, stacked(values, units), stacked(jacobian, units), units)
    first = left = float(np.linalg.norm(stacked(values, units)))
    rank, taken, slow = 0, 0, False
    while taken < steps and not slow:
        matrix, right = stacked(jacobian, units), stacked(values, units)
        if not (np.all(np.isfinite(matrix)) and np.all(np.isfinite(right))):
            left = math.inf
            break
        cut = TRUNCATION if linear or not first else float(np.clip(_EARLY * left / first, TRUNCATION, _EARLY))
        wanted, rank = least_squares(matrix, matrix @ network.output.ravel() - right, cut)
        update = wanted.reshape(network.output.shape) - network.output
        taken += 1
        moved = _line_search(rows, network, update, right, right + matrix @ update.ravel(), units)
        if moved is None:
            break
        network, values, size = moved
        before, left = left, float(np.linalg.norm(stacked(values, units)))
        if linear:
            break
        slow = size == 1 and taken > 2 and left > _SLOW * before and cut <= _EARLY * _SLOW
        if taken < steps and not slow:
            jacobian = rows.jacobian(layer, network)
    return Fit(network, rows, units, left if math.isfinite(left) else math.inf, rank, linear, taken)


def _is_linear(
    rows: Rows,
    zero: Network,
    right: Float[np.ndarray, " n"],
    matrix: Float[np.ndarray, "n q"],
    units: tuple[float, ...],
) -> bool:
    """Whether the residual of a random output layer is what the linearization at zero predicts."""
    output = np.random.default_rng(0).normal(size=zero.output.shape)
    found, change = stacked(rows.residual(dataclasses.replace(zero, output=output)), units), matrix @ output.ravel()
    return bool(np.linalg.norm(found - right - change) <= _LINEAR * (np.linalg.norm(change) + np.linalg.norm(right)))


def _line_search(
    rows: Rows,
    network: Network,
    update: Float[np.ndarray, "m q"],
    right: Float[np.ndarray, " n"],
    predicted: Float[np.ndarray, " n"],
    units: tuple[float, ...],
) -> tuple[Network, list[np.ndarray], float] | None:
    """The network after the largest part of the update that removes enough, its residual, and that part; or `None`."""
    size, before = 1.0, float(np.linalg.norm(right))
    for _ in range(_HALVINGS):
        moved = dataclasses.replace(network, output=network.output + size * update)
        values = rows.residual(moved)
        least = float(np.linalg.norm(right + size * (predicted - right)))
        left = float(np.linalg.norm(stacked(values, units)))
        if left <= before - _SUFFICIENT * (before - least):
            return (moved, values, size) if left < before else None
        size /= 2
    return None


def least_squares(
    matrix: Float[np.ndarray, "n q"], right: Float[np.ndarray, "n ..."], truncation: float = TRUNCATION
) -> tuple[Float[np.ndarray, "q ..."], int]:
    """The shortest least-squares solutions by a truncated singular value decomposition, and the numerical rank.

    - `truncation`: singular values below this part of the largest are left out.
    """
    found = scipy.linalg.lstsq(matrix, right, cond=truncation, check_finite=False, lapack_driver="gelsd")
    assert found is not None
    return found[0], int(found[2])


def units_of(jacobian: list[Float[np.ndarray, "n m q"]], rows: Rows, layer: Layer) -> tuple[float, ...]:
    """The root mean square, over the features, of the norm of the response of each condition; infinite for one that
    does not respond. A condition that responds to large networks only has the response to a random one.

    - `jacobian`: of the rows, for the features of the layer.
    """
    norms = [float(np.sqrt(np.mean(np.sum(part**2, axis=0)))) for part in jacobian]
    responds = rows.responds(layer)
    if not all(responds):
        others = rows.responses_to_a_network(layer)
        norms = [norm if known else other for norm, known, other in zip(norms, responds, others, strict=True)]
    pairs = zip(norms, rows.weights, strict=True)
    return tuple(norm / math.sqrt(weight) if norm > 0 else math.inf for norm, weight in pairs)


def stacked(parts: list[np.ndarray], units: tuple[float, ...]) -> np.ndarray:
    """The rows of all conditions, each in its unit: shape `(n,)`, or `(n, m q)` for Jacobians."""
    # Where a residual is not finite, those who take the rows see it.
    with np.errstate(invalid="ignore"):
        rows = np.concatenate([part.reshape(len(part), -1) / unit for part, unit in zip(parts, units, strict=True)])
    return rows[:, 0] if parts[0].ndim == 1 else rows
