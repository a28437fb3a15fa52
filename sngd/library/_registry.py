"""The ready problems by their names."""

import difflib
import functools
import math
from collections.abc import Callable

from sngd.library._diffusion import allen_cahn_front, heat_a, reaction, reaction_diffusion
from sngd.library._elliptic import biharmonic, helmholtz_a, helmholtz_plane_waves, multiscale_poisson, poisson_a
from sngd.library._flows import burgers, kovasznay, taylor_green
from sngd.library._high_dimension import poisson_cosines, poisson_directions, poisson_product
from sngd.library._ordinary import beam, boundary_layer, boundary_layer_robin, lorenz, lotka_volterra, van_der_pol
from sngd.library._paper import bvp, bvp_energy, heat, poisson, transport
from sngd.library._regression import regression
from sngd.library._waves import convection, kdv_soliton, klein_gordon_2, klein_gordon_3, schroedinger_soliton, wave_a
from sngd.problem import AbstractProblem, Problem


def _variant(make: Callable[..., Problem], **arguments: float) -> Callable[[], Problem]:
    """A problem with other arguments than its own defaults, with the documentation of `make`."""
    return functools.wraps(make)(lambda: make(**arguments))


PROBLEMS: dict[str, Callable[[], AbstractProblem]] = {
    "heat": heat,
    "poisson": poisson,
    "bvp": bvp,
    "bvp-energy": bvp_energy,
    "transport": transport,
    "poisson-a": poisson_a,
    "helmholtz-a": helmholtz_a,
    "helmholtz-plane-waves-20": _variant(helmholtz_plane_waves, wavenumber=20.0),
    "helmholtz-plane-waves-50": _variant(helmholtz_plane_waves, wavenumber=50.0),
    "multiscale-poisson": multiscale_poisson,
    "wave-a": wave_a,
    "heat-a": heat_a,
    "convection-50": _variant(convection, speed=50.0),
    "convection-80": _variant(convection, speed=80.0),
    "reaction": reaction,
    "reaction-diffusion": reaction_diffusion,
    "boundary-layer-robin": boundary_layer_robin,
    "boundary-layer-1e-2": _variant(boundary_layer, eps=1e-2),
    "boundary-layer-1e-3": _variant(boundary_layer, eps=1e-3),
    "boundary-layer-1e-4": _variant(boundary_layer, eps=1e-4),
    "beam": beam,
    "biharmonic": biharmonic,
    "kovasznay": kovasznay,
    "taylor-green": taylor_green,
    "klein-gordon-2": klein_gordon_2,
    "klein-gordon-3": klein_gordon_3,
    "burgers-0.1": _variant(burgers, viscosity=0.1),
    "burgers-0.01": _variant(burgers, viscosity=0.01),
    "burgers-0.01-over-pi": _variant(burgers, viscosity=0.01 / math.pi),
    "kdv-soliton": kdv_soliton,
    "allen-cahn-front": allen_cahn_front,
    "schroedinger-soliton": schroedinger_soliton,
    "poisson-5d-a": _variant(poisson_cosines, dimension=5),
    "poisson-5d-b": _variant(poisson_directions, dimension=5),
    "poisson-5d-c": _variant(poisson_product, dimension=5),
    "poisson-10d": _variant(poisson_cosines, dimension=10),
    "lotka-volterra": lotka_volterra,
    "lorenz": lorenz,
    "van-der-pol": van_der_pol,
    "regression": regression,
}
"""Every problem of the library, with its default arguments or those that its name gives."""

PAPER_PROBLEMS = ("heat", "poisson", "bvp", "bvp-energy", "transport")
"""The names of the paper's problems."""


@functools.cache
def find_problem(name: str) -> AbstractProblem:
    """The problem called `name`. Raises `ValueError` for an unknown name."""
    if name not in PROBLEMS:
        near = difflib.get_close_matches(name, PROBLEMS) or PAPER_PROBLEMS
        raise ValueError(f"problem is {name!r}; it must be a name that `sngd list` prints, such as {', '.join(near)}")
    return PROBLEMS[name]()
