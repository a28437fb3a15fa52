"""Points for a fit: as many on each axis as the bandwidth of the features there asks for."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from sngd.features._families import Features
from sngd.geometry import AbstractRegion, Box, GaussLegendre, GradedGaussLegendre, Sobol, Spread, UniformRandom
from sngd.problem import Problem

# Rows of the interior for each column of a fit, and further points on every axis of a face.
_OVERSAMPLING, _MORE_ON_FACES = 1.6, 4

# Points on each panel of a graded rule, at least.
_LEAST_ON_PANEL = 6

# Panels of a graded rule are not halved more often: they would be shorter than rounding errors of their places.
_MOST_HALVINGS = 40

# Points on an axis, at least.
_LEAST_ON_AXIS = 4

# Waves on an axis beyond `2 b / pi`, where `b` is their bandwidth.
_MORE_WAVES = 6.0

# Points at which norms of solutions are taken. So many of them, as a part, are at each end of each axis of a box, as on
# a grid, since errors are often largest there.
_OF_NORMS, _AT_END = 2048, 0.02

# Tensor rules are used up to this dimension.
_TENSOR = 3

# Beyond, points of the interior for each column, and the least number on a face.
_SOBOL_OVERSAMPLING, _LEAST_ON_FACES = 2.0, 64


def with_points(problem: Problem, features: Features, equations: int = 1) -> Problem:
    """The problem with points for a fit of these features, where it names none.

    - `equations`: at each point in the interior.

    How many there are follows from the number of columns. The numbers on the axes are in the proportions of the degrees
    of polynomials that are waves of the bandwidths but for rounding errors. Layers need points that crowd at faces.
    """
    dimension, is_box = problem.domain.dimension, isinstance(problem.domain, Box)
    # Each component of the unknown needs points for all features, however many equations there are.
    columns = features.count * problem.outputs / min(equations, problem.outputs)
    if features.spread == "layers" and is_box:
        halvings = min(max(math.ceil(math.log2(max(features.bandwidths))), 0), _MOST_HALVINGS)
        panels = (2 * halvings + 2) ** dimension
        each = max(_LEAST_ON_PANEL, math.ceil((_OVERSAMPLING * columns / panels) ** (1 / dimension)))
        interior = faces = GradedGaussLegendre(each, halvings)
    elif not is_box:
        interior = faces = Spread(math.ceil((_OVERSAMPLING if dimension <= _TENSOR else _SOBOL_OVERSAMPLING) * columns))
    elif dimension > _TENSOR:
        count = _power_of_two(_SOBOL_OVERSAMPLING * columns)
        interior, faces = Sobol(count), Sobol(_power_of_two(max(_LEAST_ON_FACES, count / (4 * dimension))))
    else:
        counts = _counts(features.bandwidths, _OVERSAMPLING * columns)
        interior, faces = GaussLegendre(counts), GaussLegendre(tuple(count + _MORE_ON_FACES for count in counts))
    changes = {}
    if problem.quadrature is None:
        changes["quadrature"] = interior
        if problem.boundary_quadrature is None:
            changes["boundary_quadrature"] = faces
    return dataclasses.replace(problem, **changes) if changes else problem


def points_of_norms(domain: AbstractRegion, cells: Sequence[Box] = ()) -> Float[np.ndarray, "n d"]:
    """Points at which norms of solutions are taken.

    - `cells`: that fill a part of the domain, such as a window of time. Without any, the points are in all of it.
    """
    if cells:
        extents = np.array([cell.extent for cell in cells])
        lower, upper = np.min(extents[:, 0], axis=0), np.max(extents[:, 1], axis=0)
        hull = Box(domain.axes, tuple(lower.tolist()), tuple(upper.tolist()), domain.time_axis)
        whole = not isinstance(domain, Box) and hull.bounds == domain.bounds
        domain = domain if whole else domain.part(hull) or hull
    if isinstance(domain, Box):
        lower, upper = domain.extent
        unit = UniformRandom(_OF_NORMS).rule(np.full(len(lower), -_AT_END), np.full(len(lower), 1 + _AT_END))[0]
        return lower + (upper - lower) * np.clip(unit, 0.0, 1.0)
    return domain.spread(_OF_NORMS, _OF_NORMS).points


def waves_of(features: Features) -> float:
    """The number of independent waves up to the bandwidths of the features, with those that rounding does not hide."""
    return math.prod(2 * bandwidth / math.pi + _MORE_WAVES for bandwidth in features.bandwidths)


def _counts(bandwidths: tuple[float, ...], total: float) -> tuple[int, ...]:
    """Points on each axis, with about this product, in the proportions of the degrees of the waves there."""
    degrees = [_degree(bandwidth) for bandwidth in bandwidths]
    part = (total / math.prod(degrees)) ** (1 / len(degrees))
    return tuple(max(_LEAST_ON_AXIS, math.ceil(part * degree)) for degree in degrees)


def _degree(bandwidth: float) -> float:
    """The degree up to which Chebyshev series of waves of this bandwidth have coefficients above rounding errors.

    The coefficient of degree `k` is a Bessel function of order `k`, for `k = b cosh(a)` about `exp(-k (a - tanh(a)))`
    (Debye's approximation: NIST Digital Library of Mathematical Functions, 10.19.3).
    """
    exponent = -math.log(np.finfo(float).eps)
    low, high = 1e-3, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        wide = exponent / (middle - math.tanh(middle)) / math.cosh(middle) > bandwidth
        low, high = (middle, high) if wide else (low, middle)
    return exponent / (low - math.tanh(low))


def _power_of_two(count: float) -> int:
    return 2 ** math.ceil(math.log2(count))
