"""Singular value decompositions of a factor `F`, shape `(n, p)`.

A stored factor has a decomposition to all digits (`dense_svd`). A factor that is known by its products has a randomized
decomposition (`range_finder_svd`, `sketched_svd`) or one from its kernel `F F^T` (`kernel_svd`).
"""

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
    """A matrix `F`, shape `(n, p)`, that is known by its products.

    One object is passed rather than two functions, because each of two functions would hold the arrays of `F`.
    """

    def matmul(self, columns: Array, /) -> Array:
        """The product `F @ Y`, shape `(n, l)`, with a block of columns `Y`, shape `(p, l)`."""
        ...

    def rmatmul(self, columns: Array, /) -> Array:
        """The product `F.T @ Z`, shape `(p, l)`, with a block of columns `Z`, shape `(n, l)`."""
        ...


class AbstractSVD(eqx.Module):
    """An exact or approximate decomposition `F ~ U diag(singular_values) V^T` of a factor of shape `(n, p)`.

    The matrices `U`, shape `(n, k)`, and `V`, shape `(p, k)`, are known by their products with vectors.

    A subclass defines all abstract members. `damped_by_vectors` implements `damped` where products with `V` are cheap.

    - `singular_values`: shape `(k,)`, in falling order.
    """

    singular_values: eqx.AbstractVar[Float[Array, " k"]]

    @property
    @abc.abstractmethod
    def resolution(self) -> float:
        """The absolute errors of all singular values, divided by the first singular value.

        It is the machine precision, 2.2e-16, for a decomposition of `F` and its root, 1.5e-8, for one of `F F^T`.
        """

    @abc.abstractmethod
    def left_rmatmul(self, residual: Float[Array, " n"]) -> Float[Array, " k"]:
        """The product `U.T @ r`."""

    @abc.abstractmethod
    def right_matmul(self, coefficients: Float[Array, " k"]) -> Float[Array, " p"]:
        """The product `V @ c`."""

    @abc.abstractmethod
    def right_rmatmul(self, vector: Float[Array, " p"]) -> Float[Array, " k"]:
        """The product `V.T @ x`."""

    def filter_factors(self, t: Float[Array, ""]) -> Float[Array, " k"]:
        """The filter factors `s^2 / (s^2 + lambda)` of all singular values `s`, between 0 and 1.

        The damping is `sqrt(lambda) = resolution * s_1 / t` for `t` in `(0, 1]`. So `sqrt(lambda)` at `t = 1` is as
        large as the absolute errors of the singular values.
        """
        scaled = (t * self.singular_values / (self.resolution * self.singular_values[0])) ** 2
        return scaled / (scaled + 1)

    @abc.abstractmethod
    def damped(self, coordinates: Float[Array, " k"], t: Float[Array, ""]) -> Float[Array, " p"]:
        """The damped solution `x = V (s / (s^2 + lambda)) b` of `F x = U b`, shape `(p,)`.

        The damping `lambda` is that of `filter_factors` at `t`.

        - `coordinates`: the vector `b`, shape `(k,)`.
        """

    def rank(self, tolerance: float) -> Array:
        """The number of singular values above `tolerance` times the largest singular value: an integer scalar."""
        return jnp.sum(self.singular_values > tolerance * self.singular_values[0])


class SVD(AbstractSVD):
    """A decomposition that stores `U`, and `V` as the product `Q W`: forming `V` would cost as much as the sketch.

    - `left`: the matrix `U`, shape `(n, k)`, with orthonormal columns.
    - `singular_values`: shape `(k,)`, in falling order.
    - `basis`: the matrix `Q`, shape `(p, l)`, with orthonormal columns. `None` stands for the identity.
    - `rotation`: the matrix `W`, shape `(l, k)`, with orthonormal columns.
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
    """The decomposition from the eigenvectors `U` of the kernel `F F^T`, with `V = F^T U S^-1`.

    The absolute errors of the eigenvalues are the machine precision times the first eigenvalue. So singular values
    below the root of the machine precision times the first one are unknown, and products with `V` leave them out.

    - `left`: the matrix `U`, shape `(n, n)`, orthogonal.
    - `singular_values`: the roots of the eigenvalues, shape `(n,)`, in falling order.
    - `factor`: the products `F @ Y` and `F.T @ Z` with blocks of columns.
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
    """The decomposition `F M = U S W^T` of a sketch of the columns, with `V = M W` in place of right singular vectors.

    The test matrix `M`, shape `(p, l)`, has so many columns that the singular values of `F M` resemble those of `F`.
    The columns of `V` span a random subspace of dimension `k`, and `F V = U S` holds to rounding errors. So damped
    least-squares problems in this subspace are solved to all digits. The columns of `V` are not orthonormal: their
    norms are about `sqrt(p / l)`, so updates are longer than those of the decomposition of `F`.

    - `singular_values`: the singular values of `F M`, shape `(k,)`, in falling order.
    - `sketch`: the decomposition of `F M`, shape `(n, l)`.
    - `columns`: the products `M @ z` and `M.T @ x` with single vectors.
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
    """The result of `AbstractSVD.damped` from products with the right singular vectors of `svd`."""
    values = svd.singular_values
    return svd.right_matmul(svd.filter_factors(t) * coordinates / jnp.where(values > 0, values, 1.0))


def dense_svd(matrix: Float[Array, "n p"]) -> SVD:
    """All `k = min(n, p)` singular triplets of a stored factor.

    The algorithm is a QR decomposition along the longer side, then the SVD of the triangle. The work is
    `4 n p k + 20 k^3` operations, about.
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
    """Approximations of the `k = l` leading singular triplets, from `Q = orth(F^T M)` and the SVD of `F Q`.

    These are algorithms 4.1 and 5.1 of Halko, Martinsson and Tropp (2011). By their theorem 10.6 the expected spectral
    error `||F - F Q Q^T||` is within a modest factor of the smallest error of that rank.

    Section 4.1 of the paper has the corresponding bound for the Gramian `F^T F`. A sketch of the Gramian loses all
    singular values of `F` below the root of the machine precision times the first one. A sketch of `F` resolves them
    down to the machine precision times the first one.

    - `matmul`, `rmatmul`: the products `F @ Y` and `F.T @ Z` with blocks of `l` columns.
    - `test_matrix`: the test matrix `M`, shape `(n, l)` with `l <= min(n, p)`.

    Each of the two products is taken once. The work beside them is `4 p l^2 + 4 n l^2 + 20 l^3` operations, about.
    """
    basis = orthonormal_basis(rmatmul(test_matrix))
    frame, triangle = jnp.linalg.qr(matmul(basis))
    left, values, right = svd(triangle)
    return SVD(frame @ left, values, basis, right.T)


def kernel_svd(kernel: Float[Array, "n n"], factor: Products) -> KernelSVD:
    """All `k = n` singular triplets from the kernel `F F^T`, shape `(n, n)`, in about `10 n^3` operations.

    - `factor`: the products with `F`, from which products with `V` are made.
    """
    values, vectors = eigh(kernel)
    return KernelSVD(vectors[:, ::-1], jnp.sqrt(jnp.maximum(values[::-1], 0.0)), factor)


def sketched_svd(sketch: Float[Array, "n l"], columns: Products) -> SketchedSVD:
    """All `k = min(n, l)` singular triplets of a sketch `F M`, by `dense_svd`.

    - `sketch`: the sketch `F M`, shape `(n, l)`.
    - `columns`: the products `M @ z` and `M.T @ x` of the test matrix with single vectors.
    """
    exact = dense_svd(sketch)
    return SketchedSVD(exact.singular_values, exact, columns)
