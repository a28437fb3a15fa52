"""Singular value decompositions of a factor `F`: exact for a stored one, randomized for one known by its products."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class SVD(eqx.Module):
    """`F ~ U diag(singular_values) V^T`, with `V = Q W` kept as its two factors.

    - `left`: `U`, shape `(n, k)`, orthonormal columns.
    - `singular_values`: shape `(k,)`, falling; absolute errors of the size of the machine precision times the first.
    - `basis`: `Q`, shape `(p, l)`, orthonormal columns, or `None` for the identity; `rotation`: `W`, shape `(l, k)`.
    """

    left: Float[Array, "n k"]
    singular_values: Float[Array, " k"]
    basis: Float[Array, "p l"] | None
    rotation: Float[Array, "l k"]

    def rank(self, tolerance: float) -> Array:
        """The number of singular values above `tolerance` times the largest."""
        return jnp.sum(self.singular_values > tolerance * self.singular_values[0])

    def right_matmul(self, coefficients: Float[Array, " k"]) -> Float[Array, " p"]:
        """`V @ c`, by applying `W` and `Q` in turn: forming `V` would cost as much as the sketch."""
        image = self.rotation @ coefficients
        return image if self.basis is None else self.basis @ image

    def right_rmatmul(self, vector: Float[Array, " p"]) -> Float[Array, " k"]:
        """`V.T @ x`."""
        return self.rotation.T @ (vector if self.basis is None else self.basis.T @ vector)


def dense_svd(matrix: Float[Array, "n p"]) -> SVD:
    """All `min(n, p)` singular triplets of a stored factor: QR along its longer side, then the SVD of the triangle.

    Work `4 n p min(n, p)` and some twenty times the cube of the shorter side.
    """
    rows, columns = matrix.shape
    if rows <= columns:
        basis, triangle = jnp.linalg.qr(matrix.T)
        left, values, right = jnp.linalg.svd(triangle.T)
        return SVD(left, values, basis, right.T)
    frame, triangle = jnp.linalg.qr(matrix)
    left, values, right = jnp.linalg.svd(triangle)
    return SVD(frame @ left, values, None, right.T)


def range_finder_svd(
    matmul: Callable[[Float[Array, "p l"]], Float[Array, "n l"]],
    rmatmul: Callable[[Float[Array, "n l"]], Float[Array, "p l"]],
    test_matrix: Float[Array, "n l"],
) -> SVD:
    """The `l` leading singular triplets, from `Q = orth(F^T M)` and the SVD of `F Q`; needs `l <= min(n, p)`.

    Halko, Martinsson and Tropp (2011), algorithms 4.1 and 5.1, and their theorem 10.6: the expected spectral error
    `||F - F Q Q^T||` is within a modest factor of the best possible, where section 4.1 of the paper has the same for
    the Gramian `F^T F`, whose singular values are squared: there everything below the root of the machine precision
    times the first singular value of `F` is rounding, here nothing above the machine precision is.
    """
    basis, _ = jnp.linalg.qr(rmatmul(test_matrix))
    frame, triangle = jnp.linalg.qr(matmul(basis))
    left, values, right = jnp.linalg.svd(triangle)
    return SVD(frame @ left, values, basis, right.T)
