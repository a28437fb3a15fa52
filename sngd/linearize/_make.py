"""How an objective is made from a problem and a network."""

from collections.abc import Callable

from jax.sharding import Mesh
from jaxtyping import Array, Float

from sngd.linearize._energy import energy_objective
from sngd.linearize._least_squares import least_squares
from sngd.linearize._objective import AbstractObjective
from sngd.linearize._storage import Limits
from sngd.linearize._trial import split_network
from sngd.problem import AbstractProblem, Energy, Problem

# The number of points in the interior for each parameter of a network, if the problem names no rule (docs/choices.md).
_POINTS = 0.5


def with_points_for(problem: AbstractProblem, parameters: int) -> AbstractProblem:
    """The problem with default rules in place of those that were left out.

    - `parameters`: the number of parameters of the network, from which the number of points follows.
    """
    return problem.with_points(_POINTS * parameters)


def make_objective(
    problem: AbstractProblem, network: Callable, limits: Limits | None = None, mesh: Mesh | None = None
) -> tuple[AbstractObjective, Float[Array, " p"]]:
    """The objective of `problem` for `network`, and the present parameters of the network. Nothing is compiled.

    The parameters are a vector of shape `(p,)`.

    - `limits`: how much memory the factor may take.
    - `mesh`: the devices between which the points of each term are divided. It has one axis, `"rows"`.

    Raises `TypeError` or `ValueError` for a network or a residual that cannot be used; the message says why.
    """
    limits = limits or Limits()
    trial, theta = split_network(network, problem)
    problem = with_points_for(problem, len(theta))
    match problem:
        case Problem():
            return least_squares(problem, trial, theta, limits, mesh), theta
        case Energy():
            return energy_objective(problem, trial, theta, limits, mesh), theta
        case _:
            raise TypeError(f"problem is {problem!r}; it must be a Problem or an Energy")
