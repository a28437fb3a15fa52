"""The output layers of given features by linear least squares, for nonlinear equations by Gauss-Newton steps.

The output layers enter a linear equation linearly, so that one least-squares problem gives them (variable projection:
Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973). Features that are nearly dependent make this problem ill-conditioned.
A damping of the size of rounding errors finds small coefficients with a small residual, as a truncated singular value
decomposition does in ten times as many operations. The matrix is decomposed itself and never squared.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from sngd.features._basis import Basis
from sngd.features._blocks import Blocks
from sngd.features._families import Layer
from sngd.features._network import Network
from sngd.features._system import NOISY, System, Units

# The damping as a part of the root of the mean square of the norms of the blocks: a few units in the last place. With
# less, rounding errors grow from cell to cell.
DAMPING = 1e-15

# The same at the first Gauss-Newton step of a nonlinear equation. The part falls with the residual.
_EARLY = 1e-8

# A Gauss-Newton step must remove this part of what the linear model predicts, or half of the step is tried.
_SUFFICIENT, _HALVINGS = 0.1, 8

# Where no part of a step does, and the residual is above the first part of that of the zero function, more damping is
# tried: so many times more, up to the last number.
_CLOSE, _STRONGER, _STRONG = 1e-6, 1e2, 1e-3

# A change of the residual that is predicted to this part belongs to a linear equation.
_LINEAR = 1e-9

# What readings with noise weigh beside conditions that hold exactly, one after the other.
_SHARES = (1.0, 1e-2, 1e-4, NOISY)

# What readings without noise weigh at first.
_READ = 1e4

# A whole step that leaves more than this part of the residual is the last one, but for the first ones from constant
# functions. With noise, which hides how well the equations hold, so many of them in a row are, if none of them lowers
# the sum of squares of the residuals, each divided by its standard deviation, by more than the last number.
_SLOW, _FIRST, _PATIENCE, _SAME_FIT = 0.5, 2, 3, 1e-3

# A step with the least damping that leaves at most so many times what the linear model predicts is the last one: the
# equation is linear there, and the next step would find the same output layers.
_PREDICTED = 1.1

# A constant changes in one step by so many of its units at most.
_FAR = 3.0


class Update(NamedTuple):
    """Changes of the output layers, and of the unknown constants in their units."""

    outputs: Float[np.ndarray, "K m q"]
    numbers: Float[np.ndarray, " c"]


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

    @property
    def share(self) -> float:
        """The norm of the residual as a part of that of the zero function."""
        zero = _norm(self.system.stacked(self.system.zero(self.network.layer), self.units))
        return self.residual / zero if zero > 0 else 0.0


def fit(system: System, layer: Layer, *, steps: int, linear: bool | None = None, start: Network | None = None) -> Fit:
    """The output layers that leave the smallest residual on these rows.

    A Gauss-Newton step finds the shortest output layers that solve the linearized problem, not the shortest change of
    them: large coefficients of an early step would stay, with their rounding errors. Early steps are damped more, for
    the same reason.

    - `steps`: Gauss-Newton steps at most. `linear`: whether the equation is linear, so that one step is enough; left
      out, this is found out.
    - `start`: a network with this layer from which a nonlinear equation is solved; left out, the
      constant functions of the problem.
    """
    begun = start is None
    if begun and np.any(system.problem.starts):
        start = system.start(layer)
    network, basis = system.zero(layer) if start is None else start, Basis(layer)
    jacobian = system.jacobian(basis, start)
    units = system.units(jacobian, basis)
    if linear is None:
        linear = _is_linear(system, network, system.blocks(jacobian, network, units), units)
    # The residual of the zero function tells how large the data are, however close the start is.
    first = _norm(system.stacked(system.zero(layer), units, basis))
    taken = 0
    # Steps that keep nonlinear equations to many more digits than the noise of readings are tiny, unless they end close
    # to the solution. So the equations weigh more and more.
    shares = (NOISY,) if linear or not system.has_noise else _SHARES[0 if begun else 1 :]
    residual = math.inf
    if begun and not linear and system.has_exact_readings:
        # What was read is known best, and tells most of the coefficients of the equations.
        stage = _Steps(system, basis, system.weighed(units, exact=_READ), linear, first)
        network, _, taken = stage.taken_from(network, steps)
    for share in shares:
        weighed = system.weighed(units, noisy=share)
        early = _FIRST if begun else 0
        stage = _Steps(system, basis, weighed, linear, first, share if system.has_noise else 1.0, early)
        network, residual, more = stage.taken_from(network, steps)
        taken += more
    return Fit(network, system, units, residual, linear, taken)


class _Moved(NamedTuple):
    """A network after a part of an update.

    - `residual`: in units. `size`: the part. `least`: the norm of the residual that the linear model predicts.
    """

    network: Network
    residual: list[Float[np.ndarray, " n"]]
    size: float
    least: float

    @property
    def is_as_predicted(self) -> bool:
        """Whether the update removed what a linear equation would have had removed."""
        return self.size == 1 and _norm(self.residual) <= _PREDICTED * self.least


@dataclasses.dataclass(frozen=True)
class _Steps:
    """Gauss-Newton steps for residuals in given units.

    - `first`: the norm of the residual of the zero function.
    - `share`: of the noisy rows beside the others, which damping must not hide.
    - `early`: steps after which a slow one ends them.
    """

    system: System
    basis: Basis
    units: Units
    linear: bool
    first: float
    share: float = 1.0
    early: int = _FIRST

    def taken_from(self, network: Network, steps: int) -> tuple[Network, float, int]:
        """Where at most so many steps end, the norm of the residual there, infinite where it is not finite, and how
        many were taken.
        """
        right = self._residual(network)
        left, taken, slow = _norm(right), 0, 0
        # The zero function may be none that the equation can be evaluated for.
        first = max(self.first, left) if math.isfinite(self.first) else left
        while taken < steps and slow < (_PATIENCE if self.share == NOISY else 1):
            blocks = self.system.blocks(self.system.jacobian(self.basis, network), network, self.units)
            if not (blocks.is_finite and math.isfinite(left)):
                return network, math.inf, taken
            early = _EARLY * self.share
            part = DAMPING if self.linear or not first else float(np.clip(early * left / first, DAMPING, early))
            taken += 1
            moved = self._moved(blocks, network, right, part)
            while moved is None and left > _CLOSE * first and part < _STRONG * self.share:
                part *= _STRONGER
                moved = self._moved(blocks, network, right, part)
            if moved is None:
                break
            network, right = moved.network, moved.residual
            before, left = left, _norm(right)
            if self.linear or (part == DAMPING and moved.is_as_predicted):
                break
            is_slow = moved.size == 1 and taken > self.early and left > _SLOW * before and part <= early * _SLOW
            improves = self.share == NOISY and before**2 - left**2 > _SAME_FIT * self.share**2
            slow = slow + 1 if is_slow and not improves else 0
        return network, left if math.isfinite(left) else math.inf, taken

    def _moved(
        self, blocks: Blocks, network: Network, right: list[Float[np.ndarray, " n"]], part: float
    ) -> "_Moved | None":
        origin = self.system.start(network.layer).columns
        update = _update(blocks, network, right, part, origin, self.system.bounds)
        return _line_search(self._residual, network, update, right, blocks)

    def _residual(self, network: Network) -> list[Float[np.ndarray, " n"]]:
        return self.system.stacked(network, self.units, self.basis)


def _update(
    blocks: Blocks,
    network: Network,
    right: list[Float[np.ndarray, " n"]],
    part: float,
    origin: Float[np.ndarray, "K c"],
    bounds: tuple[Float[np.ndarray, " c"], Float[np.ndarray, " c"]],
) -> Update:
    """The update to the output layers nearest to the origin that solve the problem linearized at a network with this
    residual.

    - `part`: the damping, as a part of the norm of the blocks. `origin`: the output layers of the constant functions
      from which the unknowns are sought. `bounds`: of the constants, in their units.
    """
    here = blocks.times(network.columns - origin, np.zeros_like(network.numbers))
    wanted = [(product - rest)[:, None] for product, rest in zip(here, right, strict=True)]
    lower, upper = bounds
    changes = np.full_like(network.numbers, np.nan)
    while True:
        # Constants beyond a bound are put there, and the others are sought again.
        known = np.isfinite(changes)
        fixed = blocks.times(np.zeros_like(network.columns), np.where(known, changes, 0.0))
        sides = [side - each[:, None] for side, each in zip(wanted, fixed, strict=True)]
        solved = blocks.without(known).solve(sides, part * blocks.scale)
        free = np.where(known, changes, solved.border[:, 0])
        there = network.numbers + free
        beyond = ((there < lower) | (there > upper)) & ~known
        if not np.any(beyond):
            outputs = network.layer.outputs_of(solved.columns[:, :, 0] + origin, network.outputs.shape[1])
            return Update(outputs - network.outputs, free)
        changes = np.where(beyond, np.clip(there, lower, upper) - network.numbers, changes)


def _is_linear(system: System, start: Network, blocks: Blocks, units: Units) -> bool:
    """Whether the residual of random output layers is what the linearization at a network predicts."""
    generator, right = np.random.default_rng(0), system.stacked(start, units)
    layer, outputs = start.layer, start.outputs.shape[1]
    columns, numbers = generator.normal(size=start.columns.shape), generator.normal(size=start.numbers.shape)
    there = system.stacked(start.moved(layer.outputs_of(columns, outputs), numbers), units)
    predicted = blocks.times(columns, numbers)
    pairs = zip(there, right, predicted, strict=True)
    return bool(_norm([far - near - step for far, near, step in pairs]) <= _LINEAR * (_norm(predicted) + _norm(right)))


def _line_search(
    residual: Callable[[Network], list[Float[np.ndarray, " n"]]],
    network: Network,
    update: Update,
    right: list[Float[np.ndarray, " n"]],
    blocks: Blocks,
) -> "_Moved | None":
    """The network after the largest part of the update that removes enough, or `None`."""
    before = _norm(right)
    change = blocks.times(network.layer.columns_of(update.outputs), update.numbers)
    size = min(1.0, _FAR / float(np.max(np.abs(update.numbers), initial=_FAR)))
    for _ in range(_HALVINGS):
        moved = network.moved(*update, size)
        values = residual(moved)
        least = _norm([rest + size * step for rest, step in zip(right, change, strict=True)])
        left = _norm(values)
        if left <= before - _SUFFICIENT * (before - least):
            return _Moved(moved, values, size, least) if left < before else None
        size /= 2
    return None


def _norm(parts: list[Float[np.ndarray, " n"]]) -> float:
    return float(np.sqrt(sum(np.sum(part**2) for part in parts)))
