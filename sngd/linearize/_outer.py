"""Sums of outer products: the rows of a Jacobian by a weight matrix, and the inner products between them."""

import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sngd._products import add_half_gramian, transpose_matmul

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
        linear function of each, so those pairs become one, where they were not summed before (`_collapse.py`): as in
        the forward Laplacian (Li et al., Nature Machine Intelligence 6, 2024), but for any operator.
        """
        if self.left.shape[1] < 2:
            return self
        left_moves, right_shares = _multiples(_projected(self.left))
        right_moves, left_shares = _multiples(_apply(right_shares, _projected(self.right)))
        return Outer(_apply(left_shares @ left_moves, self.left), _apply(right_moves @ right_shares, self.right))

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
        total = self.fold(add_half_gramian, total)
        # In this order the pairs of the first `m` are the first `m (m - 1) / 2`.
        first, second = map(jnp.asarray, np.tril_indices(self.left.shape[1], -1))

        def add(index: Array | int, total: Array) -> Array:
            (left, right), (other_left, other_right) = self._pair(first[index]), self._pair(second[index])
            return total + (left @ other_left.T) * (right @ other_right.T)

        if len(first) == 0:
            return total
        return jax.lax.fori_loop(0, self.in_use * (self.in_use - 1) // 2, add, total)

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


def _projected(vectors: Float[Array, "rows S a"]) -> Float[Array, "rows S q"]:
    return vectors @ np.random.default_rng(0).normal(size=(vectors.shape[2], _PROJECTIONS))


def _multiples(vectors: Float[Array, "rows S q"]) -> tuple[Float[Array, "1 S S"], Float[Array, "rows S S"]]:
    """The coefficients that merge pairs whose vectors on one side are parallel in all rows.

    The first result multiplies the vectors on this side, so that one of each direction is left. The second result
    multiplies the vectors on the other side, so that the sums of outer products stay the same.

    A few random projections tell which vectors are parallel: projections of two directions are of two directions.
    """
    products = jnp.einsum("nsq,ntq->nst", vectors, vectors)
    squares = jnp.diagonal(products, axis1=1, axis2=2)
    factors = jnp.where(squares[:, None] > 0, products / jnp.where(squares > 0, squares, 1.0)[:, None], 0.0)
    # By differences: what the products tell of an angle ends at the root of the machine precision.
    apart = jnp.sum((vectors[:, :, None] - factors[..., None] * vectors[:, None]) ** 2, axis=-1)
    multiple = jnp.all(apart <= _PARALLEL**2 * squares[:, :, None], axis=0)
    # Of pairs that are multiples of each other the first stays. A zero vector is a multiple of any, but not they of it.
    place = np.arange(vectors.shape[1])
    added = jnp.any(multiple & (~multiple.T | (place < place[:, None])), axis=1)
    goals = multiple & ~added
    goal = jnp.where(jnp.any(goals, axis=1), jnp.argmax(goals, axis=1), place)
    kept = goal == place
    slot = (jnp.cumsum(kept) - 1)[goal]
    factor = jnp.where(kept, 1.0, jnp.take_along_axis(factors, goal[None, :, None], axis=2)[..., 0])
    goes = slot[:, None] == place
    return jnp.where(goes & kept[:, None], 1.0, 0.0).T[None], jnp.where(goes, factor[..., None], 0.0).swapaxes(1, 2)


def _apply(coefficients: Float[Array, "#rows S S"], vectors: Float[Array, "rows S a"]) -> Float[Array, "rows S a"]:
    """The linear combinations, of the vectors of every row. Written out: one pass through memory."""
    terms = [coefficients[:, :, pair, None] * vectors[:, pair, None] for pair in range(vectors.shape[1])]
    return functools.reduce(jnp.add, terms)
