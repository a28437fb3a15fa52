"""The interface of a condition: what the unknowns must satisfy, and where.

A condition is a residual that should vanish in the interior or on some faces of the domain. The arguments of an
equation are matched by their names: to the unknowns, to the point `x`, on faces to the `normal`, and to the parameters
of the problem. All conditions share three keywords:

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
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd.geometry import (
    AbstractPiece,
    AbstractPoints,
    AbstractRegion,
    Box,
    Collocation,
    Piece,
    Quadrature,
    as_points,
    require_on,
)
from sngd.problem._data import Point, datum_at, evaluate_on_host, is_traceable
from sngd.problem._field import Field
from sngd.problem._laws import start_values
from sngd.problem._parameters import bind, names_in, takes
from sngd.problem._unknowns import Constant

Equations = Array | Sequence[Array]
"""The value of an equation at one point: a scalar, a vector, or several scalars or vectors."""

Of = str | Sequence[str] | None
"""Which unknown functions a condition holds for: one name, several names, or all of them."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class AbstractCondition(abc.ABC):
    """The interface of a condition. A subclass defines `faces` and `residual`.

    - `data`: the names of the subclass's fields that are numbers or functions of a point. `functions`: those of the
      fields that are functions of unknowns; `None` where the residual reads unknown constants otherwise.
    - `weight`, `quadrature`, `name`: as in the description of this module.
    - `within`: the name of the region whose unknown functions the condition takes, in a domain that is made of named
      regions. A problem finds it out.
    """

    data: ClassVar[tuple[str, ...]] = ()
    functions: ClassVar[tuple[str, ...] | None] = None

    weight: float = 1.0
    quadrature: Quadrature | None = None
    name: str = ""
    within: str = ""

    def __post_init__(self):
        if not (np.isfinite(self.weight) and self.weight > 0):
            raise ValueError(f"weight of {self.label} is {self.weight}; it must be positive and finite")
        # The property raises an error for points that cannot be used, so that the constructor does.
        _ = self.given_points

    @property
    def label(self) -> str:
        return self.name or type(self).__name__.lower()

    @property
    def given_points(self) -> AbstractPoints | None:
        """The condition's own points. `None` means that the points of the problem serve."""
        return None if self.quadrature is None else as_points(self.quadrature, f"quadrature of {self.label}")

    def in_regions(self, domain: AbstractRegion) -> "Sequence[AbstractCondition]":
        """The condition, or several in its place, of which each takes the unknown functions of one region."""
        return (self,)

    @abc.abstractmethod
    def faces(self, domain: AbstractRegion) -> tuple[Piece, ...] | None:
        """The faces of `domain` on which the condition holds. `None` means the interior."""

    def region(self, domain: AbstractRegion) -> AbstractRegion:
        """The region in which a condition of the interior holds: the domain, or a part of it."""
        return domain

    @abc.abstractmethod
    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        """The residual at one point: a scalar for one equation, or a vector with one entry for each equation.

        - `u`: the unknown functions, of which `u.named(name)` is one. `u.parameters` has the unknown constants too.
        - `x`: the point, shape `(d,)`.
        - `normal`: the outward unit normal at `x`, shape `(d,)`. It is zero in the interior.

        JAX traces this method and differentiates it. Sums over the points and weights are formed elsewhere.
        """

    @property
    def traced(self) -> Any:
        """The object whose method `residual` is traced, with values at one point in the fields that are named by
        `tabulated` or by `readings`. Equal objects share compiled code.
        """
        return self

    def uses(self, name: str) -> bool:
        """Whether a function of the condition takes an argument of this name, or may read an unknown of this name."""
        if self.functions is None:
            return True
        given = [getattr(self, field) for field in (*self.functions, *self.data)]
        return any(takes(function, name) for function in given if callable(function))

    @property
    def is_of_readings(self) -> bool:
        """Whether the condition has points of its own at which something was read, and no others."""
        return False

    @property
    def noise_unit(self) -> float | None:
        """The standard deviation of a reading, in the unit of the weighted residual; `None` where there is no noise."""
        return None

    @property
    def estimates_noise(self) -> bool:
        """Whether the standard deviation of its readings is to be estimated."""
        return False

    @property
    def needs_features(self) -> str:
        """Why a network cannot be trained with the condition, in words; nothing where it can."""
        return ""

    @property
    def mixing(self) -> Float[np.ndarray, "n n"] | None:
        """The matrix by which the rows of correlated readings are multiplied, so that those of the product are not
        correlated; `None` for readings that are not.
        """
        return None

    def readings(self, domain: AbstractRegion, part: Box | None = None) -> Collocation:
        """The points of readings in a part of the domain, or in all of it, for a condition that has them."""
        raise NotImplementedError(f"{type(self).__name__} has no readings")

    def require_fits(self, domain: AbstractRegion) -> None:
        """Raises `ValueError` for points of its own that are not on this domain, or not on its faces."""
        if self.given_points is not None:
            places = self.faces(domain) or (self.region(domain),)
            require_on(self.given_points, places, f"quadrature of {self.label}")

    def tabulated(
        self,
        points: Float[np.ndarray, "n d"],
        parameters: Mapping[str, Any],
        constants: Sequence[Constant] = (),
    ) -> dict[str, Float[np.ndarray, "n ..."]]:
        """The values at all points of those data that JAX cannot trace, by the names of the data.

        - `points`: the points of this condition, shape `(n, d)`.
        - `parameters`, `constants`: the parameters and the unknown constants of the problem.

        Raises `TypeError` and `ValueError` as `evaluate_on_host` and `bind` do. Raises `TypeError` for a function of an
        unknown constant that JAX cannot trace, because it would be evaluated once.
        """
        known = {**parameters, **(start_values(constants) if constants else {})}
        data = {name: getattr(self, name) for name in self.data if callable(getattr(self, name))}
        labels = {name: f"{name} of {self.label}" for name in data}
        functions = {name: bind(value, 1, known, labels[name]) for name, value in data.items()}
        for name, value in data.items():
            unknown = set(names_in(value, 1, known, labels[name])) - set(parameters)
            if unknown and not is_traceable(functions[name], points.shape[1]):
                raise TypeError(
                    f"{labels[name]} depends on the unknown {', '.join(sorted(unknown))}, and JAX cannot trace it; "
                    "write it with jax.numpy"
                )
        return {
            name: evaluate_on_host(function, points, labels[name])
            for name, function in functions.items()
            if not is_traceable(function, points.shape[1])
        }

    def datum(self, u: Field, name: str, x: Point, like: Array, unknown: str = "u") -> Array | complex:
        """The value at `x` of the data called `name`: a number, or an array of the shape of `like`.

        - `u`: the unknown, which holds the parameters of the problem.
        - `unknown`: the name in messages of what has the shape.

        Raises `ValueError` for data of another shape and for complex ones where `like` is real. Raises `TypeError` for
        data that are not numbers.
        """
        data, label = getattr(self, name), f"{name} of {self.label}"
        data = bind(data, 1, u.parameters, label) if callable(data) else data
        return datum_at(data, x, like, label, unknown)


def chosen(u: Field, of: Of, label: str) -> Field:
    """The field of the unknowns that `of` names: of one name alone, of several in this order."""
    if of is None:
        return u
    names = (of,) if isinstance(of, str) else tuple(of) if isinstance(of, Sequence) else ()
    if not names or not all(name in u.unknowns for name in names) or len(set(names)) < len(names):
        raise ValueError(
            f"of in {label} is {of!r}; give the name of one of the unknown functions {', '.join(u.unknowns)}, or "
            "several names, each once"
        )
    if isinstance(of, str):
        return u.named(of)
    fields = [u.named(name) for name in names]
    stacked = lambda x: jnp.stack([field(x) for field in fields])
    return Field(stacked, u.domain, u.parameters, u.components.of(names))


def owner_of(piece: Piece) -> str:
    """The name of the region of a domain made of named ones that a piece of the boundary belongs to."""
    return piece.owner if isinstance(piece, AbstractPiece) else ""
