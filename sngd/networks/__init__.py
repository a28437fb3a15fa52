"""Networks: functions of one point `x`, shape `(d,)`, whose parameters are the leaves of a PyTree.

Any callable PyTree is a network, for instance an `equinox.Module`. Its float64 arrays are trained; `solve` raises
`TypeError` for floating-point arrays of another type. A network returns a scalar, or an array of shape `(1,)`, for a
problem with one unknown function. It returns an array of shape `(m,)` for a system of `m`. The networks of this folder
know neither an equation nor an optimizer.
"""

from sngd.networks._architecture import make_network, widths_of
from sngd.networks._cells import Cells
from sngd.networks._mlp import ACTIVATIONS, DEFAULT_BIAS, DEFAULT_GAIN, MLP
from sngd.networks._several import Several
from sngd.networks._with_constants import WithConstants

__all__ = [
    "ACTIVATIONS",
    "DEFAULT_BIAS",
    "DEFAULT_GAIN",
    "MLP",
    "Cells",
    "Several",
    "WithConstants",
    "make_network",
    "widths_of",
]
