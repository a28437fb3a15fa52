"""Sums of outer products: the rows of a Jacobian by a weight matrix, and the inner products between them."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sngd._products import transpose_matmul

# Vectors are multiples of one another up to this part of their length. Rounding leaves some 1e-15; and an error of this
# size in a derivative costs no digit of a solution, which its residual decides.
_PARALLEL = 1e-11

# Random projections that tell which are.
_PROJECTIONS = 8


class Outer(eqx.Module):
    """For one weight matrix of shape `(a, b)` and every row, `S` pairs of vectors: the sum of their outer products is
    the row's derivative by the matrix.

    - `left`: shape `(rows, S, a)`; `right`: shape `(rows, S, b)`. Pairs that are not in use are zero, and come last.
    """

    left: Float[Array, "rows S a"]
    right: Float[Array, "rows S b"]

    @property
    def in_use(self) -> Int[Array, ""]:
        """The number of pairs in use."""
        return jnp.sum(jnp.any(self.left != 0, axis=(0, 2)))

    def gathered(self) -> "Outer":
        """The same sums with fewer pairs in use: those with vectors of the same direction are added.

        `g a^T + c g b^T` is `g (a + c b)^T`. A row depends on its derivatives of highest order through one and the same
        linear function of each, so those pairs become one: of the heat equation's four `u, u_t, u_x, u_xx` there remain
        three, of the `2 d + 1` of a Laplacian in `d` dimensions `d + 2`, as in the forward Laplacian (Li et al.,
        Nature Machine Intelligence 6, 2024), but for any operator.
        """
        if self.left.shape[1] < 2:
            return self
        right, left = _gather(self.left, self.right)
        return Outer(*_gather(right, left))

    def times(self, matrix: Float[Array, "a b"]) -> Float[Array, " rows"]:
        """The inner products of the rows with a matrix."""
        add = lambda total, left, right: total + jnp.sum(left * (right @ matrix.T), axis=1)
        return self.fold(add, jnp.zeros(len(self.left), matrix.dtype))

    def combined(self, weights: Float[Array, " rows"]) -> Float[Array, "a b"]:
        """The rows' sum with these weights."""
        add = lambda total, left, right: total + transpose_matmul(weights[:, None] * left, right)
        return self.fold(add, jnp.zeros((self.left.shape[2], self.right.shape[2]), weights.dtype))

    def add_products(self, total: Float[Array, "rows others"], other: "Outer") -> Float[Array, "rows others"]:
        """`total` and the inner products of these rows with others."""

        def add(total: Array, left: Array, right: Array) -> Array:
            return other.fold(lambda total, *sides: total + (left @ sides[0].T) * (right @ sides[1].T), total)

        return self.fold(add, total)

    def add_half_gramian(self, total: Float[Array, "rows rows"]) -> Float[Array, "rows rows"]:
        """`total` and a matrix whose sum with its transpose has the inner products of these rows with themselves: each
        pair of pairs once.
        """
        # In this order the pairs of the first `m` are the first `m (m + 1) / 2`.
        first, second = map(jnp.asarray, np.tril_indices(self.left.shape[1]))

        def add(index: Array | int, total: Array) -> Array:
            (left, right), (other_left, other_right) = self._pair(first[index]), self._pair(second[index])
            products = (left @ other_left.T) * (right @ other_right.T)
            return total + jnp.where(first[index] == second[index], 0.5, 1.0) * products

        if len(first) < 2:
            return add(0, total) if len(first) else total
        return jax.lax.fori_loop(0, self.in_use * (self.in_use + 1) // 2, add, total)

    def fold(self, use: Callable[[Array, Array, Array], Array], total: Array) -> Array:
        """`use(total, left, right)` for the vectors of each pair in use, `(rows, a)` and `(rows, b)`.

        One after the other: XLA gives a product of matrices both cores in a loop, and side by side they are half as
        fast.
        """
        step = lambda index, total: use(total, *self._pair(index))
        if self.left.shape[1] < 2:
            return step(0, total) if self.left.shape[1] else total
        return jax.lax.fori_loop(0, self.in_use, step, total)

    def _pair(self, index: Array | int) -> tuple[Float[Array, "rows a"], Float[Array, "rows b"]]:
        return self.left[:, index], self.right[:, index]


def _gather(key: Float[Array, "rows S a"], other: Float[Array, "rows S b"]) -> tuple[Array, Array]:
    """Both with the pairs added whose vectors in `key` are, in all rows, multiples of those of another pair; `other`
    first.

    Which are multiples is read from a few random projections: vectors of two directions have projections of two.
    """
    projections = key @ np.random.default_rng(0).normal(size=(key.shape[2], _PROJECTIONS))
    products = jnp.einsum("nsa,nta->nst", projections, projections)
    squares = jnp.diagonal(products, axis1=1, axis2=2)
    factors = jnp.where(squares[:, None] > 0, products / jnp.where(squares > 0, squares, 1.0)[:, None], 0.0)
    # By differences: what the products tell of an angle ends at the root of the machine precision.
    apart = jnp.sum((projections[:, :, None] - factors[..., None] * projections[:, None]) ** 2, axis=-1)
    multiple = jnp.all(apart <= _PARALLEL**2 * squares[:, :, None], axis=0)
    # Of pairs that are multiples of each other the first stays. A zero vector is a multiple of any, but not they of it.
    place = np.arange(key.shape[1])
    added = jnp.any(multiple & (~multiple.T | (place < place[:, None])), axis=1)
    goals = multiple & ~added
    goal = jnp.where(jnp.any(goals, axis=1), jnp.argmax(goals, axis=1), place)
    kept = goal == place
    slot = (jnp.cumsum(kept) - 1)[goal]
    factor = jnp.where(kept, 1.0, jnp.take_along_axis(factors, goal[None, :, None], axis=2)[..., 0])
    goes = slot[:, None] == place
    shares, moved = jnp.where(goes, factor[..., None], 0.0), jnp.where(goes & kept[:, None], 1.0, 0.0)
    sums = jnp.sum(shares[..., None] * other[:, :, None], axis=1)
    return sums, jnp.sum(moved[..., None] * key[:, :, None], axis=1)
