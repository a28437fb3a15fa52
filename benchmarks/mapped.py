"""Problems on boxes that are shifted and stretched: the same equations in other coordinates.

An affine map `y = stretch * x + shift` of each axis carries a problem from a box to another one. A condition of the
mapped problem evaluates the residual of the original one for the pullback of the unknown, `x -> u(stretch * x +
shift)`. By the chain rule all derivatives are those of the original coordinates.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Array, Float

from sngd.geometry import AbstractRegion, Box, Face, Piece, Quadrature
from sngd.problem import (
    AbstractCondition,
    AbstractProblem,
    Constant,
    Data,
    Energy,
    Field,
    Periodic,
    Problem,
    Smooth,
    Unknown,
    in_place_of,
)

# The sides are multiplied by factors between these.
_SMALLEST, _LARGEST = 0.5, 2.0

# Data of these names may be functions that JAX cannot trace.
_DATA = ("value", "coefficient")


@dataclasses.dataclass(frozen=True)
class AffineMap:
    """The map `y = stretch * x + shift` from a box to another one.

    - `domain`: the box. `stretch`: positive numbers, one for each axis. `shift`: numbers, one for each axis.
    """

    domain: Box
    stretch: tuple[float, ...]
    shift: tuple[float, ...]

    @classmethod
    def random(cls, domain: Box, generator: np.random.Generator) -> "AffineMap":
        """Sides that are multiplied by factors between 0.5 and 2, whose logarithms are uniform, and a lower corner
        that is shifted by up to one side of the new box.
        """
        stretch = np.exp(generator.uniform(np.log(_SMALLEST), np.log(_LARGEST), domain.dimension))
        lower, upper = domain.extent
        corner = lower + generator.uniform(-1.0, 1.0, domain.dimension) * stretch * (upper - lower)
        return cls(domain, tuple(stretch.tolist()), tuple((corner - stretch * lower).tolist()))

    @property
    def image(self) -> Box:
        """The other box, with the same names of axes."""
        lower, upper = (tuple(self.forward(bound).tolist()) for bound in self.domain.extent)
        return dataclasses.replace(self.domain, lower=lower, upper=upper)

    def forward(self, x: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n d"]:
        """The images of points."""
        return np.array(self.stretch) * x + np.array(self.shift)

    def back(self, y: Any) -> Any:
        """The points of the original box that are mapped to these."""
        return (y - np.array(self.shift)) / np.array(self.stretch)

    def pullback(self, u: Field, y: Float[Array, " d"]) -> Field:
        """The function `x -> u(stretch * x + shift)` on the original box.

        It is evaluated at `back(y)` most of all, for which it reads `u` at `y` itself, without rounding errors.
        """
        x = self.back(y)
        values = lambda z: u(y + np.array(self.stretch) * (z - x))
        return dataclasses.replace(in_place_of(u, values), domain=self.domain)

    def quadrature(self, given: Quadrature | None) -> Quadrature | None:
        """The points of the other box. A rule is one for any box, and arrays of points are mapped."""
        if not isinstance(given, tuple | list):
            return given
        points, weights = given
        return self.forward(np.asarray(points)), np.prod(self.stretch) * np.asarray(weights)


@dataclasses.dataclass(frozen=True, eq=False)
class MappedCondition(AbstractCondition):
    """A condition in other coordinates.

    - `original`: the condition on the box of `by`.
    - `value`, `coefficient`: the values at one point of data of the original condition that JAX cannot trace.
    """

    original: AbstractCondition
    by: AffineMap
    value: Any = None
    coefficient: Any = None

    def faces(self, domain: AbstractRegion) -> tuple[Piece, ...] | None:
        faces = self.original.faces(self.by.domain)
        if faces is None:
            return None
        if not isinstance(domain, Box) or not all(isinstance(face, Face) for face in faces):
            raise ValueError(f"{self.label} holds on a part that is no face of a box, and cannot be mapped")
        return tuple(Face(domain, face.axis, face.side) for face in faces if isinstance(face, Face))

    def residual(self, u: Field, x: Float[Array, " d"], normal: Float[Array, " d"]) -> Array:
        tabulated = {name: getattr(self, name) for name in _DATA if getattr(self, name) is not None}
        original = dataclasses.replace(self.original, **tabulated) if tabulated else self.original
        return original.residual(self.by.pullback(u, x), self.by.back(x), normal)

    def uses(self, name: str) -> bool:
        return self.original.uses(name)

    def tabulated(
        self,
        points: Float[np.ndarray, "n d"],
        parameters: Mapping[str, Any],
        constants: Sequence[Constant] = (),
    ) -> dict[str, Float[np.ndarray, "n ..."]]:
        found = self.original.tabulated(self.by.back(points), parameters, constants)
        for name in found.keys() - set(_DATA):
            raise ValueError(
                f"{name} of {self.label} is a function that JAX cannot trace, and cannot be mapped to another box; "
                "write it with jax.numpy"
            )
        return found


def mapped(problem: AbstractProblem, by: AffineMap) -> AbstractProblem:
    """The problem in other coordinates, without its exact solution.

    - `by`: a map from the domain of the problem.

    Raises `ValueError` for a problem on another domain than that of the map.
    """
    if problem.domain != by.domain:
        raise ValueError(f"by is a map from {by.domain}, and the domain of the problem is {problem.domain}")
    changes: dict[str, Any] = {
        "domain": by.image,
        "exact": None,
        "quadrature": by.quadrature(problem.quadrature),
        "boundary_quadrature": by.quadrature(problem.boundary_quadrature),
        "unknowns": [_unknown(each, by) if isinstance(each, Unknown) else each for each in problem.unknowns],
    }
    if isinstance(problem, Problem):
        changes["conditions"] = [_condition(each, by) for each in problem.conditions]
    if isinstance(problem, Energy):
        changes |= {"density": _density(problem.density, by), "metric": _metric(problem.metric, by)}
    return dataclasses.replace(problem, **changes)


def _condition(condition: AbstractCondition, by: AffineMap) -> AbstractCondition:
    # Smoothness is measured in units of the sides, and the values on opposite faces are the same in all coordinates.
    if isinstance(condition, Periodic | Smooth):
        return condition
    if isinstance(condition, Data):
        operator = condition.operator and _operator(condition.operator, by)
        return dataclasses.replace(condition, points=by.forward(condition.points), operator=operator)
    own = {"weight": condition.weight, "quadrature": by.quadrature(condition.quadrature), "name": condition.label}
    return MappedCondition(condition, by, **own)


def _unknown(unknown: Unknown, by: AffineMap) -> Unknown:
    trial = unknown.trial
    return unknown if trial is None else dataclasses.replace(unknown, trial=lambda v, x: trial(v, by.back(x)))


def _operator(operator: Callable[..., Any], by: AffineMap) -> Callable[..., Any]:
    """An operator that takes unknowns and the point `x` by their names."""

    # The names of the arguments are those of the operator.
    @functools.wraps(operator)
    def at(x: Array, **named: Any) -> Any:
        pulled = {name: by.pullback(each, x) if isinstance(each, Field) else each for name, each in named.items()}
        return operator(x=by.back(x), **pulled)

    return at


def _density(density: Callable[..., Array], by: AffineMap) -> Callable[..., Array]:
    """The density of an energy, in units in which the box has the measure that it had."""

    @functools.wraps(density)
    def at(u: Field, x: Array, **parameters: Any) -> Array:
        return density(by.pullback(u, x), by.back(x), **parameters)

    return at


def _metric(metric: Callable[..., Array], by: AffineMap) -> Callable[..., Array]:
    @functools.wraps(metric)
    def at(u: Field, v: Field, x: Array, **parameters: Any) -> Array:
        return metric(by.pullback(u, x), by.pullback(v, x), by.back(x), **parameters)

    return at
