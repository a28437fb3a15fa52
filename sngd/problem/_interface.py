"""Conditions between the regions of a domain, and integrals."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sngd._arguments import require_integer, require_text, shown
from sngd.geometry import AbstractRegion, Box, Collocation, Face, GaussLegendre, Piece, Regions, joined, select_faces
from sngd.problem._condition import AbstractCondition, Equations, owner_of
from sngd.problem._data import Data, Point
from sngd.problem._field import Field
from sngd.problem._parameters import call_by_names

# Points of an integral in a region, about; and the most axes of a box with a product rule.
_POINTS, _TENSOR = 4096, 3

# Points of a region that are looked at to see whether it is in the domain.
_SEEN = 512


@dataclasses.dataclass(frozen=True, eq=False)
class Interface(AbstractCondition):
    """How the unknown functions of two regions fit together on their common boundary.

    - `first`, `second`: the names of the regions.
    - `flux`: a function `flux(u, v, x, n)` of the functions `u` in the first region and `v` in the second one, of one
      point, and of the unit normal from the first region to the second one. It returns what is to vanish: an equation,
      or several as a vector, a tuple or a list. If a region has several functions, `u(x)` is the vector of their
      values, and `u.named("p")` is one of them. If `flux` is left out, only the values match.
    - `jump`: the difference of the values, those of the first region less those of the second one: a number, an array
      or a function of one point. `None` stands for no condition on the values.

    Raises `TypeError` or `ValueError` for names of no regions, for regions that do not touch, and where neither `flux`
    nor `jump` is given.
    """

    data: ClassVar[tuple[str, ...]] = ("jump",)
    functions: ClassVar[tuple[str, ...] | None] = None

    first: str
    second: str
    flux: Callable[..., Equations] | None = None
    jump: Data | None = 0.0

    def __post_init__(self):
        super().__post_init__()
        for field in ("first", "second"):
            require_text(f"{field} of {self.label}", getattr(self, field))
        if self.first == self.second:
            raise ValueError(f"{self.label} is between {self.first!r} and itself; name two regions")
        if self.flux is None and self.jump is None:
            raise ValueError(f"{self.label} has neither flux nor jump; give one of them, or leave the condition out")
        if self.flux is not None and not callable(self.flux):
            raise TypeError(f"flux of {self.label} is {self.flux!r}; it must be a function of (u, v, x, n)")

    def in_regions(self, domain: AbstractRegion) -> Sequence[AbstractCondition]:
        if self.flux is None or self.jump is None:
            return (self,)
        # The values and the fluxes may differ by orders of magnitude, and each condition has a unit of its own.
        return (dataclasses.replace(self, flux=None), dataclasses.replace(self, jump=None))

    def faces(self, domain: AbstractRegion) -> tuple[Piece, ...]:
        if not isinstance(domain, Regions):
            raise ValueError(
                f"{self.label} is between {self.first!r} and {self.second!r}, and this domain has no named regions; "
                "make it by sngd.regions or sngd.layers"
            )
        return domain.interface(self.first, self.second)

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        one, other = u.within(self.first), u.within(self.second)
        found = []
        if self.jump is not None:
            here, there = jnp.ravel(one(x)), jnp.ravel(other(x))
            if here.shape != there.shape:
                raise ValueError(
                    f"{self.label} is between regions with {len(here)} and {len(there)} unknown functions; give "
                    "jump=None and write all equations in flux"
                )
            found.append(here - there - self.datum(u, "jump", x, here))
        if self.flux is not None:
            rows = self.flux(one, other, x, normal)
            found.extend(jnp.ravel(jnp.asarray(each)) for each in (rows if isinstance(rows, tuple | list) else [rows]))
        return jnp.concatenate(found)


@dataclasses.dataclass(frozen=True, eq=False)
class Integral(AbstractCondition):
    """The condition that the integral of `density` over a region or a piece of a boundary has a value.

    - `density`: a function of unknowns, of one point `x` and on a boundary of the `normal`, by their names. It returns
      a number, or several as a vector, a tuple or a list. It is written with `jax.numpy`.
    - `value`: the value, a number or an array.
    - `over`: a region, or a face or piece of the boundary, or several pieces; left out, the whole domain. In a domain
      that is made of named regions it may be one of the names.
    - `count`: about how many points a region has for the sum that takes the place of the integral. Boxes, disks,
      balls, rings and curves have rules whose error is one of rounding for smooth functions; for other regions and for
      surfaces it falls like one over the number of points.

    Raises `TypeError` or `ValueError` for a density that is no function and for places that are none of the domain.
    """

    functions: ClassVar[tuple[str, ...] | None] = ("density",)

    density: Callable[..., Equations]
    value: float | Array = 0.0
    over: AbstractRegion | Piece | Sequence[Piece] | str | None = dataclasses.field(default=None, kw_only=True)
    count: int = dataclasses.field(default=_POINTS, kw_only=True)

    def __post_init__(self):
        super().__post_init__()
        if not callable(self.density):
            raise TypeError(f"density of {self.label} is {self.density!r}; it must be a function of (u, x)")
        require_integer(f"count of {self.label}", self.count, least=1)
        try:
            numbers = np.asarray(self.value, dtype=complex)
        except (TypeError, ValueError) as error:
            raise TypeError(f"value of {self.label} is {shown(self.value)}; it must be a number or an array") from error
        if not np.all(np.isfinite(numbers)):
            raise ValueError(f"value of {self.label} is {shown(self.value)}; it must be finite")

    def faces(self, domain: AbstractRegion) -> tuple[Piece, ...]:
        """The first of the points, at which the condition is imposed."""
        first = self.points(domain).points[0]
        return (domain.point(*first.tolist()),)

    def points(self, domain: AbstractRegion) -> Collocation:
        """The points and weights of the sum that takes the place of the integral."""
        if self.over is None:
            return _rule(domain, self.count)
        if isinstance(self.over, AbstractRegion):
            return _rule(self._inside(domain, self.over), self.count)
        if isinstance(self.over, str):
            raise ValueError(
                f"over of {self.label} is {self.over!r}, and this domain has no named regions; give a region"
            )
        if not isinstance(self.over, Piece | Sequence):
            raise TypeError(f"over of {self.label} is {self.over!r}; give a region, or pieces of the boundary")
        return joined([_rule(piece, self.count) for piece in select_faces(domain, self.over, self.label)])

    def _inside(self, domain: AbstractRegion, region: AbstractRegion) -> AbstractRegion:
        """The region, if it is in the domain. Raises `ValueError` if it is not."""
        if region.dimension != domain.dimension:
            raise ValueError(
                f"over of {self.label} is a region with the axes {', '.join(region.axes)}; the domain has "
                f"{', '.join(domain.axes)}"
            )
        points = region.spread(_SEEN).points
        outside = ~domain.contains(points, 1e-9 * float(np.max(domain.half_sides)))
        if outside.any():
            raise ValueError(
                f"over of {self.label} is {region}, and its point {points[outside][0].tolist()} is outside of the "
                "domain; give a region in it"
            )
        return region

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        found = self.points(u.domain)
        points, normals, weights = (jnp.asarray(each) for each in (found.points, found.normals, found.weights))

        summed = weights @ jax.vmap(lambda point, outward: self.at(u, point, outward))(points, normals)
        return summed - jnp.ravel(jnp.asarray(self.value))

    def at(self, u: Field, x: Point, normal: Point) -> Array:
        """The density at one point, as a vector."""
        value = call_by_names(self.density, {"x": x, "normal": normal}, u, f"the density of {self.label}")
        rows = value if isinstance(value, tuple | list) else [value]
        return jnp.concatenate([jnp.ravel(jnp.asarray(each)) for each in rows])

    @property
    def at_points(self) -> "Density":
        """The density as a condition at the points of the sum."""
        return Density(self, name=self.label, within=self.within)

    def in_regions(self, domain: AbstractRegion) -> Sequence[AbstractCondition]:
        if not isinstance(domain, Regions) or self.within:
            return (self,)
        if isinstance(self.over, str):
            return [dataclasses.replace(self, over=domain.region(self.over), within=self.over)]
        if self.over is None or isinstance(self.over, AbstractRegion):
            raise TypeError(
                f"over of {self.label} is {self.over!r}; in a domain that is made of named regions it is a piece of "
                f"the boundary, or one of the names {', '.join(domain.named_regions)}"
            )
        owners = {owner_of(piece) for piece in select_faces(domain, self.over, self.label)}
        if len(owners) > 1:
            raise ValueError(
                f"over of {self.label} has pieces of the regions {', '.join(sorted(owners))}; give one each"
            )
        return [dataclasses.replace(self, within=owners.pop())]


@dataclasses.dataclass(frozen=True, eq=False)
class Density(AbstractCondition):
    """The density of an integral at its points, from which sums over parts of a domain are made."""

    integral: Integral

    def faces(self, domain: AbstractRegion) -> tuple[Piece, ...]:
        return self.integral.faces(domain)

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        return self.integral.at(u, x, normal)


def _rule(place: AbstractRegion | Piece, count: int) -> Collocation:
    dimension = place.dimension if isinstance(place, AbstractRegion) else place.region.dimension - 1
    if isinstance(place, Box | Face) and dimension <= _TENSOR:
        return GaussLegendre(max(2, math.ceil(count ** (1 / max(dimension, 1))))).on(place)
    return place.spread(count)
