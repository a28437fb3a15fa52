"""Singular value decompositions of a factor `F`: exact for a stored one, randomized or by its kernel otherwise."""

import abc
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from sngd.sketch._lapack import eigh, orthonormal_basis, svd

PRECISION = float(jnp.finfo(jnp.float64).eps)

Matmul = Callable[[Float[Array, "p l"]], Float[Array, "n l"]]
Rmatmul = Callable[[Float[Array, "n l"]], Float[Array, "p l"]]


@runtime_checkable
class Products(Protocol):
    """A matrix known by its products."""

    def matmul(self, columns: Array, /) -> Array: ...

    def rmatmul(self, columns: Array, /) -> Array: ...


class AbstractSVD(eqx.Module):
    """`F ~ U diag(singular_values) V^T`, with `U` and `V` known by their products with vectors.

    - `singular_values`: shape `(k,)`, falling.
    """

    singular_values: eqx.AbstractVar[Float[Array, " k"]]

    @property
    @abc.abstractmethod
    def resolution(self) -> float:
        """The absolute errors of the singular values, relative to the first."""

    @abc.abstractmethod
    def left_rmatmul(self, residual: Float[Array, " n"]) -> Float[Array, " k"]:
        """`U.T @ r`."""

    @abc.abstractmethod
    def right_matmul(self, coefficients: Float[Array, " k"]) -> Float[Array, " p"]:
        """`V @ c`."""

    @abc.abstractmethod
    def right_rmatmul(self, vector: Float[Array, " p"]) -> Float[Array, " k"]:
        """`V.T @ x`."""

    def filter_factors(self, t: Float[Array, ""]) -> Float[Array, " k"]:
        """`S^2 / (S^2 + lambda)` with `sqrt(lambda) = resolution * s_1 / t`: at `t = 1` the damping is at the errors of
        the singular values.
        """
        scaled = (t * self.singular_values / (self.resolution * self.singular_values[0])) ** 2
        return scaled / (scaled + 1)

    @abc.abstractmethod
    def damped(self, coordinates: Float[Array, " k"], t: Float[Array, ""]) -> Float[Array, " p"]:
        """`V S / (S^2 + lambda) @ b`, the damped solution of `F x = U b`, with the `lambda` of `filter_factors`."""

    def rank(self, tolerance: float) -> Array:
        """The number of singular values above `tolerance` times the largest."""
        return jnp.sum(self.singular_values > tolerance * self.singular_values[0])


class SVD(AbstractSVD):
    """With `V = Q W` kept as its two factors: forming `V` would cost as much as the sketch.

    - `left`: `U`, shape `(n, k)`, orthonormal columns.
    - `basis`: `Q`, shape `(p, l)`, orthonormal columns, or `None` for the identity; `rotation`: `W`, shape `(l, k)`.
    """

    left: Float[Array, "n k"]
    singular_values: Float[Array, " k"]
    basis: Float[Array, "p l"] | None
    rotation: Float[Array, "l k"]

    @property
    def resolution(self) -> float:
        return PRECISION

    def left_rmatmul(self, residual: Float[Array, " n"]) -> Float[Array, " k"]:
        return self.left.T @ residual

    def right_matmul(self, coefficients: Float[Array, " k"]) -> Float[Array, " p"]:
        image = self.rotation @ coefficients
        return image if self.basis is None else self.basis @ image

    def right_rmatmul(self, vector: Float[Array, " p"]) -> Float[Array, " k"]:
        return self.rotation.T @ (vector if self.basis is None else self.basis.T @ vector)

    def damped(self, coordinates: Float[Array, " k"], t: Float[Array, ""]) -> Float[Array, " p"]:
        return damped_by_vectors(self, coordinates, t)


class KernelSVD(AbstractSVD):
    """From the eigenvectors of the kernel `F F^T`, with `V = F^T U S^-1`.

    The eigenvalues are known down to the machine precision times the first, so their roots half as far.

    - `factor`: knows the products `F @ Y` and `F.T @ Z` with blocks of columns. One object rather than two functions,
      each of which would hold its arrays once more.
    """

    left: Float[Array, "n n"]
    singular_values: Float[Array, " n"]
    factor: Products

    @property
    def resolution(self) -> float:
        return PRECISION**0.5

    def left_rmatmul(self, residual: Float[Array, " n"]) -> Float[Array, " n"]:
        return self.left.T @ residual

    def right_matmul(self, coefficients: Float[Array, " n"]) -> Float[Array, " p"]:
        return self.factor.rmatmul((self.left @ self._divided(coefficients))[:, None])[:, 0]

    def right_rmatmul(self, vector: Float[Array, " p"]) -> Float[Array, " n"]:
        return self._divided(self.left.T @ self.factor.matmul(vector[:, None])[:, 0])

    def damped(self, coordinates: Float[Array, " n"], t: Float[Array, ""]) -> Float[Array, " p"]:
        return damped_by_vectors(self, coordinates, t)

    def _divided(self, coefficients: Float[Array, " n"]) -> Float[Array, " n"]:
        values = self.singular_values
        known = values > self.resolution * values[0]
        return jnp.where(known, coefficients / jnp.where(known, values, 1.0), 0.0)


class SketchedSVD(AbstractSVD):
    """The decomposition of `F M`, for a test matrix `M` of so many columns that `F M` resembles `F`.

    `V = M W` spans a random space of the dimension of the sketch, in which every product `F V` is as it should be, so
    least-squares problems can be solved in it to all digits; but its columns are about `sqrt(p / l)` long, not one.

    - `sketch`: the decomposition of `F M`, with `W` as its right singular vectors, `(l, k)`; `columns`: knows the
      products `M @ z` and `M.T @ x` with vectors.
    """

    singular_values: Float[Array, " k"]
    sketch: SVD
    columns: Products

    @property
    def resolution(self) -> float:
        return PRECISION

    def left_rmatmul(self, residual: Float[Array, " n"]) -> Float[Array, " k"]:
        return self.sketch.left_rmatmul(residual)

    def right_matmul(self, coefficients: Float[Array, " k"]) -> Float[Array, " p"]:
        return self.columns.matmul(self.sketch.right_matmul(coefficients))

    def right_rmatmul(self, vector: Float[Array, " p"]) -> Float[Array, " k"]:
        return self.sketch.right_rmatmul(self.columns.rmatmul(vector))

    def damped(self, coordinates: Float[Array, " k"], t: Float[Array, ""]) -> Float[Array, " p"]:
        return damped_by_vectors(self, coordinates, t)


def damped_by_vectors(svd: AbstractSVD, coordinates: Float[Array, " k"], t: Float[Array, ""]) -> Float[Array, " p"]:
    """The damped solution from the singular vectors themselves."""
    values = svd.singular_values
    return svd.right_matmul(svd.filter_factors(t) * coordinates / jnp.where(values > 0, values, 1.0))


def dense_svd(matrix: Float[Array, "n p"]) -> SVD:
    """All `min(n, p)` singular triplets of a stored factor: QR along its longer side, then the SVD of the triangle.

    Work `4 n p min(n, p)` and some twenty times the cube of the shorter side.
    """
    rows, columns = matrix.shape
    if rows <= columns:
        basis, triangle = jnp.linalg.qr(matrix.T)
        left, values, right = svd(triangle.T)
        return SVD(left, values, basis, right.T)
    frame, triangle = jnp.linalg.qr(matrix)
    left, values, right = svd(triangle)
    return SVD(frame @ left, values, None, right.T)


def range_finder_svd(matmul: Matmul, rmatmul: Rmatmul, test_matrix: Float[Array, "n l"]) -> SVD:
    """The `l` leading singular triplets, from `Q = orth(F^T M)` and the SVD of `F Q`; needs `l <= min(n, p)`.

    Halko, Martinsson and Tropp (2011), algorithms 4.1 and 5.1, and their theorem 10.6: the expected spectral error
    `||F - F Q Q^T||` is within a modest factor of the best possible, where section 4.1 of the paper has the same for
    the Gramian `F^T F`, whose singular values are squared: there everything below the root of the machine precision
    times the first singular value of `F` is rounding, here nothing above the machine precision is.
    """
    basis = orthonormal_basis(rmatmul(test_matrix))
    frame, triangle = jnp.linalg.qr(matmul(basis))
    left, values, right = svd(triangle)
    return SVD(frame @ left, values, basis, right.T)


def kernel_svd(kernel: Float[Array, "n n"], factor: Products) -> KernelSVD:
    """All singular triplets from the symmetric matrix `F F^T`, in some ten times `n^3`."""
    values, vectors = eigh(kernel)
    return KernelSVD(vectors[:, ::-1], jnp.sqrt(jnp.maximum(values[::-1], 0.0)), factor)


def sketched_svd(sketch: Float[Array, "n l"], columns: Products) -> SketchedSVD:
    """All singular triplets of `sketch = F M`, by way of `dense_svd`."""
    exact = dense_svd(sketch)
    return SketchedSVD(exact.singular_values, exact, columns)
