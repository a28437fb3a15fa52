"""Methods: each turns one linearization into a curve of trial updates."""

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
