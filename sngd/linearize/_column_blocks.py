"""Blocks of columns of a factor whose rows are sums of outer products, formed where they are used.

A block is formed transposed, shape `(w, n)` for `w` parameters. Then each product with it is a product of two stored
matrices, which XLA computes at twice the rate of a product with a transposed one, and the entries of a column lie one
after the other in memory.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sngd.linearize._outer import Outer
from sngd.linearize._product_columns import LeafLayout

# The largest size of a block, in bytes, on a CPU and on any other device. A block that stays in the cache of a CPU is
# formed at the speed of the cache. A GPU needs large products.
_CPU_BYTES, _BYTES = 2**24, 2**28


class Block(NamedTuple):
    """The columns of the factor for some parameters.

    - `columns`: their transposed columns, shape `(w, n)`.
    - `parts`: which parameters they are: the index of the first one and the number of parameters, for each contiguous
      part of the block.
    - `number`: a number that differs between all blocks of a factor.
    """

    columns: Float[Array, "w n"]
    parts: tuple[tuple[Int[Array, ""] | int, int], ...]
    number: Int[Array, ""] | int

    def take(self, matrix: Float[Array, "p l"]) -> Float[Array, "w l"]:
        """The rows of a matrix that belong to the parameters of the block."""
        return jnp.concatenate([jax.lax.dynamic_slice_in_dim(matrix, start, size) for start, size in self.parts])

    def put(self, matrix: Float[Array, "p l"], rows: Float[Array, "w l"]) -> Float[Array, "p l"]:
        """The matrix with other rows for the parameters of the block."""
        place = 0
        for start, size in self.parts:
            matrix = jax.lax.dynamic_update_slice_in_dim(matrix, rows[place : place + size], start, axis=0)
            place += size
        return matrix


Use = Callable[[Any, Block], Any]


def fold_blocks(
    outer: Sequence[dict[int, Outer]], stored: Float[Array, "n d"], layout: LeafLayout, use: Use, total: Any
) -> Any:
    """The last `total` of repeated calls `total = use(total, block)`, one for each block.

    - `outer`: the outer products of the rows of each term.
    - `stored`: the derivatives of all rows with respect to the leaves that are not outer products.
    """
    number, rest = 0, []
    for leaf, (start, shape) in enumerate(zip(layout.starts, layout.shapes, strict=True)):
        if leaf in layout.linear:
            sides = _stacked([pairs[leaf] for pairs in outer])
            height = _height(shape, len(stored))
            total = _fold_matrix(*sides, height, (start, number), use, total)
            number += shape[0] // height
        else:
            rest.append((start, int(np.prod(shape))))
    return use(total, Block(stored.T, tuple(rest), number)) if rest else total


def _fold_matrix(
    left: Float[Array, "S a n"],
    right: Float[Array, "S b n"],
    height: int,
    first: tuple[int, int],
    use: Use,
    total: Any,
) -> Any:
    """Apply `use` to the columns of one weight matrix, in blocks of `height` of its rows.

    - `first`: the index of the first parameter, and the number of the first block.
    """
    start, number = first
    size = height * right.shape[1]

    def step(index: Array, total: Any) -> Any:
        chosen = jax.lax.dynamic_slice_in_dim(left, index * height, height, axis=1)
        terms = [chosen[pair][:, None] * right[pair][None] for pair in range(len(left))]
        columns = functools.reduce(jnp.add, terms).reshape(size, -1)
        return use(total, Block(columns, ((start + index * size, size),), number + index))

    return jax.lax.fori_loop(0, left.shape[1] // height, step, total)


def block_bytes() -> int:
    """The largest size of a block in bytes, unless one row of a weight matrix takes more."""
    return _CPU_BYTES if jax.default_backend() == "cpu" else _BYTES


def _height(shape: tuple[int, ...], rows: int) -> int:
    """The number of rows of a weight matrix whose derivatives form one block: a divisor of all of them."""
    fitting = max(1, block_bytes() // (8 * rows * shape[1]))
    return max(size for size in range(1, min(shape[0], fitting) + 1) if shape[0] % size == 0)


def _stacked(terms: Sequence[Outer]) -> tuple[Float[Array, "S a n"], Float[Array, "S b n"]]:
    """The pairs of vectors of all terms, with the rows last. Terms with fewer pairs have pairs of zeros."""
    most = max(pairs.left.shape[1] for pairs in terms)

    def side(arrays: list[Array]) -> Array:
        padded = [jnp.pad(array, ((0, 0), (0, most - array.shape[1]), (0, 0))) for array in arrays]
        return jnp.concatenate(padded).transpose(1, 2, 0)

    return side([pairs.left for pairs in terms]), side([pairs.right for pairs in terms])
