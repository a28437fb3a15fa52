"""The residuals of a solution, condition by condition."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Array, Float

from sngd._compiled import compiled
from sngd.linearize import Term, TrialFunction, make_objective
from sngd.problem import AbstractProblem, with_other_points

# Points whose residuals are computed at once.
_CHUNK = 2048


@dataclasses.dataclass(frozen=True)
class ConditionResidual:
    """The residual of one condition, without its weight.

    - `label`: the name of the condition, or what kind it is.
    - `points`: shape `(n, d)`. `values`: shape `(n, c)`, for `c` equations.
    """

    label: str
    points: Float[np.ndarray, "n d"]
    values: Float[np.ndarray, "n c"]

    @property
    def root_mean_square(self) -> float:
        """The root of the mean over the points of the squared norms."""
        return float(np.sqrt(np.mean(np.sum(self.values**2, axis=1))))

    @property
    def worst(self) -> tuple[Float[np.ndarray, " d"], float]:
        """The point with the largest norm of the residual, and that norm."""
        norms = np.linalg.norm(self.values, axis=1)
        at = int(np.argmax(norms))
        return self.points[at], float(norms[at])

    def __repr__(self) -> str:
        point, norm = self.worst
        place = ", ".join(f"{coordinate:.4g}" for coordinate in point)
        return f"{self.label}: {self.root_mean_square:.2e} (root mean square), at most {norm:.2e}, at ({place})"


def residuals_of(problem: AbstractProblem, network: Callable) -> tuple[ConditionResidual, ...]:
    """The residual of each condition at points between those of the problem, 2048 of them at a time."""
    elsewhere = with_other_points(problem, lambda points: points.staggered())
    objective, theta = make_objective(elsewhere, network)
    return tuple(_residual_of(term, objective.trial, theta) for term in objective.residual_terms)


def _residual_of(term: Term, trial: TrialFunction, theta: Float[Array, " p"]) -> ConditionResidual:
    count = len(term.scales)
    values = np.asarray(_values(term.blocks(min(_CHUNK, count)), trial, theta)).reshape(-1, term.components)[:count]
    return ConditionResidual(term.label, np.asarray(term.points), values / np.asarray(term.scales)[:, None])


@compiled
def _values(blocks: Term, trial: TrialFunction, theta: Float[Array, " p"]) -> Float[Array, "blocks rows"]:
    return jax.lax.map(functools.partial(_block_values, trial, theta), blocks)


def _block_values(trial: TrialFunction, theta: Float[Array, " p"], block: Term) -> Float[Array, " rows"]:
    return block.values(trial, theta)
