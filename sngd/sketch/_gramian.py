"""Randomized eigendecompositions of a Gramian `A = F^T F` whose factor `F` has many columns.

In exact arithmetic the functions give the same eigenpairs as `two_pass` and `single_pass`. They read the factor in one
sweep for the range and in one sweep for everything else, and they need no QR decomposition with `p` rows. The steps
are:

1. `Z = F M`, shape `(n, l)`, and its QR decomposition `Z = P S`. The range of `A M = F^T Z` is that of `F^T P`.
2. A second sketch `F E` with a few times `l` columns, and the triangle `R` of the QR decomposition of `(F E)^T P`. The
   singular values of `F^T P R^-1` are then near one: this is sketch and precondition (Rokhlin and Tygert, PNAS 105,
   2008; Balabanov, arXiv:2210.09953, for QR decompositions).
3. `W = F^T (P R^-1)` and the small matrices `W^T W` and `F W`, in one sweep over the columns of `F`. A Cholesky
   decomposition of `W^T W` makes the columns of `W` orthonormal. It loses no digits, because the condition number of
   `W` is small.

The matrix `F^T Z` has the squares of the singular values of `F`, and a basis that is computed from it loses those below
the root of the machine precision times the first one. A basis that is computed from `F^T P` keeps them.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sngd.sketch._eigh import LowRank, low_rank
from sngd.sketch._lapack import eigh

# Columns of `F E` for each column of the basis. With four, the condition number of `W` is about three if the entries of
# `E` are independent and normal: `(1 + 1/2) / (1 - 1/2)`.
EMBEDDING = 4

# Columns of `W` of length one are dependent if an eigenvalue of their Gramian is below this. The columns of the basis
# are orthonormal up to the machine precision over the least eigenvalue.
_DEPENDENT = 1e-10


class GramianProducts(NamedTuple):
    """Products with a block `X`, shape `(n, m)`: `Y = F^T X`, the Gramian `Y^T Y`, and `F Y` or `None`."""

    columns: Float[Array, "p m"]
    gramian: Float[Array, "m m"]
    image: Float[Array, "n m"] | None


@runtime_checkable
class OneSweep(Protocol):
    """A function that returns `GramianProducts` for a block `X`, with `F Y` if `image` is true."""

    def __call__(self, rows: Float[Array, "n m"], /, *, image: bool) -> GramianProducts: ...


def two_pass_by_factor(sketch: Float[Array, "n l"], embedding: Float[Array, "n m"], products: OneSweep) -> LowRank:
    """The eigendecomposition of `F^T F` by a range finder and a projection, as in `two_pass`. The result has `k = l`.

    - `sketch`: the product `F M` with the test matrix `M`, shape `(p, l)`.
    - `embedding`: the product `F E` with a random matrix `E` of independent columns, `m >= 2 l`. Its distribution
      affects rounding errors only.
    - `products`: the products with `F` and `F^T` that the method takes, all at once.
    """
    conditioned = _Conditioned.of(sketch, embedding)
    basis, gramian, image = products(conditioned.rows, image=True)
    assert image is not None
    whitening = _whitening(gramian)
    compressed = image @ whitening
    return low_rank(basis, compressed.T @ compressed, whitening)


def single_pass_by_factor(sketch: Float[Array, "n l"], embedding: Float[Array, "n m"], products: OneSweep) -> LowRank:
    """The eigendecomposition of `F^T F` from one application to `l` columns, as in `single_pass`.

    The result has `k = l - floor(l / 4)` eigenpairs.

    The arguments are those of `two_pass_by_factor`.
    """
    columns = sketch.shape[1]
    kept = columns - columns // 4
    conditioned = _Conditioned.of(sketch[:, :kept], embedding)
    rest = sketch[:, kept:]
    basis, gramian, _ = products(jnp.concatenate([conditioned.rows, rest], axis=1), image=False)
    whitening = _whitening(gramian[:kept, :kept])
    # With `W = F^T P R^-1` and the basis `Q = W X`: `F^T F M = F^T Z`, so `Q^T (A M) = X^T W^T [W R S, F^T Z_rest]`,
    # and `Q^T M = X^T R^-T P^T Z`.
    projected = jnp.concatenate([conditioned.times_triangles(gramian[:kept, :kept]), gramian[:kept, kept:]], axis=1)
    tested = jnp.concatenate([conditioned.triangle, conditioned.frame.T @ rest], axis=1)
    right = whitening.T @ projected
    left = whitening.T @ jax.scipy.linalg.solve_triangular(conditioned.preconditioner, tested, trans=1)
    transposed, *_ = jnp.linalg.lstsq(left.T, right.T)
    rotation = jnp.concatenate([whitening, jnp.zeros((columns - kept, kept))])
    return low_rank(basis, transposed.T, rotation)


class _Conditioned(NamedTuple):
    """The rows `P R^-1`, for which `F^T P R^-1` is well conditioned.

    - `frame`, `triangle`: `P` and `S`, the QR decomposition of the sketch.
    - `preconditioner`: the triangle `R`.
    """

    frame: Float[Array, "n k"]
    triangle: Float[Array, "k k"]
    preconditioner: Float[Array, "k k"]

    @classmethod
    def of(cls, sketch: Float[Array, "n k"], embedding: Float[Array, "n m"]) -> "_Conditioned":
        frame, triangle = jnp.linalg.qr(sketch)
        preconditioner = jnp.linalg.qr(embedding.T @ frame, mode="r")
        return cls(frame, triangle, _invertible(preconditioner))

    @property
    def rows(self) -> Float[Array, "n k"]:
        return jax.scipy.linalg.solve_triangular(self.preconditioner, self.frame.T, trans=1).T

    def times_triangles(self, matrix: Float[Array, "k k"]) -> Float[Array, "k k"]:
        return (matrix @ self.preconditioner) @ self.triangle


def _invertible(triangle: Float[Array, "k k"]) -> Float[Array, "k k"]:
    """The triangle with entries of at least the machine precision times the largest one on its diagonal."""
    diagonal = jnp.diagonal(triangle)
    largest = jnp.max(jnp.abs(diagonal))
    least = jnp.where(largest > 0, jnp.finfo(triangle.dtype).eps * largest, 1.0)
    raised = jnp.where(jnp.abs(diagonal) < least, least, diagonal)
    return triangle + jnp.diag(raised - diagonal)


def _whitening(gramian: Float[Array, "k k"]) -> Float[Array, "k k"]:
    """A matrix `X` such that the columns of `W X` are orthonormal or zero, from `W^T W`.

    It is the inverse of the Cholesky factor, which is triangular. So the columns of `W X` keep the order of those of
    `W`, and the norms of the columns of `F W X` fall like the singular values of `F` (see `two_pass`). If the columns
    of `W` are dependent, or if the decomposition fails, the eigenvectors of `W^T W` are taken, and directions that
    rounding errors dominate are left out.
    """
    squares = jnp.diagonal(gramian)
    scales = jnp.where(squares > 0, 1 / jnp.sqrt(jnp.where(squares > 0, squares, 1.0)), 0.0)
    # A column that is zero stays zero: its direction is missing.
    scaled = scales[:, None] * gramian * scales + jnp.diag(jnp.where(squares > 0, 0.0, 1.0))
    lower = jnp.linalg.cholesky(scaled)
    inverse = jax.scipy.linalg.solve_triangular(lower, jnp.eye(len(lower)), lower=True).T
    independent = jnp.sum(inverse**2) <= 1 / _DEPENDENT

    def by_eigenvectors() -> Array:
        values, vectors = eigh(scaled)
        known = values > _DEPENDENT
        return vectors * jnp.where(known, 1 / jnp.sqrt(jnp.where(known, values, 1.0)), 0.0)

    return scales[:, None] * jax.lax.cond(independent, lambda: inverse, by_eigenvectors)
