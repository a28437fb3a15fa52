"""Quadrature rules: points and weights on a box.

Every rule integrates constants exactly: its weights are positive and sum to the measure of the box.
"""

import abc
import dataclasses

import numpy as np

from sngd.problem._points import AbstractPoints, Place, Rule, rule_on


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

    def on(self, place: Place) -> Rule:
        return rule_on(self, place)


def _require_count(name: str, count: int, least: int) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count < least:
        raise ValueError(f"{name} is {count!r}; it must be an integer of at least {least}")


@dataclasses.dataclass(frozen=True)
class UniformGrid(AbstractQuadrature):
    """A grid of equispaced points, including the bounds, with the weights of the trapezoidal rule.

    - `points_per_axis`: the number of points along each axis. Anything but an integer of at least 2 raises
      `ValueError`.
    """

    points_per_axis: int

    def __post_init__(self):
        _require_count("points_per_axis", self.points_per_axis, least=2)

    def rule(self, lower: np.ndarray, upper: np.ndarray) -> Rule:
        nodes = np.linspace(-1.0, 1.0, self.points_per_axis)
        weights = np.full(self.points_per_axis, 2.0 / (self.points_per_axis - 1))
        weights[[0, -1]] /= 2
        return _tensor_product(nodes, weights, lower, upper)

    def staggered(self) -> AbstractQuadrature:
        return Midpoint(self.points_per_axis)

    def refined(self) -> "UniformGrid":
        return UniformGrid(_more(self.points_per_axis))


@dataclasses.dataclass(frozen=True)
class Midpoint(AbstractQuadrature):
    """The midpoints of equal intervals along each axis, with equal weights.

    - `points_per_axis`: the number of intervals along each axis. Anything but an integer of at least 1 raises
      `ValueError`.
    """

    points_per_axis: int

    def __post_init__(self):
        _require_count("points_per_axis", self.points_per_axis, least=1)

    def rule(self, lower: np.ndarray, upper: np.ndarray) -> Rule:
        edges = np.linspace(-1.0, 1.0, self.points_per_axis + 1)
        return _tensor_product((edges[1:] + edges[:-1]) / 2, np.diff(edges), lower, upper)

    def staggered(self) -> AbstractQuadrature:
        return GaussLegendre(self.points_per_axis) if self.points_per_axis > 1 else _off_center()

    def refined(self) -> "Midpoint":
        return Midpoint(_more(self.points_per_axis))


@dataclasses.dataclass(frozen=True)
class GaussLegendre(AbstractQuadrature):
    """The tensor product of Gauss-Legendre rules (`numpy.polynomial.legendre.leggauss`).

    It is exact for polynomials up to degree `2 * points_per_axis - 1` in each coordinate.

    - `points_per_axis`: the number of points along each axis. Anything but an integer of at least 1 raises
      `ValueError`.
    """

    points_per_axis: int

    def __post_init__(self):
        _require_count("points_per_axis", self.points_per_axis, least=1)

    def rule(self, lower: np.ndarray, upper: np.ndarray) -> Rule:
        return _tensor_product(*np.polynomial.legendre.leggauss(self.points_per_axis), lower, upper)

    def staggered(self) -> AbstractQuadrature:
        return Midpoint(self.points_per_axis) if self.points_per_axis > 1 else _off_center()

    def refined(self) -> "GaussLegendre":
        return GaussLegendre(_more(self.points_per_axis))


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
        from scipy.stats import qmc  # noqa: PLC0415 - takes a second, which no other rule needs

        sampler = qmc.Sobol(len(lower), scramble=True, rng=np.random.default_rng(self.seed))
        # Drawing a power of two and keeping the first points avoids SciPy's balance warning and keeps the sequence.
        unit = sampler.random_base2((self.points - 1).bit_length())[: self.points]
        return _equal_weights(unit, lower, upper)

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


def default_quadrature(dimension: int, points: float) -> tuple[AbstractQuadrature, AbstractQuadrature]:
    """The default rules for the interior and for the faces.

    Up to three dimensions both are Gauss-Legendre rules, which suit smooth functions: they have the highest degree of
    exactness for their number of points. In more dimensions a tensor product has too many points, so both are Sobol
    points.

    - `dimension`: the number of axes of the domain.
    - `points`: about how many points the interior has in two dimensions (between 256 and 1,600) and in three dimensions
      (between 512 and 2,744). The interior has 64 points in one dimension, and 4,096 in more than three.
    """
    match dimension:
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


def _tensor_product(nodes: np.ndarray, weights: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Rule:
    """The tensor product on a box of a rule on `[-1, 1]`. In dimension zero it is one point of weight one."""
    dimension = len(lower)
    halves = (np.asarray(upper) - lower) / 2
    unit = np.stack(np.meshgrid(*[nodes] * dimension, indexing="ij"), axis=-1) if dimension else np.zeros((1, 0))
    product = np.ones(1)
    for half in halves:
        product = np.multiply.outer(product, half * weights).ravel()
    return lower + halves * (unit.reshape(len(product), dimension) + 1), product


def _equal_weights(unit: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Rule:
    count = len(unit) if len(lower) else 1
    lengths = np.asarray(upper) - lower
    return lower + lengths * unit[:count], np.full(count, np.prod(lengths) / count)
