"""Differential operators: each maps a `Field` to a `Field`, and a solution to a function of many points.

All operators use forward mode (nested `jax.jvp`). The derivatives of one network in a residual share their lower
orders, which XLA merges when it compiles. So a residual in `u`, `u_t`, `u_x` and `u_xx` costs about four forward
evaluations. Reverse mode is used only for the derivative with respect to the parameters.
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
    """A differential operator, which applies to fields and to solutions."""

    @overload
    def __call__(self, u: Field, *args: P.args, **kwargs: P.kwargs) -> Field: ...

    @overload
    def __call__(self, u: HasField, *args: P.args, **kwargs: P.kwargs) -> FieldAtPoints: ...

    def __call__(self, u: Any, *args: P.args, **kwargs: P.kwargs) -> Any: ...


def _of_solutions_too(operator: Callable[Concatenate[Field, P], Field]) -> _Operator[P]:
    """The operator, extended to solutions: it applies to the field of a solution."""

    @functools.wraps(operator)
    def apply(u: Any, *args: P.args, **kwargs: P.kwargs) -> Any:
        if isinstance(u, HasField):
            return u.map_field(lambda field: operator(field, *args, **kwargs))
        return operator(u, *args, **kwargs)

    return apply


@_of_solutions_too
def partial(u: Field, *axes: str) -> Field:
    """The partial derivative of `u` along one or more named axes.

    `partial(u, "x", "x")` is the second derivative along the axis `x`. At a point, the result has the shape of `u(x)`.
    Raises `ValueError` for no axis and for an unknown axis.
    """
    if not axes:
        raise ValueError('partial needs at least one axis, for instance partial(u, "x")')
    for axis in axes:
        u = directional(u, np.eye(u.domain.dimension)[u.domain.index(axis)])
    return u


@_of_solutions_too
def directional(u: Field, direction: Direction) -> Field:
    """The derivative of `u` along `direction`. At a point, the result has the shape of `u(x)`.

    - `direction`: a vector of shape `(d,)`, or a function from a point to such a vector. It is not normalized. A
      direction that depends on the point is held fixed in the differentiation.

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
    """The derivatives of `u` along all space axes, in the order of the axes, as a new last axis of the value.

    With `s` space axes the result has the shape `(s,)` for a scalar `u`, and `(m, s)` for a system with `m` outputs.
    Raises `ValueError` if time is the only axis.
    """
    _require_space(u, "gradient")
    return u.like(lambda x: _along_space_axes(u, lambda e: directional(u, e)(x), out_axis=-1))


@_of_solutions_too
def divergence(flux: Field) -> Field:
    """The divergence of a vector field along the space axes.

    - `flux`: a field whose value has the shape `(..., s)` with `s` space axes. The divergence has the shape `(...)`.

    Raises `ValueError` if time is the only axis.
    """
    _require_space(flux, "divergence")

    def trace(x: Float[Array, " d"]) -> Array:
        return jnp.trace(gradient(flux)(x), axis1=-2, axis2=-1)

    return flux.like(trace)


@_of_solutions_too
def laplacian(u: Field) -> Field:
    """The sum of the second derivatives of `u` along the space axes. At a point, it has the shape of `u(x)`.

    Raises `ValueError` if time is the only axis.
    """
    _require_space(u, "laplacian")

    def trace(x: Float[Array, " d"]) -> Array:
        second = _along_space_axes(u, lambda e: directional(directional(u, e), e)(x), out_axis=0)
        return jnp.sum(second, axis=0)

    return u.like(trace)


def _along_space_axes(u: Field, derivative: Callable[[Array], Array], out_axis: int) -> Array:
    """The function `derivative` of the unit vector of each space axis.

    The unit vectors form one batch, so that the derivatives take fewer and larger matrix products.
    """
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
