"""The conditions that are ready to use: equations in the interior, on faces, and at the first instant."""

import dataclasses
import numbers
from collections.abc import Callable, Sequence
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sngd.geometry import AbstractRegion, Box, Faces, Piece, Regions, select_faces
from sngd.problem._condition import AbstractCondition, Equations, Of, chosen, owner_of
from sngd.problem._data import Data, Point
from sngd.problem._field import Field
from sngd.problem._operators import directional, partial
from sngd.problem._parameters import call_by_names


@dataclasses.dataclass(frozen=True, eq=False)
class Interior(AbstractCondition):
    """The equation `equation(u, x) = value` in the interior.

    - `equation`: a function of unknowns and of one point `x`, shape `(d,)`, by their names. It returns a scalar, or
      several equations as a vector, a tuple or a list. It is differentiated, so it must be written with `jax.numpy`.
    - `value`: a number, an array of the shape of the equation, or a function of one point. If it is left out, it is
      zero. It may be a function of NumPy or SciPy.
    - `on`: a region, in the part of the domain in which the equation holds; or the name of one of the regions that the
      domain is made of. If it is left out, the equation holds in the whole domain.
    """

    data: ClassVar[tuple[str, ...]] = ("value",)
    functions: ClassVar[tuple[str, ...] | None] = ("equation",)

    equation: Callable[..., Equations]
    value: Data | None = None
    on: AbstractRegion | str | None = dataclasses.field(default=None, kw_only=True)

    def in_regions(self, domain: AbstractRegion) -> Sequence[AbstractCondition]:
        if not isinstance(domain, Regions) or self.within:
            return (self,)
        if self.on is None:
            return [dataclasses.replace(self, on=name, within=name) for name in domain.named_regions]
        if not isinstance(self.on, str):
            raise TypeError(
                f"on of {self.label} is {self.on!r}; in a domain that is made of named regions it is one of the names "
                f"{', '.join(domain.named_regions)}"
            )
        _ = domain.region(self.on)
        return [dataclasses.replace(self, within=self.on)]

    def faces(self, domain: AbstractRegion) -> None:
        return None

    def region(self, domain: AbstractRegion) -> AbstractRegion:
        if self.on is None:
            return domain
        if isinstance(self.on, str):
            if not isinstance(domain, Regions):
                raise ValueError(
                    f"on of {self.label} is {self.on!r}, and this domain has no named regions; give a region"
                )
            return domain.region(self.on)
        if not isinstance(self.on, AbstractRegion):
            raise TypeError(f"on of {self.label} is {self.on!r}; it must be a region, or the name of one of the domain")
        if self.on.dimension != domain.dimension:
            raise ValueError(
                f"on of {self.label} is a region with the axes {', '.join(self.on.axes)}; the domain has "
                f"{', '.join(domain.axes)}"
            )
        if isinstance(domain, Box) and isinstance(self.on, Box) and (both := domain.part(self.on)) is not None:
            return both
        try:
            return domain & self.on
        except ValueError as error:
            raise ValueError(f"on of {self.label} is {self.on}, which is outside of the domain {domain}") from error

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        _require_function(self.equation, self.label, "(u, x)")
        left = call_by_names(self.equation, {"x": x}, u, f"the equation of {self.label}")
        return _less_value(self, u, left, x)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class AbstractBoundaryCondition(AbstractCondition):
    """A condition on faces of the domain.

    - `on`: a face, or a sequence of faces. `"lower"` and `"upper"` mean the lower and the upper faces of all space
      axes. If `on` is left out, the condition holds on all faces of the space axes.
    """

    on: Faces = None

    def in_regions(self, domain: AbstractRegion) -> Sequence[AbstractCondition]:
        if not isinstance(domain, Regions) or self.within:
            return (self,)
        pieces = self.faces(domain)
        owners = dict.fromkeys(owner_of(piece) for piece in pieces)
        return [
            dataclasses.replace(self, on=tuple(each for each in pieces if owner_of(each) == name), within=name)
            for name in owners
        ]

    def faces(self, domain: AbstractRegion) -> tuple[Piece, ...]:
        return select_faces(domain, self.on, self.label)


@dataclasses.dataclass(frozen=True, eq=False)
class Boundary(AbstractBoundaryCondition):
    """The equation `equation(u, x, normal) = value` on faces.

    - `equation`: a function of unknowns, of one point `x` and of the outward unit `normal`, both of shape `(d,)`. It is
      otherwise as in `Interior`.
    - `value`: as in `Interior`.
    """

    data: ClassVar[tuple[str, ...]] = ("value",)
    functions: ClassVar[tuple[str, ...] | None] = ("equation",)

    equation: Callable[..., Equations]
    value: Data | None = None

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        _require_function(self.equation, self.label, "(u, x, normal)")
        left = call_by_names(self.equation, {"x": x, "normal": normal}, u, f"the equation of {self.label}")
        return _less_value(self, u, left, x)


@dataclasses.dataclass(frozen=True, eq=False)
class Dirichlet(AbstractBoundaryCondition):
    """The boundary condition `u = value` on faces.

    - `value`: a number, an array, or a function of one point `x`, shape `(d,)`. For several unknowns the value is one
      number for all, or an array with one number for each.
    - `of`: the name of an unknown function, or several names like `("u", "v")`. If it is left out, the condition holds
      for all unknown functions.

    A value whose shape is not that of the unknowns, and a name that is no unknown function, raise `ValueError` when the
    residual is first evaluated.
    """

    data: ClassVar[tuple[str, ...]] = ("value",)
    functions: ClassVar[tuple[str, ...] | None] = ()

    value: Data = 0.0
    of: Of = None

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        u = chosen(u, self.of, self.label)
        left = u(x)
        return left - self.datum(u, "value", x, left, _listed(u))


@dataclasses.dataclass(frozen=True, eq=False)
class Neumann(AbstractBoundaryCondition):
    """The boundary condition `du/dn = value` on faces, with the outward normal derivative `du/dn` of the unknown.

    - `value`, `of`: as in `Dirichlet`.
    """

    data: ClassVar[tuple[str, ...]] = ("value",)
    functions: ClassVar[tuple[str, ...] | None] = ()

    value: Data = 0.0
    of: Of = None

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        u = chosen(u, self.of, self.label)
        left = directional(u, normal)(x)
        return left - self.datum(u, "value", x, left, _listed(u))


@dataclasses.dataclass(frozen=True, eq=False)
class Robin(AbstractBoundaryCondition):
    """The boundary condition `coefficient * u + du/dn = value` on faces, with the outward normal derivative `du/dn`.

    - `coefficient`, `value`, `of`: as `value` and `of` in `Dirichlet`.
    """

    data: ClassVar[tuple[str, ...]] = ("coefficient", "value")
    functions: ClassVar[tuple[str, ...] | None] = ()

    coefficient: Data
    value: Data = 0.0
    of: Of = None

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        u = chosen(u, self.of, self.label)
        function, slope, unknown = u(x), directional(u, normal)(x), _listed(u)
        left = self.datum(u, "coefficient", x, function, unknown) * function + slope
        return left - self.datum(u, "value", x, function, unknown)


@dataclasses.dataclass(frozen=True, eq=False)
class Initial(AbstractCondition):
    """The initial condition `u = value` at the first instant of the time axis.

    - `value`, `of`: as in `Dirichlet`.
    - `derivative`: with `derivative=k` the condition holds for the k-th time derivative of `u` instead. An order that
      is not a whole number of at least 0 raises `ValueError`.

    A domain without a time axis raises `ValueError`.
    """

    data: ClassVar[tuple[str, ...]] = ("value",)
    functions: ClassVar[tuple[str, ...] | None] = ()

    value: Data
    derivative: int = 0
    of: Of = None

    def in_regions(self, domain: AbstractRegion) -> Sequence[AbstractCondition]:
        if not isinstance(domain, Regions) or self.within:
            return (self,)
        return [dataclasses.replace(self, within=name) for name in domain.named_regions]

    def faces(self, domain: AbstractRegion) -> tuple[Piece, ...]:
        if isinstance(domain, Regions) and self.within:
            return (domain.initial_of(self.within),)
        return (domain.initial,)

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        u = chosen(u, self.of, self.label)
        left = _derivative(u, _time_axis(u.domain), self.derivative, f"derivative of {self.label}")(x)
        return left - self.datum(u, "value", x, left, _listed(u))


@dataclasses.dataclass(frozen=True, eq=False)
class Periodic(AbstractCondition):
    """The condition that all unknown functions have the same values on both faces of `axis`, up to a factor.

    - `axis`: the name of an axis of the domain.
    - `derivatives`: the orders of the derivatives along `axis` that are equal on both faces. `(0, 1)` means the values
      and the first derivatives.
    - `factor`: what values on the lower face are multiplied by for those on the upper face: 1 for periodic functions,
      -1 for antiperiodic ones, `exp(1j k L)` for Bloch waves of wave number `k` and a side of length `L`.

    The residual has one entry for each order and each unknown function. An unknown axis, orders that are not whole
    numbers of at least 0, and a factor that is zero, not finite, or complex for real functions raise `ValueError`.
    """

    functions: ClassVar[tuple[str, ...] | None] = ()

    axis: str
    derivatives: tuple[int, ...] = (0,)
    factor: complex = 1.0

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.factor, numbers.Complex):
            raise TypeError(f"factor of {self.label} is {self.factor!r}; it must be a number")
        if not np.isfinite(self.factor) or not self.factor:
            raise ValueError(f"factor of {self.label} is {self.factor}; it must be finite and not zero")
        # A complex number without an imaginary part is for real functions too.
        if not complex(self.factor).imag:
            object.__setattr__(self, "factor", complex(self.factor).real)

    def in_regions(self, domain: AbstractRegion) -> Sequence[AbstractCondition]:
        if isinstance(domain, Regions):
            at = domain.index(self.axis)
            whole = all(region.bounds[at] == domain.bounds[at] for region in domain.named_regions.values())
            if not whole or self.factor != 1:
                raise ValueError(
                    f"{self.label} joins the ends of the axis {self.axis!r}; in a domain that is made of named regions "
                    "each of these reaches from one end to the other, and factor is 1. Write a Boundary at the ends"
                )
        return (self,)

    def faces(self, domain: AbstractRegion) -> tuple[Piece, ...]:
        return (domain.face(self.axis, "lower"),)

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        opposite = x.at[u.domain.index(self.axis)].set(u.domain.upper[u.domain.index(self.axis)])
        if not isinstance(self.derivatives, Sequence) or not self.derivatives:
            raise ValueError(
                f"derivatives of {self.label} is {self.derivatives!r}; give the orders that match, for instance (0, 1)"
            )
        if isinstance(self.factor, complex) and not all(u.components.are_complex):
            raise ValueError(
                f"factor of {self.label} is {self.factor}, and {_listed(u)} has real values; give a real factor, or "
                "make all unknowns complex by sngd.Unknown(name, complex=True)"
            )
        jumps = []
        for order in self.derivatives:
            derivative = _derivative(u, self.axis, order, f"derivatives of {self.label}")
            jumps.append(jnp.ravel(derivative(opposite) - self.factor * derivative(x)))
        return jnp.concatenate(jumps)


def _less_value(condition: Interior | Boundary, u: Field, left: Equations, x: Point) -> Array:
    values = jnp.concatenate([jnp.ravel(each) for each in left]) if isinstance(left, tuple | list) else left
    if condition.value is None:
        return values  # pyright: ignore[reportReturnType] - anything else is refused when it is traced
    values = jnp.asarray(values)
    return values - condition.datum(u, "value", x, values, "the equation")


def _require_function(equation: Callable, label: str, arguments: str) -> None:
    if not callable(equation):
        raise TypeError(f"equation of {label} is {equation!r}; it must be a function of {arguments}")


def _time_axis(domain: AbstractRegion) -> str:
    assert domain.time_axis is not None
    return domain.time_axis


def _derivative(u: Field, axis: str, order: int, name: str) -> Field:
    if not isinstance(order, numbers.Integral) or order < 0:
        raise ValueError(f"{name} is {order!r}; it must be a whole number of at least 0")
    return partial(u, *[axis] * int(order)) if order else u


def _listed(u: Field) -> str:
    return ", ".join(u.unknowns)
