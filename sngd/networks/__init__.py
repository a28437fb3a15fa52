"""Networks: functions of one point `x`, shape `(d,)`, whose parameters are the leaves of a PyTree.

Any callable PyTree of floating-point arrays is a network, for instance an `equinox.Module`. It returns a scalar for a
problem with one output, and an array of shape `(m,)` for a system with `m` outputs. The networks of this folder know
neither an equation nor an optimizer.
"""

from sngd.networks._architecture import make_network, widths_of
from sngd.networks._mlp import ACTIVATIONS, DEFAULT_BIAS, DEFAULT_GAIN, MLP

__all__ = ["ACTIVATIONS", "DEFAULT_BIAS", "DEFAULT_GAIN", "MLP", "make_network", "widths_of"]
