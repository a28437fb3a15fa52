"""Regions that are images of others under a map, such as regions that move."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from sngd.geometry._box import Box, Face, Piece
from sngd.geometry._collocation import Collocation
from sngd.geometry._pieces import AbstractPiece, in_space
from sngd.geometry._region import AbstractRegion

# Points of a region by which the box around its image is found, and Newton steps of the inverse map.
_CORNERS, _STEPS = 4096, 30

# The box around an image is made larger by this part, since its corners are found from points of the region.
_SLACK = 1e-3


@dataclasses.dataclass(frozen=True, eq=False)
class Mapped(AbstractRegion):
    """The image of a region under a map that JAX can differentiate and that has an inverse.

    - `base`: the region. `map`: from a point of the region to one of the image, both of shape `(d,)`.
    """

    base: AbstractRegion
    map: Callable[[Any], Any]

    def __post_init__(self):
        base = self.base
        self._bounded(base.axes, base.lower, base.upper, base.time_axis)
        inside = [base.spread(_CORNERS).points, *(piece.spread(_CORNERS).points for piece in base.pieces)]
        points = self.moved(np.concatenate(inside))[0]
        lower, upper = np.min(points, axis=0), np.max(points, axis=0)
        slack = _SLACK * (upper - lower)
        if base.time_axis is not None:
            # The instants are those of the region.
            time = base.index(base.time_axis)
            lower[time], upper[time], slack[time] = base.lower[time], base.upper[time], 0.0
        self._bounded(base.axes, lower - slack, upper + slack, base.time_axis)

    @classmethod
    def of(cls, base: AbstractRegion, function: Callable[[Any], Any]) -> "Mapped":
        """The image. Raises `TypeError` or `ValueError` for a map that cannot be used."""
        if not callable(function):
            raise TypeError(f"function is {function!r}; it must be a function of one point")
        try:
            found = cls(base, function)
            images, slopes = found.moved(base.spread(64).points)
        except (TypeError, IndexError, jax.errors.TracerArrayConversionError) as error:
            raise TypeError(f"function fails: {error}; write a function of one point with jax.numpy") from error
        if images.shape[1:] != (base.dimension,):
            raise ValueError(f"function returns {images.shape[1]} coordinates; the region has {base.dimension}")
        if base.time_axis is not None:
            time, points = base.index(base.time_axis), base.spread(64).points
            if np.any(np.abs(images - points)[:, time] > 1e-12 * np.max(base.half_sides)):
                raise ValueError(
                    f"function changes {base.time_axis}; an image of a region has the instants of the region"
                )
        turns = np.sign(np.linalg.det(slopes))
        if not (np.all(np.isfinite(slopes)) and (np.all(turns > 0) or np.all(turns < 0))):
            raise ValueError("function has no inverse: its derivative is singular or not finite in the region")
        return found

    def moved(self, points: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n d d"]]:
        """The images of points, and the derivatives of the map there."""
        images, slopes = self._compiled(points)
        return np.asarray(images), np.asarray(slopes)

    @functools.cached_property
    def _compiled(self) -> Callable:
        point = lambda x: jnp.stack([jnp.asarray(each, float) for each in self.map(x)])
        return jax.jit(jax.vmap(lambda x: (point(x), jax.jacfwd(point)(x))))

    def before(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """The points of which these are the images, by Newton's method from the nearest of some images."""
        from scipy.spatial import KDTree  # noqa: PLC0415 - takes half a second, which other regions do not need

        known = self.base.spread(_CORNERS).points
        found = known[np.asarray(KDTree(self.moved(known)[0]).query(points)[1])]
        limit = 0.5 * self.base.half_sides
        for _ in range(_STEPS):
            images, slopes = self.moved(found)
            step = np.linalg.solve(slopes, (points - images)[..., None])[..., 0]
            found = found + np.clip(step, -limit, limit)
            if np.max(np.abs(step), initial=0.0) <= 1e-14 * np.max(self.base.half_sides):
                break
        return found

    def contains(self, points: Float[np.ndarray, "n d"], margin: float = 0.0) -> Bool[np.ndarray, " n"]:
        near = Box(self.axes, self.lower, self.upper).contains(points, abs(margin))
        found = np.zeros(len(points), dtype=bool)
        if near.any():
            origin = self.before(points[near])
            close = np.linalg.norm(self.moved(origin)[0] - points[near], axis=1) <= 1e-9 * np.max(self.half_sides)
            found[near] = close & self.base.contains(origin, margin)
        return found

    @functools.cached_property
    def _measured(self) -> float:
        return float(np.sum(self.spread(_CORNERS).weights))

    def spread(self, count: int, seed: int = 0) -> Collocation:
        found = self.base.spread(count, seed)
        images, slopes = self.moved(found.points)
        return Collocation(images, found.normals, found.weights * np.abs(np.linalg.det(slopes)))

    @property
    def pieces(self) -> tuple[AbstractPiece, ...]:
        return tuple(self._image(piece) for piece in self.base.pieces)

    def face(self, axis: str, side: Any) -> Piece:
        return self._image(self.base.face(axis, side))

    @property
    def instants(self) -> tuple[Piece, ...]:
        return tuple(self._image(piece) for piece in self.base.instants)

    def _image(self, piece: Piece) -> "Image":
        return Image(name=piece.name, region=self, piece=piece, mapped=self)

    def __repr__(self) -> str:
        return f"{self.base!r}.mapped({self.map!r})"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Image(AbstractPiece):
    """The image of a piece of a boundary.

    - `piece`: the piece. `mapped`: the image of its region.
    """

    piece: Piece
    mapped: Mapped

    @property
    def is_initial(self) -> bool:
        return self.piece.is_initial

    @property
    def is_final(self) -> bool:
        return self.piece.is_final

    def _spread(self, distance: float, seed: int) -> Collocation:
        return self._moved(self._before(distance, seed))

    def _before(self, distance: float, seed: int) -> Collocation:
        return self._source.at_distance(distance, seed)

    @property
    def _source(self) -> AbstractPiece:
        return self.piece.surface if isinstance(self.piece, Face) else self.piece

    def _moved(self, found: Collocation) -> Collocation:
        if not len(found.weights):
            return found
        images, slopes = self.mapped.moved(found.points)
        # The normal of the image, times the ratio of the areas (Nanson's formula).
        vectors = np.linalg.solve(np.swapaxes(slopes, 1, 2), found.normals[..., None])[..., 0]
        vectors = vectors * np.abs(np.linalg.det(slopes))[:, None]
        ratio = np.linalg.norm(vectors, axis=1)
        return Collocation(images, in_space(-vectors if self.inward else vectors, self.region), found.weights * ratio)

    def nearest(self, points: Float[np.ndarray, "n d"]) -> Collocation:
        found = self._moved(self.piece.nearest(self.mapped.before(points)))
        return Collocation(found.points, found.normals, np.ones(len(points)))

    def holds(self, points: Float[np.ndarray, "n d"], margin: float) -> Bool[np.ndarray, " n"]:
        # A map may change distances in one direction more than in another.
        scale = 2 * float(np.max(self.mapped.base.half_sides) / np.max(self.mapped.half_sides))
        return super().holds(points, margin) & self._source.holds(self.mapped.before(points), scale * margin)

    def ruled(self, rule: Any) -> Collocation:
        return self._cut(self._moved(self._source.ruled(rule)))
