"""Products of matrices that XLA's backend for CPUs computes in twice the time as they are written."""

import functools
import itertools
import operator

import jax
import numpy as np
from jaxtyping import Array, Float

# Strips in which half of a symmetric product is formed, so that each product is still a large one, and the part of the
# work that is left. A matrix of fewer rows is one strip.
_STRIPS, _TALL = 4, 512
HALF_GRAMIAN = (1 + 1 / _STRIPS) / 2


def transpose_matmul(matrix: Float[Array, "n p"], columns: Float[Array, "n l"]) -> Float[Array, "p l"]:
    """`A.T @ Z`, for `Z` of any number of columns, best of fewer than `A` has.

    XLA takes twice as long for a product whose left matrix is transposed as for one whose left matrix is stored as it
    stands. So `Z` is transposed in memory, and the product is `(Z^T A)^T`. Without the barriers XLA would undo both
    transpositions.
    """
    transposed = jax.lax.optimization_barrier(columns.T)
    return jax.lax.optimization_barrier(transposed @ matrix).T


def add_half_gramian(total: Float[Array, "n n"], *sides: Float[Array, "n _"]) -> Float[Array, "n n"]:
    """`total` and a matrix whose sum with its transpose is the entrywise product of the Gramians `A A^T` of all sides.

    XLA computes both halves of a symmetric product. Here every strip of rows is multiplied with those before it only.
    """
    rows = len(total)
    ends = np.linspace(0, rows, 1 + (_STRIPS if rows >= _TALL else 1)).astype(int)
    for start, end in itertools.pairwise(ends):
        products = functools.reduce(operator.mul, (side[start:end] @ side[:end].T for side in sides))
        total = total.at[start:end, :start].add(products[:, :start])
        total = total.at[start:end, start:end].add(products[:, start:] / 2)
    return total
