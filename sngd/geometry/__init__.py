"""Where: regions of space and time, their boundaries, and points on both.

Coordinates and lengths are in the user's units. Points are float64 arrays of shape `(n, d)` for `n` points of a region
with `d` axes.
"""

from sngd.geometry._algebra import Regions, layers, regions
from sngd.geometry._box import Box, Face, Faces, Piece, box, interval, select_faces
from sngd.geometry._clouds import Cloud, cloud
from sngd.geometry._collocation import Collocation, joined
from sngd.geometry._corners import Corner, corner_at, reentrant_corners
from sngd.geometry._given import Quadrature, as_points, is_on, require_on
from sngd.geometry._implicit import implicit
from sngd.geometry._meshes import Mesh, mesh
from sngd.geometry._pieces import AbstractPiece, SinglePoint
from sngd.geometry._points import AbstractPoints, HasRule, is_inside
from sngd.geometry._products import extrude, space_time
from sngd.geometry._quadrature import (
    AbstractQuadrature,
    GaussLegendre,
    GradedGaussLegendre,
    Midpoint,
    Sobol,
    Spread,
    UniformGrid,
    UniformRandom,
    default_quadrature,
)
from sngd.geometry._region import AbstractRegion
from sngd.geometry._shapes import Polygon, annulus, ball, disk, ellipse, ellipsoid, polygon

__all__ = [
    "AbstractPiece",
    "AbstractPoints",
    "AbstractQuadrature",
    "AbstractRegion",
    "Box",
    "Cloud",
    "Collocation",
    "Corner",
    "Face",
    "Faces",
    "GaussLegendre",
    "GradedGaussLegendre",
    "HasRule",
    "Mesh",
    "Midpoint",
    "Piece",
    "Polygon",
    "Quadrature",
    "Regions",
    "SinglePoint",
    "Sobol",
    "Spread",
    "UniformGrid",
    "UniformRandom",
    "annulus",
    "as_points",
    "ball",
    "box",
    "cloud",
    "corner_at",
    "default_quadrature",
    "disk",
    "ellipse",
    "ellipsoid",
    "extrude",
    "implicit",
    "interval",
    "is_inside",
    "is_on",
    "joined",
    "layers",
    "mesh",
    "polygon",
    "reentrant_corners",
    "regions",
    "require_on",
    "select_faces",
    "space_time",
]
