"""Gradient descent."""

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from sngd._cost import Cost
from sngd._curve import Ray
from sngd.descent._base import AbstractDescent
from sngd.linearize import AbstractFactor, Linearization


class GradientDescent(AbstractDescent):
    """Steepest descent: the full step is the gradient times `-scale`.

    It is the simplest descent, for comparison. Since the Gramian is ill-conditioned, the loss falls fast along the
    eigenvectors of its largest eigenvalues and hardly along the others (appendix A of the paper).

    - `scale`: the step size of the full step, in units of a parameter squared over the loss.
    """

    scale: float = 1.0

    def cost(self, factor: AbstractFactor, state: tuple[()]) -> Cost:
        rows, parameters = factor.shape
        return Cost(8 * 2 * parameters, 2 * rows * parameters)

    def step(self, linearization: Linearization, state: tuple[()], key: PRNGKeyArray) -> Ray:
        gradient = linearization.gradient
        direction = self.scale * gradient
        image = linearization.factor.matmul(direction[:, None])
        return Ray(direction, gradient @ direction, jnp.sum(image**2), jnp.linalg.norm(gradient))
