"""What to solve: differential operators, conditions, and the two forms of a problem.

A `Problem` is a set of conditions in the sense of weighted least squares. An `Energy` is an integral to minimize.
Coordinates, lengths and values are in the user's units; the library assumes none. A single point has the shape `(d,)`.
"""

from sngd.problem._components import Components, real_parts
from sngd.problem._condition import AbstractCondition
from sngd.problem._conditions import (
    AbstractBoundaryCondition,
    Boundary,
    Dirichlet,
    Initial,
    Interior,
    Neumann,
    Periodic,
    Robin,
)
from sngd.problem._corners import corners
from sngd.problem._data import evaluate_on_host, is_traceable
from sngd.problem._field import Field, FieldAtPoints, HasField
from sngd.problem._interface import Density, Integral, Interface
from sngd.problem._laws import Coefficient, Law, values_of
from sngd.problem._operators import directional, divergence, gradient, laplacian, partial
from sngd.problem._parameters import bind
from sngd.problem._problem import AbstractProblem, Energy, Frame, Problem, with_other_points
from sngd.problem._readings import Data
from sngd.problem._smooth import Smooth
from sngd.problem._stand_in import in_place_of
from sngd.problem._unknowns import Constant, Unknown, priors
from sngd.problem._variation import euler_lagrange, natural_flux, second_order_part

__all__ = [
    "AbstractBoundaryCondition",
    "AbstractCondition",
    "AbstractProblem",
    "Boundary",
    "Coefficient",
    "Components",
    "Constant",
    "Data",
    "Density",
    "Dirichlet",
    "Energy",
    "Field",
    "FieldAtPoints",
    "Frame",
    "HasField",
    "Initial",
    "Integral",
    "Interface",
    "Interior",
    "Law",
    "Neumann",
    "Periodic",
    "Problem",
    "Robin",
    "Smooth",
    "Unknown",
    "bind",
    "corners",
    "directional",
    "divergence",
    "euler_lagrange",
    "evaluate_on_host",
    "gradient",
    "in_place_of",
    "is_traceable",
    "laplacian",
    "natural_flux",
    "partial",
    "priors",
    "real_parts",
    "second_order_part",
    "values_of",
    "with_other_points",
]
