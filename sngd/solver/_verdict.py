"""What a run has reached: checked between its points, and against rounding."""

import dataclasses
import math

import numpy as np
from jaxtyping import Array, Float

from sngd._results import Result
from sngd.linearize import AbstractObjective, make_objective
from sngd.problem import AbstractProblem, with_other_points
from sngd.solver._devices import whole_on
from sngd.solver._evaluation import error_points, root_mean_square, unknowns_at
from sngd.solver._scales import Scales, in_last_digits, norms_of
from sngd.solver._stability import Stability
from sngd.solver._step import factor_values_of, values_of

# A loss between the points this many times the loss at the points is not explained by the quadrature.
_UNRESOLVED = 100.0

# An estimated relative error at which that is worth more points, or a warning.
_MATTERS = 1e-10

# An error so many times its estimate says that the equation and the exact solution do not belong together.
_CONTRADICTION = 100.0

# At the rounding floor, an estimated relative error that shows how little the residual can tell; and anywhere, one at
# which a small optimality gap of an energy is that of a place where it is stationary, not of its minimum.
_COARSE = 1e-6

# A run that is stuck with an estimated relative error above this has not found the solution.
_WRONG = 1e-3

# Of half squared norms: what is within a hundred times its rounding errors is at its floor.
_FLOOR = 1e4

# Within ten times, there is nothing left to search for.
_FINISHED = 1e2

_ENDED_BY_ITSELF = (Result.STAGNATED, Result.TARGET_REACHED)


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What tells how good a solution is. All but `error` are half of a squared norm, as the loss is.

    - `fitted`: the residual at the points of the run. `between`: the residual at other points, mostly as many.
    - `rounding`: the change of the residual when every parameter is changed in its last digit.
    - `optimality_gap`: how far the loss may be above its minimum. For least squares it is `fitted`.
    - `noise`: the change of the solution when every parameter is changed in its last digit, in the norm of the loss.
      For least squares it is `rounding`.
    - `error`: an estimate of the relative L2 error, the larger of two numbers. The first is the stability constant
      times the norm of the residual between the points, over the root mean square of the solution; each condition
      counts in the unit of its response to an untrained network. The second is the largest ratio of a condition's
      residual to its data. If no condition has data, the root mean square is that of the solution or of the untrained
      network, whichever is larger. The estimate is infinite if the constant is, or if the root mean square is zero.
    - `stability`: the constant and what is known of it. `None` where it is not asked for; then it counts as one.
    """

    fitted: float
    between: float
    rounding: float
    error: float
    optimality_gap: float = math.nan
    noise: float = math.nan
    stability: Stability | None = None

    @property
    def is_wrong(self) -> bool:
        """Whether the solution has not been found at all, as far as the estimate tells."""
        return self.error > _WRONG


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How a round of a run ended. `detail`: what went wrong, where that is known."""

    result: Result
    diagnosis: Diagnosis
    detail: str = ""


def objective_between(
    problem: AbstractProblem, objective: AbstractObjective, theta: Float[Array, " p"]
) -> AbstractObjective:
    """The problem at points between those of the run."""
    elsewhere = with_other_points(problem, lambda points: points.staggered())
    return make_objective(elsewhere, objective.trial.network(theta), objective.limits, objective.mesh)[0]


def diagnose(
    problem: AbstractProblem,
    objective: AbstractObjective,
    elsewhere: AbstractObjective,
    scales: Scales,
    theta: Float[Array, " p"],
    gap: float,
    stability: Stability | None = None,
) -> Diagnosis:
    """The residual at the points of the run, between them, and its rounding errors.

    - `elsewhere`: the objective between the points.
    - `gap`: the optimality gap of an energy, infinite where that is not known.
    - `stability`: that of the linearized problem, if it is known.
    """
    moved = whole_on(objective.mesh, in_last_digits(theta))
    residual = np.asarray(values_of(objective, theta)[1])
    rounding = _half_square(np.asarray(values_of(objective, moved)[1]) - residual)
    fitted, rounding = _half_square(residual), max(rounding, _half_square(np.array(scales.rounding)))
    found = np.asarray(values_of(elsewhere, theta)[1])
    between, norms = _half_square(found), norms_of(elsewhere, found)
    size = root_mean_square(unknowns_at(objective.trial.unknowns(theta), problem, error_points(problem)))
    size = max(size, scales.network) if scales.is_homogeneous else size
    constant, error = 1.0 if stability is None else stability.bound, math.inf
    if size and constant < math.inf:
        error = max(constant * scales.in_units(norms) / size, scales.relative(norms))
    if objective.has_known_minimum:
        return Diagnosis(fitted, between, rounding, error, optimality_gap=fitted, noise=rounding, stability=stability)
    change = np.asarray(factor_values_of(objective, moved)) - np.asarray(factor_values_of(objective, theta))
    gap = gap if error <= _COARSE else math.inf
    return Diagnosis(fitted, between, rounding, error, gap, noise=_half_square(change), stability=stability)


def at_rounding_floor(diagnosis: Diagnosis) -> bool:
    """Whether the loss is at its minimum but for rounding, with nothing left to search for."""
    return diagnosis.optimality_gap <= _FINISHED * diagnosis.noise


def below_rounding(diagnosis: Diagnosis) -> bool:
    """Whether the loss is above its minimum by less than rounding errors, and the solution is found."""
    return diagnosis.optimality_gap <= diagnosis.noise and diagnosis.error <= _COARSE


def underresolved(diagnosis: Diagnosis) -> bool:
    """Whether the residual at the points is far below what it is between them, where that matters."""
    explained = max(diagnosis.fitted, _FLOOR * diagnosis.rounding)
    return diagnosis.between > _UNRESOLVED * explained and diagnosis.error > _MATTERS


def _half_square(rows: np.ndarray) -> float:
    return float(np.sum(rows**2)) / 2


def contradicts(error: float, estimate: float) -> bool:
    """Whether an error is so far above its estimate that the equation and the exact solution do not belong together."""
    return error > max(_CONTRADICTION * estimate, _MATTERS)


def classify(
    result: Result, diagnosis: Diagnosis, error: float, *, undetermined: bool = False, far: bool = False
) -> Result:
    """The result of a run that ended with `result`, in the light of what was found.

    - `undetermined`: whether a stability constant without bound comes from missing conditions.
    - `far`: whether the state is so far from any solution that its stability says nothing of one.
    - `error`: the relative L2 error against the exact solution; not a number where none is known.
    """
    if result in (Result.NON_FINITE, Result.INTERRUPTED):
        return result
    if underresolved(diagnosis):
        return Result.UNRESOLVED
    unbounded = diagnosis.stability is not None and diagnosis.stability.is_unbounded
    if result in _ENDED_BY_ITSELF and unbounded and not far:
        return Result.UNDETERMINED if undetermined else Result.ILL_POSED
    if result in _ENDED_BY_ITSELF and contradicts(error, diagnosis.error):
        return Result.CONTRADICTED
    if result not in _ENDED_BY_ITSELF or diagnosis.optimality_gap > _FLOOR * diagnosis.noise:
        return result
    return Result.ILL_SCALED if diagnosis.error > _COARSE else Result.FLOOR_REACHED


def describe_nonfinite(objective: AbstractObjective, theta: Float[Array, " p"]) -> str:
    """The first point where a residual is not finite, in words; or nothing, where there is none."""
    _, residual = values_of(objective, theta)
    ends = np.cumsum([term.rows for term in objective.residual_terms])[:-1]
    for term, value in zip(objective.residual_terms, np.split(np.asarray(residual), ends), strict=True):
        bad = np.flatnonzero(~np.isfinite(value))
        if len(bad):
            point = np.asarray(term.points)[bad[0] // term.components]
            return (
                f"the residual of {term.label} is {value[bad[0]]} at the point {point.tolist()}, and not finite at "
                f"{len(bad)} of {term.rows} rows"
            )
    return ""
