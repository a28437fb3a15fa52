"""Decompositions of dense matrices: QR by blocks of rows, SVD and eigendecomposition with a second algorithm.

The divide-and-conquer algorithm of LAPACK is the fastest, but it occasionally does not converge. The QR iteration is
slower and more robust. On a GPU the QR iteration is faster and more accurate than Jacobi's algorithm, the default of
JAX (`docs/performance.md`). A decomposition that fails returns NaN, and one NaN would spread to all parameters. So the
QR iteration follows if the first algorithm fails for a finite matrix. If both algorithms fail, or if the matrix has
entries that are not finite, the step is not finite, and the run rejects the step. QR decompositions are direct and
cannot fail.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# The rows of one block of a tall matrix, and the rows from which a matrix is divided into blocks. A block of 2,048 rows
# and a hundred columns, 1.6 MB, fits into a cache. With fewer rows one decomposition of the whole matrix is faster.
_ROWS, _TALL = 2048, 2**16


def orthonormal_basis(matrix: Float[Array, "p l"]) -> Float[Array, "p l"]:
    """The matrix `Q` of the QR decomposition of a tall matrix with `p >= l`.

    A matrix with very many rows is decomposed by TSQR: first each block of rows, then the stacked triangles of all
    blocks. TSQR is as stable as Householder's QR (Demmel, Grigori, Hoemmen and Langou, SIAM J. Sci. Comput. 34, 2012).
    It is faster, because LAPACK reads all rows once for each column.
    """
    rows, columns = matrix.shape
    size = max(_ROWS, 4 * columns)
    count = -(-rows // size)
    if rows < _TALL or count == 1:
        return jnp.linalg.qr(matrix)[0]
    blocks = jnp.pad(matrix, ((0, count * size - rows), (0, 0))).reshape(count, size, columns)
    frames, triangles = jax.lax.map(lambda block: tuple(jnp.linalg.qr(block)), blocks)
    inner = orthonormal_basis(triangles.reshape(-1, columns))
    return (frames @ inner.reshape(count, columns, columns)).reshape(-1, columns)[:rows]


def svd(matrix: Float[Array, "k k"]) -> tuple[Float[Array, "k k"], Float[Array, " k"], Float[Array, "k k"]]:
    """The matrix `U`, the singular values in falling order, and `V^T` of a square matrix."""
    by_default = lambda matrix: tuple(jnp.linalg.svd(matrix))
    first = jax.lax.platform_dependent(matrix, cuda=_svd_by_iteration, default=by_default)
    return _unless_failed(first, first[1], matrix, _svd_by_iteration)


def eigh(matrix: Float[Array, "k k"]) -> tuple[Float[Array, " k"], Float[Array, "k k"]]:
    """The eigenvalues in rising order, and the eigenvectors, of a symmetric matrix.

    The matrix must be positive semidefinite up to rounding errors, because the second algorithm finds its singular
    values.
    """
    first = jnp.linalg.eigh(matrix)
    return _unless_failed(first, first[0], matrix, _eigh_by_iteration)


def _unless_failed(first: Any, values: Array, matrix: Array, second: Callable[[Array], Any]) -> Any:
    failed = jnp.all(jnp.isfinite(matrix)) & ~jnp.all(jnp.isfinite(values))
    return jax.lax.cond(failed, lambda: second(matrix), lambda: tuple(first))


def _svd_by_iteration(matrix: Array) -> tuple[Array, Array, Array]:
    left, values, right = jax.lax.linalg.svd(matrix, algorithm=jax.lax.linalg.SvdAlgorithm.QR)
    return left, values, right


def _eigh_by_iteration(matrix: Array) -> tuple[Array, Array]:
    """The eigendecomposition of a symmetric matrix from its SVD.

    The left singular vectors are eigenvectors. A right singular vector is the left one times the sign of the
    eigenvalue.
    """
    left, values, right = _svd_by_iteration(matrix)
    signed = values * jnp.sign(jnp.sum(left * right.T, axis=0))
    order = jnp.argsort(signed)
    return signed[order], left[:, order]
