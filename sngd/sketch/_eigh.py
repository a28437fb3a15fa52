"""Randomized eigendecompositions of a symmetric positive semidefinite operator `A`, given by `Y -> A @ Y`.

The operator maps a block of columns, shape `(p, l)`, to a block of the same shape and dtype.
"""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from sngd._products import transpose_matmul
from sngd.sketch._lapack import eigh, orthonormal_basis

Operator = Callable[[Float[Array, "p l"]], Float[Array, "p l"]]


class LowRank(eqx.Module):
    """An approximate eigendecomposition `A ~ U diag(eigenvalues) U^T` of rank `k`.

    - `eigenvalues`: shape `(k,)`, in falling order. The last eigenvalues may be rounding errors of either sign, as
      large as the machine precision times the first eigenvalue.
    - `basis`: a matrix `Q`, shape `(p, m)`, with `m >= k`.
    - `rotation`: a matrix `S`, shape `(m, k)`. The eigenvectors are the columns of `U = Q S`, which are orthonormal.
    """

    eigenvalues: Float[Array, " k"]
    basis: Float[Array, "p m"]
    rotation: Float[Array, "m k"]

    @property
    def eigenvectors(self) -> Float[Array, "p k"]:
        """The eigenvectors `U = Q S`, shape `(p, k)`. This property forms the product, in `2 p m k` operations."""
        return self.basis @ self.rotation

    def rank(self, tolerance: Float[Array, ""] | float) -> Array:
        """The number of eigenvalues above `tolerance` times the largest eigenvalue: an integer scalar."""
        return jnp.sum(self.eigenvalues > tolerance * self.eigenvalues[0])

    def pinv_matmul(self, vector: Float[Array, " p"], tolerance: Float[Array, ""] | float) -> Float[Array, " p"]:
        """The truncated pseudoinverse of `A` times `vector`, both of shape `(p,)`.

        Eigenvalues at most `tolerance` times the largest eigenvalue count as zero. The method applies `Q` and `S` one
        after the other, because forming `U` would cost as much as the sketch.
        """
        kept = self.eigenvalues > tolerance * self.eigenvalues[0]
        coordinates = (vector @ self.basis) @ self.rotation
        scaled = jnp.where(kept, coordinates / jnp.where(kept, self.eigenvalues, 1.0), 0.0)
        return self.basis @ (self.rotation @ scaled)


def two_pass(operator: Operator, test_matrix: Float[Array, "p l"], compress: Operator | None = None) -> LowRank:
    """The eigendecomposition from a range finder and a projection: `Q = orth(A M)`, then the core `T = Q^T A Q`.

    These are algorithms 4.1 and 5.3 of Halko, Martinsson and Tropp (2011), and the two-pass variant of Algorithm 1 of
    the paper. Eq. (8) of the paper bounds the expected error. The bound is close to the best possible error if the
    eigenvalues decay fast.

    - `test_matrix`: the test matrix `M`, shape `(p, l)` with `l <= p`. The result has `k = l` eigenpairs.
    - `compress`: a function that maps `Q`, shape `(p, l)`, to the core `Q^T A Q`, shape `(l, l)`. Without it, the core
      takes a second application of the operator to `l` columns.

    For a Gramian `A = F^T F` the function `compress` is `Q -> (F Q)^T (F Q)`. It takes half the work, it needs no
    second block of the size of `M`, and it is more accurate. The columns of `Q` come out roughly in the order of the
    eigenvectors, so the norms of the columns of `F Q` fall like the singular values. Hence the rounding error of an
    entry of the core is proportional to the norms of its own two columns, and not to the norm of the largest column.
    """
    basis = orthonormal_basis(operator(test_matrix))
    return low_rank(basis, transpose_matmul(basis, operator(basis)) if compress is None else compress(basis))


def single_pass(operator: Operator, test_matrix: Float[Array, "p l"]) -> LowRank:
    """The eigendecomposition from one application of the operator, to the `l` columns of the test matrix `M`.

    The core `T` solves `T (Q^T M) = Q^T (A M)` by least squares (Halko, Martinsson and Tropp 2011, section 5.5).

    - `test_matrix`: the test matrix `M`, shape `(p, l)` with `l <= p`. The result has `k = l - floor(l / 4)`
      eigenpairs.

    Algorithm 1 of the paper multiplies by the inverse of the square matrix `Q^T M`. The inverse amplifies the rounding
    errors of `A M` by a condition number of the order of `l`, and the amplified errors look like eigenvalues. Here the
    basis `Q` comes from the first `k` columns of the sketch `A M`, while all `l` columns enter the least-squares
    problem. So `Q^T M` is a wide Gaussian matrix with a condition number of about fourteen, and least squares averages
    the errors. The bound of eq. (8) of the paper holds for the basis, with `k` in place of `p + r`.
    """
    sketch = operator(test_matrix)
    columns = sketch.shape[1]
    basis = orthonormal_basis(sketch[:, : columns - columns // 4])
    transposed, *_ = jnp.linalg.lstsq(transpose_matmul(test_matrix, basis), transpose_matmul(sketch, basis))
    return low_rank(basis, transposed.T)


def dense(operator: Operator, size: int, dtype: DTypeLike) -> LowRank:
    """The full eigendecomposition of an operator, which is applied to the identity.

    Memory `O(p^2)`, work `O(p^3)` beside the application of the operator to `p` columns.

    - `size`: the number `p` of rows and of columns of `A`.
    - `dtype`: the floating-point type of the identity, and so of the result.
    """
    identity = jnp.eye(size, dtype=dtype)
    return low_rank(identity, operator(identity))


def low_rank(
    basis: Float[Array, "p m"], core: Float[Array, "k k"], whitening: Float[Array, "m k"] | None = None
) -> LowRank:
    """The eigendecomposition of `B T B^T` from the core `T`, where `B = basis @ whitening` has orthonormal columns.

    Without `whitening` the columns of `basis` are orthonormal.
    """
    # Rounding errors leave the core slightly asymmetric, and so does the least-squares fit of a single pass. The
    # symmetric part is the nearest symmetric matrix in the Frobenius norm.
    eigenvalues, rotation = eigh((core + core.T) / 2)
    rotation = rotation[:, ::-1]
    return LowRank(eigenvalues[::-1], basis, rotation if whitening is None else whitening @ rotation)
