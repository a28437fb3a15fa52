"""Conditions: what an unknown must satisfy, and where.

A condition is a residual that should vanish on the interior or on some faces of the domain. All share three keywords:

- `weight`: a positive factor on the condition's term of the loss.
- `quadrature`: the points for this condition, in place of the problem's.
- `name`: what messages call it.

Two conditions are equal only if they are the same object: their data may be arrays, which have no equality to go by.
"""

import abc
import dataclasses
from collections.abc import Callable
from numbers import Integral

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd.problem._domain import Box, Face
from sngd.problem._field import Field
from sngd.problem._operators import directional, partial
from sngd.problem._quadrature import AbstractQuadrature

Point = Float[Array, " d"]
Data = float | Callable[[Point], Array | float]
Residual = Callable[[Field, Point], Array]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class AbstractCondition(abc.ABC):
    """The interface of a condition; a new kind of condition implements `faces` and `residual`."""

    weight: float = 1.0
    quadrature: AbstractQuadrature | None = None
    name: str = ""

    def __post_init__(self):
        if not (np.isfinite(self.weight) and self.weight > 0):
            raise ValueError(f"weight of {self.label} is {self.weight}; it must be positive and finite")

    @property
    def label(self) -> str:
        return self.name or type(self).__name__.lower()

    @abc.abstractmethod
    def faces(self, domain: Box) -> tuple[Face, ...] | None:
        """The faces on which the condition holds, or `None` for the interior."""

    @abc.abstractmethod
    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        """What should vanish at `x`: a scalar, or a vector of equations. `normal` is zero in the interior."""


@dataclasses.dataclass(frozen=True, eq=False)
class Interior(AbstractCondition):
    """`equation(u, x) = 0` in the interior."""

    equation: Residual

    def faces(self, domain: Box) -> None:
        return None

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        return self.equation(u, x)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class AbstractBoundaryCondition(AbstractCondition):
    """A condition on faces: those of all space axes, or those in `on`."""

    on: tuple[Face, ...] | None = None

    def faces(self, domain: Box) -> tuple[Face, ...]:
        faces = domain.boundary if self.on is None else tuple(self.on)
        if not faces:
            raise ValueError(
                f"on is empty in {self.label}; name at least one face, for instance (domain.face('x', 'lower'),)"
            )
        for face in faces:
            if face.box != domain:
                raise ValueError(f"on of {self.label} has a face of another domain, {face.box}; take it from {domain}")
        return faces


@dataclasses.dataclass(frozen=True, eq=False)
class Boundary(AbstractBoundaryCondition):
    """`equation(u, x, normal) = 0` on faces, with `normal` the outward unit normal."""

    equation: Callable[[Field, Point, Point], Array]

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        return self.equation(u, x, normal)


@dataclasses.dataclass(frozen=True, eq=False)
class Dirichlet(AbstractBoundaryCondition):
    """`u = value` on faces. `value` is a number or a function of a point; `component` picks one output of a system."""

    value: Data = 0.0
    component: int | None = None

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        return _component(u(x), self.component) - _evaluate(self.value, x)


@dataclasses.dataclass(frozen=True, eq=False)
class Neumann(AbstractBoundaryCondition):
    """The outward normal derivative of `u` equals `value` on faces."""

    value: Data = 0.0
    component: int | None = None

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        return _component(directional(u, normal)(x), self.component) - _evaluate(self.value, x)


@dataclasses.dataclass(frozen=True, eq=False)
class Robin(AbstractBoundaryCondition):
    """`coefficient * u + du/dn = value` on faces."""

    coefficient: Data
    value: Data = 0.0
    component: int | None = None

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        left = _evaluate(self.coefficient, x) * u(x) + directional(u, normal)(x)
        return _component(left, self.component) - _evaluate(self.value, x)


@dataclasses.dataclass(frozen=True, eq=False)
class Initial(AbstractCondition):
    """`u = value` at the first instant; with `derivative=k`, the k-th time derivative of `u` instead."""

    value: Data
    derivative: int = 0
    component: int | None = None

    def faces(self, domain: Box) -> tuple[Face, ...]:
        return (domain.initial,)

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        derivative = partial(u, *[u.domain.initial.axis] * self.derivative) if self.derivative else u
        return _component(derivative(x), self.component) - _evaluate(self.value, x)


@dataclasses.dataclass(frozen=True, eq=False)
class Periodic(AbstractCondition):
    """`u` takes the same values on both faces of `axis`; `derivatives=(0, 1)` matches the first derivative too."""

    axis: str
    derivatives: tuple[int, ...] = (0,)

    def faces(self, domain: Box) -> tuple[Face, ...]:
        return (domain.face(self.axis, "lower"),)

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        opposite = x.at[u.domain.index(self.axis)].set(u.domain.face(self.axis, "upper").position)
        jumps = []
        for order in self.derivatives:
            derivative = partial(u, *[self.axis] * order) if order else u
            jumps.append(derivative(opposite) - derivative(x))
        return jnp.stack(jumps)


def _evaluate(data: Data, x: Point) -> Array | float:
    return data(x) if callable(data) else data


def _component(value: Array, component: int | None) -> Array:
    """One entry of the value of a system. Raises `ValueError` where there is no such entry."""
    if component is None:
        return value
    shape = jnp.shape(value)
    if not isinstance(component, Integral) or len(shape) != 1 or not 0 <= component < shape[0]:
        outputs = f"a whole number below {shape[0]}" if shape else "left out, since the unknown is a scalar"
        raise ValueError(f"component is {component!r}; it must be {outputs}")
    return jnp.asarray(value)[component]
