"""Sums of outer products: the derivatives of rows with respect to a weight matrix, and their inner products."""

import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sngd._products import add_half_gramian, transpose_matmul

# Two vectors count as parallel if they are multiples of each other up to this part of their length. Rounding errors are
# about 1e-15. An error of this size in a derivative does not change the solution, which the residual determines.
_PARALLEL = 1e-11

# The number of random projections that decide which vectors are parallel.
_PROJECTIONS = 8


class Outer(eqx.Module):
    """The derivatives of rows with respect to one weight matrix of shape `(a, b)`, as `S` pairs of vectors for each
    row.

    The derivative of a row is the sum of the outer products of its pairs. Pairs that are not in use are zero and come
    last.

    - `left`: the left vectors, shape `(rows, S, a)`.
    - `right`: the right vectors, shape `(rows, S, b)`.
    """

    left: Float[Array, "rows S a"]
    right: Float[Array, "rows S b"]

    @property
    def in_use(self) -> Int[Array, ""]:
        """The number of pairs in use."""
        return jnp.sum(jnp.any(self.left != 0, axis=(0, 2)))

    def gathered(self) -> "Outer":
        """The same sums with fewer pairs in use: pairs that share the direction of one vector become one pair.

        The sum `g a^T + c g b^T`, for instance, is `g (a + c b)^T`. A row depends on all derivatives of highest order
        through the same linear function, so their pairs become one pair. This matters if they were not summed before
        (`_collapse.py`). The forward Laplacian does the same for one operator (Li et al., Nature Machine Intelligence
        6, 2024); this method does it for any operator.
        """
        if self.left.shape[1] < 2:
            return self
        left_moves, right_shares = _multiples(_projected(self.left))
        right_moves, left_shares = _multiples(_apply(right_shares, _projected(self.right)))
        return Outer(_apply(left_shares @ left_moves, self.left), _apply(right_moves @ right_shares, self.right))

    def times(self, matrix: Float[Array, "a b"]) -> Float[Array, " rows"]:
        """The inner products of the derivatives of all rows with a matrix."""
        add = lambda total, left, right: total + jnp.sum(left * (right @ matrix.T), axis=1)
        return self.fold(add, jnp.zeros(len(self.left), matrix.dtype))

    def combined(self, weights: Float[Array, " rows"]) -> Float[Array, "a b"]:
        """The weighted sum of the derivatives of all rows."""
        add = lambda total, left, right: total + transpose_matmul(weights[:, None] * left, right)
        return self.fold(add, jnp.zeros((self.left.shape[2], self.right.shape[2]), weights.dtype))

    def add_products(self, total: Float[Array, "rows others"], other: "Outer") -> Float[Array, "rows others"]:
        """The sum of `total` and the inner products of these rows with the rows of `other`."""

        def add(total: Array, left: Array, right: Array) -> Array:
            return other.fold(lambda total, *sides: total + (left @ sides[0].T) * (right @ sides[1].T), total)

        return self.fold(add, total)

    def add_half_gramian(self, total: Float[Array, "rows rows"]) -> Float[Array, "rows rows"]:
        """The sum of `total` and a matrix `H`, where `H + H^T` has the inner products of these rows with themselves.

        Each two of the `S` pairs are multiplied once.
        """
        total = self.fold(add_half_gramian, total)
        # In this order, the first `m (m - 1) / 2` entries are all twos of the first `m` pairs.
        first, second = map(jnp.asarray, np.tril_indices(self.left.shape[1], -1))

        def add(index: Array | int, total: Array) -> Array:
            (left, right), (other_left, other_right) = self._pair(first[index]), self._pair(second[index])
            return total + (left @ other_left.T) * (right @ other_right.T)

        if len(first) == 0:
            return total
        return jax.lax.fori_loop(0, self.in_use * (self.in_use - 1) // 2, add, total)

    def fold(self, use: Callable[[Array, Array, Array], Array], total: Array) -> Array:
        """The last `total` of repeated calls `total = use(total, left, right)`, one for each pair in use.

        The vectors of a pair have the shapes `(rows, a)` and `(rows, b)`. The calls are made in a loop, because XLA
        then uses all cores for each matrix product. Without the loop it runs products side by side, at half the speed.
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

    A few random projections decide which vectors are parallel, because random projections of vectors that are not
    parallel are almost surely not parallel.
    """
    products = jnp.einsum("nsq,ntq->nst", vectors, vectors)
    squares = jnp.diagonal(products, axis1=1, axis2=2)
    factors = jnp.where(squares[:, None] > 0, products / jnp.where(squares > 0, squares, 1.0)[:, None], 0.0)
    # Angles are computed from differences, because inner products resolve them only to the root of machine precision.
    apart = jnp.sum((vectors[:, :, None] - factors[..., None] * vectors[:, None]) ** 2, axis=-1)
    multiple = jnp.all(apart <= _PARALLEL**2 * squares[:, :, None], axis=0)
    # Of parallel vectors the first one stays. A zero vector is a multiple of each vector, but not the other way round.
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
    """The linear combinations of the vectors of each row, written out so that they take one pass through memory."""
    terms = [coefficients[:, :, pair, None] * vectors[:, pair, None] for pair in range(vectors.shape[1])]
    return functools.reduce(jnp.add, terms)
