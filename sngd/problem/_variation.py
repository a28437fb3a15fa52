"""The first variation of an energy, integrated by parts.

For a density `phi(u, grad u, x)` the variation along `v` is the integral of `a_0 v + a . grad v`. Here `a_0` and `a`
are the derivatives of `phi` with respect to `u` and `grad u`. Integration by parts gives the integral of `(a_0 - div a)
v` over the domain plus the integral of `(a . n) v` over the boundary. The factors `a_0 - div a` and `a . n` are the
residuals of the Euler-Lagrange equation and of the natural boundary condition. Both factors vanish at the solution. The
first form is there a sum of terms that cancel, and so less accurate.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd.problem._field import Field
from sngd.problem._stand_in import in_place_of

Point = Float[Array, " d"]
Density = Callable[[Field, Point], Array]


def euler_lagrange(density: Density, u: Field, x: Point) -> Array:
    """The residual `a_0 - div a` of the Euler-Lagrange equation at `x`. It has the shape of `u(x)`.

    - `density`: a function of the unknown and one point, which reads `u` and its first derivatives.
    - `u`: the unknown.
    - `x`: the point, shape `(d,)`.
    """
    u = _expanded(u, x)

    def flux_along(axis: int) -> Callable[[Point], Array]:
        return lambda y: _by_components(u, y, lambda e: _variation(density, u, lambda z: (z - y)[axis] * e, y))

    result = _by_components(u, x, lambda e: _variation(density, u, lambda z: e, x))
    for axis, unit in enumerate(np.eye(len(x))):
        result = result - jax.jvp(flux_along(axis), (x,), (jnp.asarray(unit),))[1]
    return result


def natural_flux(density: Density, u: Field, x: Point, normal: Point) -> Array:
    """The residual `a . n` of the natural boundary condition at `x`. It has the shape of `u(x)`.

    - `density`, `u`, `x`: as in `euler_lagrange`.
    - `normal`: the outward unit normal `n`, shape `(d,)`.
    """
    u = _expanded(u, x)
    return _by_components(u, x, lambda e: _variation(density, u, lambda z: jnp.dot(z - x, normal) * e, x))


def second_order_part(density: Density, u: Field, x: Point) -> Array:
    """The derivatives of the density with respect to the second derivatives of `u` at `x`.

    They are zero if the density depends on `u` and its first derivatives only, as `euler_lagrange` assumes. The result
    has the shape `(d (d + 1) / 2, ...)`, where `...` is the shape of `u(x)`.
    """

    def along(row: int, column: int) -> Array:
        return _by_components(u, x, lambda e: _variation(density, u, lambda z: (z - x)[row] * (z - x)[column] * e, x))

    return jnp.stack([along(row, column) for row in range(len(x)) for column in range(row + 1)])


def _expanded(u: Field, x: Point) -> Field:
    """The Taylor polynomial of second order of `u` around `x`, as a field.

    The variation of the density at `x` is the same for the polynomial as for `u`. The polynomial takes one evaluation
    of the network, and all derivatives of the variation are those of the polynomial.
    """
    units = jnp.eye(len(x))

    def first(z: Point) -> tuple[Array, Array]:
        values, slopes = jax.vmap(lambda unit: jax.jvp(u, (z,), (unit,)))(units)
        return values[0], slopes

    (values, slopes), (_, curvatures) = jax.vmap(lambda unit: jax.jvp(first, (x,), (unit,)))(units)

    def polynomial(z: Point) -> Array:
        step = z - x
        return values[0] + jnp.tensordot(step, slopes[0] + jnp.tensordot(step, curvatures, 1) / 2, 1)

    return in_place_of(u, polynomial)


def _variation(density: Density, u: Field, v: Callable[[Point], Array], x: Point) -> Array:
    """The derivative of the density at `x` when `u` moves along `v`."""

    def moved(amount: Array) -> Array:
        return density(in_place_of(u, lambda z: u(z) + amount * v(z)), x)

    return jax.jvp(moved, (jnp.zeros((), x.dtype),), (jnp.ones((), x.dtype),))[1]


def _by_components(u: Field, x: Point, function: Callable[[Array], Array]) -> Array:
    """The values of `function` at all unit vectors of the space of `u(x)`, in the shape of `u(x)`."""
    shape = jax.eval_shape(u, x).shape
    units = np.eye(int(np.prod(shape))).reshape(-1, *shape)
    return jnp.stack([function(jnp.asarray(unit)) for unit in units]).reshape(shape)
