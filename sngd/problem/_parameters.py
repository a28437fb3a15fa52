"""Known coefficients of a problem, which its functions take by name.

Their values are data of the compiled code, so that another value compiles nothing again.
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
    """The parameters that `function` takes beside its first `positional` arguments, by their names.

    Raises `TypeError` for an argument without a default that is no parameter. `label` is what messages call the
    function.
    """
    try:
        arguments = list(inspect.signature(function).parameters.values())
    # Functions that are written in C need not say what they take.
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
    """`function` of its first `positional` arguments, with the parameters that it names.

    A function that names none is returned itself. Raises `TypeError` as `names_in` does.
    """
    names = names_in(function, positional, parameters, label)
    return functools.partial(function, **{name: parameters[name] for name in names}) if names else function


def as_pytree(function: Callable, positional: int, parameters: Mapping[str, Any], label: str) -> Callable:
    """What `bind` returns, as a PyTree whose leaves are the values of the parameters."""
    names = names_in(function, positional, parameters, label)
    if not names:
        return function
    return jax.tree_util.Partial(function, **{name: jnp.asarray(parameters[name]) for name in names})


def checked(parameters: Any) -> dict[str, np.ndarray]:
    """The values as arrays, by their names.

    Raises `TypeError` for anything but a mapping of names to real numbers, and `ValueError` for a name that is no
    identifier or is taken, and for values that are not finite.
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
