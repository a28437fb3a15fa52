"""Weights of readings that depend on the solution: those of outliers, and those of several sets with unknown noise.

They are found by solving problems in which they are given, one after the other, each from the solution before.
"""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from scipy.special import gammaincinv

from sngd._results import Result
from sngd.features import Features, Network
from sngd.problem import Data, Problem
from sngd.solver._frozen import FrozenRun
from sngd.solver._frozen_networks import frozen_start
from sngd.solver._solution import Solution

# Weights, and logarithms of standard deviations, that change by less have converged; and how often they are found again
# at most.
_SETTLED, _REWEIGHTINGS = 1e-3, 30

# A reading is called an outlier where its weight is below this number, and at most so many are listed.
_OUTLIER, _LISTED = 1 / 3, 20

# Numbers that a set of readings of unknown noise has at least, if it is not the only one.
_LEAST = 5

ENDED = (Result.INTERRUPTED, Result.STOPPED, Result.SECONDS_EXHAUSTED)
"""Results of a run that goes on no longer."""


def solve_reweighted(run: FrozenRun, like: Network | None, features: Features | None) -> Solution | None:
    """The solution of a problem in which readings with a threshold, and readings of unknown noise beside others, have
    weights that depend on their residuals; or `None`.

    Iteratively reweighted least squares (Holland and Welsch, Comm. Statist. Theory Methods 6, 1977). Standard errors
    are those of readings with the final weights.

    - `like`, `features`: as in `solve_adapted`.
    """
    problem = run.problem
    noisy = {at: each for at, each in enumerate(problem.conditions) if isinstance(each, Data) and not each.is_exact}
    robust = {at: each for at, each in noisy.items() if each.huber is not None}
    unknown = {at: each for at, each in noisy.items() if each.estimates_noise and at not in robust}
    # The noise of one set of readings alone follows from what the fit leaves.
    unknown = unknown if len(noisy) > 1 else {}
    for each in unknown.values():
        if each.values.size < _LEAST:
            raise ValueError(
                f"noise of {each.label} is left out, and {each.values.size} of its readings beside others do not tell "
                "it; give a standard deviation"
            )
    solution = run.solve(like) if features is None else run.on(features)
    before = {at: np.ones(len(each.points)) if at in robust else np.zeros(1) for at, each in noisy.items()}
    for _ in range(_REWEIGHTINGS if robust or unknown else 0):
        if solution is None or solution.result in ENDED:
            break
        residuals = solution.residuals()
        left = solution.freedom / sum(each.values.size for each in noisy.values())
        found = {at: _weighted(each, residuals[at].values) for at, each in robust.items()}
        found |= {at: _with_noise(each, residuals[at].values, left) for at, each in unknown.items()}
        if max(np.max(np.abs(now - before[at])) for at, (_, now) in found.items()) < _SETTLED:
            break
        before |= {at: now for at, (_, now) in found.items()}
        conditions = [found[at][0] if at in found else each for at, each in enumerate(problem.conditions)]
        changed = dataclasses.replace(problem, conditions=conditions)
        again = dataclasses.replace(run, problem=changed)
        solution = again.solve(frozen_start(solution, changed)) if features is None else again.on(features)
    if solution is None or not (robust or unknown):
        return solution
    choices = {"outliers": _listed(robust, before)} if robust else {}
    if unknown:
        choices["noise"] = "; ".join(f"{each.label}: {math.exp(before[at][0]):.3g}" for at, each in unknown.items())
    if len(unknown) == len(noisy):
        found = {name: dataclasses.replace(each, freedom=solution.freedom) for name, each in solution.constants.items()}
        solution = dataclasses.replace(solution, constants=found)
    return with_conditions(solution, problem, choices)


def _with_noise(data: Data, residuals: Float[np.ndarray, "n c"], left: float) -> tuple[Data, Float[np.ndarray, " 1"]]:
    """The data with the standard deviation of their residuals, and its logarithm.

    - `left`: the degrees of freedom of a reading.
    """
    deviation = math.sqrt(np.mean(residuals**2) / max(left, 1 / residuals.size))
    deviation = max(deviation, np.finfo(float).tiny)
    return dataclasses.replace(data, noise=deviation), np.array([math.log(deviation)])


def _weighted(data: Data, residuals: Float[np.ndarray, "n c"]) -> tuple[Data, Float[np.ndarray, " n"]]:
    """The data with larger standard deviations where residuals are beyond the threshold, and the weights."""
    assert data.huber is not None
    sizes = np.sqrt(np.mean(residuals**2, axis=1))
    # The median of the mean of squares of normal variables of variance one.
    middle = 2 * gammaincinv(residuals.shape[1] / 2, 0.5) / residuals.shape[1]
    deviations = np.median(sizes) / math.sqrt(middle) if data.noise is None else data.noise
    relative = sizes / np.maximum(deviations, np.finfo(float).tiny)
    weights = np.minimum(1.0, data.huber / np.maximum(relative, data.huber))
    return dataclasses.replace(data, noise=deviations / np.sqrt(weights), huber=None), weights


def _listed(robust: Mapping[int, Data], weights: Mapping[int, Float[np.ndarray, " n"]]) -> str:
    """The readings that are outliers, in words."""
    parts = []
    for at, data in robust.items():
        outliers = np.flatnonzero(weights[at] < _OUTLIER)
        listed = ", ".join(map(str, outliers[:_LISTED].tolist()))
        more = f" and {len(outliers) - _LISTED} more" if len(outliers) > _LISTED else ""
        parts.append(f"{data.label}: readings {listed}{more}" if len(outliers) else f"{data.label}: none")
    return "; ".join(parts)


def with_conditions(solution: Solution, given: Problem, choices: dict[str, str]) -> Solution:
    """The solution as one of the problem with the conditions that were given, and with these choices."""
    assert isinstance(solution.problem, Problem)
    problem = dataclasses.replace(solution.problem, conditions=given.conditions)
    return dataclasses.replace(solution, problem=problem, choices={**solution.choices, **choices})
