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

# Points on an axis beyond those of the waves, at least.
_LEAST_MORE = 6.0

# Points at which norms of solutions are taken.
_OF_NORMS = 2048

# Tensor rules are used up to this dimension.
_TENSOR = 3

# Beyond, points of the interior for each column, and the least number on a face.
_SOBOL_OVERSAMPLING, _LEAST_ON_FACES = 2.0, 64


def with_points(problem: Problem, features: Features, equations: int = 1) -> Problem:
    """The problem with points for a fit of these features, where it names none.

    - `equations`: at each point in the interior.

    Waves of bandwidth `b` need `2 b / pi` points on an axis of length two, and some more for the other directions that
    rounding does not hide. How many more follows from the number of columns. Layers need points that crowd at faces.
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
        return lower + (upper - lower) * UniformRandom(_OF_NORMS).rule(np.zeros(len(lower)), np.ones(len(lower)))[0]
    return domain.spread(_OF_NORMS, _OF_NORMS).points


def waves_of(features: Features) -> float:
    """The number of independent waves up to the bandwidths of the features, with those that rounding does not hide."""
    return math.prod(2 * bandwidth / math.pi + _LEAST_MORE for bandwidth in features.bandwidths)


def _counts(bandwidths: tuple[float, ...], total: float) -> tuple[int, ...]:
    """Points on each axis, with about this product: as many more than `2 b / pi` on every axis."""
    waves = [2 * bandwidth / math.pi for bandwidth in bandwidths]
    # Where the waves alone take more, their numbers are reduced alike.
    least = _LEAST_MORE
    if math.prod(wave + least for wave in waves) > total:
        low, high = 0.0, 1.0
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if math.prod(middle * w + least for w in waves) < total else (low, middle)
        return tuple(max(4, round(low * wave + least)) for wave in waves)
    low, high = least, total
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if math.prod(wave + middle for wave in waves) < total else (low, middle)
    return tuple(max(4, math.ceil(wave + low)) for wave in waves)


def _power_of_two(count: float) -> int:
    return 2 ** math.ceil(math.log2(count))
