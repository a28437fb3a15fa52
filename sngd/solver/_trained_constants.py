"""The unknown constants of a network that was trained, with their standard errors."""

import jax
import numpy as np
from jaxtyping import Array, Float

from sngd.features import NOISY, Blocks, Inference, NoisyProblem
from sngd.linearize import AbstractObjective
from sngd.networks import WithConstants
from sngd.problem import Constant, Problem, priors
from sngd.solver._constants import FoundConstant, found_constants


def trained_constants(
    objective: AbstractObjective, theta: Float[Array, " p"], problem: Problem
) -> tuple[dict[str, FoundConstant], Float[np.ndarray, "c c"]]:
    """The constants that a network has with these parameters, and their covariance.

    Where the Jacobian is not stored, the covariance is not known: its entries are not numbers.
    """
    network = objective.trial.network(theta)
    assert isinstance(network, WithConstants)
    variables = np.asarray(network.variables)
    values = np.array([float(each.value(one)) for each, one in zip(problem.constants, variables, strict=True)])
    if objective.chunk is None:
        inference = _inference(objective, theta, problem, variables, values / problem.units)
    else:
        unknown = np.full((len(values), len(values)), np.nan)
        inference = Inference(unknown, np.zeros((0, len(values))), (), np.inf)
    return found_constants(problem, values, np.zeros(len(values)), inference), inference.covariance


def _inference(
    objective: AbstractObjective,
    theta: Float[Array, " p"],
    problem: Problem,
    variables: Float[np.ndarray, " c"],
    numbers: Float[np.ndarray, " c"],
) -> Inference:
    """What the readings tell, from the problem linearized at the network, in which all parameters are free."""
    jacobian, residual = np.array(objective.residual_jacobian(theta)), np.array(objective.residual(theta))
    rows = np.cumsum([term.rows for term in objective.residual_terms])[:-1]
    noise = [condition.noise_unit for condition in problem.conditions]
    parts = np.split(jacobian, rows)
    norms = [float(np.sqrt(np.mean(np.sum(part**2, axis=0)))) or 1.0 for part in parts]
    noisy = [norm / unit for norm, unit in zip(norms, noise, strict=True) if unit is not None]
    deviation = max(noisy, default=1.0) / NOISY
    units = [norm if unit is None else unit * deviation for norm, unit in zip(norms, noise, strict=True)]
    scaled = np.concatenate([part / unit for part, unit in zip(parts, units, strict=True)])
    right = np.concatenate([part / unit for part, unit in zip(np.split(residual, rows), units, strict=True)])
    starts = [0, *rows.tolist()]
    places = [
        np.array([(0, start + row) for row in range(len(part) if unit is not None else 0)], dtype=int).reshape(-1, 2)
        for start, part, unit in zip(starts, parts, noise, strict=True)
    ]
    count = len(problem.constants)
    differences, last = priors(problem.constants, numbers)
    at_bound = np.array(
        [each.bound_at(value * each.unit) is not None for each, value in zip(problem.constants, numbers, strict=True)]
    )
    slopes = np.array([_slope(each, one) for each, one in zip(problem.constants, variables, strict=True)])
    border = scaled[:, -count:] * problem.units / np.where(at_bound, 1.0, slopes)
    found, _ = NoisyProblem(
        blocks=Blocks((scaled[:, :-count],), (), (border,), last / deviation).without(at_bound),
        residual=[right, differences / deviation],
        places=places,
        of_readings=[condition.is_of_readings for condition in problem.conditions],
        estimated=[condition.estimates_noise for condition in problem.conditions],
        deviation=deviation,
        units=problem.units,
    ).inference()
    return found


def _slope(constant: Constant, variable: float) -> float:
    """The derivative of a constant by its variable."""
    return float(jax.grad(constant.value)(variable))
