"""Unknown constants of a solution, with their standard errors."""

import dataclasses
import math

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from sngd.features import Inference
from sngd.problem import AbstractProblem

# A constant has a part in a direction if it has this share of it.
_SHARE = 1e-3

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
