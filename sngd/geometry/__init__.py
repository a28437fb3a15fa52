"""Where: regions of space and time, their boundaries, and points on both.

Coordinates and lengths are in the user's units. Points are float64 arrays of shape `(n, d)` for `n` points of a region
with `d` axes.
"""

from sngd.geometry._box import Box, Face, Faces, box, interval, select_faces, space_time
from sngd.geometry._collocation import Collocation
from sngd.geometry._given import Quadrature, as_points, require_on
from sngd.geometry._points import AbstractPoints, HasRule, is_inside
from sngd.geometry._quadrature import (
    AbstractQuadrature,
    GaussLegendre,
    GradedGaussLegendre,
    Midpoint,
    Sobol,
    UniformGrid,
    UniformRandom,
    default_quadrature,
)

__all__ = [
    "AbstractPoints",
    "AbstractQuadrature",
    "Box",
    "Collocation",
    "Face",
    "Faces",
    "GaussLegendre",
    "GradedGaussLegendre",
    "HasRule",
    "Midpoint",
    "Quadrature",
    "Sobol",
    "UniformGrid",
    "UniformRandom",
    "as_points",
    "box",
    "default_quadrature",
    "interval",
    "is_inside",
    "require_on",
    "select_faces",
    "space_time",
]
