"""Least-squares problems with a factor known by its products, preconditioned by a sketch of it."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sngd.sketch._svd import PRECISION, AbstractSVD, Products, dense_svd

# Iterations stop at this relative residual, or after so many: each costs two products with the factor, and the search
# along a curve takes no notice of smaller errors.
_TOLERANCE, _ITERATIONS = 1e-3, 12

# Stands for no damping: at a hundred times the machine precision.
_BOLDEST = 1e-2


class PreconditionedSVD(AbstractSVD):
    """A factor `F`, with the left singular vectors and the singular values of a sketch of its columns, `F M`.

    Those are not the factor's own, but close in the sense that counts: with four times as many columns as rows,
    `P = (S^2 + lambda)^(-1/2) U^T` turns `F F^T + lambda` into a matrix `P (F F^T + lambda) P^T` of small condition,
    down to the smallest singular values. So a few iterations of conjugate gradients solve for a damped update of `F`
    itself. Since the products with `F` and `F^T` are taken one after the other and `F F^T` is never formed, none of the
    digits of the small singular values are lost: those directions are scaled up before they are added.

    They stop early. The error is relative to the update: where the coordinates do not fall with the singular values,
    some thousandth of the residual is left, so that one step gains three digits, and the next one others.

    This is sketch and precondition (Meng, Saunders and Mahoney, SIAM J. Sci. Comput. 36, 2014), for every damping.

    - `left`: `U`, shape `(n, n)`; `factor`: knows the products `F @ Y` and `F.T @ Z` with blocks of columns.
    """

    left: Float[Array, "n n"]
    singular_values: Float[Array, " n"]
    factor: Products

    @property
    def resolution(self) -> float:
        return PRECISION

    def left_rmatmul(self, residual: Float[Array, " n"]) -> Float[Array, " n"]:
        return self.left.T @ residual

    def right_matmul(self, coefficients: Float[Array, " n"]) -> Float[Array, " p"]:
        return self.damped(self.singular_values * coefficients, jnp.asarray(_BOLDEST))

    def right_rmatmul(self, vector: Float[Array, " p"]) -> Float[Array, " n"]:
        image = self.left.T @ self.factor.matmul(vector[:, None])[:, 0]
        return self.singular_values * self._solve(image, jnp.asarray(_BOLDEST))

    def damped(self, coordinates: Float[Array, " n"], t: Float[Array, ""]) -> Float[Array, " p"]:
        return self._rmatmul(self._solve(coordinates, t))

    def _rmatmul(self, coordinates: Float[Array, " n"]) -> Float[Array, " p"]:
        """`F^T U z`."""
        return self.factor.rmatmul((self.left @ coordinates)[:, None])[:, 0]

    def _solve(self, right: Float[Array, " n"], t: Float[Array, ""]) -> Float[Array, " n"]:
        """`z` with `(U^T F F^T U + lambda) z = right`, by conjugate gradients, and the `lambda` of `filter_factors`."""
        scales = 1 / jnp.hypot(self.singular_values, self.resolution * self.singular_values[0] / t)
        damping = 1 - self.filter_factors(t)

        def operator(scaled: Array) -> Array:
            image = self.factor.matmul(self._rmatmul(scales * scaled)[:, None])[:, 0]
            return scales * (self.left.T @ image) + damping * scaled

        def iterate(state: tuple[Array, ...]) -> tuple[Array, ...]:
            solution, residual, direction, square, count = state
            image = operator(direction)
            step = square / (direction @ image)
            solution, residual = solution + step * direction, residual - step * image
            following = residual @ residual
            return solution, residual, residual + following / square * direction, following, count + 1

        scaled = scales * right
        square = scaled @ scaled
        start = (jnp.zeros_like(scaled), scaled, scaled, square, jnp.asarray(0))
        going_on = lambda state: (state[3] > _TOLERANCE**2 * square) & (state[4] < _ITERATIONS)
        return scales * jax.lax.while_loop(going_on, iterate, start)[0]


def preconditioned_svd(sketch: Float[Array, "n l"], factor: Products) -> PreconditionedSVD:
    """The decomposition of a factor of which `sketch = F M` has `l >= 4 n` columns, in some `30 n^3`."""
    exact = dense_svd(sketch)
    return PreconditionedSVD(exact.left, exact.singular_values, factor)
