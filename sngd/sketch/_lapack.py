"""Decompositions of dense matrices: a tall one by blocks, the two iterative ones by a second algorithm where one fails.

LAPACK's divide and conquer is the fastest and now and then does not converge; the QR iteration is slower and more
robust. On a GPU it is faster than JAX's default, Jacobi, and more accurate (`docs/performance.md`). What a failed
decomposition leaves is not a number, and one such number would spread to all parameters. Where both fail, or the matrix
is not finite itself, the step is, and training rejects it. QR decompositions cannot fail.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Rows of a tall matrix decomposed at once: a hundred columns of so many fit into a cache.
_ROWS = 2048


def orthonormal_basis(matrix: Float[Array, "p l"]) -> Float[Array, "p l"]:
    """`Q` of the QR decomposition of a tall matrix, `p >= l`.

    A very tall one by blocks of rows, and then that of their triangles, stacked: TSQR, as stable as Householder's
    (Demmel, Grigori, Hoemmen and Langou, SIAM J. Sci. Comput. 34, 2012). LAPACK would go through all rows for every
    column.
    """
    rows, columns = matrix.shape
    size = max(_ROWS, 4 * columns)
    count = -(-rows // size)
    if count == 1:
        return jnp.linalg.qr(matrix)[0]
    blocks = jnp.pad(matrix, ((0, count * size - rows), (0, 0))).reshape(count, size, columns)
    frames, triangles = jax.lax.map(lambda block: tuple(jnp.linalg.qr(block)), blocks)
    inner = orthonormal_basis(triangles.reshape(-1, columns))
    return (frames @ inner.reshape(count, columns, columns)).reshape(-1, columns)[:rows]


def svd(matrix: Float[Array, "k k"]) -> tuple[Float[Array, "k k"], Float[Array, " k"], Float[Array, "k k"]]:
    """`U`, the singular values, falling, and `V^T` of a square matrix."""
    by_default = lambda matrix: tuple(jnp.linalg.svd(matrix))
    first = jax.lax.platform_dependent(matrix, cuda=_svd_by_iteration, default=by_default)
    return _unless_failed(first, first[1], matrix, _svd_by_iteration)


def eigh(matrix: Float[Array, "k k"]) -> tuple[Float[Array, " k"], Float[Array, "k k"]]:
    """The eigenvalues, rising, and the eigenvectors of a symmetric matrix, semidefinite but for rounding errors."""
    first = jnp.linalg.eigh(matrix)
    return _unless_failed(first, first[0], matrix, _eigh_by_iteration)


def _unless_failed(first: Any, values: Array, matrix: Array, second: Callable[[Array], Any]) -> Any:
    failed = jnp.all(jnp.isfinite(matrix)) & ~jnp.all(jnp.isfinite(values))
    return jax.lax.cond(failed, lambda: second(matrix), lambda: tuple(first))


def _svd_by_iteration(matrix: Array) -> tuple[Array, Array, Array]:
    left, values, right = jax.lax.linalg.svd(matrix, algorithm=jax.lax.linalg.SvdAlgorithm.QR)
    return left, values, right


def _eigh_by_iteration(matrix: Array) -> tuple[Array, Array]:
    """The singular vectors of a symmetric matrix are its eigenvectors, and agree up to the sign of the eigenvalue."""
    left, values, right = _svd_by_iteration(matrix)
    signed = values * jnp.sign(jnp.sum(left * right.T, axis=0))
    order = jnp.argsort(signed)
    return signed[order], left[:, order]
