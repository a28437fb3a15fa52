"""Energy natural gradient descent, of which the paper's method is a randomized version."""

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from sngd._cost import Cost
from sngd._curve import Ray
from sngd.descent._base import AbstractDescent
from sngd.linearize import AbstractFactor, Linearization
from sngd.sketch import dense


class ENGD(AbstractDescent):
    """The natural gradient `G^+ g` from the dense Gramian `G`, shape `(p, p)`; eqs. (4) and (5) of the paper.

    The method is that of Mueller and Zeinhofer, "Achieving high accuracy with PINNs via energy natural gradients", ICML
    2023. It is the reference for the sketched methods. Memory `O(p^2)`, work `O(n p^2 + p^3)`.

    - `tolerance`: eigenvalues at most `tolerance` times the largest eigenvalue count as zero. If it is left out, it is
      the machine precision times `p`, the usual truncation tolerance of a least-squares solver.
    """

    tolerance: float | None = None

    def cost(self, factor: AbstractFactor, state: tuple[()]) -> Cost:
        """The memory is that of the Gramian, of its eigenvectors and of one workspace of the same size."""
        rows, parameters = factor.shape
        return Cost(3 * 8 * parameters**2, 2 * rows * parameters**2 + 9 * parameters**3)

    def step(self, linearization: Linearization, state: tuple[()], key: PRNGKeyArray) -> Ray:
        gradient = linearization.gradient
        gramian = dense(linearization.factor.gramian_matmul, len(gradient), gradient.dtype)
        precision = float(jnp.finfo(gradient.dtype).eps)
        tolerance = precision * len(gradient) if self.tolerance is None else self.tolerance
        direction = gramian.pinv_matmul(gradient, tolerance)
        slope = gradient @ direction
        return Ray(direction, slope, slope, jnp.linalg.norm(gradient), gramian.rank(tolerance), gramian.rank(precision))
