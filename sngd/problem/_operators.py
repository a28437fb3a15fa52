"""Differential operators: each maps a `Field` to a `Field`, and a solution to a function of many points.

All of them push tangents forward (nested `jax.jvp`). The derivatives of one network that a residual combines share
their lower orders, which XLA merges when it compiles: a residual in `u`, `u_t`, `u_x` and `u_xx` costs about four
forward evaluations, and reverse mode is kept for the derivative with respect to the parameters.
"""

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, overload, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd.problem._field import Field, FieldAtPoints, HasField

Direction = Float[Array | np.ndarray, " d"] | Callable[[Float[Array, " d"]], Float[Array, " d"]]

P = ParamSpec("P")


@runtime_checkable
class _Operator(Protocol[P]):
    """A differential operator, of fields and of solutions."""

    @overload
    def __call__(self, u: Field, *args: P.args, **kwargs: P.kwargs) -> Field: ...

    @overload
    def __call__(self, u: HasField, *args: P.args, **kwargs: P.kwargs) -> FieldAtPoints: ...

    def __call__(self, u: Any, *args: P.args, **kwargs: P.kwargs) -> Any: ...


def _of_solutions_too(operator: Callable[Concatenate[Field, P], Field]) -> _Operator[P]:
    """The operator, which applies to the field of a solution as well."""

    @functools.wraps(operator)
    def apply(u: Any, *args: P.args, **kwargs: P.kwargs) -> Any:
        if isinstance(u, HasField):
            return u.map_field(lambda field: operator(field, *args, **kwargs))
        return operator(u, *args, **kwargs)

    return apply


@_of_solutions_too
def partial(u: Field, *axes: str) -> Field:
    """The partial derivative of `u` along one or more named axes: `partial(u, "x", "x")` is the second one in x.

    The result has the shape of `u(x)`. Raises `ValueError` for an unknown axis or none.
    """
    if not axes:
        raise ValueError('partial needs at least one axis, for instance partial(u, "x")')
    for axis in axes:
        u = directional(u, np.eye(u.domain.dimension)[u.domain.index(axis)])
    return u


@_of_solutions_too
def directional(u: Field, direction: Direction) -> Field:
    """The derivative of `u` along `direction`, a vector of shape `(d,)` or a function from a point to one.

    The direction is not normalized. A direction that depends on the point is held fixed while differentiating.
    Raises `ValueError` for a direction of another shape.
    """

    def derivative(x: Float[Array, " d"]) -> Array:
        along = jnp.asarray(direction(x) if callable(direction) else direction, x.dtype)
        _require_vector(along, u)
        return jax.jvp(u, (x,), (along,))[1]

    if not callable(direction):
        direction = direction if hasattr(direction, "shape") else jnp.asarray(direction)
        _require_vector(direction, u)
    return u.like(derivative)


@_of_solutions_too
def gradient(u: Field) -> Field:
    """The derivatives of `u` along the space axes, in their order, as a new last axis.

    Raises `ValueError` where time is the only axis; so do `divergence` and `laplacian`.
    """
    _require_space(u, "gradient")
    return u.like(lambda x: _along_space_axes(u, lambda e: directional(u, e)(x), out_axis=-1))


@_of_solutions_too
def divergence(flux: Field) -> Field:
    """The divergence of a vector field: the last axis of `flux(x)` runs over the space axes."""
    _require_space(flux, "divergence")

    def trace(x: Float[Array, " d"]) -> Array:
        return jnp.trace(gradient(flux)(x), axis1=-2, axis2=-1)

    return flux.like(trace)


@_of_solutions_too
def laplacian(u: Field) -> Field:
    """The sum of the second derivatives of `u` along the space axes, of the shape of `u(x)`."""
    _require_space(u, "laplacian")

    def trace(x: Float[Array, " d"]) -> Array:
        second = _along_space_axes(u, lambda e: directional(directional(u, e), e)(x), out_axis=0)
        return jnp.sum(second, axis=0)

    return u.like(trace)


def _along_space_axes(u: Field, derivative: Callable[[Array], Array], out_axis: int) -> Array:
    """`derivative` for the unit vector of each space axis, as one batch: fewer and larger products."""
    units = np.eye(u.domain.dimension)[[u.domain.index(axis) for axis in u.domain.space_axes]]
    return jax.vmap(derivative, out_axes=out_axis)(jnp.asarray(units))


def _require_vector(direction: Array | np.ndarray, u: Field) -> None:
    shape, dimension = direction.shape, u.domain.dimension
    if shape != (dimension,):
        raise ValueError(
            f"direction has shape {shape}; it must be a vector of shape ({dimension},), with one entry for each of the "
            f"axes {', '.join(u.domain.axes)}"
        )


def _require_space(u: Field, operator: str) -> None:
    if not u.domain.space_axes:
        (time,) = u.domain.axes
        raise ValueError(
            f"{operator} takes derivatives along the space axes, and this domain has none: its only axis {time} is "
            f'time. Write partial(u, "{time}") for the derivative in time'
        )
