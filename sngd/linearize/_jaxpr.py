"""The only file that depends on how JAX represents a traced function: a jaxpr, which is a list of equations.

JAX documents neither how an equation is evaluated again nor what its parameters are called, and both change between
versions. This file works with JAX 0.7.2 to 0.10.2:

- Before JAX 0.9.2 `Primitive.get_bind_params` returns a pair `(functions, parameters)`, since then the parameters
  alone.
- In JAX 0.7 NumPy constants may pass through an equation named `device_put`, which puts them nowhere in particular.
- In JAX 0.7 NumPy constants have a class of JAX's own that is no `numpy.ndarray`.
- The call of a function compiled by `jax.jit` is an equation named `pjit` before JAX 0.7, and `jit` since then.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from jax.extend.core import JaxprEqn as Equation

__all__ = [
    "Equation",
    "Jaxpr",
    "bind",
    "called_by",
    "compiled_in",
    "literal_in",
    "parameters_of",
    "shape_of",
]

# Calls of other functions, and the parameter that holds the function.
_COMPILED = {"jit": "jaxpr", "pjit": "jaxpr"}
_CALLS = {
    **_COMPILED,
    "checkpoint": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "remat2": "jaxpr",
}


def bind(equation: Equation, inputs: Sequence[Any]) -> list[Any]:
    """The outputs of one equation for these inputs, which are given by position: a square may get two factors."""
    primitive = equation.primitive
    found: Any = primitive.get_bind_params(equation.params)
    functions, parameters = found if isinstance(found, tuple) else ((), found)
    with equation.ctx.manager:
        outputs = primitive.bind(*functions, *inputs, **parameters)
    return list(outputs) if primitive.multiple_results else [outputs]


def compiled_in(equation: Equation) -> tuple[Jaxpr, Sequence[Any]] | None:
    """The function under `jax.jit` that this equation calls, with its constants. It is `None` for no such call.

    Such a call may be replaced by the equations of the function.
    """
    return _function_in(equation, _COMPILED)


def called_by(equation: Equation) -> tuple[Jaxpr, Sequence[Any]] | None:
    """The function that this equation calls, with its constants. It is `None` if the equation is no call.

    The call has the values of this function, but it may have a custom derivative.
    """
    return _function_in(equation, _CALLS)


def _function_in(equation: Equation, calls: Mapping[str, str]) -> tuple[Jaxpr, Sequence[Any]] | None:
    if equation.primitive.name not in calls:
        return None
    function = equation.params[calls[equation.primitive.name]]
    return (function.jaxpr, function.consts) if isinstance(function, ClosedJaxpr) else (function, ())


def literal_in(variable: Any) -> Any:
    """The number that stands in place of a variable. It is `None` for a variable."""
    return variable.val if isinstance(variable, Literal) else None


def shape_of(variable: Any) -> tuple[int, ...]:
    """The shape of a variable."""
    return variable.aval.shape


def dtype_of(variable: Any) -> Any:
    """The dtype of a variable."""
    return variable.aval.dtype


def changes_nothing(equation: Equation) -> bool:
    """Whether the equation has one input and one output, which are equal."""
    match equation.primitive.name:
        case "reshape" | "slice":
            return equation.invars[0].aval == equation.outvars[0].aval
        case "device_put":
            return len(equation.invars) == 1 and set(equation.params["devices"]) == {None}
    return False


def key_of(equation: Equation) -> Any:
    """A key that two equations share if equal inputs give equal outputs and derivatives.

    The key is `None` for an equation that equals no other equation, because it has effects, or parameters that cannot
    be compared.

    Functions among the parameters are compared as objects. Hence two calls of a function with a custom derivative
    (`jax.custom_jvp`, `jax.custom_vjp`) differ, even if their values are equal. Their rules are Python functions, which
    may close over different numbers.
    """
    key = (equation.primitive, parameters_of(equation), equation.ctx)
    return None if equation.effects or key[1] is None or not _is_hashable(key) else key


def parameters_of(equation: Equation) -> Any:
    """The parameters of an equation as a key. The key is `None` if they cannot be compared."""
    items = tuple(sorted(equation.params.items()))
    return items if _is_hashable(items) else None


def _is_hashable(key: tuple[Any, ...]) -> bool:
    try:
        hash(key)
    except TypeError:
        return False
    return True
