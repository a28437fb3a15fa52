"""Smoothness of an unknown function between readings with noise."""

import dataclasses
import itertools
import math
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from sngd._arguments import require_integer, require_number, shown
from sngd.geometry import AbstractRegion
from sngd.problem._condition import AbstractCondition
from sngd.problem._data import Point
from sngd.problem._field import Field
from sngd.problem._operators import partial


@dataclasses.dataclass(frozen=True, eq=False)
class Smooth(AbstractCondition):
    """An unknown function is as smooth as readings with noise allow.

    The mean square over the domain of the derivatives of one order, with lengths in units of the sides of the domain,
    times a penalty, is added to the sum of squares of the residuals of the readings, each divided by its
    standard deviation (Tikhonov regularization). It is a prior: all equations hold exactly, and standard deviations are
    those of the posterior distribution.

    - `of`: the name of the unknown function.
    - `order`: of the derivatives: 1 for functions that change little, 2 for functions that bend little.
    - `penalty`: a positive number. If it is left out, it is the one of the largest restricted likelihood (Wood, J. Roy.
      Statist. Soc. B 73, 2011): the derivatives are as large as the penalty lets expect. Where the noise is to be
      estimated, the penalty is for readings with a noise of one.

    Raises `TypeError` or `ValueError` for values that cannot be used.
    """

    functions: ClassVar[tuple[str, ...] | None] = ()

    of: str
    order: int = 2
    penalty: float | None = None

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.of, str):
            raise TypeError(f"of in {self.label} is {shown(self.of)}; give the name of one unknown function")
        require_integer(f"order of {self.label}", self.order, least=1)
        if self.penalty is not None:
            require_number(f"penalty of {self.label}", self.penalty)
            if not (math.isfinite(self.penalty) and self.penalty > 0):
                raise ValueError(f"penalty of {self.label} is {self.penalty}; it must be positive and finite")

    @property
    def needs_features(self) -> str:
        return f"{self.label} asks for smoothness"

    @property
    def noise_unit(self) -> float:
        """The standard deviation of the derivatives that the penalty stands for."""
        return 1.0 if self.penalty is None else 1 / math.sqrt(self.penalty)

    def faces(self, domain: AbstractRegion) -> None:
        return None

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        """The derivatives of the order along all axes, with sides of length one, over the root of the measure."""
        if self.of not in u.unknowns:
            raise ValueError(f"of in {self.label} is {self.of!r}; the unknown functions are {', '.join(u.unknowns)}")
        field, domain = u.named(self.of), u.domain
        found = []
        for axes in itertools.combinations_with_replacement(domain.axes, self.order):
            sides = math.prod(2 * float(domain.half_sides[domain.index(axis)]) for axis in axes)
            found.append(jnp.ravel(sides * partial(field, *axes)(x)))
        return jnp.concatenate(found) / math.sqrt(domain.measure)
