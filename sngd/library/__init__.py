"""Ready problems with exact solutions, and the paper's networks."""

from sngd.library._diffusion import allen_cahn_front, heat_a, reaction, reaction_diffusion
from sngd.library._elliptic import biharmonic, helmholtz_a, helmholtz_plane_waves, multiscale_poisson, poisson_a
from sngd.library._flows import burgers, kovasznay, taylor_green
from sngd.library._high_dimension import poisson_cosines, poisson_directions, poisson_product
from sngd.library._networks import NETWORKS, find_network
from sngd.library._ordinary import beam, boundary_layer, boundary_layer_robin, lorenz, lotka_volterra, van_der_pol
from sngd.library._paper import bvp, bvp_energy, heat, poisson, transport
from sngd.library._registry import PAPER_PROBLEMS, PROBLEMS, find_problem
from sngd.library._regression import regression
from sngd.library._waves import convection, kdv_soliton, klein_gordon_2, klein_gordon_3, schroedinger_soliton, wave_a

__all__ = [
    "NETWORKS",
    "PAPER_PROBLEMS",
    "PROBLEMS",
    "allen_cahn_front",
    "beam",
    "biharmonic",
    "boundary_layer",
    "boundary_layer_robin",
    "burgers",
    "bvp",
    "bvp_energy",
    "convection",
    "find_network",
    "find_problem",
    "heat",
    "heat_a",
    "helmholtz_a",
    "helmholtz_plane_waves",
    "kdv_soliton",
    "klein_gordon_2",
    "klein_gordon_3",
    "kovasznay",
    "lorenz",
    "lotka_volterra",
    "multiscale_poisson",
    "poisson",
    "poisson_a",
    "poisson_cosines",
    "poisson_directions",
    "poisson_product",
    "reaction",
    "reaction_diffusion",
    "regression",
    "schroedinger_soliton",
    "taylor_green",
    "transport",
    "van_der_pol",
    "wave_a",
]
