"""Randomized eigendecompositions of a symmetric positive semidefinite operator `A`, given by `Y -> A @ Y`."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from sngd._products import transpose_matmul
from sngd.sketch._lapack import eigh, orthonormal_basis

Operator = Callable[[Float[Array, "p l"]], Float[Array, "p l"]]


class LowRank(eqx.Module):
    """`A ~ U diag(eigenvalues) U^T`.

    - `eigenvalues`: shape `(k,)`, falling. Rounding makes the last ones noise of either sign, of the size of the
      machine precision times the first one.
    - `basis`: `Q`, shape `(p, k)`, orthonormal columns; `rotation`: `S`, shape `(k, k)`, orthogonal; `U = Q S`.
    """

    eigenvalues: Float[Array, " k"]
    basis: Float[Array, "p k"]
    rotation: Float[Array, "k k"]

    @property
    def eigenvectors(self) -> Float[Array, "p k"]:
        """`U`, shape `(p, k)`."""
        return self.basis @ self.rotation

    def rank(self, tolerance: Float[Array, ""] | float) -> Array:
        """The number of eigenvalues above `tolerance` times the largest."""
        return jnp.sum(self.eigenvalues > tolerance * self.eigenvalues[0])

    def pinv_matmul(self, vector: Float[Array, " p"], tolerance: Float[Array, ""] | float) -> Float[Array, " p"]:
        """The pseudoinverse, truncated at `tolerance` times the largest eigenvalue, times `vector`.

        Applies `Q` and `S` in turn: forming `U` would cost as much as the sketch.
        """
        kept = self.eigenvalues > tolerance * self.eigenvalues[0]
        coordinates = self.rotation.T @ (self.basis.T @ vector)
        scaled = jnp.where(kept, coordinates / jnp.where(kept, self.eigenvalues, 1.0), 0.0)
        return self.basis @ (self.rotation @ scaled)


def two_pass(operator: Operator, test_matrix: Float[Array, "p l"], compress: Operator | None = None) -> LowRank:
    """Range finder and projection: `Q = orth(A M)`, `T = Q^T A Q`; applies the operator to `2 l` columns.

    Halko, Martinsson and Tropp (2011), algorithms 4.1 and 5.3; Algorithm 1 of the paper. The expected error is within
    eq. (8) of the paper, close to the best possible where the eigenvalues decay fast.

    `compress` maps `Q` to `Q^T A Q`, where that can be done better than by applying the operator to `Q`. For a Gramian
    `A = F^T F` it is `(F Q)^T (F Q)`: half the work, no second block of the size of `M`, and digits gained. The columns
    of `Q` come out roughly in the order of the eigenvectors, so those of `F Q` fall like the singular values, and an
    entry of the core carries rounding errors in proportion to the two columns that it comes from, not to the largest.
    """
    basis = orthonormal_basis(operator(test_matrix))
    return _rotate(basis, transpose_matmul(basis, operator(basis)) if compress is None else compress(basis))


def single_pass(operator: Operator, test_matrix: Float[Array, "p l"]) -> LowRank:
    """The same without a second application: the core `T` solves `T (Q^T M) = Q^T (A M)` by least squares.

    Halko, Martinsson and Tropp (2011), section 5.5. Algorithm 1 of the paper multiplies by the inverse of `Q^T M`,
    which multiplies the rounding errors of `A M` by a condition number of the order of `l`, and they pass for
    eigenvalues. So the basis has `k = 3 l / 4` columns, from the first ones of the sketch, and all `l` columns serve
    the fit: `Q^T M` is then a wide Gaussian matrix of condition number about fourteen, and least squares averages the
    errors that the inverse amplified. Eq. (8) holds for the basis, with `k` for `p + r`.
    """
    sketch = operator(test_matrix)
    columns = sketch.shape[1]
    basis = orthonormal_basis(sketch[:, : columns - columns // 4])
    transposed, *_ = jnp.linalg.lstsq(transpose_matmul(test_matrix, basis), transpose_matmul(sketch, basis))
    return _rotate(basis, transposed.T)


def dense(operator: Operator, size: int, dtype: DTypeLike) -> LowRank:
    """The full eigendecomposition, from the operator applied to the identity: memory `O(p^2)`, work `O(p^3)`."""
    identity = jnp.eye(size, dtype=dtype)
    return _rotate(identity, operator(identity))


def _rotate(basis: Float[Array, "p k"], core: Float[Array, "k k"]) -> LowRank:
    # Rounding, and in a single pass the fit, leave the core slightly asymmetric; its symmetric part is the nearest
    # symmetric matrix.
    eigenvalues, rotation = eigh((core + core.T) / 2)
    return LowRank(eigenvalues[::-1], basis, rotation[:, ::-1])
