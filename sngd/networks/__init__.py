"""Trial functions `u(theta, x)`. Any callable PyTree of arrays is a network; these are ready ones."""

from sngd.networks._architecture import make_network, widths_of
from sngd.networks._mlp import ACTIVATIONS, DEFAULT_BIAS, DEFAULT_GAIN, MLP

__all__ = ["ACTIVATIONS", "DEFAULT_BIAS", "DEFAULT_GAIN", "MLP", "make_network", "widths_of"]
