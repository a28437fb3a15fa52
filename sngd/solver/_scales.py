"""Characteristic scales: the norm of the data of each condition, and of its response to a network of ordinary size.

All thresholds on a residual or on a solution are relative to these norms. So they do not depend on units.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Array, Float

from sngd._arrays import on_device
from sngd.linearize import AbstractObjective
from sngd.problem import AbstractProblem, Problem
from sngd.solver._evaluation import error_points, root_mean_square, unknowns_at
from sngd.solver._step import data_of, values_of

# Data of one condition count as zero where they are below the first part of its response to a network of the solution's
# size. Data of all conditions count as zero where they are below the second part of the response to any network.
_NOTHING, _NOTHING_AT_ALL = 1e-6, 1e-13

# A solution that is larger or smaller than a network of ordinary size by at most this factor, as its data suggest, may
# be of the same size.
_ORDINARY_SIZE = 300.0

# Equations whose residual at one point, for a solution of ordinary size, is within this factor of one stay as they are.
_ORDINARY = 1e3

TYPICAL_FREQUENCY = 4.0
"""The frequency of the network by whose response the size of a solution is judged. A network of frequency one responds
up to a hundred times less to an equation than the solution does."""

# The size of a network from which its linear response is taken, so small that nonlinear terms have no part in it.
_SLIGHT = 1e-6

# A response below so many times its rounding errors counts as zero. The network meets such a condition by its
# construction: periodicity, for instance.
_RESPONDS = 1e3

# The relative change of the parameters from which the response of a network is taken that may solve the problem.
_CHANGE = 0.1

# Measures of a domain or of its faces within this factor of one stay what they are.
_ORDINARY_MEASURE = 1e2


@dataclasses.dataclass(frozen=True)
class Scales:
    """Norms over the points, one number for each condition.

    - `data`: the norm of the residual of the function that is zero everywhere.
    - `response`: the norm of the change of that residual which an untrained network makes. It is zero where the change
      is made of rounding errors alone.
    - `network`: the root mean square of the untrained network over the domain.
    """

    data: tuple[float, ...]
    response: tuple[float, ...]
    network: float

    @property
    def magnitude(self) -> float:
        """The power of 1e4 by which the network should be multiplied; one where no condition has data.

        It is the largest power for which the data are at least a thirtieth of the response. A network that is too small
        is safe, since nonlinear terms grow faster than it does. The steps are large, so that the same problem in other
        units meets the same network.
        """
        known = _NOTHING_AT_ALL < self.ratio < math.inf
        return 10.0 ** (4 * math.floor((math.log10(self.ratio) + 1.5) / 4)) if known else 1.0

    @property
    def is_ordinary(self) -> bool:
        """Whether the solution may well be of the network's size."""
        return 1 / _ORDINARY_SIZE <= self.ratio <= _ORDINARY_SIZE

    @property
    def ratio(self) -> float:
        """The largest ratio of data and response."""
        ratios = [data / response for data, response in zip(self.data, self.response, strict=True) if response > 0]
        return max(ratios, default=0.0)

    @property
    def is_homogeneous(self) -> bool:
        """Whether no condition has data, so that the function that is zero everywhere is a solution."""
        return not any(self._has_data)

    @property
    def loss(self) -> float:
        """The least-squares loss of the function that is zero everywhere."""
        return math.hypot(*self.data) ** 2 / 2

    @property
    def rounding(self) -> tuple[float, ...]:
        """The norm of the rounding errors in the residual of each condition, however good the solution is.

        They are those of the data, or those of the response where no condition has data.
        """
        norms = self.response if self.is_homogeneous else self.data
        return tuple(np.finfo(float).eps * norm for norm in norms)

    @property
    def inverse_units(self) -> tuple[float, ...]:
        """One over the norm of the residual which a function of root mean square one makes, for each condition; zero
        for a condition that does not respond to a network.
        """
        return tuple(self.network / response if response > 0 else 0.0 for response in self.response)

    def in_units(self, residuals: tuple[float, ...]) -> float:
        """The norm of these norms of residuals, each in the unit of its condition."""
        return math.hypot(
            *(residual * inverse for residual, inverse in zip(residuals, self.inverse_units, strict=True))
        )

    def relative(self, residuals: tuple[float, ...]) -> float:
        """The largest of these norms of residuals relative to data; of conditions whose data are not zero."""
        triples = zip(residuals, self.data, self._has_data, strict=True)
        return max((residual / data for residual, data, has_data in triples if has_data), default=0.0)

    @property
    def _has_data(self) -> tuple[bool, ...]:
        return tuple(data > _NOTHING * response for data, response in zip(self.data, self.response, strict=True))


def scales_of(
    problem: AbstractProblem, objective: AbstractObjective, theta: Float[Array, " p"], *, untrained: bool = True
) -> Scales:
    """The scales of a problem. Where the zero function has no residual, there are no data.

    - `untrained`: whether the network with the parameters `theta` has not been trained. A network that may solve the
      problem has a residual that says nothing of scales. Then a random change of its parameters stands for a network.
    """
    data, residual = np.asarray(data_of(objective, theta)), np.asarray(values_of(objective, theta)[1])
    data = np.where(np.isfinite(data), data, 0.0)
    values = unknowns_at(objective.trial.unknowns(theta), problem, error_points(problem))
    # Where the residual is not finite, a run does not begin.
    with np.errstate(invalid="ignore"):
        noise = norms_of(objective, np.asarray(values_of(objective, in_last_digits(theta))[1]) - residual)
        if untrained:
            response, size = residual - data, root_mean_square(values)
        else:
            other = _changed(theta)
            response = np.asarray(values_of(objective, other)[1]) - residual
            change = unknowns_at(objective.trial.unknowns(other), problem, error_points(problem)) - values
            size = root_mean_square(change)
    responses = [
        norm if norm > _RESPONDS * least else 0.0
        for norm, least in zip(norms_of(objective, response), noise, strict=True)
    ]
    return Scales(norms_of(objective, data), tuple(responses), size)


def in_last_digits(theta: Float[Array, " p"]) -> Float[Array, " p"]:
    """Every parameter changed in its last digit, up or down at random."""
    signs = np.random.default_rng(0).choice((-1.0, 1.0), theta.shape)
    return on_device(np.asarray(theta) * (1 + np.finfo(float).eps * signs))


def size_of(
    objective: AbstractObjective, theta: Float[Array, " p"], multiply: Callable[[Float[Array, " p"], float], Array]
) -> float:
    """An estimate of how many times larger the solution is than the network, rounded to a power of a hundred.

    It is the largest ratio, over the conditions, of the data to the linearized response to the network. It is one where
    the conditions do not respond, have no data, or are not finite.

    The estimate is good where the network oscillates about as fast as the solution.

    - `multiply`: the parameters of a multiple of the network, from its parameters and the factor.
    """
    data = np.asarray(data_of(objective, theta))
    with np.errstate(invalid="ignore"):
        response = (np.asarray(values_of(objective, multiply(theta, _SLIGHT))[1]) - data) / _SLIGHT
    if not (np.all(np.isfinite(data)) and np.all(np.isfinite(response))):
        return 1.0
    ratio = Scales(norms_of(objective, data), norms_of(objective, response), 1.0).ratio
    return 100.0 ** round(math.log10(ratio) / 2) if _NOTHING_AT_ALL < ratio < math.inf else 1.0


def _changed(theta: Float[Array, " p"]) -> Float[Array, " p"]:
    """Every parameter changed at random, by a part of its magnitude plus the root mean square of all parameters."""
    given = np.asarray(theta)
    sizes = np.abs(given) + np.linalg.norm(given) / math.sqrt(len(given))
    return on_device(given + _CHANGE * sizes * np.random.default_rng(0).normal(size=given.shape))


def in_ordinary_units(problem: AbstractProblem, scales: Scales) -> AbstractProblem:
    """The problem with each condition in a unit of its own choice; the same object where the units are ordinary.

    Lengths in nanometers or an equation in pascals change how conditions weigh against each other, by many powers of
    ten. So a condition whose residual at one point, for a solution of ordinary size, is far from one is multiplied by a
    power of ten, and so are its quadrature weights where their sum is far from one.

    - `scales`: those of the problem, by a network of the size of the solution.
    """
    if not isinstance(problem, Problem):
        return problem
    factors = [
        _unit(inverse, float(np.sum(problem.collocation(condition).weights)) / condition.weight, condition.weight)
        for condition, inverse in zip(problem.conditions, scales.inverse_units, strict=True)
    ]
    return _weighted(problem, [factor * part.weight for factor, part in zip(factors, problem.conditions, strict=True)])


def with_weights_of(given: AbstractProblem, problem: AbstractProblem) -> AbstractProblem:
    """`problem` with the weights that the conditions of `given` have: those of its user."""
    if not (isinstance(given, Problem) and isinstance(problem, Problem)):
        return problem
    return _weighted(problem, [condition.weight for condition in given.conditions])


def _weighted(problem: Problem, weights: list[float]) -> Problem:
    """The problem with these weights of its conditions. Whatever has its weight already stays the same object."""
    conditions = [
        condition if condition.weight == weight else dataclasses.replace(condition, weight=weight)
        for condition, weight in zip(problem.conditions, weights, strict=True)
    ]
    unchanged = all(new is old for new, old in zip(conditions, problem.conditions, strict=True))
    return problem if unchanged else dataclasses.replace(problem, conditions=conditions)


def _unit(inverse: float, measure: float, weight: float) -> float:
    """The factor on the weight of a condition that brings it to ordinary units.

    - `inverse`: one over the norm of its residual, weights included, for a function of root mean square one.
    - `measure`: the sum of its quadrature weights, without its own `weight`.
    """
    at_a_point = inverse * math.sqrt(weight * measure)
    by_measure = 1.0 if 1 / _ORDINARY_MEASURE <= measure <= _ORDINARY_MEASURE else 1 / _power_of_ten(measure)
    ordinary = at_a_point == 0 or 1 / _ORDINARY <= at_a_point <= _ORDINARY
    return by_measure * (1.0 if ordinary else _power_of_ten(at_a_point) ** 2)


def _power_of_ten(number: float) -> float:
    return 10.0 ** round(math.log10(number))


def norms_of(objective: AbstractObjective, residual: np.ndarray) -> tuple[float, ...]:
    """The norm of the rows of each condition in a residual, shape `(n,)`."""
    ends = np.cumsum([term.rows for term in objective.residual_terms])[:-1]
    return tuple(float(np.linalg.norm(rows)) for rows in np.split(residual, ends))
