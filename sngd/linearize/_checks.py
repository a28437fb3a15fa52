"""Checks of a residual by tracing it at one point. Nothing is compiled or computed."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr
from jaxtyping import Array, Float

from sngd.linearize._trial import TrialFunction
from sngd.problem import Field, in_place_of

# JAX raises these for a function that needs the numbers of a tracer, as functions of NumPy, `float` and `if` do.
_NEEDS_NUMBERS = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


def trace_residual(
    function: Callable[..., Any], label: str, trial: TrialFunction, theta: Float[Array, " p"], *at_point: Any
) -> tuple[jax.ShapeDtypeStruct, bool]:
    """The shape and dtype of `function(u, u, *at_point)`, and whether it uses the unknown `u`.

    Raises `TypeError` for a function that JAX cannot trace, and for a function that uses a `Field` in place of its
    values.
    """

    def residual(theta: Array, *at_point: Any) -> Array:
        u = trial.field(theta)
        return _values(function(u, u, *at_point))

    try:
        traced, result = jax.make_jaxpr(residual, return_shape=True)(theta, *at_point)
    except _NEEDS_NUMBERS as error:
        raise TypeError(
            f"the residual of {label} uses NumPy, SciPy, float or if on a traced array, which JAX cannot "
            "differentiate; write it with jax.numpy, or give what depends on x alone as the value of the condition"
        ) from error
    except (AttributeError, TypeError) as error:
        if Field.__name__ not in str(error):
            raise
        raise TypeError(
            f"the residual of {label} takes a Field for a number ({error}); a Field is a function, so evaluate it at "
            'the point, as in partial(u, "x")(x)'
        ) from error
    return result, _depends_on_first(traced.jaxpr) or _evaluates(function, trial.field(theta), at_point)


def reads_parameters(
    function: Callable[..., Any], trial: TrialFunction, theta: Float[Array, " p"], *at_point: Any
) -> bool:
    """Whether `function(u, *at_point)` reads parameters of the network directly, not only through the values of `u`."""

    def attributes_alone(theta: Array, values: Array) -> Array:
        return _values(function(in_place_of(trial.field(theta), trial.function(values)), *at_point))

    return _depends_on_first(jax.make_jaxpr(attributes_alone)(theta, theta).jaxpr)


def _values(result: Any) -> Array:
    if isinstance(result, Field):
        raise TypeError("it returns a Field")
    return jnp.asarray(result)


def _depends_on_first(jaxpr: Jaxpr) -> bool:
    """Whether a result may depend on the first argument. An equation counts as depending on all of its inputs."""
    reached = {id(jaxpr.invars[0])}
    for equation in jaxpr.eqns:
        if any(id(variable) in reached for variable in equation.invars):
            reached.update(id(variable) for variable in equation.outvars)
    return any(id(variable) in reached for variable in jaxpr.outvars)


def _evaluates(function: Callable[..., Any], u: Field, at_point: tuple) -> bool:
    """Whether `function` evaluates `u` at all.

    A residual may evaluate `u` and yet depend on no parameter: the second derivatives of a linear network vanish.
    """
    points = []

    def recorded(x: Array) -> Array:
        points.append(x)
        return u.function(x)

    watched = u.like(recorded)
    jax.eval_shape(lambda *at_point: _values(function(watched, watched, *at_point)), *at_point)
    return bool(points)
