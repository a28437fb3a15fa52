"""The two iterative decompositions of dense matrices, each by a second algorithm where the first one fails.

LAPACK's divide and conquer is the fastest and now and then does not converge; the QR iteration is slower and more
robust. What a failed decomposition leaves is not a number, and one such number would spread to all parameters. Where
both fail, or the matrix is not finite itself, the step is, and training rejects it. QR decompositions cannot fail.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def svd(matrix: Float[Array, "k k"]) -> tuple[Float[Array, "k k"], Float[Array, " k"], Float[Array, "k k"]]:
    """`U`, the singular values, falling, and `V^T` of a square matrix."""
    first = jnp.linalg.svd(matrix)
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
