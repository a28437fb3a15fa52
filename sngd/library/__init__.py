"""Ready problems with exact solutions, and the paper's networks."""

from sngd.library._networks import NETWORKS, find_network
from sngd.library._problems import PROBLEMS, bvp, bvp_energy, find_problem, heat, poisson, transport

__all__ = [
    "NETWORKS",
    "PROBLEMS",
    "bvp",
    "bvp_energy",
    "find_network",
    "find_problem",
    "heat",
    "poisson",
    "transport",
]
