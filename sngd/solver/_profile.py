"""Profile likelihoods: how well readings can be fitted for other values of one constant."""

import dataclasses
import math
from typing import Any

import jax
import numpy as np
import scipy.optimize
from jaxtyping import Float, PRNGKeyArray
from scipy.special import ndtri, stdtrit

from sngd._arguments import shown
from sngd.networks import WithConstants
from sngd.problem import Coefficient, Data, Problem
from sngd.solver._solution import Solution
from sngd.solver._solve import solve

# An end of an interval is sought from the end that the standard error gives, farther by this factor at a time and so
# often at most, and found to this part of the distance.
_FARTHER, _TRIED, _ACCURACY = 1.6, 12, 1e-2


@dataclasses.dataclass(frozen=True)
class Profile:
    """The least misfit of readings for values of one constant, where all other unknowns are sought again.

    - `name`: of the constant. `level`: the probability of the interval.
    - `interval`: a lower and an upper end. An end is infinite where the readings set none, and at a bound of the
      constant where that comes first.
    - `values`: increasing values of the constant, shape `(n,)`. `misfits`: as in `Solution`, shape `(n,)`.
    """

    name: str
    level: float
    interval: tuple[float, float]
    values: Float[np.ndarray, " n"]
    misfits: Float[np.ndarray, " n"]


def profile(solution: Solution, name: str, *, key: PRNGKeyArray, level: float = 0.95, **options: Any) -> Profile:
    """The profile likelihood of a constant, whose interval follows curved dependencies on it.

    The interval holds the values for which the misfit exceeds the least one by no more than the square of the quantile
    of a normal distribution, or of Student's where the noise is estimated (Venzon and Moolgavkar, Appl. Statist. 37,
    1988). Every value takes the solution of a problem, which starts from the one before.

    - `solution`: of a problem with that constant and with readings that have noise. `name`: of the constant.
    - `key`: as in `solve`. `options`: further arguments of `solve`, such as `stopping`.

    Raises `KeyError` for a name that is no constant. Raises `ValueError` for a level that is not between zero and one,
    for a constant at its bound, for readings of which some have a noise that is known and some have not, and for a
    threshold `huber`.
    """
    search = _Search(solution, name, level, key, options)
    found = solution.constants[name]
    half = (found.interval(level)[1] - found.value) if math.isfinite(found.standard_error) else 0.0
    half = half or search.unit
    interval = (search.end(-half), search.end(half))
    values = sorted(search.known)
    return Profile(name, level, interval, np.array(values), np.array([search.known[value] for value in values]))


class _Search:
    """Misfits for values of a constant."""

    def __init__(self, solution: Solution, name: str, level: float, key: PRNGKeyArray, options: dict[str, Any]):
        if not isinstance(solution, Solution):
            raise TypeError(f"solution is {shown(solution)}; give a Solution, such as the one that solve returns")
        problem = solution.problem
        constants = [each for each in problem.constants if not isinstance(each, Coefficient)]
        if not isinstance(problem, Problem) or name not in [each.name for each in constants]:
            listed = ", ".join(each.name for each in constants) or "none"
            raise KeyError(f"name is {shown(name)}; the constants of the solution, without coefficients, are {listed}")
        if not 0 < level < 1:
            raise ValueError(f"level is {level}; it must be between 0 and 1")
        noisy = [each for each in problem.conditions if isinstance(each, Data) and not each.is_exact]
        noisy = [each for each in problem.conditions if isinstance(each, Data) and not each.is_exact]
        estimated = {each.estimates_noise for each in noisy}
        if len(estimated) != 1:
            some = "some have a known and some an estimated noise" if estimated else "none has noise"
            raise ValueError(f"the solution has readings of which {some}; a profile needs noise of one kind")
        if estimated == {True} and len(noisy) > 1:
            raise ValueError(
                "the solution has several sets of readings with unknown noise, which a profile would find again for "
                "each value; give their noise"
            )
        if not math.isfinite(solution.misfit):
            raise ValueError("the solution is a trained network, whose misfit is not known; leave the network out")
        if any(each.huber is not None for each in noisy):
            raise ValueError("the solution has readings with a threshold huber, whose misfit is no likelihood")
        self._problem, self._name, self._key, self._options = problem, name, key, options
        self._constant = next(each for each in constants if each.name == name)
        self._at = problem.constants.index(self._constant)
        self._start = self._without(solution, self._fixed(solution.constants[name].value))
        self._best = solution.constants[name].value
        self.known: dict[float, float] = {self._best: solution.misfit}
        self.unit = self._constant.unit
        tail = (1 + level) / 2
        self._allowed = float(ndtri(tail)) ** 2
        if estimated == {True}:
            freedom = max(solution.freedom, 1.0)
            self._allowed = solution.misfit / freedom * float(stdtrit(freedom, tail)) ** 2

    def end(self, step: float) -> float:
        """The end of the interval on one side of the best value. `step`: from that value to the first one tried."""
        bound = self._constant.lower if step < 0 else self._constant.upper
        near, far = self._best, self._best + step
        for _ in range(_TRIED):
            beyond = (far <= bound) if step < 0 else (far >= bound)
            # A constant is not fixed at its bound itself, where a problem may be degenerate.
            far = near + (bound - near) / 2 if beyond else far
            if self._excess(far) > 0:
                accuracy = _ACCURACY * abs(far - self._best)
                return scipy.optimize.toms748(self._excess, *sorted((near, far)), xtol=accuracy)  # pyright: ignore
            near, far = far, self._best + _FARTHER * (far - self._best)
        return bound

    def _excess(self, value: float) -> float:
        return self._misfit(value) - self.known[self._best] - self._allowed

    def _misfit(self, value: float) -> float:
        if value not in self.known:
            problem = self._fixed(value)
            start = dataclasses.replace(self._start, problem=problem)
            self._start = solve(problem, key=self._key, start=start, **self._options)
            self.known[value] = self._start.misfit + self._prior(value)
        return self.known[value]

    def _prior(self, value: float) -> float:
        """What the prior of the constant adds, which the problem with the constant as a parameter does not have."""
        if self._constant.prior is None:
            return 0.0
        mean, deviation = self._constant.prior
        return ((value - mean) / deviation) ** 2

    def _fixed(self, value: float) -> Problem:
        """The problem with the value as a parameter in the place of the constant."""
        unknowns = [each for each in self._problem.unknowns if each is not self._constant]
        parameters = {**self._problem.parameters, self._name: value}
        return dataclasses.replace(self._problem, unknowns=unknowns, parameters=parameters)

    def _without(self, solution: Solution, problem: Problem) -> Solution:
        """The solution without the constant, as one of the problem in which it is a parameter."""
        network = solution.network
        assert isinstance(network, WithConstants)
        variables = jax.numpy.delete(network.variables, self._at)
        rest = WithConstants(network.network, variables) if variables.size else network.network
        return dataclasses.replace(solution, problem=problem, network=rest)
