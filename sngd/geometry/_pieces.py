"""Pieces of the boundary of a region: sets of points with outward unit normals, on which conditions hold."""

import abc
import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float

from sngd.geometry._collocation import Collocation, joined
from sngd.geometry._patches import AbstractPatch, cross
from sngd.geometry._region import quasi_random

if TYPE_CHECKING:
    from sngd.geometry._box import Box
    from sngd.geometry._region import AbstractRegion

Cut = Callable[[Float[np.ndarray, "n d"], Float[np.ndarray, "n d"]], Bool[np.ndarray, " n"]]
"""Which of some points, with their outward normals, are kept."""

AnyPiece = TypeVar("AnyPiece", bound="AbstractPiece")

# Points of a curve for each distance of the points in the region, and further ones; and the same for a surface.
_ON_CURVES, _MORE_ON_CURVES, _ON_SURFACES, _MORE_ON_SURFACES = 1.2, 4, 1.5, 16

# Points at which it is found out where a curve is cut, and bisections of a place where it is.
_SEEN, _BISECTIONS = 400, 40

# Points by which lengths and areas are measured, and steps to the nearest point of a patch.
_MEASURED, _STEPS = 4096, 20

# The golden ratio, whose multiples are spread evenly modulo one.
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class AbstractPiece(abc.ABC):
    """A piece of the boundary of a region.

    - `name`: several pieces of a boundary may share it. `region`: whose boundary it is.
    - `cuts`: what is kept of it.
    - `inward`: whether the normals point into what it was the boundary of, as for a hole.
    - `owner`: the name of the region that it belongs to, in a domain that is made of named regions. `frame`: the region
      whose points tell how dense those on the piece are; left out, that is `region`.
    """

    name: str
    region: "AbstractRegion"
    cuts: tuple[Cut, ...] = ()
    inward: bool = False
    owner: str = ""
    frame: "AbstractRegion | None" = None

    @abc.abstractmethod
    def _spread(self, distance: float, seed: int) -> Collocation:
        """Points at about this distance, in coordinates scaled to half sides of length one, before the cuts."""

    def spread(self, count: int, seed: int = 0) -> Collocation:
        """Points at the distance that `count` points have in the region, with weights for integrals over the piece.

        Another `seed` gives other points. There may be none, where the piece is outside of a part of a region.
        """
        return self.at_distance(self.scale.spacing(count), seed)

    @property
    def scale(self) -> "AbstractRegion":
        """The region whose half sides are the units of distances."""
        return self.frame or self.region

    def at_distance(self, distance: float, seed: int) -> Collocation:
        """Points at about this distance, in coordinates scaled to half sides of length one."""
        return self._cut(self._spread(distance, seed))

    @functools.cached_property
    def measure(self) -> float:
        """The length or the area; one for a point."""
        return float(np.sum(self.spread(_MEASURED).weights))

    @abc.abstractmethod
    def nearest(self, points: Float[np.ndarray, "n d"]) -> Collocation:
        """The nearest point of the piece to each of the points, with the normal there. The weights are ones.

        On curved pieces it may be another point that is close, but points of the piece are nearest to themselves.
        """

    def holds(self, points: Float[np.ndarray, "n d"], margin: float) -> Bool[np.ndarray, " n"]:
        """Whether each of the points is at most this far from the piece."""
        found = self.nearest(points)
        near = np.linalg.norm(points - found.points, axis=1) <= margin
        for cut in self.cuts:
            near &= cut(found.points, found.normals)
        return near

    def where(self: AnyPiece, predicate: Callable[[Any], Any], name: str | None = None) -> AnyPiece:
        """The part of the piece in which a predicate holds.

        - `predicate`: a function of one point, shape `(d,)`, that returns a truth value. `name`: of the part; left out,
          that of the piece.

        Raises `TypeError` for a predicate that is no function.
        """
        if not callable(predicate):
            raise TypeError(f"predicate is {predicate!r}; it must be a function of one point, like lambda x: x[0] > 0")
        cut = lambda points, normals: np.array([bool(predicate(point)) for point in points], dtype=bool)
        part = self.kept(cut)
        return part if name is None else dataclasses.replace(part, name=name)

    def kept(self: AnyPiece, cut: Cut) -> AnyPiece:
        """The part that a cut leaves."""
        return dataclasses.replace(self, cuts=(*self.cuts, cut))

    def flipped(self: AnyPiece) -> AnyPiece:
        """The piece with its normals reversed."""
        return dataclasses.replace(self, inward=not self.inward, cuts=self._flipped_cuts)

    @property
    def _flipped_cuts(self) -> tuple[Cut, ...]:
        """The cuts for reversed normals."""
        return tuple(lambda points, normals, cut=cut: cut(points, -normals) for cut in self.cuts)

    def of_region(self: AnyPiece, region: "AbstractRegion") -> AnyPiece:
        """The piece as one of the boundary of another region."""
        return dataclasses.replace(self, region=region)

    def part(self: AnyPiece, cell: "Box", start: float | None = None) -> AnyPiece | None:
        """The part of the piece in a box, or `None` if the boxes around do not meet.

        - `start`: the instant at which initial conditions are imposed in the box.
        """
        del start
        inside = lambda points, normals: cell.contains(points)
        return dataclasses.replace(self, region=self.region.part(cell), frame=None, cuts=(*self.cuts, inside))

    def ruled(self, rule: Any) -> Collocation:
        """The points of a rule for boxes, mapped to the piece. Raises `ValueError` for one that is no image of boxes.

        - `rule`: an object with a method `rule(lower, upper)`.
        """
        raise ValueError(
            f"the rule {rule} is one for boxes, and {self.label} is no image of a box; give sngd.Spread(1000)"
        )

    @property
    def is_initial(self) -> bool:
        """Whether the piece is the region at the first instant."""
        return False

    @property
    def is_final(self) -> bool:
        """Whether the piece is the region at the last instant."""
        return False

    @property
    def label(self) -> str:
        """The piece in messages."""
        return f"the piece {self.name!r}"

    def _cut(self, found: Collocation) -> Collocation:
        for cut in self.cuts:
            if len(found.weights):
                found = found.kept(cut(found.points, found.normals))
        return found

    def _outward(self, normals: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Unit normals, from vectors that are orthogonal to the piece."""
        return in_space(-normals if self.inward else normals, self.region)


def in_space(normals: Float[np.ndarray, "n d"], region: "AbstractRegion") -> Float[np.ndarray, "n d"]:
    """Normals of length one, in space unless they are along time alone."""
    if region.time_axis is not None:
        flat = normals.copy()
        flat[:, region.index(region.time_axis)] = 0.0
        normals = np.where(np.any(flat, axis=1, keepdims=True), flat, normals)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.finfo(float).tiny)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Surface(AbstractPiece):
    """A piece of one or several patches.

    - `patches`: whose normals, as `cross` has them, point outward if `sign` is 1 and inward if it is -1.
    """

    patches: tuple[AbstractPatch, ...]
    sign: float = 1.0

    def _spread(self, distance: float, seed: int) -> Collocation:
        parts = [self._on(patch, distance, seed + 7919 * number) for number, patch in enumerate(self.patches)]
        return joined(parts)

    def _on(self, patch: AbstractPatch, distance: float, seed: int) -> Collocation:
        if not patch.parameters:
            return self._at(patch, np.zeros((1, 0)), np.ones(1))
        if patch.parameters == 1:
            parts = [self._between(patch, *ends, distance, seed) for ends in self._intervals(patch)]
            return joined(parts) if parts else self._at(patch, np.zeros((0, 1)), np.zeros(0))
        unit = quasi_random(256, patch.parameters, 0)
        size = float(np.mean(np.linalg.norm(cross(patch.at(unit)[1] / self.scale.half_sides), axis=1)))
        count = math.ceil(_ON_SURFACES * size / distance**patch.parameters) + _MORE_ON_SURFACES
        return self._at(patch, quasi_random(count, patch.parameters, seed), np.full(count, 1 / count))

    def _between(self, patch: AbstractPatch, start: float, end: float, distance: float, seed: int) -> Collocation:
        """Points of a curve between two parameters: a Gauss rule, or one of random shift."""
        along = start + (end - start) * np.linspace(0.0, 1.0, 65)[:, None]
        scaled = patch.at(along)[0] / self.scale.half_sides
        length = float(np.sum(np.linalg.norm(np.diff(scaled, axis=0), axis=1)))
        count = math.ceil(_ON_CURVES * length / distance) + _MORE_ON_CURVES
        if seed % 7919 == 0:
            nodes, weights = np.polynomial.legendre.leggauss(count)
            unit, weights = (nodes + 1) / 2, weights / 2
        else:
            unit, weights = (np.arange(count) + (0.5 + seed * _GOLDEN) % 1.0) / count, np.full(count, 1 / count)
        return self._at(patch, (start + (end - start) * unit)[:, None], (end - start) * weights)

    def _at(
        self, patch: AbstractPatch, unit: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"]
    ) -> Collocation:
        points, slopes = patch.at(unit)
        vectors = cross(slopes)
        return Collocation(points, self._outward(self.sign * vectors), weights * np.linalg.norm(vectors, axis=1))

    def _intervals(self, patch: AbstractPatch) -> list[tuple[float, float]]:
        """The intervals of the parameter of a curve that the cuts keep."""
        if not self.cuts:
            return [(0.0, 1.0)]
        places = np.linspace(0.0, 1.0, _SEEN + 1)
        kept = self._keeps(patch, (places[1:] + places[:-1]) / 2)
        middles = (places[1:] + places[:-1]) / 2
        changes = np.flatnonzero(kept[1:] != kept[:-1])
        low, high = middles[changes], middles[changes + 1]
        for _ in range(_BISECTIONS if len(changes) else 0):
            middle = (low + high) / 2
            same = self._keeps(patch, middle) == kept[changes]
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        ends = [0.0, *((low + high) / 2).tolist(), 1.0]
        states = [kept[0], *kept[changes + 1]]
        return [pair for pair, state in zip(itertools.pairwise(ends), states, strict=True) if state]

    def ends(self) -> list[Float[np.ndarray, " d"]]:
        """The ends of the curves that it is made of; none for surfaces."""
        curves = [patch for patch in self.patches if patch.parameters == 1]
        along = [(patch, np.array(ends)[:, None]) for patch in curves for ends in self._intervals(patch)]
        return [point for patch, ends in along for point in patch.at(ends)[0]]

    def _keeps(self, patch: AbstractPatch, along: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        found = self._at(patch, along[:, None], np.arange(1.0, len(along) + 1))
        kept = np.ones(len(along), dtype=bool)
        for cut in self.cuts:
            kept &= cut(found.points, found.normals)
        return kept

    def ruled(self, rule: Any) -> Collocation:
        parts = []
        for patch in self.patches:
            count = patch.parameters
            unit, weights = rule.rule(np.zeros(count), np.ones(count)) if count else (np.zeros((1, 0)), np.ones(1))
            parts.append(self._at(patch, np.asarray(unit), np.asarray(weights)))
        return self._cut(joined(parts))

    def nearest(self, points: Float[np.ndarray, "n d"]) -> Collocation:
        return nearest_of([self._nearest_on(patch, points) for patch in self.patches], points)

    def _nearest_on(self, patch: AbstractPatch, points: Float[np.ndarray, "n d"]) -> Collocation:
        from scipy.spatial import KDTree  # noqa: PLC0415 - takes half a second, which other points do not need

        known = patch.inverse(points)
        if known is not None:
            return self._at(patch, known, np.ones(len(points)))
        count = patch.parameters
        starts = quasi_random(_MEASURED, count, 0) if count > 1 else np.linspace(0, 1, _SEEN)[:, None][:, :count]
        unit = starts[np.asarray(KDTree(patch.at(starts)[0]).query(points)[1])]
        for _ in range(_STEPS if count else 0):
            here, slopes = patch.at(unit)
            normal = np.einsum("nkd,nld->nkl", slopes, slopes) + 1e-14 * np.eye(count)
            step = np.linalg.solve(normal, np.einsum("nkd,nd->nk", slopes, points - here)[..., None])[..., 0]
            unit = np.clip(unit + step, 0.0, 1.0)
        return self._at(patch, unit, np.ones(len(points)))


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class SinglePoint(AbstractPiece):
    """A single point of a region. Its normal is zero."""

    at: tuple[float, ...]

    @classmethod
    def of(cls, region: "AbstractRegion", coordinates: Sequence[float], name: str) -> "SinglePoint":
        """The point with these coordinates. Raises `TypeError` or `ValueError` for one that is not in the region."""
        try:
            at = tuple(float(coordinate) for coordinate in coordinates)
        except (TypeError, ValueError) as error:
            raise TypeError(f"coordinates are {coordinates!r}; give a number for each axis") from error
        if len(at) != region.dimension:
            raise ValueError(
                f"coordinates are {at}; this domain needs one for each of the axes {', '.join(region.axes)}"
            )
        if not region.contains(np.array([at]), 1e-9 * float(np.max(region.half_sides)))[0]:
            raise ValueError(f"the point {at} is outside of the domain; its axes have the bounds {region.bounds}")
        return cls(name=name, region=region, at=at)

    def _spread(self, distance: float, seed: int) -> Collocation:
        points = np.array([self.at])
        return Collocation(points, np.zeros_like(points), np.ones(1))

    def ruled(self, rule: Any) -> Collocation:
        return self._cut(self._spread(1.0, 0))

    def nearest(self, points: Float[np.ndarray, "n d"]) -> Collocation:
        here = np.tile(self.at, (len(points), 1))
        return Collocation(here, np.zeros_like(here), np.ones(len(points)))


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Several(AbstractPiece):
    """Pieces that share a name.

    - `parts`: of the boundary of one region.
    """

    parts: tuple[AbstractPiece, ...]

    @classmethod
    def of(cls, parts: Sequence[AbstractPiece]) -> AbstractPiece:
        """One piece, if there is no other, or all of them together."""
        return parts[0] if len(parts) == 1 else cls(name=parts[0].name, region=parts[0].region, parts=tuple(parts))

    def _spread(self, distance: float, seed: int) -> Collocation:
        return joined([part.at_distance(distance, seed) for part in self.parts])

    def kept(self, cut: Cut) -> "Several":
        return dataclasses.replace(self, parts=tuple(part.kept(cut) for part in self.parts))

    def flipped(self) -> "Several":
        return dataclasses.replace(self, parts=tuple(part.flipped() for part in self.parts))

    def of_region(self, region: "AbstractRegion") -> "Several":
        parts = tuple(part.of_region(region) for part in self.parts)
        return dataclasses.replace(self, region=region, parts=parts)

    def part(self, cell: "Box", start: float | None = None) -> "Several":
        parts = tuple(part.part(cell, start) for part in self.parts)
        return dataclasses.replace(self, region=self.region.part(cell), parts=tuple(p for p in parts if p is not None))

    def ruled(self, rule: Any) -> Collocation:
        return joined([part.ruled(rule) for part in self.parts])

    def nearest(self, points: Float[np.ndarray, "n d"]) -> Collocation:
        return nearest_of([part.nearest(points) for part in self.parts], points)

    def holds(self, points: Float[np.ndarray, "n d"], margin: float) -> Bool[np.ndarray, " n"]:
        return np.any([part.holds(points, margin) for part in self.parts], axis=0)


def nearest_of(found: list[Collocation], points: Float[np.ndarray, "n d"]) -> Collocation:
    """Of several sets of points, that one for each point that is nearest to it."""
    distances = np.stack([np.linalg.norm(each.points - points, axis=1) for each in found])
    chosen, rows = np.argmin(distances, axis=0), np.arange(len(points))
    there, normals = (np.stack([getattr(each, name) for each in found])[chosen, rows] for name in ("points", "normals"))
    return Collocation(there, normals, np.ones(len(points)))
