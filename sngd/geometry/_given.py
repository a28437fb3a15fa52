"""Points that a user brings: arrays, or a rule without methods for a staggered and a finer rule.

Validation needs points between these points, and refinement needs more points. Both are computed from the points
themselves.
"""

import abc
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import ArrayLike

from sngd.geometry._box import Box, Face, Place
from sngd.geometry._collocation import Collocation, joined
from sngd.geometry._pieces import AbstractPiece
from sngd.geometry._points import AbstractPoints, HasRule, is_inside, require_positive, rule_on
from sngd.geometry._quadrature import Sobol
from sngd.geometry._region import AbstractRegion

Quadrature = AbstractPoints | HasRule | tuple[ArrayLike, ArrayLike]
"""How points are chosen: by a rule of this library, by a user's rule, or by arrays `(points, weights)`.

The arrays have the shapes `(n, d)` and `(n,)`.
"""

# The weights of a quadrature rule sum to the measure of the box, to this relative accuracy.
_CONSTANTS = 1e-6

# The largest distance of a neighbor, in units of the distance of the nearest point. On a grid, diagonal neighbors are
# near enough (1.41 in two dimensions), and points two steps away are not.
_NEAR = 1.5

# Points of arrays are on a piece of a boundary up to this part of the largest side.
_ON_PIECES = 1e-8


def as_points(given: Any, name: str) -> AbstractPoints:
    """The points that the argument called `name` stands for.

    - `given`: points of this library, a user's rule, or arrays `(points, weights)`.

    Raises `TypeError` for anything else. Raises `ValueError` for arrays of other shapes, for points that are not
    finite, and for weights that are not positive and finite.
    """
    if isinstance(given, AbstractPoints):
        return given
    if isinstance(given, HasRule) and not isinstance(given, type):
        return _UserRule(given)
    if isinstance(given, tuple | list) and len(given) == 2:
        points, weights = given
        return _given(points, weights, name)
    found = f"an array of shape {given.shape}" if isinstance(given, np.ndarray) else repr(given)
    raise TypeError(
        f"{name} is {found}; it must be a rule like GaussLegendre(20), an object with a method rule(lower, upper), "
        "or two arrays (points, weights)"
    )


def require_on(points: AbstractPoints, places: Sequence[Place], name: str) -> None:
    """Check that each point of given arrays lies in one of the regions or on one of the pieces in `places`.

    Points of a rule are not checked here. Raises `ValueError` for a point in none of the places, and for points of
    another dimension.
    """
    if not isinstance(points, _Given):
        return
    domain = _region(places[0])
    if points.points.shape[1] != domain.dimension:
        raise ValueError(
            f"points of {name} have shape {points.points.shape}; this domain needs (n, {domain.dimension}), with one "
            f"column for each of the axes {', '.join(domain.axes)}"
        )
    missed = ~np.any([is_on(points.points, place) for place in places], axis=0)
    if missed.any():
        faces = [f"{place.axis} = {place.position}" for place in places if isinstance(place, Face)]
        pieces = [repr(place.name) for place in places if isinstance(place, AbstractPiece)]
        where = (
            f"outside of the domain {domain.bounds}" if isinstance(domain, Box) else f"outside of the domain {domain}"
        )
        if faces:
            where = f"on none of the faces {', '.join(faces)}"
        elif pieces:
            where = f"on none of the pieces {', '.join(dict.fromkeys(pieces))}"
        raise ValueError(f"points of {name} hold {points.points[missed][0].tolist()}, which lies {where}")


class _AbstractSampled(AbstractPoints):
    """Points from which a staggered and a refined set of points are computed."""

    @abc.abstractmethod
    def between(self, place: Place, found: Collocation) -> Collocation:
        """As many points at other positions, with the same total weight."""

    def staggered(self) -> "AbstractPoints":
        return _Derived(self, keep=False)

    def refined(self) -> "AbstractPoints":
        return _Derived(self, keep=True)


@dataclasses.dataclass(frozen=True, eq=False)
class _Given(_AbstractSampled):
    """Arrays of points, shape `(n, d)`, and weights, shape `(n,)`. A face has those points that lie on the face."""

    points: np.ndarray
    weights: np.ndarray

    @property
    def fit_faces(self) -> bool:
        return False

    def on(self, place: Place) -> Collocation:
        here = is_on(self.points, place)
        points = self.points[here]
        normals = np.zeros_like(points)
        if not isinstance(place, AbstractRegion) and len(points):
            normals = place.nearest(points).normals
        return Collocation(points, normals, self.weights[here])

    def between(self, place: Place, found: Collocation) -> Collocation:
        return _midpoints(place, found)


@dataclasses.dataclass(frozen=True, eq=False)
class _UserRule(_AbstractSampled):
    """A user's rule, which has no method for other points.

    If the weights of the rule sum to the measure of the box, the rule is a quadrature rule for the whole box, and the
    other points are Sobol points. Otherwise the rule may cover only a part of the box, and the other points are
    midpoints between the points of the rule.
    """

    rule: HasRule

    @property
    def fit_faces(self) -> bool:
        return True

    def on(self, place: Place) -> Collocation:
        return rule_on(self.rule, place)

    def between(self, place: Place, found: Collocation) -> Collocation:
        if not isinstance(place, Box | Face):
            return _midpoints(place, found)
        lower, upper = place.extent
        if not np.isclose(found.weights.sum(), np.prod(upper - lower), rtol=_CONSTANTS):
            return _midpoints(place, found)
        # Sobol sequences of one seed begin with the same points. The seed is the number of points, so that rules of
        # different sizes have different points.
        return Sobol(len(found.weights), seed=len(found.weights)).on(place)


@dataclasses.dataclass(frozen=True, eq=False)
class _Derived(_AbstractSampled):
    """Points that are computed from those of `base`.

    - `keep`: whether the points of `base` are included. If so, both sets of points share the weight equally.
    """

    base: _AbstractSampled
    keep: bool

    @property
    def fit_faces(self) -> bool:
        return self.base.fit_faces

    def on(self, place: Place) -> Collocation:
        found = self.base.on(place)
        if not len(found.weights):
            return found
        others = self.between(place, found)
        if not self.keep:
            return others
        both = joined([found, others])
        every, first, places = np.unique(both.points, axis=0, return_index=True, return_inverse=True)
        return Collocation(every, both.normals[first], np.bincount(places.ravel(), both.weights / 2))

    def between(self, place: Place, found: Collocation) -> Collocation:
        return self.base.between(place, found)


def _given(points: Any, weights: Any, name: str) -> _Given:
    try:
        points, weights = np.asarray(points, dtype=float), np.asarray(weights, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} holds no two arrays of real numbers ({error}); give (points, weights)") from error
    if points.ndim != 2 or weights.shape != points.shape[:1] or not len(weights):
        raise ValueError(
            f"{name} has points of shape {points.shape} and weights of shape {weights.shape}; give at least one point, "
            "(n, d), and one weight for each, (n,)"
        )
    if not np.all(np.isfinite(points)):
        row = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise ValueError(f"points of {name} are not finite in row {row}: {points[row].tolist()}")
    require_positive(weights, name)
    return _Given(points, weights)


def _region(place: Place) -> AbstractRegion:
    return place if isinstance(place, AbstractRegion) else place.region


def is_on(points: np.ndarray, place: Place) -> np.ndarray:
    """Whether each of the points, shape `(n, d)`, lies in a region or on a piece, up to rounding errors."""
    if isinstance(place, Box):
        return is_inside(points, *place.extent)
    if isinstance(place, Face):
        lower, upper = (np.array(bound) for bound in (place.box.lower, place.box.upper))
        lower[place.index] = upper[place.index] = place.position
        return is_inside(points, lower, upper)
    near = _ON_PIECES * float(np.max(_region(place).half_sides))
    if isinstance(place, AbstractRegion):
        return place.contains(points, near)
    return place.holds(points, near)


def _midpoints(place: Place, found: Collocation) -> Collocation:
    """The midpoint between each point and one of its neighbors, moved to the piece, with the weight of the point.

    The neighbor is drawn at random, so that midpoints lie along all axes. A single point has no neighbor and is
    returned itself, as is one whose midpoint is outside of the region or of the piece.
    """
    from scipy.spatial import KDTree  # noqa: PLC0415 - takes half a second, which rules of this library do not need

    points, region = found.points, _region(place)
    dimension = region.dimension - (not isinstance(place, AbstractRegion))
    count = min(2 * dimension, len(points) - 1)
    if not count:
        return found
    scaled = points / np.subtract(region.upper, region.lower)
    distances, neighbors = (np.asarray(each)[:, 1:] for each in KDTree(scaled).query(scaled, k=count + 1))
    # Half way to a point that is two steps away there may be another point.
    near = distances <= _NEAR * distances[:, :1]
    chosen = np.argmax(np.where(near, np.random.default_rng(0).random(near.shape), -1.0), axis=1)
    middles = (points + points[neighbors[np.arange(len(points)), chosen]]) / 2
    if isinstance(place, AbstractRegion):
        middles = np.where(place.contains(middles)[:, None], middles, points) if not isinstance(place, Box) else middles
        return dataclasses.replace(found, points=middles)
    if isinstance(place, Face):
        # Faces are flat.
        return dataclasses.replace(found, points=middles)
    there = place.nearest(middles)
    on = place.holds(there.points, _ON_PIECES * float(np.max(region.half_sides)))[:, None]
    moved, normals = np.where(on, there.points, points), np.where(on, there.normals, found.normals)
    return dataclasses.replace(found, points=moved, normals=normals)
