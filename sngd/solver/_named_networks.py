"""Networks for some of the unknown functions each, as a caller names them."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from sngd._arguments import shown
from sngd.networks import Several, make_network
from sngd.problem import AbstractProblem, Unknown


def has_functions_of_some_axes(problem: AbstractProblem) -> bool:
    """Whether an unknown function depends on some of the axes."""
    return any(isinstance(each, Unknown) and each.inputs is not None for each in problem.unknowns)


def require_networks(given: Mapping[str, Any], problem: AbstractProblem) -> None:
    """Raises `TypeError` or `ValueError` for networks by names that are not those of the unknown functions."""
    for name, network in given.items():
        if name not in problem.functions:
            raise ValueError(
                f"network names {shown(name)}, and the unknown functions are {', '.join(problem.functions)}"
            )
        if not (isinstance(network, str) or callable(network)):
            raise TypeError(f"network of {name} is {shown(network)}; give a text such as '2x16', or a callable PyTree")


def several_networks(
    given: Mapping[str, Callable | str] | str, default: str, problem: AbstractProblem, key: PRNGKeyArray
) -> Callable:
    """The networks of all unknown functions as one.

    - `given`: networks by the names of functions, each a text or a function of the coordinates that the unknown depends
      on; or a text for all of them. `default`: the text for functions that are not named.

    Functions of the same axes that are not named share one network.
    """
    named = {} if isinstance(given, str) else dict(given)
    rest = given if isinstance(given, str) else default
    groups: dict[Any, list[int]] = {}
    owners = [
        name for name, parts in zip(problem.functions, problem.components.sizes, strict=True) for _ in range(parts)
    ]
    for place, (name, axes) in enumerate(zip(owners, problem.inputs, strict=True)):
        groups.setdefault((name if name in named else None, axes), []).append(place)
    networks = []
    for number, ((name, axes), places) in enumerate(groups.items()):
        network = rest if name is None else named[name]
        if isinstance(network, str):
            bounds = tuple(problem.domain.bounds[axis] for axis in axes)
            periodic = tuple(at for at, axis in enumerate(axes) if axis in problem.periodic_axes)
            own = jax.random.fold_in(key, number)
            network = make_network(network, bounds, len(places), key=own, periodic=periodic)
        networks.append(network)
    return Several(tuple(networks), tuple(axes for _, axes in groups), tuple(map(tuple, groups.values())))
