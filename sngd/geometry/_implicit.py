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

# Points by which the zeros of the function are found, the part of the largest side within which points are close to
# them, and Newton steps to them.
_SEEN, _BAND, _STEPS = 2**15, 0.02, 30

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
    def near(self) -> tuple[Float[np.ndarray, "n d"], float]:
        """Points of the boundary, spread evenly, and its length or area."""
        band = _BAND * float(np.max(self.half_sides))
        lower, upper = self.extent
        points = lower - band + (upper - lower + 2 * band) * quasi_random(_SEEN, self.dimension, 0)
        close = points[np.abs(self.level(points)[0]) <= band]
        measure = len(close) / _SEEN * float(np.prod(upper - lower + 2 * band)) / (2 * band)
        return self.on_zeros(close)[0], measure

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
        known, measure = self.implicit.near
        dimension = self.region.dimension
        # The part of the surface for each of the known points, in scaled coordinates.
        size = measure / float(np.prod(self.scale.half_sides)) * float(np.mean(self.scale.half_sides))
        count = min(math.ceil(_ON_SURFACES * size / distance ** (dimension - 1)) + _MORE, len(known))
        start = (seed * count) % len(known)
        chosen = np.take(known, np.arange(start, start + count), axis=0, mode="wrap")
        points, normals = self.implicit.on_zeros(chosen)
        return Collocation(points, self._outward(normals), np.full(count, measure / count))

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
    if not len(region.near[0]):
        raise ValueError(f"function is zero nowhere in the box {region.bounds}; it must be so on the boundary")
    walls = np.concatenate([face.spread(1024).points for face in region.box.boundary])
    inside = walls[region.level(walls)[0] < 0]
    if len(inside):
        raise ValueError(
            f"function is negative at {inside[0].tolist()}, on the box; give bounds that leave room around the region"
        )
    return region
