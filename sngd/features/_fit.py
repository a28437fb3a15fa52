"""The output layers of given features by linear least squares, for nonlinear equations by Gauss-Newton steps.

The output layers enter a linear equation linearly, so that one least-squares problem gives them (variable projection:
Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973). Features that are nearly dependent make this problem ill-conditioned.
A damping of the size of rounding errors finds small coefficients with a small residual, as a truncated singular value
decomposition does in ten times as many operations. The matrix is decomposed itself and never squared.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from sngd.features._basis import Basis
from sngd.features._blocks import Blocks
from sngd.features._families import Layer
from sngd.features._network import Network
from sngd.features._system import System, Units

# The damping as a part of the root of the mean square of the norms of the blocks: a few units in the last place. With
# less, rounding errors grow from cell to cell.
DAMPING = 1e-15

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
    """A network of one hidden layer in each cell, whose output layers have been fitted.

    - `network`: the features and the output layers. `system`: the rows that they were fitted to.
    - `units`: of the residuals, by their responses to the features.
    - `residual`: the norm of the residual at these rows, in units; infinite where the residual or its derivative is not
      finite.
    - `linear`: whether the equation was found to be linear. `steps`: linear problems solved.
    """

    network: Network
    system: System
    units: Units
    residual: float
    linear: bool
    steps: int


def fit(system: System, layer: Layer, *, steps: int, linear: bool | None = None, start: Network | None = None) -> Fit:
    """The output layers that leave the smallest residual on these rows.

    A Gauss-Newton step finds the shortest output layers that solve the linearized problem, not the shortest change of
    them: large coefficients of an early step would stay, with their rounding errors. Early steps are damped more, for
    the same reason.

    - `steps`: Gauss-Newton steps at most. `linear`: whether the equation is linear, so that one step is enough; left
      out, this is found out.
    - `start`: a network with this layer from which a nonlinear equation is solved; left out, the zero function.
    """
    network, basis = system.zero(layer) if start is None else start, Basis(layer)
    jacobian = system.jacobian(basis, start)
    units = system.units(jacobian, basis)
    blocks, right = system.blocks(jacobian, layer, units), system.stacked(network, units, basis)
    if linear is None:
        linear = _is_linear(system, network, right, blocks, units)
    left = _norm(right)
    # The residual of the zero function tells how large the data are, however close the start is.
    first = left if start is None else max(left, _norm(system.stacked(system.zero(layer), units, basis)))
    taken, slow = 0, False
    while taken < steps and not slow:
        if not (blocks.is_finite and math.isfinite(_norm(right))):
            left = math.inf
            break
        part = DAMPING if linear or not first else float(np.clip(_EARLY * left / first, DAMPING, _EARLY))
        update = _shortest(blocks, network, right, part) - network.outputs
        taken += 1
        moved = _line_search(lambda there: system.stacked(there, units, basis), network, update, right, blocks)
        if moved is None:
            break
        network, right, size = moved
        before, left = left, _norm(right)
        if linear:
            break
        slow = size == 1 and taken > 2 and left > _SLOW * before and part <= _EARLY * _SLOW
        if taken < steps and not slow:
            blocks = system.blocks(system.jacobian(basis, network), layer, units)
    return Fit(network, system, units, left if math.isfinite(left) else math.inf, linear, taken)


def _shortest(
    blocks: Blocks, network: Network, right: list[Float[np.ndarray, " n"]], part: float
) -> Float[np.ndarray, "K m q"]:
    """The shortest output layers that solve the problem linearized at a network with this residual."""
    columns = network.outputs.reshape(len(network.outputs), -1)
    wanted = [(product - rest)[:, None] for product, rest in zip(blocks.times(columns), right, strict=True)]
    return blocks.solve(wanted, part * blocks.scale)[:, :, 0].reshape(network.outputs.shape)


def _is_linear(
    system: System, start: Network, right: list[Float[np.ndarray, " n"]], blocks: Blocks, units: Units
) -> bool:
    """Whether the residual of random output layers is what the linearization at a network predicts."""
    change = np.random.default_rng(0).normal(size=start.outputs.shape)
    there = system.stacked(dataclasses.replace(start, outputs=start.outputs + change), units)
    predicted = blocks.times(change.reshape(len(change), -1))
    pairs = zip(there, right, predicted, strict=True)
    return bool(_norm([far - near - step for far, near, step in pairs]) <= _LINEAR * (_norm(predicted) + _norm(right)))


def _line_search(
    residual: Callable[[Network], list[Float[np.ndarray, " n"]]],
    network: Network,
    update: Float[np.ndarray, "K m q"],
    right: list[Float[np.ndarray, " n"]],
    blocks: Blocks,
) -> tuple[Network, list[np.ndarray], float] | None:
    """The network after the largest part of the update that removes enough, its residual, and that part; or `None`."""
    size, before, change = 1.0, _norm(right), blocks.times(update.reshape(len(update), -1))
    for _ in range(_HALVINGS):
        moved = dataclasses.replace(network, outputs=network.outputs + size * update)
        values = residual(moved)
        least = _norm([rest + size * step for rest, step in zip(right, change, strict=True)])
        left = _norm(values)
        if left <= before - _SUFFICIENT * (before - least):
            return (moved, values, size) if left < before else None
        size /= 2
    return None


def _norm(parts: list[Float[np.ndarray, " n"]]) -> float:
    return float(np.sqrt(sum(np.sum(part**2) for part in parts)))
