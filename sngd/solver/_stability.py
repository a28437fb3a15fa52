"""How far the conditions determine the solution: the stability of the linearized problem.

The linearized problem maps a change `v` of the solution to the change `L v` of the residuals. Its stability constant is
the largest norm of a change whose residuals have norm one. It multiplies the residual into a bound on the error, and it
is infinite where the conditions do not determine the solution.

The supremum is taken over changes that the network can make: those by `J^T e_j`, with `J` the derivative of the values
at some points of the domain by the parameters. These span smooth functions that are large around one of the points
each. On them the norms are `||A z||` and `||B z||` with two matrices, and the constant is the largest generalized
singular value of the pair, from the decomposition of both on top of each other (Van Loan, SIAM J. Numer. Anal. 13,
1976). Directions in which both matrices vanish but for rounding are left out.
"""

import dataclasses
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd._arrays import on_device
from sngd._compiled import compiled
from sngd.geometry import Box, UniformRandom
from sngd.linearize import AbstractFactor, AbstractObjective, TrialFunction
from sngd.problem import AbstractProblem, real_parts
from sngd.solver._scales import Scales
from sngd.solver._step import residual_and_factor

# Points at which changes are measured, and at most so many of them at which changes are centered.
_POINTS, _CENTERS = 512, 256

# Rows of the residual for each direction: fewer would let a direction vanish at the points alone.
_ROWS = 3

# Singular values of the pair below this part of the first are rounding.
_RESOLUTION = 1e-12

# A constant above the first that more than doubles from three quarters of the directions to all has no bound. It is 1
# to 14 for six well-posed problems near their solutions (results/stability.md). Above the second it has lost six
# digits, and no growth is asked for.
_LARGE, _GROWTH, _ENORMOUS = 1e3, 2.0, 1e6

# A direction stands alone where the next smallest response is so many times larger.
_GAP = 1e3


@dataclasses.dataclass(frozen=True)
class Stability:
    """The stability constant of the linearized problem, for residuals in units of an untrained network's.

    - `constant`: over all directions; `partly`: over three quarters of them.
    - `lacks_conditions`: whether the problem is known to have fewer conditions than derivatives.
    - `gap`: the second smallest response of the residuals to a change of norm one, over the smallest. Where it is
      large, the constant belongs to one change alone, such as an additive constant.
    """

    constant: float
    partly: float
    gap: float
    lacks_conditions: bool = False

    @property
    def is_large(self) -> bool:
        """Whether the constant is large enough to ask for the reason."""
        return self.constant > _LARGE

    @property
    def is_unbounded(self) -> bool:
        """Whether the constant is infinite as far as can be told: it is large, and grows with the number of directions
        or belongs to a problem without enough conditions.
        """
        grows = self.constant > _GROWTH * self.partly
        return self.constant > _ENORMOUS or (self.is_large and (grows or self.lacks_conditions))

    @property
    def bound(self) -> float:
        """The constant, infinite where it is unbounded."""
        return math.inf if self.is_unbounded else self.constant

    @property
    def is_isolated(self) -> bool:
        """Whether one change of the solution alone is left open."""
        return self.is_unbounded and self.gap > _GAP


def stability_of(
    problem: AbstractProblem, objectives: Sequence[AbstractObjective], scales: Scales, theta: Float[Array, " p"]
) -> Stability | None:
    """The stability of the problem linearized at `theta`; `None` for an energy whose Jacobian is not stored, and for a
    network whose changes are zero or not finite.

    - `objectives`: the problem on the points of the run, and on others: a change that vanishes at the points of a run
      need not vanish between them.
    """
    objective = objectives[0]
    if not objective.has_residual_factor:
        return None
    domain = problem.domain
    points = UniformRandom(_POINTS).on(domain).points if isinstance(domain, Box) else domain.spread(_POINTS, 1).points
    held = max(1, objective.limits.chunk_bytes // (8 * len(theta)))
    rows = sum(part.rows for part in objectives)
    centers = max(1, min(_CENTERS, rows // _ROWS, len(theta), held) // problem.outputs)
    directions, changes = _changes(objective.trial, theta, points, centers)
    responses = [_responses(part, scales, theta, directions) for part in objectives]
    above, below = changes / math.sqrt(_POINTS), np.concatenate(responses) / math.sqrt(len(responses))
    # A network that is constant, or so large that it overflows, has no changes to tell anything by.
    if not (np.any(above) and np.all(np.isfinite(above)) and np.all(np.isfinite(below))):
        return None
    return stability_from(above, below)


def stability_from(above: Float[np.ndarray, "k q"], below: Float[np.ndarray, "n q"]) -> Stability:
    """The stability constant from matrices whose columns belong to changes of the solution, the smoothest ones first.

    - `above`: what each change makes of the solution. `below`: what it makes of the residuals. Both are finite.
    """
    part = max(1, 3 * above.shape[1] // 4)
    constant, gap = _largest(above, below)
    return Stability(constant, _largest(above[:, :part], below[:, :part])[0], gap)


def _changes(
    trial: TrialFunction, theta: Float[Array, " p"], points: Float[np.ndarray, "m d"], centers: int
) -> tuple[Float[np.ndarray, "p q"], Float[np.ndarray, "k q"]]:
    """Orthonormal changes of the parameters, nested in the number of centers, and what they change of the values.

    The first `centers` points are those around which the changes of the solution are large. The derivative of the
    values is formed at `centers` points at a time.
    """
    starts = range(0, len(points), centers)
    blocks = [np.take(points, np.arange(start, start + centers), axis=0, mode="wrap") for start in starts]
    directions, _ = np.linalg.qr(np.asarray(_derivative(trial, theta, on_device(blocks[0]))).T)
    changes = [np.asarray(_derivative(trial, theta, on_device(block))) @ directions for block in blocks]
    outputs = len(changes[0]) // centers
    return directions, np.concatenate(changes)[: len(points) * outputs]


@compiled
def _derivative(trial: TrialFunction, theta: Float[Array, " p"], points: Float[Array, "m d"]) -> Float[Array, "k p"]:
    """The derivative of the values at these points by the parameters, one row for each value."""

    def values(theta: Array, x: Array) -> Array:
        return jnp.ravel(real_parts(trial.unknowns(theta)(x)))

    return jax.vmap(jax.jacrev(values), (None, 0))(theta, points).reshape(-1, len(theta))


def _responses(
    objective: AbstractObjective, scales: Scales, theta: Float[Array, " p"], directions: Float[np.ndarray, "p q"]
) -> Float[np.ndarray, "n q"]:
    """What these directions change of the residual, each condition in units of a function of root mean square one."""
    _, factor = residual_and_factor(objective, theta, jax.random.key(0))
    changes = np.asarray(_product(factor, on_device(directions)))
    return changes * np.repeat(scales.inverse_units, [term.rows for term in objective.residual_terms])[:, None]


@compiled
def _product(factor: AbstractFactor, directions: Float[Array, "p q"]) -> Float[Array, "n q"]:
    return factor.matmul(directions)


def _largest(above: Float[np.ndarray, "k q"], below: Float[np.ndarray, "n q"]) -> tuple[float, float]:
    """The largest ratio of `||above z||` to `||below z||`; and the second smallest singular value of `below` over the
    smallest, on the `z` for which `||above z||^2 + ||below z||^2` is one.
    """
    left, values, _ = np.linalg.svd(np.concatenate([above, below]), full_matrices=False)
    left = left[:, values > _RESOLUTION * values[0]]
    cosines, sines = left[: len(above)], left[len(above) :]
    _, responses, right = np.linalg.svd(sines, full_matrices=False)
    smallest = max(responses[-1], np.finfo(float).eps)
    following = responses[-2] if len(responses) > 1 else 1.0
    return float(np.linalg.norm(cosines @ right[-1]) / smallest), float(following / smallest)
