"""Penalties on unknown functions that depend on the solution: how smooth these are.

A penalty is found by solving problems in which it is given, one after the other, each from the solution before.
"""

import dataclasses
import math

import numpy as np
import scipy.optimize

from sngd.features import Features, Network
from sngd.problem import Data, Smooth
from sngd.solver._evaluation import root_mean_square
from sngd.solver._frozen import FrozenRun
from sngd.solver._frozen_networks import frozen_start
from sngd.solver._reweighted import ENDED, solve_reweighted, with_conditions
from sngd.solver._solution import Solution

# The factor from one penalty to the next, how many are tried in each direction, and how accurately its exponent is
# found at last. The variance of the noise is first estimated with this part of the variance of the readings as the
# penalty.
_FACTOR, _TRIED, _ACCURACY, _WEAK = 100.0, 6, 0.05, 1e-6

# How often the unit of penalties is found again at most, and the points on each axis of the grid for the size of
# functions.
_UNITS, _GRID = 4, {1: 101, 2: 21}

# Numbers of unknowns that differ by less are the same, and fewer degrees of freedom than these count as so many.
_SAME, _LEFT = 0.2, 1e-3


def solve_adapted(run: FrozenRun, like: Network | None, features: Features | None = None) -> Solution | None:
    """The solution of a problem on frozen features, with the weights and the penalty that it asks for; or `None`.

    - `like`: a network of this domain whose features or cells are tried first. `features`: the only ones, if they are
      named.
    """
    open_ones = [each for each in run.problem.conditions if isinstance(each, Smooth) and each.penalty is None]
    if not open_ones:
        return solve_reweighted(run, like, features)
    search = _PenaltySearch(run, like, features)
    penalty = search.best()
    found = None if penalty is None else search.solution(penalty)
    if found is None:
        return search.last
    return with_conditions(found, run.problem, {"penalty": f"{penalty:.3g}, by restricted maximum likelihood"})


class _PenaltySearch:
    """Solutions for penalties, each of which starts from the one before."""

    def __init__(self, run: FrozenRun, like: Network | None, features: Features | None):
        self._run, self._like, self._features = run, like, features
        self._found: dict[float, Solution] = {}
        self.last: Solution | None = None
        self._noisy = [each for each in run.problem.conditions if isinstance(each, Data) and not each.is_exact]
        self.knows_noise = not any(each.estimates_noise for each in self._noisy)
        self._count, self._unit = sum(each.values.size for each in self._noisy), 1.0
        self._names = [each.of for each in run.problem.conditions if isinstance(each, Smooth) and each.penalty is None]

    def solution(self, penalty: float) -> Solution | None:
        """The solution for a penalty; `None` where there is none, or where the run has ended."""
        if penalty not in self._found:
            if self.last is not None and self.last.result in ENDED:
                return None
            is_open = lambda each: isinstance(each, Smooth) and each.penalty is None
            conditions = [
                dataclasses.replace(each, penalty=penalty) if is_open(each) else each
                for each in self._run.problem.conditions
            ]
            problem = dataclasses.replace(self._run.problem, conditions=conditions)
            like = self._like if self.last is None else frozen_start(self.last, problem)
            found = solve_reweighted(dataclasses.replace(self._run, problem=problem), like, self._features)
            if found is None:
                return None
            self._found[penalty] = self.last = found
        return self._found[penalty]

    def best(self) -> float | None:
        """The penalty of the largest restricted likelihood; `None` where the run has ended."""
        if not self._finds_unit():
            return None
        if self._unpenalized() is None:
            return None
        low, high, start = -_TRIED, _TRIED, self._excess(0)
        step = -1 if start > 0 else 1
        for number in range(step, step * (_TRIED + 1), step):
            excess = self._excess(number)
            if math.isnan(excess):
                return None
            if (excess > 0) != (start > 0):
                low, high = sorted((number - step, number))
                break
        else:
            # The readings show no derivatives of this order, or the largest ones that the features have.
            return self._at(step * _TRIED)
        found = scipy.optimize.brentq(self._excess, low, high, xtol=_ACCURACY, disp=False)
        return self._at(float(found))  # pyright: ignore[reportArgumentType]

    def _finds_unit(self) -> bool:
        """Finds the unit of penalties: the variance of the noise over the mean square of the functions; `False` where
        there is no solution.
        """
        read = [each for each in self._noisy if each.operator is None and self._is_read(each)]
        variance, size = 1.0, max((root_mean_square(each.values) for each in read), default=1.0) or 1.0
        if not self.knows_noise:
            variance = _WEAK * max(float(np.var(each.values)) for each in self._noisy) or 1.0
        for _ in range(_UNITS):
            found = self.solution(variance / size**2)
            if found is None:
                return False
            before = variance, size
            size = self._size(found) or size
            if not self.knows_noise:
                variance = max(found.misfit, np.finfo(float).tiny) / max(found.freedom, _LEFT)
            if max(abs(math.log(now / then)) for now, then in zip((variance, size), before, strict=True)) < 1:
                break
        self._unit = variance / size**2
        return True

    def _is_read(self, data: Data) -> bool:
        """Whether data are readings of one of the functions that are to be smooth."""
        of = self._run.problem.functions if data.of is None else (data.of,) if isinstance(data.of, str) else data.of
        return any(name in of for name in self._names)

    def _size(self, solution: Solution) -> float:
        """The root mean square of the functions that are to be smooth."""
        domain = self._run.problem.domain
        points = domain.grid(_GRID.get(domain.dimension, 5))
        return max(root_mean_square(solution[name](points)) for name in self._names)

    def _at(self, exponent: float) -> float:
        """A penalty, in the unit of penalties."""
        return self._unit * _FACTOR**exponent

    def _unpenalized(self) -> float | None:
        """How many unknowns the readings determine however large the penalty is; `None` without a solution."""
        before = math.inf
        for number in range(_TRIED + 1):
            found = self.solution(self._at(number))
            if found is None:
                return None
            followed = self._count - found.freedom
            if followed >= before - _SAME:
                break
            before = followed
        return before

    def _excess(self, exponent: float) -> float:
        """How much larger the derivatives are than the penalty lets expect, as a logarithm, for the readings that there
        are; not a number where there is no solution.

        A penalty is a normal distribution of the derivatives. At the largest restricted likelihood their sum of squares
        is the number of unknowns that the readings determine against it (MacKay, Neural Computation 4, 1992).
        """
        found, unpenalized = self.solution(self._at(exponent)), self._unpenalized()
        if found is None or unpenalized is None:
            return math.nan
        variance = 1.0 if self.knows_noise else found.misfit / max(found.freedom, _LEFT)
        determined = max(self._count - found.freedom - unpenalized, _LEFT)
        return math.log(max(found.penalty, np.finfo(float).tiny) / (variance * determined))
