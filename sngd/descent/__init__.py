"""Descents: each turns one linearization of the residual into a curve of trial updates.

Axes: `n` rows of the factor, `p` parameters, `l` columns of a sketch, `k` singular triplets. Work is counted in
floating-point operations, memory in numbers of 8 bytes unless bytes are named. "The paper" is McKay, Kaur, Greif and
Wetton, "Near-optimal Sketchy Natural Gradients for PINNs", ICML 2025.
"""

from sngd._cost import Cost
from sngd._curve import AbstractCurve, Ray
from sngd.descent._base import AbstractDescent, CurveReport
from sngd.descent._damped import Damped
from sngd.descent._engd import ENGD
from sngd.descent._factor import FactorDescent
from sngd.descent._gradient import GradientDescent
from sngd.descent._ladder import SketchState
from sngd.descent._preconditioned import Preconditioned
from sngd.descent._residual_space import ResidualSpace, SpaceState
from sngd.descent._sngd import SNGD

__all__ = [
    "ENGD",
    "SNGD",
    "AbstractCurve",
    "AbstractDescent",
    "Cost",
    "CurveReport",
    "Damped",
    "FactorDescent",
    "GradientDescent",
    "Preconditioned",
    "Ray",
    "ResidualSpace",
    "SketchState",
    "SpaceState",
]
