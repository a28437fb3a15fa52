"""Unknown functions of a number, such as a conductivity that depends on the temperature."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd._arguments import require_integer, require_number, shown
from sngd.problem._unknowns import Constant, require_name


@dataclasses.dataclass(frozen=True)
class Law:
    """An unknown function `b` of one number, which residuals evaluate at numbers, as in `b(u(x))`.

    - `name`: an identifier.
    - `between`: the lowest and the largest number that the law is evaluated at.
    - `start`: the constant from which the law is sought. A law that is divided by is not zero there.
    - `terms`: how many Chebyshev polynomials the law is a sum of. The coefficients are unknown constants `b[0]`,
      `b[1]`, ... of the problem.

    Raises `TypeError` or `ValueError` for values that cannot be used.

    A law that is analytic near the interval is approximated with an error that falls exponentially with the number of
    terms (Trefethen, Approximation Theory and Approximation Practice, 2013, chapter 8).
    """

    name: str
    between: tuple[float, float]
    start: float = 1.0
    terms: int = 16

    def __post_init__(self):
        require_name(self.name, "name of a law")
        given = f"between of the law {self.name} is {shown(self.between)}"
        if not isinstance(self.between, tuple | list) or len(self.between) != 2:
            raise TypeError(f"{given}; give the lowest and the largest argument, for instance (0.0, 1.0)")
        for end in self.between:
            require_number(f"an end of between of the law {self.name}", end)
        low, high = map(float, self.between)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"{given}; the ends must be finite and increasing")
        object.__setattr__(self, "between", (low, high))
        require_number(f"start of the law {self.name}", self.start)
        if not math.isfinite(self.start):
            raise ValueError(f"start of the law {self.name} is {self.start}; it must be finite")
        require_integer(f"terms of the law {self.name}", self.terms, least=1)

    @property
    def coefficients(self) -> tuple["Coefficient", ...]:
        """The unknown constants of the law."""
        starts = [self.start] + [0.0] * (self.terms - 1)
        unit = abs(self.start) or 1.0
        return tuple(
            Coefficient(f"{self.name}[{number}]", start=start, scale=unit, law=self)
            for number, start in enumerate(starts)
        )

    def polynomials(self, numbers: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n c"]:
        """The Chebyshev polynomials at numbers."""
        return np.polynomial.chebyshev.chebvander(self.scaled(numbers), self.terms - 1)

    def scaled(self, number: Any) -> Any:
        """A number, scaled from the interval to `[-1, 1]`."""
        low, high = self.between
        return (2 * number - (low + high)) / (high - low)


@dataclasses.dataclass(frozen=True)
class Coefficient(Constant):
    """One of the coefficients of a law. `law`: that law."""

    law: Law | None = None

    @property
    def label(self) -> str:
        return f"the law {self.argument}"

    @property
    def argument(self) -> str:
        assert self.law is not None
        return self.law.name

    def _require_name(self) -> None:
        # The law has required its name, and this one has a number behind it.
        pass


class LawValues(eqx.Module):
    """A law with known coefficients, shape `(c,)`: a function of a number, which JAX can differentiate."""

    coefficients: Float[Array, " c"]
    law: Law = eqx.field(static=True)

    def __call__(self, number: Any) -> Array:
        """The sum of the series by Clenshaw's recurrence."""
        scaled = self.law.scaled(jnp.asarray(number))
        last, before = jnp.zeros_like(scaled), jnp.zeros_like(scaled)
        for number_of_term in range(self.law.terms - 1, 0, -1):
            last, before = self.coefficients[number_of_term] + 2 * scaled * last - before, last
        return self.coefficients[0] + scaled * last - before


def values_of(constants: Sequence[Constant], variables: Float[Array, " c"]) -> dict[str, Any]:
    """Constants and laws by the names by which residuals take them, from the variables of constants without bounds."""
    found: dict[str, Any] = {}
    coefficients: dict[Law, list[Array]] = {}
    for at, constant in enumerate(constants):
        value = constant.value(variables[at])
        if isinstance(constant, Coefficient) and constant.law is not None:
            coefficients.setdefault(constant.law, []).append(value)
        else:
            found[constant.name] = value
    return found | {law.name: LawValues(jnp.stack(values), law) for law, values in coefficients.items()}


def start_values(constants: Sequence[Constant]) -> dict[str, Any]:
    """Constants and laws at their starts, by their names."""
    return values_of(constants, jnp.array([constant.variable(constant.start) for constant in constants]))
