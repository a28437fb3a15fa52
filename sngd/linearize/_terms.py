"""A term of an objective: one function at many points, and its derivative with respect to the parameters."""

import dataclasses
import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from sngd._arrays import on_device
from sngd.geometry import Collocation
from sngd.linearize._checks import trace_residual
from sngd.linearize._layers import with_fewest_products
from sngd.linearize._trial import TrialFunction
from sngd.problem import Field

# The values at one point of data that JAX cannot trace, by the names of the arguments of the condition.
Values = dict[str, Array]

Function = Callable[[Field, Field, Float[Array, " d"], Float[Array, " d"], Values], Array]


class Term(eqx.Module):
    """The rows `scale_i * function(u, v, x_i, normal_i, tabulated_i)`, with `components` rows for each point.

    The values have `u = v = u(theta, .)`. The derivative with respect to the parameters goes through `v` alone. A
    residual is a function of `v`. A metric is linear in the direction `v` and only evaluated at `u`.

    - `points`, `normals`: the points and the outward unit normals, shape `(n, d)`.
    - `scales`: the square roots of the weights, shape `(n,)`.
    - `tabulated`: the values at the points of data that JAX cannot trace, by their names, of shapes `(n, ...)`.
    - `label`: the name of the term in messages.

    In a stack of blocks, each array has one more axis, which is the first.
    """

    function: Function = eqx.field(static=True)
    label: str = eqx.field(static=True)
    components: int = eqx.field(static=True)
    points: Float[Array, "*blocks n d"]
    normals: Float[Array, "*blocks n d"]
    scales: Float[Array, "*blocks n"]
    tabulated: dict[str, Float[Array, "..."]]

    @property
    def at_points(self) -> tuple[Array, Array, Array, Values]:
        """The arguments of `row` that differ from point to point, each with a first axis of length `n`."""
        return self.points, self.normals, self.scales, self.tabulated

    def row(self, u: Field, v: Field, x: Array, normal: Array, scale: Array, values: Values) -> Float[Array, " rows"]:
        """The rows at one point."""
        return scale * jnp.ravel(jnp.asarray(self.function(u, v, x, normal, values)))

    @property
    def rows(self) -> int:
        return self.components * len(self.scales)

    def values(self, trial: TrialFunction, theta: Float[Array, " p"]) -> Float[Array, " rows"]:
        """The value of every row."""
        return self.values_of(trial.field(theta))

    def values_of(self, field: Field, fewest: bool = False) -> Float[Array, " rows"]:
        """The value of each row for any field in place of `u` and `v`.

        - `fewest`: whether to rewrite the computation with fewer matrix products.
        """
        leaves, structure = jax.tree.flatten(self.at_points)

        def at(*given: Array) -> Array:
            return self.row(field, field, *jax.tree.unflatten(structure, given))

        function = functools.partial(with_fewest_products, at) if fewest else at
        return jax.vmap(function)(*leaves).ravel()

    def jacobian(self, trial: TrialFunction, theta: Float[Array, " p"]) -> Float[Array, "rows p"]:
        """The derivative of each row, by one reverse pass for each row, batched over the points."""
        field = trial.field(theta)

        def at(x: Array, normal: Array, scale: Array, values: Values) -> Array:
            return jax.jacrev(lambda t: self.row(field, trial.field(t), x, normal, scale, values))(theta)

        return jax.vmap(at)(*self.at_points).reshape(-1, len(theta))

    def sample(self, count: int, key: PRNGKeyArray) -> "Term":
        """The rows at `count` of the points, which are drawn without replacement."""
        return self.at(jax.random.choice(key, len(self.scales), (count,), replace=False))

    def on(self, collocation: Collocation) -> "Term":
        """The same function at other points, as arrays of NumPy. Nothing is traced."""
        arrays = (collocation.points, collocation.normals, np.sqrt(collocation.weights), collocation.tabulated)
        return self._with(arrays)  # pyright: ignore[reportArgumentType] - arrays of NumPy serve as well

    def at(self, chosen: Int[Array | np.ndarray, " m"]) -> "Term":
        """The rows of these of its points, by their indices."""
        return self._with(jax.tree.map(lambda array: array[chosen], self.at_points))

    def blocks(self, size: int) -> "Term":
        """The same rows as a stack of equal blocks of at most `size` points, for `jax.lax.scan`."""
        return self.divided(-(-len(self.scales) // size))

    def divided(self, count: int) -> "Term":
        """The same rows as a stack of `count` equal blocks.

        If the points do not fill all blocks, copies of the last point with scale zero are added. Their rows are zero.
        """
        size = -(-len(self.scales) // count)
        missing = count * size - len(self.scales)

        def stack(array: Array, mode: str = "edge") -> Array:
            padding = [(0, missing)] + [(0, 0)] * (array.ndim - 1)
            return jnp.pad(array, padding, mode=mode).reshape(count, size, *array.shape[1:])

        stacked = self._with(jax.tree.map(stack, self.at_points))
        return dataclasses.replace(stacked, scales=stack(self.scales, "constant"))

    def _with(self, at_points: tuple[Array, Array, Array, Values]) -> "Term":
        points, normals, scales, tabulated = at_points
        return dataclasses.replace(self, points=points, normals=normals, scales=scales, tabulated=tabulated)


def make_term(
    function: Function,
    label: str,
    collocation: Collocation,
    scales: np.ndarray,
    trial: TrialFunction,
    theta: Array,
    *,
    may_ignore_u: bool = False,
) -> Term:
    """A term at the points of `collocation`, checked without compiling anything.

    - `may_ignore_u`: whether the function may be the same for all parameters.

    Raises `TypeError` for a function that JAX cannot trace, and for a function that returns a `Field`. Raises
    `ValueError` for a function that does not use the unknown, and for one that does not return a scalar or a vector of
    real numbers at one point.
    """
    given = (collocation.points, collocation.normals, collocation.tabulated)
    points, normals, tabulated = jax.tree.map(on_device, given)
    at_point = jax.tree.map(lambda array: on_device(np.asarray(array)[0]), given)
    result, uses_u = trace_residual(function, label, trial, theta, *at_point)
    if len(result.shape) > 1:
        raise ValueError(
            f"the residual of {label} returns shape {result.shape} at one point; it must return a scalar or a vector "
            f"with one entry an equation. Write it for a single point x of shape ({points.shape[1]},)"
        )
    if not jnp.issubdtype(result.dtype, jnp.floating):
        raise ValueError(f"the residual of {label} returns dtype {result.dtype}; it must return real numbers")
    if not (uses_u or may_ignore_u):
        raise ValueError(
            f"the residual of {label} does not use u, so no network can change it; write an equation for u, like "
            'partial(u, "x")(x) - x[0], or leave the condition out'
        )
    components = int(np.prod(result.shape))
    return Term(function, label, components, points, normals, on_device(scales), tabulated)
