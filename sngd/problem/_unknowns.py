"""What a problem is to find: functions of the point, and constants."""

import dataclasses
import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd._arguments import require_integer, require_number, shown

RESERVED = ("x", "normal")
"""Names of the arguments of a residual that are no unknowns: the point and the outward unit normal."""

# A constant that is nearer to its bound than this part of its scale is at the bound.
_AT_BOUND = 1e-6


@dataclasses.dataclass(frozen=True)
class Unknown:
    """An unknown function, which the residuals take as an argument of the same name.

    - `name`: an identifier.
    - `inputs`: the names of the axes that the function depends on, such as `("x",)` for a coefficient `q(x)` of an
      equation in `t` and `x`. Residuals evaluate it at a point of the domain all the same, as `q(x)`. If it is left
      out, the function depends on all axes.
    - `start`: the constant function from which it is sought. A coefficient of the highest derivative, or a length that
      is divided by, is not zero there.
    - `complex`: whether its values are complex numbers.
    - `trial`: a function `trial(v, x)` of a number and of a point of the domain, shape `(d,)`, that makes the unknown
      from the value `v` of a network or of features there, such as `lambda v, x: x[0] * (1 - x[0]) * v` for a function
      that is zero at the ends. It is written with `jax.numpy`. If it is left out, the unknown is `v` itself. Conditions
      that all such functions meet are left out of the problem.
    - `parts`: the number of smooth functions that the trial function makes the unknown of. With more than one, `v` is
      the vector of their values: `lambda v, x: v[0] + jnp.sqrt(x[0]) * v[1]` with `parts=2`. If it is left out, it is
      the attribute `parts` of the trial function, which those of `sngd.corners` have, or one.
    - `on`: the name of the region that the function lives on, in a domain that is made of named regions. If it is left
      out, there is one function for each region, named `u_core` for `u` in the region `core`, and conditions in that
      region take it as `u`.
    - `alias`: the name by which conditions in the region take the function; left out, that is `name`.

    Raises `TypeError` or `ValueError` for values that cannot be used.
    """

    name: str
    inputs: str | tuple[str, ...] | None = None
    start: complex = 0.0
    complex: bool = False
    trial: Callable[..., Any] | None = None
    parts: int = 0
    on: str | None = None
    alias: str = ""

    def __post_init__(self):
        require_name(self.name, "name of an unknown")
        if self.on is not None and not isinstance(self.on, str):
            raise TypeError(f"on of the unknown {self.name} is {shown(self.on)}; it must be the name of a region")
        if not isinstance(self.complex, bool):
            raise TypeError(f"complex of the unknown {self.name} is {shown(self.complex)}; it must be True or False")
        if isinstance(self.start, numbers.Complex) and not isinstance(self.start, numbers.Real) and not self.complex:
            raise ValueError(
                f"start of the unknown {self.name} is {self.start}, and the unknown is real; give complex=True or a "
                "real number"
            )
        if not (self.complex and isinstance(self.start, numbers.Complex)):
            require_number(f"start of the unknown {self.name}", self.start)
        if not np.isfinite(self.start):
            raise ValueError(f"start of the unknown {self.name} is {self.start}; it must be finite")
        if self.trial is not None and not callable(self.trial):
            raise TypeError(
                f"trial of the unknown {self.name} is {shown(self.trial)}; give a function of a number and a point"
            )
        if self.trial is not None and self.complex:
            raise ValueError(f"the unknown {self.name} is complex and has a trial function; give one of the two")
        parts = self.parts or getattr(self.trial, "parts", 1)
        require_integer(f"parts of the unknown {self.name}", parts, least=1)
        if parts > 1 and self.trial is None:
            raise ValueError(f"parts of the unknown {self.name} is {parts}; give the trial function that they make up")
        object.__setattr__(self, "parts", parts)
        if isinstance(self.inputs, str):
            object.__setattr__(self, "inputs", (self.inputs,))
        if self.inputs is None:
            return
        inputs = tuple(self.inputs) if isinstance(self.inputs, Iterable) else ()
        if not inputs or not all(isinstance(axis, str) for axis in inputs) or len(set(inputs)) < len(inputs):
            raise ValueError(
                f"inputs of the unknown {self.name} is {shown(self.inputs)}; give names of axes, each once, or leave "
                "them out for all axes"
            )
        object.__setattr__(self, "inputs", inputs)

    @property
    def components(self) -> int:
        """The number of real functions that it is made of."""
        return 2 if self.complex else self.parts


@dataclasses.dataclass(frozen=True)
class Constant:
    """An unknown constant, which the residuals take as an argument of the same name.

    - `name`: an identifier. `start`: the value from which it is sought.
    - `lower`, `upper`: bounds; left out, there are none. The start is between the bounds.
    - `scale`: a positive number, the size of a usual change; left out, it is the size of the start, or one where the
      start is zero.
    - `prior`: what is known beforehand, as a mean and a standard deviation; left out, nothing.

    Raises `TypeError` or `ValueError` for values that cannot be used.

    A constant with bounds is a smooth function of a variable without bounds, as in MINUIT (James and Roos, Comput.
    Phys. Commun. 10, 1975).
    """

    name: str
    start: float = 1.0
    lower: float = -math.inf
    upper: float = math.inf
    scale: float | None = None
    prior: tuple[float, float] | None = None

    def __post_init__(self):
        self._require_name()
        for field in ("start", "lower", "upper"):
            require_number(f"{field} of the constant {self.name}", getattr(self, field))
        if not math.isfinite(self.start):
            raise ValueError(f"start of the constant {self.name} is {self.start}; it must be finite")
        if not self.lower < self.upper:
            raise ValueError(
                f"bounds of the constant {self.name} are lower={self.lower} and upper={self.upper}; they must increase"
            )
        if not self.lower < self.start < self.upper:
            raise ValueError(
                f"start of the constant {self.name} is {self.start}; it must be between lower={self.lower} and "
                f"upper={self.upper}, and not at a bound"
            )
        if self.scale is not None:
            require_number(f"scale of the constant {self.name}", self.scale)
        if self.scale is not None and not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale of the constant {self.name} is {self.scale}; it must be positive and finite")
        if self.prior is not None:
            self._require_prior()

    def _require_name(self) -> None:
        require_name(self.name, "name of a constant")

    def _require_prior(self) -> None:
        given = f"prior of the constant {self.name} is {shown(self.prior)}"
        if not isinstance(self.prior, tuple | list) or len(self.prior) != 2:
            raise TypeError(f"{given}; give a mean and a standard deviation, for instance (1.0, 0.1)")
        mean, deviation = self.prior
        require_number(f"mean of the prior of the constant {self.name}", mean)
        require_number(f"standard deviation of the prior of the constant {self.name}", deviation)
        if not (math.isfinite(mean) and math.isfinite(deviation) and deviation > 0):
            raise ValueError(f"{given}; the mean must be finite, and the standard deviation positive and finite")

    @property
    def label(self) -> str:
        """The name in messages."""
        return f"the constant {self.name}"

    @property
    def argument(self) -> str:
        """The name by which residuals take the constant, or the law of which it is a coefficient."""
        return self.name

    @property
    def unit(self) -> float:
        """The size of a usual change."""
        return self.scale if self.scale is not None else abs(self.start) or 1.0

    @property
    def free(self) -> "Constant":
        """The constant without bounds. Its variable is its value in its unit."""
        return dataclasses.replace(self, lower=-math.inf, upper=math.inf, scale=self.unit)

    def value(self, variable: Float[Array, ""]) -> Float[Array, ""]:
        """The constant as a function of a variable without bounds."""
        if math.isfinite(self.lower) and math.isfinite(self.upper):
            return self.lower + (self.upper - self.lower) * (1 + jnp.sin(variable)) / 2
        # With one bound: a hyperbola whose slope tends to one far from the bound and to zero at it.
        if math.isfinite(self.lower):
            return self.lower + self.unit * (jnp.sqrt(1 + variable**2) - 1)
        if math.isfinite(self.upper):
            return self.upper - self.unit * (jnp.sqrt(1 + variable**2) - 1)
        return self.unit * variable

    def variable(self, value: float) -> float:
        """The variable without bounds of a value between the bounds."""
        if math.isfinite(self.lower) and math.isfinite(self.upper):
            part = 2 * (value - self.lower) / (self.upper - self.lower) - 1
            return math.asin(min(max(part, -1.0), 1.0))
        if math.isfinite(self.lower):
            return math.sqrt(max((1 + (value - self.lower) / self.unit) ** 2 - 1, 0.0))
        if math.isfinite(self.upper):
            return math.sqrt(max((1 + (self.upper - value) / self.unit) ** 2 - 1, 0.0))
        return value / self.unit

    def bound_at(self, value: float) -> float | None:
        """The bound at which a value is, if it is at one."""
        near = _AT_BOUND * self.unit
        return next((bound for bound in (self.lower, self.upper) if abs(value - bound) <= near), None)


def priors(
    constants: tuple[Constant, ...], numbers: Float[np.ndarray, " c"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n c"]]:
    """The difference of each constant with a prior from its mean, in standard deviations, and its derivatives.

    - `numbers`: the constants in their units, shape `(c,)`, by which the derivatives are.
    """
    given = [(at, each.unit, *each.prior) for at, each in enumerate(constants) if each.prior is not None]
    differences, slopes = np.zeros(len(given)), np.zeros((len(given), len(constants)))
    for row, (at, unit, mean, deviation) in enumerate(given):
        differences[row] = (unit * numbers[at] - mean) / deviation
        slopes[row, at] = unit / deviation
    return differences, slopes


def require_name(name: Any, label: str) -> None:
    """Raises `TypeError` or `ValueError` for anything but an identifier that has no other meaning in a residual."""
    if not isinstance(name, str):
        raise TypeError(f"{label} is {shown(name)}; it must be a text")
    if not name.isidentifier():
        raise ValueError(f"{label} is {name!r}; it must be one that an argument of a function may have")
    if name in RESERVED:
        raise ValueError(f"{label} is {name!r}, which residuals have for something else; take another")
