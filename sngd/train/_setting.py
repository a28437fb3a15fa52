"""A problem and a network in units in which both are ordinary, before a run."""

import dataclasses
from collections.abc import Callable

from jax.sharding import Mesh
from jaxtyping import Array, Float

from sngd.linearize import AbstractObjective, Limits, make_objective
from sngd.problem import AbstractProblem
from sngd.train._scales import Scales, in_ordinary_units, scales_of

# A network for a solution of another size is made at most so many times. Once is enough for linear equations: the size
# is read from the response to the network before, which is that of the linear terms only where the network is small.
_PASSES = 4


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a run begins with.

    - `problem`: with points, and each condition in an ordinary unit; `given`: with points, in the units of its user.
    - `network`: of the size of the solution, where it may be chosen. `theta`: its parameters, shape `(p,)`.
    - `scales`: of the conditions, by this network. `size`: the power of ten of the solution's size, beside a network of
      ordinary size.
    """

    given: AbstractProblem
    problem: AbstractProblem
    network: Callable
    objective: AbstractObjective
    theta: Float[Array, " p"]
    scales: Scales
    size: float


def make_setting(
    problem: AbstractProblem,
    network: Callable,
    limits: Limits,
    mesh: Mesh | None,
    make: Callable[[float], Callable] | None,
) -> Setting:
    """The setting of a run.

    - `network`: of ordinary size. `make`: makes the same network for solutions that are so many times larger; `None`
      where the network has to stay as it is.
    """
    size = 1.0
    objective, theta = make_objective(problem, network, limits, mesh)
    scales = scales_of(problem, objective, theta)
    for _ in range(_PASSES if make is not None else 0):
        if scales.output == 1 or make is None:
            break
        size *= scales.output
        network = make(size)
        objective, theta = make_objective(problem, network, limits, mesh)
        scales = scales_of(problem, objective, theta)
    given = problem.with_points(len(theta))
    ordinary = in_ordinary_units(given, scales)
    if ordinary is not given:
        objective, theta = make_objective(ordinary, network, limits, mesh)
        scales = scales_of(ordinary, objective, theta)
    return Setting(given, ordinary, network, objective, theta, scales, size if make is not None else scales.output)
