"""The table of benchmark problems: what is solved, how accurately, how fast, and what may be changed about it."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from sngd import library
from sngd.geometry import Sobol
from sngd.problem import AbstractProblem

# Points an axis of the grid on which errors are measured, up to dimension three; beyond, that many Sobol points.
_GRID = {1: 1001, 2: 101, 3: 41}
_SOBOL = 2**15

# Parameters are multiplied by factors between these.
_SMALLEST, _LARGEST = 0.7, 1.4


@dataclasses.dataclass(frozen=True)
class Row:
    """One problem of the table.

    - `name`: as in `sngd.library.PROBLEMS`.
    - `factory`: makes the problem, and takes the parameters by name.
    - `bar`: the largest relative L2 error of any component. `seconds`: for one run, compilation included.
    - `parameters`: what may be multiplied by factors between 0.7 and 1.4, with the values that the table has. The
      domain does not depend on them.
    - `mean_free`: components that are known but for a constant, such as pressures: errors are measured without means.
    """

    name: str
    factory: functools.partial[AbstractProblem]
    bar: float
    seconds: float
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)
    mean_free: tuple[int, ...] = ()

    def problem(self, **changes: float) -> AbstractProblem:
        """The problem, with some of its parameters changed."""
        return self.factory(**{**self.parameters, **changes})

    def moved(self, generator: np.random.Generator) -> dict[str, float]:
        """All parameters, each multiplied by a random factor between 0.7 and 1.4, whose logarithm is uniform."""
        bounds = math.log(_SMALLEST), math.log(_LARGEST)
        return {name: value * math.exp(generator.uniform(*bounds)) for name, value in self.parameters.items()}

    def grid(self) -> Float[np.ndarray, "n d"]:
        """Where errors are measured."""
        domain = self.problem().domain
        if domain.dimension in _GRID:
            return domain.grid(_GRID[domain.dimension])
        return Sobol(_SOBOL).rule(*domain.extent)[0]

    def errors(
        self, values: Float[np.ndarray, "n ..."], exact: Float[np.ndarray, "n ..."]
    ) -> Float[np.ndarray, " outputs"]:
        """The relative L2 error of each component, from values on the grid. Raises `ValueError` for unequal shapes."""
        if np.shape(values) != np.shape(exact):
            raise ValueError(
                f"values have shape {np.shape(values)} and exact has {np.shape(exact)}; they must be equal"
            )
        found, wanted = (np.array(array, float).reshape(len(array), -1) for array in (values, exact))
        for component in self.mean_free:
            found[:, component] -= np.mean(found[:, component])
            wanted[:, component] -= np.mean(wanted[:, component])
        return np.linalg.norm(found - wanted, axis=0) / np.linalg.norm(wanted, axis=0)


def _row(
    name: str,
    bar: float,
    seconds: float,
    make: Callable[..., AbstractProblem],
    parameters: Mapping[str, float] | None = None,
    mean_free: Sequence[int] = (),
    **fixed: float,
) -> Row:
    return Row(name, functools.partial(make, **fixed), bar, seconds, dict(parameters or {}), tuple(mean_free))


def _amplitudes(*modes: int, values: Sequence[float] = (1.0, 1.0, 1.0, 1.0)) -> dict[str, float]:
    return {f"amplitude_{mode}": value for mode, value in zip(modes, values, strict=False)}


_PLANE_WAVES = _amplitudes(1, 2, 3, values=(1.0, 0.7, 0.4)) | {"angle_1": 0.3, "angle_2": 1.4, "angle_3": 2.9}

ROWS: tuple[Row, ...] = (
    # The paper's problems are kept as they are; of transport the speed, which is its difficulty, is kept too.
    _row("heat", 1e-12, 20, library.heat),
    _row("poisson", 1e-12, 20, library.poisson),
    _row("bvp", 1e-13, 10, library.bvp),
    _row("bvp-energy", 1e-10, 30, library.bvp_energy),
    _row("transport", 1e-9, 180, library.transport),
    _row("poisson-a", 1e-12, 15, library.poisson_a, {"frequency_x": 2.0, "frequency_y": 1.0, "slope": 1.0}),
    _row(
        "helmholtz-a",
        1e-12,
        15,
        library.helmholtz_a,
        {"frequency_x": 1.0, "frequency_y": 4.0, "squared_wavenumber": 1.0},
    ),
    # Not the wavenumber: another may lie near an eigenvalue of the Laplacian, where the data do not determine `u`.
    _row("helmholtz-plane-waves-20", 1e-9, 60, library.helmholtz_plane_waves, _PLANE_WAVES, wavenumber=20.0),
    _row("helmholtz-plane-waves-50", 1e-8, 120, library.helmholtz_plane_waves, _PLANE_WAVES, wavenumber=50.0),
    # Not the four wavenumbers, which are integers by the zero data.
    _row("multiscale-poisson", 1e-10, 120, library.multiscale_poisson, _amplitudes(4, 8, 12, 16)),
    _row("wave-a", 1e-12, 20, library.wave_a, {"speed": 2.0} | _amplitudes(1, 4, values=(1.0, 0.5))),
    _row("heat-a", 1e-10, 40, library.heat_a, {"diffusivity": 1.0} | _amplitudes(1, 3, values=(1.0, 0.5))),
    _row("convection-50", 1e-11, 60, library.convection, {"speed": 50.0, "amplitude": 1.0}),
    # Not the speed: a higher one is a harder problem than any of the table.
    _row("convection-80", 1e-11, 60, library.convection, {"amplitude": 1.0}, speed=80.0),
    _row("reaction", 1e-11, 30, library.reaction, {"rate": 5.0, "width": math.pi / 4}),
    _row(
        "reaction-diffusion",
        1e-10,
        60,
        library.reaction_diffusion,
        {"diffusivity": 3.0, "rate": 5.0, "concentration": 1.0},
    ),
    _row("boundary-layer-robin", 1e-12, 20, library.boundary_layer_robin, {"eps": 1e-2, "force": 1.0}),
    _row("boundary-layer-1e-2", 1e-11, 20, library.boundary_layer, {"eps": 1e-2, "force": 1.0}),
    _row("boundary-layer-1e-3", 1e-9, 20, library.boundary_layer, {"eps": 1e-3, "force": 1.0}),
    # Not `eps`: a thinner layer is a harder problem than any of the table.
    _row("boundary-layer-1e-4", 1e-7, 20, library.boundary_layer, {"force": 1.0}, eps=1e-4),
    _row("beam", 1e-12, 30, library.beam, {"load": 1.0}),
    _row("biharmonic", 1e-12, 30, library.biharmonic, {"growth": 1.0, "frequency": 1.0}),
    _row("kovasznay", 1e-10, 90, library.kovasznay, {"reynolds": 40.0}, mean_free=(2,)),
    _row("taylor-green", 1e-8, 180, library.taylor_green, {"viscosity": 0.01, "amplitude": 1.0}, mean_free=(2,)),
    _row("klein-gordon-2", 1e-10, 120, library.klein_gordon_2, {"frequency": 1.0, "amplitude": 1.0}),
    _row("klein-gordon-3", 1e-10, 120, library.klein_gordon_3, {"frequency": 5.0, "amplitude": 1.0, "cubic": 1.0}),
    _row("burgers-0.1", 1e-10, 60, library.burgers, {"viscosity": 0.1, "amplitude": 1.0}),
    _row("burgers-0.01", 1e-8, 120, library.burgers, {"viscosity": 0.01, "amplitude": 1.0}),
    # Neither viscosity nor amplitude: with another quotient the shock may be sharper than any of the table, and their
    # common factor is another unit of time only.
    _row("burgers-0.01-over-pi", 1e-6, 300, library.burgers, viscosity=0.01 / math.pi),
    # Not the wavenumber, whose cube is the speed of all that happens.
    _row("kdv-soliton", 1e-9, 120, library.kdv_soliton, {"start": 2.0, "nonlinearity": 6.0}),
    _row("allen-cahn-front", 1e-12, 60, library.allen_cahn_front, {"diffusivity": 1.0, "rate": 1.0}),
    _row("schroedinger-soliton", 1e-9, 120, library.schroedinger_soliton, {"amplitude": 1.0, "nonlinearity": 1.0}),
    _row("poisson-5d-a", 1e-11, 60, library.poisson_cosines, {"frequency": 1.0}, dimension=5),
    _row("poisson-5d-b", 1e-8, 120, library.poisson_directions, {"frequency": 1.0}, dimension=5),
    _row("poisson-5d-c", 1e-5, 300, library.poisson_product, {"frequency": 1.0}, dimension=5),
    _row("poisson-10d", 1e-8, 300, library.poisson_cosines, {"frequency": 1.0}, dimension=10),
    # The numbers of animals are kept: the further from the equilibrium they begin, the sharper are the peaks.
    _row(
        "lotka-volterra",
        1e-9,
        60,
        library.lotka_volterra,
        {"birth": 2.0, "predation": 0.04, "conversion": 0.02, "death": 1.06},
    ),
    # Not the state at the beginning, which has no one sign.
    _row("lorenz", 1e-9, 60, library.lorenz, {"sigma": 10.0, "rho": 15.0, "beta": 8 / 3}),
    # Not the damping, which is how sharp the jumps are.
    _row("van-der-pol", 1e-8, 60, library.van_der_pol, {"stiffness": 1.0, "start": 2.0}),
    _row("regression", 1e-12, 20, library.regression, {"frequency_x": 3.0, "frequency_y": 2.0, "peak": 1.0}),
)
