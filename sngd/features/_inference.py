"""What readings with noise tell of the unknowns: covariances, and directions that are not determined.

The equations hold exactly, so that the covariance is that of the constrained problem. The rows of the equations and of
the readings form one least-squares problem, linearized at the solution, in which the rows of the equations outweigh the
others so far that they hold to rounding errors. Its solution for a change of each reading tells how noise spreads to
the unknowns. The output layers are eliminated by the factor of the matrix, and no Gramian is formed.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from sngd.features._basis import Basis
from sngd.features._blocks import Blocks, Solved
from sngd.features._estimate import relative
from sngd.features._fit import DAMPING, Fit
from sngd.features._network import Network
from sngd.features._points import points_of_norms
from sngd.problem import Problem, Smooth

# Changes of readings that are looked at, at most, and the numbers that their responses may take. More readings are
# changed together, at random.
_MOST, _NUMBERS = 1024, 2**25

# Modes that are smaller than this part of the largest one are left out, and there are at most so many.
_SMALL, _MODES = 1e-3, 64

# The error of the computation is to be this part of that of the noise.
_BESIDE = 0.01

# A direction of the constants is not determined where the output layers take all of its response but the first part; or
# all but the second one, if with half of the features they leave so many times more: what is left then is the error of
# the features.
_NOTHING, _LITTLE, _MORE = 1e-11, 1e-6, 10.0


@dataclasses.dataclass(frozen=True)
class Inference:
    """What is known of the noise in a solution.

    - `covariance`: of the constants, shape `(c, c)`, from the noise of the readings and from the priors.
    - `undetermined`: directions of the constants that neither equations nor readings determine, in the units of the
      constants, as rows of unit length, shape `(n, c)`.
    - `noise`: for each condition the standard deviation of its readings over the one that was given; one where it was
      not estimated.
    - `freedom`: the number of readings whose noise was estimated, less the unknowns that they determine; infinite where
      the noise was given.
    - `misfits`: for each condition, and then for the priors, the sum of squares of the residuals, each divided by the
      standard deviation that was given, or one where it is to be estimated.
    - `followed`: for each condition the number of unknowns that its readings determine: the trace of the hat matrix.
    - `floor`: the standard deviation of the mean of the most accurate readings; zero where no reading has noise.
    - `modes`: a network with `m r` components: the change of each component along `r` independent directions of
      the noise, by one standard deviation each; `None` where it is not known.
    - `deviations`: the root mean squares of the standard deviations of the unknown functions, shape `(f,)`.
    """

    covariance: Float[np.ndarray, "c c"]
    undetermined: Float[np.ndarray, "n c"]
    noise: tuple[float, ...]
    freedom: float
    misfits: tuple[float, ...] = ()
    followed: tuple[float, ...] = ()
    floor: float = 0.0
    modes: Network | None = None
    deviations: Float[np.ndarray, " f"] = dataclasses.field(default_factory=lambda: np.zeros(1))


class NoisyProblem(NamedTuple):
    """A least-squares problem with readings, linearized at its solution.

    - `blocks`: the matrix. `residual`: of the solution, in the order of `Blocks.times`.
    - `places`: of the rows with noise of each condition: the block, and the row in it. `of_readings`: whether they are
      readings. `estimated`: whether their noise is to be estimated.
    - `deviation`: what standard deviations are divided by in these rows.
    - `units`: of the unknown constants, shape `(c,)`.
    """

    blocks: Blocks
    residual: list[Float[np.ndarray, " n"]]
    places: list[Int[np.ndarray, "n 2"]]
    of_readings: Sequence[bool]
    estimated: Sequence[bool]
    deviation: float
    units: Float[np.ndarray, " c"]

    def inference(self) -> tuple[Inference, Float[np.ndarray, "K c s"]]:
        """What the readings tell of the constants, and how the blocks change along independent directions of the noise,
        by one standard deviation each.
        """
        rows, counts = np.concatenate(self.places), [len(each) for each in self.places]
        priors, size = len(self.residual[-1]), sum(matrix.shape[1] for matrix in self.blocks.own)
        apart = np.concatenate([np.repeat(self.of_readings, counts), np.full(priors, True)])
        changes = _changes(apart, size)
        solved = self._response(rows, changes)
        left = np.array([self.residual[cell][row] for cell, row in rows]) * self.deviation
        followed = self._followed(solved, rows, changes)
        noise, freedom = _noise(self.estimated, counts, left, followed)
        noise = self._with_penalties(noise)
        if any(factor != 1 for factor in noise):
            factors = np.concatenate([np.repeat(noise, counts), np.ones(priors)])
            solved = self._response(rows, factors[:, None] * changes)
        spread = self.units[:, None] * solved.border / self.deviation
        covariance = spread @ spread.T
        undetermined = self._undetermined(solved.triangle)
        ends = np.cumsum(counts)[:-1]
        misfits = [float(np.sum(part**2)) for part in (*np.split(left, ends), self.residual[-1] * self.deviation)]
        parts = tuple(float(np.sum(part)) for part in np.split(followed, ends))
        found = Inference(covariance, undetermined, noise, freedom, tuple(misfits), parts)
        return found, solved.columns / self.deviation

    def _undetermined(self, triangle: Float[np.ndarray, "c c"]) -> Float[np.ndarray, "n c"]:
        """Directions of the constants whose response the output layers take, as rows of unit length.

        - `triangle`: what is left of the responses when the output layers are eliminated.
        """
        responses = np.sqrt(sum(np.sum(part**2, axis=0) for part in (*self.blocks.border, self.blocks.last)))
        used = responses > 0
        _, sizes, directions = np.linalg.svd(triangle[:, used] / responses[used])
        nothing, little = sizes <= _NOTHING, sizes <= _LITTLE
        if np.any(little & ~nothing):
            fewer = self.blocks.thinned()
            zeros = [np.zeros((len(part), 1)) for part in self.residual]
            left = fewer.solve(zeros, DAMPING * fewer.scale).triangle[:, used] / responses[used]
            nothing |= little & (np.linalg.norm(left @ directions.T, axis=0) >= _MORE * sizes)
        found = np.zeros((int(np.sum(nothing)), len(self.units)))
        found[:, used] = directions[nothing] / responses[used] * self.units[used]
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        return found / np.where(norms > 0, norms, 1.0)

    def _with_penalties(self, noise: tuple[float, ...]) -> tuple[float, ...]:
        """The factors on the standard deviations, where those of penalties are for readings with noise one."""
        found = [factor for factor, wanted in zip(noise, self.estimated, strict=True) if wanted]
        size = math.sqrt(np.mean(np.square(found))) if found else 1.0
        return tuple(each if one else size for each, one in zip(noise, self.of_readings, strict=True))

    def _response(self, rows: Int[np.ndarray, "n 2"], changes: Float[np.ndarray, "n s"]) -> Solved:
        """What changes of the readings and of the means of the priors do to the unknowns."""
        sides = [np.zeros((len(part), changes.shape[1])) for part in self.residual]
        for (cell, row), change in zip(rows, changes, strict=False):
            sides[cell][row] = change
        sides[-1][:] = changes[len(rows) :]
        return self.blocks.solve(sides, DAMPING * self.blocks.scale)

    def _followed(
        self, solved: Solved, rows: Int[np.ndarray, "n 2"], changes: Float[np.ndarray, "n s"]
    ) -> Float[np.ndarray, " n"]:
        """The part of a change of each reading that the fit follows: the diagonal of the hat matrix."""
        own, border = self.blocks.own, self.blocks.border
        return np.array(
            [
                (own[cell][row] @ solved.columns[cell] + border[cell][row] @ solved.border) @ change
                for (cell, row), change in zip(rows, changes, strict=False)
            ]
        )


def infer(fit: Fit) -> Inference | None:
    """What the readings of a fit tell of its unknowns; `None` where no reading has noise and there are no constants."""
    system, network, units = fit.system, fit.network, fit.units
    if not (system.problem.constants or any(each.noise_unit is not None for each in system.rows)):
        return None
    basis = Basis(network.layer)
    # A constant at a bound stays there.
    found, columns = NoisyProblem(
        blocks=system.blocks(system.jacobian(basis, network), network, units).without(system.at_bounds(network)),
        residual=system.stacked(network, units, basis),
        places=system.noisy_rows(),
        of_readings=[each.is_of_readings for each in system.rows],
        estimated=system.estimates_noise,
        deviation=units.deviation,
        units=system.problem.units,
    ).inference()
    outputs = network.layer.outputs_of(columns.transpose(0, 2, 1), network.outputs.shape[1])
    modes, deviations = _modes(network, outputs.transpose(0, 2, 3, 1), system.problem)
    conditions = [system.problem.conditions[each.number] for each in system.rows]
    units_of_noise = [
        factor * each.noise_unit
        for factor, each in zip(found.noise, conditions, strict=True)
        if each.noise_unit is not None and not isinstance(each, Smooth)
    ]
    floor = min(units_of_noise, default=0.0)
    norms = system.problem.components.norms(deviations)
    return dataclasses.replace(found, floor=floor, modes=modes, deviations=norms)


def beside_noise(inference: Inference | None, sizes: Float[np.ndarray, " f"]) -> float:
    """The relative error of the computation that is small beside the errors that noise makes; zero without noise.

    - `sizes`: of the unknown functions, as root mean squares.
    """
    if inference is None or not inference.floor:
        return 0.0
    return _BESIDE * max(relative(inference.deviations, sizes), inference.floor / float(np.max(sizes)))


def _changes(apart: Bool[np.ndarray, " n"], numbers: int) -> Float[np.ndarray, "n s"]:
    """Changes of all rows with noise, whose products with their transposes add up to the identity, about.

    - `apart`: which rows are changed one at a time, if they are not too many. Other rows are changed together.
    - `numbers`: that the response to one change takes.
    """
    count, most = len(apart), min(_MOST, max(_MODES, _NUMBERS // numbers))
    if count <= most:
        # One column at least, so that there is something to solve for.
        return np.eye(count, max(count, 1))
    alone = int(np.sum(apart))
    if alone > most // 2:
        apart, alone = np.full(count, False), 0
    changes = np.zeros((count, most))
    changes[np.flatnonzero(apart), np.arange(alone)] = 1.0
    signs = np.random.default_rng(0).choice((-1.0, 1.0), (count - alone, most - alone))
    changes[~apart, alone:] = signs / math.sqrt(most - alone)
    return changes


def _noise(
    estimated: Sequence[bool],
    counts: Sequence[int],
    left: Float[np.ndarray, " n"],
    follows: Float[np.ndarray, " n"],
) -> tuple[tuple[float, ...], float]:
    """The factors on the standard deviations of each condition, and the degrees of freedom.

    - `estimated`: whether the noise of each condition is to be estimated. `counts`: its readings.
    - `left`: the residuals of all readings, in standard deviations. `follows`: the parts of them that the fit follows.
    """
    ends = np.cumsum(counts)[:-1]
    noise, freedom = [], 0.0
    for wanted, part, hat in zip(estimated, np.split(left, ends), np.split(follows, ends), strict=True):
        free = len(part) - float(np.sum(hat))
        known = wanted and len(part) and free > 0
        noise.append(float(np.sqrt(np.sum(part**2) / free)) if known else 1.0)
        freedom += free if known else 0.0
    return tuple(noise), freedom if any(estimated) else math.inf


def _modes(
    network: Network, outputs: Float[np.ndarray, "K m q s"], problem: Problem
) -> tuple[Network, Float[np.ndarray, " m"]]:
    """The largest independent modes of changes of the output layers, and the norm of the changes of each component."""
    cells, components, units, count = outputs.shape
    points = points_of_norms(problem.domain, network.cells)
    each = lambda found: found.transpose(0, 1, 3, 2).reshape(cells, components * found.shape[3], units)
    values = dataclasses.replace(network, outputs=each(outputs))(points).reshape(len(points), components, count)
    values = problem.components.changes(points, network(points), values)
    deviations = np.sqrt(np.mean(problem.shares(points) * np.sum(values**2, axis=2), axis=0))
    _, sizes, directions = np.linalg.svd(values.reshape(-1, count), full_matrices=False)
    kept = directions[: max(1, min(_MODES, int(np.sum(sizes > _SMALL * sizes[0]))))]
    return dataclasses.replace(network, outputs=each(outputs @ kept.T), numbers=np.zeros(0)), deviations
