"""Known coefficients of a problem, which the functions of the problem take as arguments of the same names.

The values of the coefficients are data of the compiled code, so that another value compiles nothing again.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_RESERVED = ("u", "v", "x", "normal")

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def names_in(function: Callable, positional: int, parameters: Mapping[str, Any], label: str) -> tuple[str, ...]:
    """The names of the parameters that `function` takes after its first `positional` arguments.

    - `label`: the name of the function in messages.

    Raises `TypeError` for an argument that has no default and is no parameter of the problem. A function that is
    written in C and does not tell its arguments has no parameters.
    """
    try:
        arguments = list(inspect.signature(function).parameters.values())
    # A function that is written in C need not have a signature.
    except (TypeError, ValueError):
        return ()
    found = []
    for argument in arguments[positional:]:
        if argument.kind not in _NAMED:
            continue
        if argument.name in parameters:
            found.append(argument.name)
        elif argument.default is inspect.Parameter.empty:
            known = ", ".join(parameters) or "none"
            raise TypeError(
                f"{label} takes the argument {argument.name}, which is no parameter of the problem (it has {known}); "
                f"give it by parameters={{{argument.name!r}: ...}}"
            )
    return tuple(found)


def bind(function: Callable, positional: int, parameters: Mapping[str, Any], label: str) -> Callable:
    """The function of the first `positional` arguments alone, with the values of the parameters that it names.

    - `function`: a function of these arguments and of any parameters, by their names.
    - `parameters`: the values of the parameters of the problem, by their names.
    - `label`: the name of the function in messages.

    A function that names no parameter is returned itself. Raises `TypeError` for an argument that has no default and is
    no parameter of the problem.
    """
    names = names_in(function, positional, parameters, label)
    return functools.partial(function, **{name: parameters[name] for name in names}) if names else function


def as_pytree(function: Callable, positional: int, parameters: Mapping[str, Any], label: str) -> Callable:
    """The result of `bind` as a PyTree, whose leaves are the values of the parameters."""
    names = names_in(function, positional, parameters, label)
    if not names:
        return function
    return jax.tree_util.Partial(function, **{name: jnp.asarray(parameters[name]) for name in names})


def checked(parameters: Any) -> dict[str, np.ndarray]:
    """The values of the parameters as float64 arrays, by their names.

    Raises `TypeError` for anything but a mapping from names to real numbers. Raises `ValueError` for a name that is no
    identifier, for a name that residuals use otherwise, and for values that are not finite.
    """
    if not isinstance(parameters, Mapping):
        raise TypeError(f'parameters is {parameters!r}; give names and values, for instance {{"nu": 0.1}}')
    found = {}
    for name, value in parameters.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"parameters has the name {name!r}; a name is one that an argument of a function may have")
        if name in _RESERVED:
            raise ValueError(f"parameters has the name {name!r}, which residuals have for something else; take another")
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise TypeError(f"the parameter {name} is {value!r}; it must be a real number, or an array of them")
        if not np.all(np.isfinite(array)):
            raise ValueError(f"the parameter {name} is {value!r}; it must be finite")
        found[name] = array.astype(float)
    return found
