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
from sngd.problem._problem import AbstractProblem, Collocation, Energy, Problem, with_other_rules
from sngd.problem._quadrature import (
    AbstractQuadrature,
    GaussLegendre,
    Midpoint,
    Sobol,
    UniformGrid,
    UniformRandom,
    default_quadrature,
    finer_rule,
    rule_between,
)
from sngd.problem._stand_in import in_place_of
from sngd.problem._variation import euler_lagrange, natural_flux, second_order_part

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
    "Midpoint",
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
    "euler_lagrange",
    "finer_rule",
    "gradient",
    "in_place_of",
    "interval",
    "laplacian",
    "natural_flux",
    "partial",
    "rule_between",
    "second_order_part",
    "space_time",
    "with_other_rules",
]
