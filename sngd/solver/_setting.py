"""A problem and a network in units in which both are ordinary, before a run."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from jax.sharding import Mesh
from jaxtyping import Array, Float

from sngd._arrays import flattened
from sngd.linearize import AbstractObjective, Limits, make_objective, with_points_for
from sngd.problem import AbstractProblem
from sngd.solver._scales import TYPICAL_FREQUENCY, Scales, in_ordinary_units, scales_of

# How often, at most, a network is made again for a solution of another size. Once is enough for linear equations.
_PASSES = 4

# A problem without data is looked at once more with a network this much smaller: nonlinear terms of an ordinary network
# may hide the data of a small solution.
_SMALL = 1e-12


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a run begins with.

    - `problem`: with points, and each condition in an ordinary unit; `given`: with points, in the units of its user.
    - `network`: the network; where its size may be chosen, it has the size of the solution. `theta`: its parameters,
      shape `(p,)`.
    - `scales`: the scales of the conditions, by this network. `size`: the factor by which the network is multiplied.
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

    - `make`: makes the network from the factor by which it is multiplied, and from frequencies.
    - `resizable`: whether `make` returns another network for each factor.
    - `size`: the factor; left out, the data suggest it.
    """
    suggests = resizable and size is None

    def look(size: float) -> _Look:
        network = make(size)
        objective, theta = make_objective(problem, network, limits, mesh)
        scales = scales_of(problem, objective, theta, untrained=resizable)
        magnitude = 1.0
        if suggests:
            faster = flattened(make(size, (TYPICAL_FREQUENCY,) * problem.domain.dimension))
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
    """A network of some size, and the scales of the conditions for it.

    - `magnitude`: the power of 1e4 by which its size should be multiplied.
    """

    network: Callable
    objective: AbstractObjective
    theta: Float[Array, " p"]
    scales: Scales
    size: float
    magnitude: float


def _of_the_right_size(first: _Look, look: Callable[[float], _Look]) -> _Look:
    """A network of the size of the solution, by repeated multiplication of one of ordinary size.

    If one size is too small and the next one too large, the smaller one is kept. If the conditions show no data, a much
    smaller network is tried once: nonlinear terms of an ordinary one may hide small data.
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
