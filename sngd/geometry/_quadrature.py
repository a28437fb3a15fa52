"""Quadrature rules: points and weights on a box.

Every rule integrates constants exactly: its weights are positive and sum to the measure of the box.
"""

import abc
import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from sngd.geometry._box import Box, Face, Place
from sngd.geometry._collocation import Collocation
from sngd.geometry._points import AbstractPoints, Rule, rule_on
from sngd.geometry._region import AbstractRegion, quasi_random


class AbstractQuadrature(AbstractPoints):
    """A quadrature rule for boxes of any dimension, with a staggered and a finer rule of the same kind.

    A subclass defines `rule`, `staggered` and `refined`. A user's rule need not be of this class: any object with a
    method `rule` is accepted.
    """

    @abc.abstractmethod
    def rule(self, lower: np.ndarray, upper: np.ndarray) -> Rule:
        """The points, shape `(n, d)`, and the weights, shape `(n,)`, for the box with these bounds.

        - `lower`, `upper`: the bounds, each of shape `(d,)`.
        """

    @property
    def fit_faces(self) -> bool:
        return True

    def on(self, place: Place) -> Collocation:
        return rule_on(self.without_axis(place.index) if isinstance(place, Face) else self, place)

    def without_axis(self, index: int) -> "AbstractQuadrature":
        """The rule on a face, which lacks the axis with this index. By default it is the rule itself."""
        del index
        return self


Counts = int | tuple[int, ...]
"""Points on every axis, or a number for each axis of a domain."""


@dataclasses.dataclass(frozen=True)
class _AbstractTensorRule(AbstractQuadrature):
    """The tensor product of rules on an interval.

    - `points_per_axis`: the number of points on every axis, or one number for each axis of the domain. A face has the
      numbers of its own axes.
    """

    points_per_axis: Counts

    _least: ClassVar[int] = 1

    def __post_init__(self):
        for count in _listed(self.points_per_axis):
            _require_count("points_per_axis", count, least=self._least)

    @abc.abstractmethod
    def _on_interval(self, count: int) -> Rule:
        """`count` nodes on [-1, 1] and their weights, each of shape `(count,)`."""

    def rule(self, lower: np.ndarray, upper: np.ndarray) -> Rule:
        counts = (
            self.points_per_axis if isinstance(self.points_per_axis, tuple) else (self.points_per_axis,) * len(lower)
        )
        if len(counts) != len(lower):
            raise ValueError(
                f"points_per_axis is {counts}, for {len(counts)} axes; give one number, or {len(lower)} of them"
            )
        return _tensor_product([self._on_interval(count) for count in counts], lower, upper)

    def without_axis(self, index: int) -> "_AbstractTensorRule":
        counts = self.points_per_axis
        if not isinstance(counts, tuple):
            return self
        return dataclasses.replace(self, points_per_axis=counts[:index] + counts[index + 1 :])

    def refined(self) -> "_AbstractTensorRule":
        counts = self.points_per_axis
        more = tuple(map(_more, counts)) if isinstance(counts, tuple) else _more(counts)
        return dataclasses.replace(self, points_per_axis=more)


@dataclasses.dataclass(frozen=True)
class UniformGrid(_AbstractTensorRule):
    """A grid of equispaced points, including the bounds, with the weights of the trapezoidal rule."""

    _least: ClassVar[int] = 2

    def _on_interval(self, count: int) -> Rule:
        weights = np.full(count, 2.0 / (count - 1))
        weights[[0, -1]] /= 2
        return np.linspace(-1.0, 1.0, count), weights

    def staggered(self) -> AbstractQuadrature:
        return Midpoint(self.points_per_axis)


@dataclasses.dataclass(frozen=True)
class Midpoint(_AbstractTensorRule):
    """The midpoints of equal intervals along each axis, with equal weights."""

    def _on_interval(self, count: int) -> Rule:
        edges = np.linspace(-1.0, 1.0, count + 1)
        return (edges[1:] + edges[:-1]) / 2, np.diff(edges)

    def staggered(self) -> AbstractQuadrature:
        return (
            GaussLegendre(self.points_per_axis) if max(_listed(self.points_per_axis), default=0) > 1 else _off_center()
        )


@dataclasses.dataclass(frozen=True)
class GaussLegendre(_AbstractTensorRule):
    """The tensor product of Gauss-Legendre rules (`numpy.polynomial.legendre.leggauss`).

    It is exact for polynomials up to degree `2 * points_per_axis - 1` in each coordinate.
    """

    def _on_interval(self, count: int) -> Rule:
        return np.polynomial.legendre.leggauss(count)

    def staggered(self) -> AbstractQuadrature:
        return Midpoint(self.points_per_axis) if max(_listed(self.points_per_axis), default=0) > 1 else _off_center()


@dataclasses.dataclass(frozen=True)
class GradedGaussLegendre(_AbstractTensorRule):
    """Gauss-Legendre rules on panels whose length halves towards both ends of every axis: for layers at the faces.

    - `points_per_axis`: the number of points on each panel, on every axis or for each axis.
    - `halvings`: how often the length halves from the middle of an axis to its ends.
    """

    halvings: int = 8

    def __post_init__(self):
        super().__post_init__()
        _require_count("halvings", self.halvings, least=0)

    def _on_interval(self, count: int) -> Rule:
        nodes, weights = np.polynomial.legendre.leggauss(count)
        towards = np.concatenate([[0.0], 2.0 ** -np.arange(self.halvings, -1.0, -1.0)])
        edges = np.concatenate([towards - 1, 1 - towards[-2::-1]])
        halves = np.diff(edges)[:, None] / 2
        return (edges[:-1, None] + halves * (nodes + 1)).ravel(), (halves * weights).ravel()

    def staggered(self) -> AbstractQuadrature:
        return self.refined()


# Points in a region that is no box, by the number of its axes.
_FEWEST = (64, 1024, 2048, 4096)


def _require_count(name: str, count: int, least: int) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count < least:
        raise ValueError(f"{name} is {count!r}; it must be an integer of at least {least}")


def _listed(counts: Counts) -> tuple[int, ...]:
    return counts if isinstance(counts, tuple) else (counts,)


@dataclasses.dataclass(frozen=True)
class Sobol(AbstractQuadrature):
    """Scrambled Sobol points with equal weights (`scipy.stats.qmc.Sobol`).

    - `points`: the number of points, best a power of two. Anything but an integer of at least 1 raises `ValueError`.
    - `seed`: the seed of the scrambling.
    """

    points: int
    seed: int = 0

    def __post_init__(self):
        _require_count("points", self.points, least=1)

    def rule(self, lower: np.ndarray, upper: np.ndarray) -> Rule:
        return _equal_weights(quasi_random(self.points, len(lower), self.seed), lower, upper)

    def staggered(self) -> "Sobol":
        return Sobol(self.points, self.seed + 1)

    def refined(self) -> "Sobol":
        return Sobol(_more(self.points), self.seed)


@dataclasses.dataclass(frozen=True)
class UniformRandom(AbstractQuadrature):
    """Independent, uniformly distributed random points with equal weights.

    - `points`: the number of points. Anything but an integer of at least 1 raises `ValueError`.
    - `seed`: the seed of the random numbers.
    """

    points: int
    seed: int = 0

    def __post_init__(self):
        _require_count("points", self.points, least=1)

    def rule(self, lower: np.ndarray, upper: np.ndarray) -> Rule:
        unit = np.random.default_rng(self.seed).random((self.points, len(lower)))
        return _equal_weights(unit, lower, upper)

    def staggered(self) -> "UniformRandom":
        return UniformRandom(self.points, self.seed + 1)

    def refined(self) -> "UniformRandom":
        return UniformRandom(_more(self.points), self.seed)


@dataclasses.dataclass(frozen=True)
class Spread(AbstractPoints):
    """Points that are spread evenly over a region, and at the same distance over the pieces of its boundary.

    - `points`: the number of points in the region. Anything but an integer of at least 1 raises `ValueError`.
    - `seed`: another one gives other points.

    Disks, balls and rings have product rules in polar coordinates, curves have Gauss-Legendre rules, and all else has
    quasi-random points.
    """

    points: int
    seed: int = 0

    def __post_init__(self):
        _require_count("points", self.points, least=1)

    @property
    def fit_faces(self) -> bool:
        return True

    def on(self, place: Place) -> Collocation:
        return place.spread(self.points, self.seed)

    def staggered(self) -> "Spread":
        return Spread(self.points, self.seed + 1)

    def refined(self) -> "Spread":
        return Spread(_more(self.points), self.seed)


def default_quadrature(domain: AbstractRegion, points: float) -> tuple[AbstractPoints, AbstractPoints]:
    """The default rules for the interior and for the boundary.

    In a region that is no box, points are spread evenly. In a box of up to three dimensions both rules are
    Gauss-Legendre rules, which suit smooth functions: they have the highest degree of exactness for their number of
    points. In more dimensions a tensor product has too many points, so both are Sobol
    points.

    - `points`: about how many points the interior has in two dimensions (between 256 and 1,600) and in three dimensions
      (between 512 and 2,744). The interior has 64 points in one dimension, and 4,096 in more than three.
    """
    if not isinstance(domain, Box):
        fewest = Spread(_FEWEST[min(domain.dimension, len(_FEWEST)) - 1])
        return fewest, fewest
    match domain.dimension:
        case 1:
            return GaussLegendre(64), GaussLegendre(1)
        case 2:
            count = int(np.clip(np.ceil(np.sqrt(points)) - 2, 16, 40))
            return GaussLegendre(count), GaussLegendre(count + 4)
        case 3:
            count = int(np.clip(np.ceil(np.cbrt(points)), 8, 14))
            return GaussLegendre(count), GaussLegendre(count + 2)
        case _:
            return Sobol(4096), Sobol(512)


def _off_center() -> AbstractQuadrature:
    """A rule of one random point, which is not the midpoint."""
    return UniformRandom(1)


def _more(count: int) -> int:
    """The number of points of a refined rule: 1.5 times `count`, rounded, and at least one more than `count`."""
    return max(count + 1, round(1.5 * count))


def _tensor_product(rules: Sequence[Rule], lower: np.ndarray, upper: np.ndarray) -> Rule:
    """The tensor product on a box of rules on [-1, 1], one an axis. In dimension zero it is one point of weight 1."""
    halves = (np.asarray(upper) - lower) / 2
    unit = np.stack(np.meshgrid(*[nodes for nodes, _ in rules], indexing="ij"), axis=-1) if rules else np.zeros((1, 0))
    product = np.ones(1)
    for half, (_, weights) in zip(halves, rules, strict=True):
        product = np.multiply.outer(product, half * weights).ravel()
    return lower + halves * (unit.reshape(len(product), len(rules)) + 1), product


def _equal_weights(unit: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Rule:
    count = len(unit) if len(lower) else 1
    lengths = np.asarray(upper) - lower
    return lower + lengths * unit[:count], np.full(count, np.prod(lengths) / count)
