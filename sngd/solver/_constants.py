"""Unknown constants of a solution, with their standard errors."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from sngd.features import Inference
from sngd.problem import AbstractProblem, Law

# A constant has a part in a direction if it has this share of it.
_SHARE = 1e-3

# An estimate of the noise from fewer degrees of freedom tells nothing.
_FREEDOM = 0.5

# The probability of an interval.
_LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class FoundConstant:
    """The value of an unknown constant.

    - `standard_error`: of the value, from the noise of the readings; zero where readings have no noise; infinite where
      nothing determines the constant.
    - `freedom`: degrees of freedom of the estimated noise; infinite where the noise is known.
    - `bound`: the bound at which the value is, or `None`. There the standard error is not a number.
    - `error_estimate`: of the error of the computation, by which the value may differ from the one that solves the
      equations exactly.
    """

    name: str
    value: float
    standard_error: float
    freedom: float
    bound: float | None
    error_estimate: float

    def interval(self, level: float = _LEVEL) -> tuple[float, float]:
        """The confidence interval, by Student's distribution where the noise was estimated.

        Raises `ValueError` for a level that is not between zero and one, and for a constant at its bound.
        """
        if not 0 < level < 1:
            raise ValueError(f"level is {level}; it must be between 0 and 1")
        if self.bound is not None:
            raise ValueError(f"the constant {self.name} is at its bound {self.bound:g} and has no interval")
        half = self.standard_error * float(stdtrit(min(self.freedom, 1e10), (1 + level) / 2))
        return self.value - half, self.value + half

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        """The value with its standard error, or the error of the computation where readings have no noise."""
        if self.bound is not None:
            return f"{self.value:.6g} (at its bound, without an interval)"
        error = max(self.standard_error, self.error_estimate)
        if not math.isfinite(error):
            return f"{self.value:.6g} (not determined)"
        if not error:
            return f"{self.value:.16g}"
        # Two digits of the error, and as many of the value.
        digits = max(0, 1 - math.floor(math.log10(error)))
        if digits > 16:
            return f"{self.value:.16g} +- {error:.1e}"
        return f"{self.value:.{digits}f} +- {error:.{digits}f}"


@dataclasses.dataclass(frozen=True)
class FoundLaw:
    """An unknown function of a number, as it was found.

    - `law`: what was sought. `coefficients`: of its Chebyshev series, shape `(c,)`. `covariance`: of these, `(c, c)`.
    - `is_determined`: whether the readings determine all of them.
    """

    law: Law
    coefficients: Float[np.ndarray, " c"]
    covariance: Float[np.ndarray, "c c"]
    is_determined: bool = True

    def __call__(self, numbers: Any) -> Float[np.ndarray, " n"]:
        """The law at numbers of shape `(n,)`. Raises `ValueError` for numbers of another shape or out of its range."""
        return self._polynomials(numbers) @ self.coefficients

    def standard_deviation(self, numbers: Any) -> Float[np.ndarray, " n"]:
        """The standard deviation of the law at numbers of shape `(n,)`, from the noise of the readings.

        It is infinite where the readings do not determine all coefficients.
        """
        found = self._polynomials(numbers)
        if not self.is_determined:
            return np.full(len(found), math.inf)
        return np.sqrt(np.sum((found @ self.covariance) * found, axis=1))

    def _polynomials(self, numbers: Any) -> Float[np.ndarray, "n c"]:
        given, (low, high) = np.asarray(numbers, dtype=float), self.law.between
        if given.ndim != 1:
            raise ValueError(f"numbers have shape {given.shape}; the law {self.law.name} takes numbers of shape (n,)")
        outside = ~((given >= low) & (given <= high))
        if outside.any():
            raise ValueError(
                f"numbers holds {given[outside][0]}; the law {self.law.name} is known between {low:g} and {high:g}"
            )
        return self.law.polynomials(given)


def found_laws(
    problem: AbstractProblem, constants: Mapping[str, FoundConstant], covariance: Float[np.ndarray, "c c"]
) -> dict[str, FoundLaw]:
    """The laws of a problem by their names. `covariance`: of all constants, in the order of the problem."""
    laws = {}
    for law in problem.laws:
        at = [number for number, each in enumerate(problem.constants) if each.argument == law.name]
        coefficients = np.array([constants[each.name].value for each in law.coefficients])
        known = all(math.isfinite(constants[each.name].standard_error) for each in law.coefficients)
        laws[law.name] = FoundLaw(law, coefficients, covariance[np.ix_(at, at)], known)
    return laws


def found_constants(
    problem: AbstractProblem,
    values: Float[np.ndarray, " c"],
    changes: Float[np.ndarray, " c"],
    inference: Inference,
    relative: float = 0.0,
) -> dict[str, FoundConstant]:
    """The constants of a problem by their names.

    - `values`: of the constants. `changes`: what is missing to them, as far as the computation can tell.
    - `relative`: the relative error of the computation of the functions, which that of the constants is at least
      counted as.
    """
    found = {}
    open_ones = np.any(np.abs(inference.undetermined) > _SHARE, axis=0)
    deviations = np.where(open_ones, np.inf, np.sqrt(np.diag(inference.covariance)))
    if inference.freedom < _FREEDOM:
        # As many unknowns as readings leave nothing that tells the noise.
        deviations = np.full_like(deviations, np.inf)
    for at, constant in enumerate(problem.constants):
        value = float(values[at])
        bound = constant.bound_at(value)
        error = math.hypot(changes[at], max(relative, float(np.finfo(float).eps)) * value)
        deviation = float(deviations[at]) if bound is None else math.nan
        found[constant.name] = FoundConstant(constant.name, value, deviation, inference.freedom, bound, error)
    return found


def name_of(direction: np.ndarray, names: tuple[str, ...]) -> str:
    """A direction of the constants in words: their changes, of which the largest is one."""
    scaled = direction / direction[np.argmax(np.abs(direction))]
    parts = [f"{share:+.3g} {name}" for share, name in zip(scaled, names, strict=True) if abs(share) > _SHARE]
    return " ".join(parts).removeprefix("+")
