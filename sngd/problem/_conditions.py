"""Conditions: what an unknown must satisfy, and where.

A condition is a residual that should vanish in the interior or on some faces of the domain. All conditions share three
keywords:

- `weight`: a positive factor on the condition's term of the loss. A weight that is not positive or not finite raises
  `ValueError`.
- `quadrature`: the points for this condition, in place of the problem's points. Arrays `(points, weights)` of shapes
  `(n, d)` and `(n,)` hold points of the domain at which the condition holds. The condition is assumed to hold between
  these points too.
- `name`: the name of the condition in messages.

The data of a condition are numbers or functions of one point `x`. A function of `jax.numpy` becomes a part of the
compiled residual. Any other function, of NumPy or SciPy for instance, is evaluated once at each of the points.

Two conditions are equal only if they are the same object, because their data may be arrays.
"""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd.problem._data import Data, Point, datum_at, evaluate_on_host, is_traceable
from sngd.problem._domain import Box, Face, Faces, select_faces
from sngd.problem._field import Field
from sngd.problem._given import Quadrature, as_points
from sngd.problem._operators import directional, partial
from sngd.problem._parameters import bind
from sngd.problem._points import AbstractPoints

Component = int | Sequence[int] | None


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class AbstractCondition(abc.ABC):
    """The interface of a condition. A subclass defines `faces` and `residual`.

    - `data`: the names of the subclass's fields that are numbers or functions of a point.
    - `weight`, `quadrature`, `name`: as in the description of this module.
    """

    data: ClassVar[tuple[str, ...]] = ()

    weight: float = 1.0
    quadrature: Quadrature | None = None
    name: str = ""

    def __post_init__(self):
        if not (np.isfinite(self.weight) and self.weight > 0):
            raise ValueError(f"weight of {self.label} is {self.weight}; it must be positive and finite")
        # The property raises an error for points that cannot be used, so that the constructor does.
        _ = self.points

    @property
    def label(self) -> str:
        return self.name or type(self).__name__.lower()

    @property
    def points(self) -> AbstractPoints | None:
        """The condition's own points. `None` means that the points of the problem serve."""
        return None if self.quadrature is None else as_points(self.quadrature, f"quadrature of {self.label}")

    @abc.abstractmethod
    def faces(self, domain: Box) -> tuple[Face, ...] | None:
        """The faces of `domain` on which the condition holds. `None` means the interior."""

    @abc.abstractmethod
    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        """The residual at one point: a scalar for one equation, or a vector with one entry for each equation.

        - `u`: the unknown.
        - `x`: the point, shape `(d,)`.
        - `normal`: the outward unit normal at `x`, shape `(d,)`. It is zero in the interior.

        JAX traces this method and differentiates it. Sums over the points and weights are formed elsewhere.
        """

    def tabulated(
        self, points: Float[np.ndarray, "n d"], parameters: Mapping[str, Any]
    ) -> dict[str, Float[np.ndarray, "n ..."]]:
        """The values at all points of those data that JAX cannot trace, by the names of the data.

        - `points`: the points of this condition, shape `(n, d)`.
        - `parameters`: the parameters of the problem.

        Raises `TypeError` and `ValueError` as `evaluate_on_host` and `bind` do.
        """
        data = {name: getattr(self, name) for name in self.data}
        labels = {name: f"{name} of {self.label}" for name in data}
        functions = {name: bind(value, 1, parameters, labels[name]) for name, value in data.items() if callable(value)}
        return {
            name: evaluate_on_host(function, points, labels[name])
            for name, function in functions.items()
            if not is_traceable(function, points.shape[1])
        }

    def datum(self, u: Field, name: str, x: Point, shape: tuple[int, ...], unknown: str = "u") -> Array | float:
        """The value at `x` of the data called `name`: a number, or an array of this `shape`.

        - `u`: the unknown, which holds the parameters of the problem.
        - `unknown`: the name in messages of what has the `shape`.

        Raises `ValueError` for data of another shape, and `TypeError` for data that are not numbers.
        """
        data, label = getattr(self, name), f"{name} of {self.label}"
        data = bind(data, 1, u.parameters, label) if callable(data) else data
        return datum_at(data, x, shape, label, unknown)


@dataclasses.dataclass(frozen=True, eq=False)
class Interior(AbstractCondition):
    """The equation `equation(u, x) = value` in the interior.

    - `equation`: a function of the unknown `u` and one point `x`, shape `(d,)`. It returns a scalar, or a vector with
      one entry for each equation of a system. It is differentiated, so it must be written with `jax.numpy`.
    - `value`: a number, an array of the shape of the equation, or a function of one point. If it is left out, it is
      zero. It may be a function of NumPy or SciPy.
    """

    data: ClassVar[tuple[str, ...]] = ("value",)

    equation: Callable[[Field, Point], Array]
    value: Data | None = None

    def faces(self, domain: Box) -> None:
        return None

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        _require_function(self.equation, self.label, "(u, x)")
        equation = bind(self.equation, 2, u.parameters, f"the equation of {self.label}")
        return _less_value(self, u, equation(u, x), x)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class AbstractBoundaryCondition(AbstractCondition):
    """A condition on faces of the domain.

    - `on`: a face, or a sequence of faces. `"lower"` and `"upper"` mean the lower and the upper faces of all space
      axes. If `on` is left out, the condition holds on all faces of the space axes.
    """

    on: Faces = None

    def faces(self, domain: Box) -> tuple[Face, ...]:
        return select_faces(domain, self.on, self.label)


@dataclasses.dataclass(frozen=True, eq=False)
class Boundary(AbstractBoundaryCondition):
    """The equation `equation(u, x, normal) = value` on faces.

    - `equation`: a function of the unknown `u`, one point `x` and the outward unit normal, both of shape `(d,)`. It is
      otherwise as in `Interior`.
    - `value`: as in `Interior`.
    """

    data: ClassVar[tuple[str, ...]] = ("value",)

    equation: Callable[[Field, Point, Point], Array]
    value: Data | None = None

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        _require_function(self.equation, self.label, "(u, x, normal)")
        equation = bind(self.equation, 3, u.parameters, f"the equation of {self.label}")
        return _less_value(self, u, equation(u, x, normal), x)


@dataclasses.dataclass(frozen=True, eq=False)
class Dirichlet(AbstractBoundaryCondition):
    """The boundary condition `u = value` on faces.

    - `value`: a number, an array, or a function of one point `x`, shape `(d,)`. For a system the value is one number
      for all components, or an array with one number for each component.
    - `component`: the index of one output of a system, or several indices like `(0, 1)`. If it is left out, the
      condition holds for all outputs.

    A value whose shape is not that of the unknown, and a component that does not exist, raise `ValueError` when the
    residual is first evaluated.
    """

    data: ClassVar[tuple[str, ...]] = ("value",)

    value: Data = 0.0
    component: Component = None

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        left = _component(u(x), self.component)
        return left - self.datum(u, "value", x, left.shape, _named("u", self.component))


@dataclasses.dataclass(frozen=True, eq=False)
class Neumann(AbstractBoundaryCondition):
    """The boundary condition `du/dn = value` on faces, with the outward normal derivative `du/dn` of the unknown.

    - `value`, `component`: as in `Dirichlet`.
    """

    data: ClassVar[tuple[str, ...]] = ("value",)

    value: Data = 0.0
    component: Component = None

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        left = _component(directional(u, normal)(x), self.component)
        return left - self.datum(u, "value", x, left.shape, _named("u", self.component))


@dataclasses.dataclass(frozen=True, eq=False)
class Robin(AbstractBoundaryCondition):
    """The boundary condition `coefficient * u + du/dn = value` on faces, with the outward normal derivative `du/dn`.

    - `coefficient`, `value`, `component`: as `value` and `component` in `Dirichlet`.
    """

    data: ClassVar[tuple[str, ...]] = ("coefficient", "value")

    coefficient: Data
    value: Data = 0.0
    component: Component = None

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        function, slope = (_component(field(x), self.component) for field in (u, directional(u, normal)))
        unknown = _named("u", self.component)
        left = self.datum(u, "coefficient", x, function.shape, unknown) * function + slope
        return left - self.datum(u, "value", x, function.shape, unknown)


@dataclasses.dataclass(frozen=True, eq=False)
class Initial(AbstractCondition):
    """The initial condition `u = value` at the first instant of the time axis.

    - `value`, `component`: as in `Dirichlet`.
    - `derivative`: with `derivative=k` the condition holds for the k-th time derivative of `u` instead. An order that
      is not a whole number of at least 0 raises `ValueError`.

    A domain without a time axis raises `ValueError`.
    """

    data: ClassVar[tuple[str, ...]] = ("value",)

    value: Data
    derivative: int = 0
    component: Component = None

    def faces(self, domain: Box) -> tuple[Face, ...]:
        return (domain.initial,)

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        derivative = _derivative(u, u.domain.initial.axis, self.derivative, f"derivative of {self.label}")
        left = _component(derivative(x), self.component)
        return left - self.datum(u, "value", x, left.shape, _named("u", self.component))


@dataclasses.dataclass(frozen=True, eq=False)
class Periodic(AbstractCondition):
    """The condition that `u` has the same values on both faces of `axis`.

    - `axis`: the name of an axis of the domain.
    - `derivatives`: the orders of the derivatives along `axis` that are equal on both faces. `(0, 1)` means the values
      and the first derivatives.

    The residual has one entry for each order and each output. An unknown axis, and orders that are not whole numbers of
    at least 0, raise `ValueError`.
    """

    axis: str
    derivatives: tuple[int, ...] = (0,)

    def faces(self, domain: Box) -> tuple[Face, ...]:
        return (domain.face(self.axis, "lower"),)

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        opposite = x.at[u.domain.index(self.axis)].set(u.domain.face(self.axis, "upper").position)
        if not isinstance(self.derivatives, Sequence) or not self.derivatives:
            raise ValueError(
                f"derivatives of {self.label} is {self.derivatives!r}; give the orders that match, for instance (0, 1)"
            )
        jumps = []
        for order in self.derivatives:
            derivative = _derivative(u, self.axis, order, f"derivatives of {self.label}")
            jumps.append(jnp.ravel(derivative(opposite) - derivative(x)))
        return jnp.concatenate(jumps)


def _less_value(condition: Interior | Boundary, u: Field, left: Array, x: Point) -> Array:
    if condition.value is None:
        return left
    left = jnp.asarray(left)
    return left - condition.datum(u, "value", x, left.shape, "the equation")


def _require_function(equation: Callable, label: str, arguments: str) -> None:
    if not callable(equation):
        raise TypeError(f"equation of {label} is {equation!r}; it must be a function of {arguments}")


def _derivative(u: Field, axis: str, order: int, name: str) -> Field:
    if not isinstance(order, Integral) or order < 0:
        raise ValueError(f"{name} is {order!r}; it must be a whole number of at least 0")
    return partial(u, *[axis] * int(order)) if order else u


def _component(value: Array, component: Component) -> Array:
    """The entries of `value` that `component` names. Raises `ValueError` if there are no such entries."""
    if component is None:
        return value
    indices = tuple(component) if isinstance(component, Sequence) else (component,)
    shape = jnp.shape(value)
    count = shape[0] if len(shape) == 1 else 0
    known = all(isinstance(index, Integral) and index in range(count) for index in indices)
    if not known or not indices or len(set(indices)) < len(indices):
        outputs = f"a whole number below {count}, or several, each once"
        outputs = outputs if shape else "left out, since the unknown is a scalar"
        raise ValueError(f"component is {component!r}; it must be {outputs}")
    entries = [value[index] for index in indices]
    return jnp.stack(entries) if isinstance(component, Sequence) else entries[0]


def _named(unknown: str, component: Component) -> str:
    return unknown if component is None else f"component {component} of {unknown}"
