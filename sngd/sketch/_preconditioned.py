"""Damped least-squares problems with a factor that is known by its products, preconditioned by a sketch of the factor.

The method is sketch and precondition (Meng, Saunders and Mahoney, SIAM J. Sci. Comput. 36, 2014).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sngd.sketch._svd import PRECISION, AbstractSVD, Products, dense_svd

# The iterations stop at this relative residual, or after this number. Each iteration costs two products with the
# factor, and smaller errors do not change which point of a curve a search chooses.
_TOLERANCE, _ITERATIONS = 1e-3, 12

# The parameter `t` of a solve without damping: `sqrt(lambda)` is then a hundred times the machine precision times s_1.
_BOLDEST = 1e-2


class PreconditionedSVD(AbstractSVD):
    """A factor `F`, together with the left singular vectors `U` and the singular values `S` of its sketch `F M`.

    `U` and `S` differ from those of `F`, but they give a good preconditioner `P = (S^2 + lambda)^(-1/2) U^T`. If the
    sketch has four times as many columns as rows, the matrix `P (F F^T + lambda) P^T` has a small condition number, for
    every damping `lambda`. So a few iterations of conjugate gradients find the damped update of `F` itself.

    The iterations take the products with `F` and `F^T` one after the other and never form `F F^T`. They scale the
    directions of small singular values before they add them, so these directions keep their digits.

    The iterations stop at a relative residual of 1e-3. The error is relative to the update. If the coordinates of the
    residual do not fall with the singular values, a step leaves about a thousandth of the residual. The next step
    reduces it further.

    - `left`: the matrix `U`, shape `(n, n)`.
    - `singular_values`: the singular values of the sketch, shape `(n,)`, in falling order.
    - `factor`: the products `F @ Y` and `F.T @ Z` with blocks of columns.
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
        """The product `F^T U z`, shape `(p,)`."""
        return self.factor.rmatmul((self.left @ coordinates)[:, None])[:, 0]

    def _solve(self, right: Float[Array, " n"], t: Float[Array, ""]) -> Float[Array, " n"]:
        """The solution `z` of `(U^T F F^T U + lambda) z = right` by preconditioned conjugate gradients.

        The damping `lambda` is that of `filter_factors` at `t`.
        """
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
    """The preconditioned decomposition of a factor, in about `30 n^3` operations.

    - `sketch`: the sketch `F M`, shape `(n, l)`. It should have `l >= 4 n` columns; fewer columns precondition less
      well.
    - `factor`: the products with `F`.
    """
    exact = dense_svd(sketch)
    return PreconditionedSVD(exact.left, exact.singular_values, factor)
