"""The arguments of the functions of a problem, which are matched by their names.

A residual takes the unknowns, the point `x` and on faces the `normal`. It may take known coefficients too.

The values of the coefficients are data of the compiled code, so that another value compiles nothing again.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sngd._arguments import shown
from sngd.problem._field import Field
from sngd.problem._laws import Coefficient, Law
from sngd.problem._unknowns import Constant, Unknown, require_name

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


def takes(function: Callable, name: str) -> bool:
    """Whether a function takes an argument of this name. One that does not tell its arguments takes none."""
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def call_by_names(function: Callable, given: Mapping[str, Any], u: Field, label: str) -> Any:
    """The value of a function of unknowns, of parameters and of `given`, each taken by its name.

    - `given`: the point, and what else has a name of its own. `u`: the unknowns, which hold the parameters.
    - `label`: the name of the function in messages.

    An argument `**name` gets all unknown functions that no other argument takes. Raises `TypeError` for an argument of
    another name that has no default, and for a function that is written in C and does not tell its arguments.
    """
    try:
        arguments = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{label} is {function!r}, which does not tell the names of its arguments; write a function of "
            f"{', '.join([*u.unknowns, *given])}"
        ) from error
    by_place, by_name, rest = [], {}, False
    for argument in arguments:
        if argument.kind is inspect.Parameter.VAR_KEYWORD:
            rest = True
        elif argument.kind is inspect.Parameter.VAR_POSITIONAL:
            continue
        elif argument.name in given or argument.name in u.unknowns or argument.name in u.parameters:
            value = _value_of(argument.name, given, u)
            if argument.kind is inspect.Parameter.POSITIONAL_ONLY:
                by_place.append(value)
            else:
                by_name[argument.name] = value
        elif argument.default is inspect.Parameter.empty:
            known = ", ".join([*u.unknowns, *u.parameters, *given])
            raise TypeError(
                f"{label} takes the argument {argument.name}, which is none of {known}; rename it, or give it by "
                f"unknowns or by parameters={{{argument.name!r}: ...}}"
            )
    if rest:
        taken = {argument.name for argument in arguments}
        by_name |= {name: u.named(name) for name in u.unknowns if name not in taken}
    return function(*by_place, **by_name)


def _value_of(name: str, given: Mapping[str, Any], u: Field) -> Any:
    if name in given:
        return given[name]
    return u.named(name) if name in u.unknowns else u.parameters[name]


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
        require_name(name, "a name in parameters")
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise TypeError(f"the parameter {name} is {value!r}; it must be a real number, or an array of them")
        if not np.all(np.isfinite(array)):
            raise ValueError(f"the parameter {name} is {value!r}; it must be finite")
        found[name] = array.astype(float)
    return found


def sorted_unknowns(
    given: Any, axes: tuple[str, ...], parameters: Mapping[str, Any]
) -> tuple[tuple[Unknown, ...], tuple[Constant, ...]]:
    """The unknown functions and the unknown constants.

    - `given`: names, unknowns, constants and laws in a sequence, or one of them. `axes`: of the domain. `parameters`:
      of the problem.

    The coefficients of laws are among the constants, behind all others.

    Raises `TypeError` for anything else. Raises `ValueError` where there is no function, for two of one name, and for
    inputs that are no axes.
    """
    if isinstance(given, str | Unknown | Constant | Law) or not isinstance(given, Iterable):
        given = (given,)
    listed = tuple(given)
    for each in listed:
        if not isinstance(each, str | Unknown | Constant | Law):
            raise TypeError(
                f"unknowns holds {shown(each)}; each must be the name of a function, an Unknown, a Constant or a Law, "
                'as in unknowns=["u", sngd.Constant("k")]'
            )
    functions = tuple(Unknown(each) if isinstance(each, str) else each for each in listed if _is_function(each))
    laws = [each for each in listed if isinstance(each, Law)]
    coefficients = [each for each in listed if isinstance(each, Coefficient)]
    coefficients.extend(coefficient for law in laws for coefficient in law.coefficients)
    plain = [each for each in listed if isinstance(each, Constant) and not isinstance(each, Coefficient)]
    constants = (*plain, *coefficients)
    for each in functions:
        for axis in each.inputs or ():
            if axis not in axes:
                raise ValueError(
                    f"inputs of the unknown {each.name} holds {axis!r}; the axes of this domain are {', '.join(axes)}"
                )
    names = [each.name for each in (*functions, *plain, *laws)]
    names.extend({each.argument for each in coefficients} - {law.name for law in laws})
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"unknowns holds the name {name!r} twice; give each unknown its own")
        if name in parameters:
            raise ValueError(f"the name {name!r} is in unknowns and in parameters; an unknown has no given value")
    if not functions:
        raise ValueError('unknowns holds no function; give the name of at least one, as in unknowns=["u"]')
    # A function of all axes is the same with and without their names.
    whole = tuple(
        dataclasses.replace(each, inputs=None) if each.inputs and set(each.inputs) == set(axes) else each
        for each in functions
    )
    return whole, constants


def _is_function(given: Any) -> bool:
    return isinstance(given, str | Unknown)
