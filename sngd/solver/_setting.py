"""A problem and a network in units in which both are ordinary, before a run."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh
from jaxtyping import Array, Float

from sngd.linearize import AbstractObjective, Limits, make_objective, with_points_for
from sngd.problem import AbstractProblem
from sngd.solver._scales import TYPICAL_FREQUENCY, Scales, in_ordinary_units, scales_of

# A network for a solution of another size is made at most so many times. Once is enough for linear equations.
_PASSES = 4

# A problem without data is looked at once more with a network this much smaller: nonlinear terms of an ordinary network
# may hide the data of a small solution.
_SMALL = 1e-12


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a run begins with.

    - `problem`: with points, and each condition in an ordinary unit; `given`: with points, in the units of its user.
    - `network`: of the size of the solution, where it may be chosen. `theta`: its parameters, shape `(p,)`.
    - `scales`: of the conditions, by this network. `size`: by which it is multiplied.
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
    make: Callable[..., Callable],
    limits: Limits,
    mesh: Mesh | None,
    *,
    resizable: bool,
    size: float | None = None,
) -> Setting:
    """The setting of a run.

    - `make`: makes the network for solutions that are so many times larger than ordinary ones, and from frequencies.
    - `resizable`: whether that is another network for each size.
    - `size`: that of the network; left out, one that a look at the data suggests.
    """
    suggests = resizable and size is None

    def look(size: float) -> _Look:
        network = make(size)
        objective, theta = make_objective(problem, network, limits, mesh)
        scales = scales_of(problem, objective, theta, untrained=resizable)
        magnitude = 1.0
        if suggests:
            faster, _ = ravel_pytree(make(size, (TYPICAL_FREQUENCY,) * problem.domain.dimension))
            judged = scales_of(problem, objective, faster)
            magnitude = 1.0 if size == 1 and judged.is_ordinary else judged.magnitude
        return _Look(network, objective, theta, scales, size, magnitude)

    found = look(1.0 if size is None else size)
    if suggests:
        found = _of_the_right_size(found, look)
    network, objective, theta, scales, size, _ = found
    given = with_points_for(problem, len(theta))
    ordinary = in_ordinary_units(given, scales)
    if ordinary is not given:
        objective, theta = make_objective(ordinary, network, limits, mesh)
        scales = scales_of(ordinary, objective, theta, untrained=resizable)
    return Setting(given, ordinary, network, objective, theta, scales, size if resizable else scales.magnitude)


class _Look(NamedTuple):
    """A network of some size, and what the conditions make of it; and by which power of 1e4 it should be larger."""

    network: Callable
    objective: AbstractObjective
    theta: Float[Array, " p"]
    scales: Scales
    size: float
    magnitude: float


def _of_the_right_size(first: _Look, look: Callable[[float], _Look]) -> _Look:
    """The network of the size of the solution, from that of ordinary size. Of one that is too small and one that is too
    large, it is the former.
    """
    found = first
    if first.scales.is_homogeneous:
        found = look(_SMALL)
        if found.scales.is_homogeneous:
            return first
    for _ in range(_PASSES):
        factor = found.magnitude
        if factor == 1:
            break
        other = look(found.size * factor)
        if factor > 1 > other.magnitude:
            break
        found = other
    return found
