"""What to solve: differential operators, domains, quadrature, conditions, and the two forms of a problem."""

from sngd.problem._conditions import (
    AbstractBoundaryCondition,
    AbstractCondition,
    Boundary,
    Dirichlet,
    Initial,
    Interior,
    Neumann,
    Periodic,
    Robin,
)
from sngd.problem._domain import Box, Face, box, interval, space_time
from sngd.problem._field import Field
from sngd.problem._operators import directional, divergence, gradient, laplacian, partial
from sngd.problem._problem import AbstractProblem, Collocation, Energy, Problem
from sngd.problem._quadrature import (
    AbstractQuadrature,
    GaussLegendre,
    Sobol,
    UniformGrid,
    UniformRandom,
    default_quadrature,
)

__all__ = [
    "AbstractBoundaryCondition",
    "AbstractCondition",
    "AbstractProblem",
    "AbstractQuadrature",
    "Boundary",
    "Box",
    "Collocation",
    "Dirichlet",
    "Energy",
    "Face",
    "Field",
    "GaussLegendre",
    "Initial",
    "Interior",
    "Neumann",
    "Periodic",
    "Problem",
    "Robin",
    "Sobol",
    "UniformGrid",
    "UniformRandom",
    "box",
    "default_quadrature",
    "directional",
    "divergence",
    "gradient",
    "interval",
    "laplacian",
    "partial",
    "space_time",
]
