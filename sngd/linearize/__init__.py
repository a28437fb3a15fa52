"""The loss and its linearization: the value, the gradient, and the factor of the Gramian as an operator.

Eq. (7) of the paper is the product of the Gramian with a block of columns, without the Gramian itself.
"""

from sngd.linearize._energy import EnergyObjective
from sngd.linearize._factor import AbstractFactor, ChunkedFactor, DenseFactor
from sngd.linearize._layered import LayeredFactor
from sngd.linearize._least_squares import LeastSquares, condition_term, residual_terms
from sngd.linearize._make import make_objective, with_points_for
from sngd.linearize._objective import AbstractObjective, Linearization
from sngd.linearize._pointwise import Pointwise
from sngd.linearize._sharded import ShardedFactor
from sngd.linearize._storage import Limits
from sngd.linearize._terms import Term
from sngd.linearize._trial import TrialFunction, field_of, function_of_point, with_constants

__all__ = [
    "AbstractFactor",
    "AbstractObjective",
    "ChunkedFactor",
    "DenseFactor",
    "EnergyObjective",
    "LayeredFactor",
    "LeastSquares",
    "Limits",
    "Linearization",
    "Pointwise",
    "ShardedFactor",
    "Term",
    "TrialFunction",
    "condition_term",
    "field_of",
    "function_of_point",
    "make_objective",
    "residual_terms",
    "with_constants",
    "with_points_for",
]
