"""Singular functions at the corners of a domain in the plane, as trial functions."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd._arguments import require_integer, shown
from sngd.geometry import AbstractRegion, Corner, corner_at, reentrant_corners

_SIDES = ("value", "slope", "mixed")


@dataclasses.dataclass(frozen=True)
class CornerTrial:
    """A trial function with singular functions at corners: `v_0 + sum_k S_k(x) v_k` with smooth functions `v_k`.

    - `corners`: of the domain. `order`: the number of singular functions at each of them. `sides`: what is given on
      the two sides.
    """

    corners: tuple[Corner, ...]
    order: int
    sides: str

    @property
    def parts(self) -> int:
        return 1 + self.order * len(self.corners)

    def __call__(self, v: Float[Array, " parts"], x: Float[Array, " 2"]) -> Array:
        value, number = v[0], 1
        for corner in self.corners:
            for exponent in self._exponents(corner):
                value = value + v[number] * _singular(corner, x, exponent, self.sides != "slope")
                number += 1
        return value

    def _exponents(self, corner: Corner) -> list[float]:
        """The smallest exponents of harmonic functions at a corner that are no whole numbers."""
        shift = 0.5 if self.sides == "mixed" else 0.0
        every = ((k - shift) * math.pi / corner.opening for k in range(1, 10 * self.order + 10))
        return [exponent for exponent in every if abs(exponent - round(exponent)) > 1e-9][: self.order]


def corners(
    domain: AbstractRegion,
    at: Sequence[Sequence[float]] | None = None,
    *,
    order: int = 2,
    sides: str = "value",
) -> CornerTrial:
    """A trial function for solutions of equations of second order that are singular at corners of a domain.

    `sngd.Unknown("u", trial=sngd.corners(domain))` is `v_0 + S_1 v_1 + S_2 v_2` with smooth functions `v_k`, where
    `S_k = r^a sin(a phi)` are harmonic, with the distance `r` from the corner, the angle `phi` from its side, and
    `a = k pi / opening` (Kondratiev 1967; Grisvard, Elliptic Problems in Nonsmooth Domains, 1985).

    - `domain`: in the plane. `at`: the corners; left out, the re-entrant ones.
    - `order`: the number of singular functions at each corner.
    - `sides`: `"value"` where values are given on both sides of the corners, `"slope"` for normal derivatives, and
      `"mixed"` for values on the side from which the domain extends counterclockwise and normal derivatives on the
      other one.

    Raises `TypeError` or `ValueError` for a domain without such corners and for points that are no corners.
    """
    if not isinstance(domain, AbstractRegion) or domain.dimension != 2 or domain.time_axis is not None:
        raise ValueError(f"domain is {shown(domain)}; corners are those of a region in the plane")
    require_integer("order", order, least=1)
    if sides not in _SIDES:
        raise ValueError(f"sides is {sides!r}; it must be one of {', '.join(_SIDES)}")
    if isinstance(at, str) or not isinstance(at, Iterable | None):
        raise TypeError(f"at is {shown(at)}; give points, as in at=[(0, 0)]")
    found = reentrant_corners(domain) if at is None else tuple(_corner(domain, each) for each in at)
    if not found:
        given = "left out" if at is None else shown(at)
        raise ValueError(
            f"at is {given}, and no re-entrant corner of the domain is found; name corners, as in at=[(0, 0)]"
        )
    return CornerTrial(found, order, sides)


def _singular(corner: Corner, x: Float[Array, " 2"], exponent: float, is_sine: bool) -> Array:
    """`r^exponent` times the sine, or the cosine, of `exponent` times the angle from the side."""
    offset = x - jnp.array(corner.at)
    # The angle is continuous in the domain: its jump is opposite to the middle of the opening.
    middle = corner.start + corner.opening / 2
    across = jnp.array([math.cos(middle), math.sin(middle)])
    along = jnp.array([-math.sin(middle), math.cos(middle)])
    angle = jnp.arctan2(offset @ along, offset @ across) + corner.opening / 2
    return (offset @ offset) ** (exponent / 2) * (jnp.sin if is_sine else jnp.cos)(exponent * angle)


def _corner(domain: AbstractRegion, at: Any) -> Corner:
    """The corner at a point. Raises `ValueError` for a point that is none."""
    try:
        point = np.array(at, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(f"at holds {shown(at)}; give the two coordinates of each corner") from error
    if point.shape != (2,) or not np.all(np.isfinite(point)):
        raise ValueError(f"at holds {shown(at)}; give the two coordinates of each corner")
    found = corner_at(domain, point)
    if found is None:
        raise ValueError(f"at holds {shown(at)}, which is no corner of the domain; give a point of its boundary")
    return found
