"""A term of an objective: one function at many points, and its derivative with respect to the parameters."""

import dataclasses
import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from sngd.linearize._layers import with_fewest_products
from sngd.linearize._trial import TrialFunction
from sngd.problem import Collocation, Field

Function = Callable[[Field, Field, Float[Array, " d"], Float[Array, " d"]], Array]


class Term(eqx.Module):
    """Rows `scale_i * function(u, v, x_i, normal_i)`, with `components` rows a point.

    Values take `u = v = u(theta, .)`. The derivative with respect to the parameters goes through `v` alone: a residual
    is a function of `v`, a metric is linear in the direction `v` and only evaluated at `u`.

    - `points`, `normals`: shape `(n, d)`; `scales`: shape `(n,)`.
    - `label`: what messages call the term.
    """

    function: Function = eqx.field(static=True)
    label: str = eqx.field(static=True)
    components: int = eqx.field(static=True)
    points: Float[Array, "n d"]
    normals: Float[Array, "n d"]
    scales: Float[Array, " n"]

    @property
    def rows(self) -> int:
        return self.components * len(self.scales)

    def values(self, trial: TrialFunction, theta: Float[Array, " p"]) -> Float[Array, " rows"]:
        """The value of every row."""
        return self.values_of(trial.field(theta))

    def values_of(self, field: Field, fewest: bool = False) -> Float[Array, " rows"]:
        """The value of every row for a field that may come from anywhere.

        - `fewest`: whether to look for a way with fewer matrix products.
        """

        def at(x: Array, normal: Array, scale: Array) -> Array:
            return scale * jnp.ravel(self.function(field, field, x, normal))

        function = functools.partial(with_fewest_products, at) if fewest else at
        return jax.vmap(function)(self.points, self.normals, self.scales).ravel()

    def jacobian(self, trial: TrialFunction, theta: Float[Array, " p"]) -> Float[Array, "rows p"]:
        """The derivative of every row: one reverse pass a row, batched over the points."""
        field = trial.field(theta)

        def at(x: Array, normal: Array, scale: Array) -> Array:
            return jax.jacrev(lambda t: scale * jnp.ravel(self.function(field, trial.field(t), x, normal)))(theta)

        return jax.vmap(at)(self.points, self.normals, self.scales).reshape(-1, len(theta))

    def sample(self, count: int, key: PRNGKeyArray) -> "Term":
        """The rows of `count` of its points, drawn without replacement."""
        drawn = jax.random.choice(key, len(self.scales), (count,), replace=False)
        return dataclasses.replace(
            self, points=self.points[drawn], normals=self.normals[drawn], scales=self.scales[drawn]
        )

    def blocks(self, size: int) -> "Term":
        """The same rows as a stack of equal blocks of at most `size` points, for `jax.lax.scan`."""
        return self.divided(-(-len(self.scales) // size))

    def divided(self, count: int) -> "Term":
        """The same rows as a stack of `count` equal blocks.

        Where there are too few points, the last one fills up the rest at scale zero, so the rows it adds are zero.
        """
        size = -(-len(self.scales) // count)
        missing = count * size - len(self.scales)

        def stack(array: Array, mode: str) -> Array:
            padding = [(0, missing)] + [(0, 0)] * (array.ndim - 1)
            return jnp.pad(array, padding, mode=mode).reshape(count, size, *array.shape[1:])

        return Term(
            self.function,
            self.label,
            self.components,
            stack(self.points, "edge"),
            stack(self.normals, "edge"),
            stack(self.scales, "constant"),
        )


def make_term(
    function: Function, label: str, collocation: Collocation, scales: np.ndarray, trial: TrialFunction, theta: Array
) -> Term:
    """A term at the points of `collocation`, checked without compiling anything.

    Raises `ValueError` where the function does not return a scalar or a vector of real numbers at one point.
    """
    points, normals = jnp.asarray(collocation.points), jnp.asarray(collocation.normals)

    def at(t: Array, x: Array, normal: Array) -> Array:
        return jnp.asarray(function(trial.field(t), trial.field(t), x, normal))

    result = jax.eval_shape(at, theta, points[0], normals[0])
    if len(result.shape) > 1:
        raise ValueError(
            f"the residual of {label} returns shape {result.shape} at one point; it must return a scalar or a vector "
            f"with one entry an equation. Write it for a single point x of shape ({points.shape[1]},)"
        )
    if not jnp.issubdtype(result.dtype, jnp.floating):
        raise ValueError(f"the residual of {label} returns dtype {result.dtype}; it must return real numbers")
    return Term(function, label, int(np.prod(result.shape)), points, normals, jnp.asarray(scales))
