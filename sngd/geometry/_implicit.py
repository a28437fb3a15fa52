"""Regions in which a function is negative, such as those that a signed distance describes."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from sngd.geometry._box import Box, box_of
from sngd.geometry._collocation import Collocation
from sngd.geometry._pieces import AbstractPiece
from sngd.geometry._region import AbstractRegion, quasi_random

# Points by which the area of the boundary is measured, the part of the largest side within which points are close to
# it, Newton steps to it, and draws in which points of it are sought.
_SEEN, _BAND, _STEPS, _DRAWS = 2**17, 0.02, 30, 8

# Points on a surface for each distance of the points in the region, and further ones.
_ON_SURFACES, _MORE = 1.5, 16


@dataclasses.dataclass(frozen=True, eq=False)
class Implicit(AbstractRegion):
    """The points of a box in which a function is negative.

    - `function`: of one point, which JAX can differentiate. `box`: around the region. `name`: of the boundary.
    """

    function: Callable[[Any], Any]
    box: Box
    name: str

    def __post_init__(self):
        self._bounded(self.box.axes, self.box.lower, self.box.upper, self.box.time_axis)

    @functools.cached_property
    def _compiled(self) -> Callable:
        return jax.jit(jax.vmap(jax.value_and_grad(lambda x: jnp.asarray(self.function(x), float).reshape(()))))

    def level(self, points: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n d"]]:
        """The function over the length of its gradient, which is the distance close to the boundary; and the gradient
        over its length.
        """
        # A number of points that repeats, so that less is compiled.
        count = 2 ** math.ceil(math.log2(max(len(points), 64)))
        padded = np.concatenate([points, np.tile(self.box.center, (count - len(points), 1))])
        values, slopes = (np.asarray(each)[: len(points)] for each in self._compiled(padded))
        lengths = np.maximum(np.linalg.norm(slopes, axis=1), np.finfo(float).tiny)
        return values / lengths, slopes / lengths[:, None]

    def contains(self, points: Float[np.ndarray, "n d"], margin: float = 0.0) -> Bool[np.ndarray, " n"]:
        return (self.level(points)[0] <= margin) & self.box.contains(points, max(margin, 0.0))

    @property
    def pieces(self) -> tuple[AbstractPiece, ...]:
        return (Zeros(name=self.name, region=self, implicit=self),)

    @functools.cached_property
    def area(self) -> float:
        """The length or the area of the boundary; zero where none is found."""
        points, volume = self._around(_SEEN, 0)
        return float(np.mean(self._is_close(points))) * volume / (2 * self._band)

    def near(self, count: int, seed: int) -> tuple[Float[np.ndarray, "count d"], Float[np.ndarray, "count d"]]:
        """Points of the boundary, spread evenly, and the normals there. Another seed gives others."""
        _, volume = self._around(1, 0)
        drawn, close = math.ceil(1.1 * count * volume / (2 * self._band * self.area)) + 64, np.zeros((0, 0))
        for _ in range(_DRAWS):
            points, _ = self._around(drawn, seed)
            close = points[self._is_close(points)][:count]
            if len(close) == count:
                break
            drawn *= 2
        return self.on_zeros(close)

    @property
    def _band(self) -> float:
        """The distance from the boundary within which points are close to it."""
        return _BAND * float(np.max(self.half_sides))

    def _around(self, count: int, seed: int) -> tuple[Float[np.ndarray, "count d"], float]:
        """Points of the box, enlarged so that all that is close to the boundary is in it; and its volume."""
        lower, upper = self.extent
        sides = upper - lower + 2 * self._band
        return lower - self._band + sides * quasi_random(count, self.dimension, seed), float(np.prod(sides))

    def _is_close(self, points: Float[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
        return np.abs(self.level(points)[0]) <= self._band

    def on_zeros(self, points: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n d"]]:
        """Points of the boundary close to these points, and the normals there."""
        for _ in range(_STEPS):
            distance, normals = self.level(points)
            points = points - distance[:, None] * normals
            if np.max(np.abs(distance), initial=0.0) <= 1e-15 * np.max(self.half_sides):
                break
        return points, self.level(points)[1]

    def __repr__(self) -> str:
        return f"implicit({self.function!r}, {self.box.bounds})"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Zeros(AbstractPiece):
    """The points at which the function of an implicit region is zero."""

    implicit: Implicit

    def _spread(self, distance: float, seed: int) -> Collocation:
        measure, dimension = self.implicit.area, self.region.dimension
        # The part of the surface for each of the known points, in scaled coordinates.
        size = measure / float(np.prod(self.scale.half_sides)) * float(np.mean(self.scale.half_sides))
        count = math.ceil(_ON_SURFACES * size / distance ** (dimension - 1)) + _MORE
        points, normals = self.implicit.near(count, seed)
        return Collocation(points, self._outward(normals), np.full(len(points), measure / len(points)))

    def nearest(self, points: Float[np.ndarray, "n d"]) -> Collocation:
        there, normals = self.implicit.on_zeros(points)
        return Collocation(there, self._outward(normals), np.ones(len(points)))


def implicit(function: Callable[[Any], Any], *, name: str = "boundary", **bounds: tuple[float, float]) -> Implicit:
    """The region in which a function is negative: `implicit(lambda x: jnp.hypot(*x) - 1, x=(-2, 2), y=(-2, 2))`.

    - `function`: of one point, written with `jax.numpy`, such as a signed distance; it is zero on the boundary, where
      its gradient is not zero. `bounds`: of a box around the region, axis by axis. `name`: of the boundary.

    Raises `TypeError` or `ValueError` for a function that is none of this kind, for one that is negative nowhere or
    everywhere in the box, and for a region that reaches the box.
    """
    if not callable(function):
        raise TypeError(f"function is {function!r}; it must be a function of one point")
    region = Implicit(function, box_of(bounds), name)
    try:
        distance, normals = region.level(quasi_random(256, region.dimension, 1) * 2 * region.half_sides + region.lower)
    except (TypeError, IndexError, jax.errors.TracerArrayConversionError) as error:
        raise TypeError(f"function fails: {error}; write a function of one point with jax.numpy") from error
    if not (np.all(np.isfinite(distance)) and np.any(normals)):
        raise ValueError("function or its gradient is not finite in the box; give a signed distance, for instance")
    _ = region.measure
    if not region.area:
        raise ValueError(f"function is zero nowhere in the box {region.bounds}; it must be so on the boundary")
    walls = np.concatenate([face.spread(1024).points for face in region.box.boundary])
    inside = walls[region.level(walls)[0] < 0]
    if len(inside):
        raise ValueError(
            f"function is negative at {inside[0].tolist()}, on the box; give bounds that leave room around the region"
        )
    return region
