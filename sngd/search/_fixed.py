"""A step size given beforehand."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from sngd._curve import AbstractCurve
from sngd.search._base import AbstractSearch, Choice, Loss


class FixedStep(AbstractSearch):
    """Always the same point of the curve, better or not."""

    step_size: float

    def __check_init__(self):
        if not 0 < self.step_size <= 1:
            raise ValueError(f"step_size is {self.step_size}; it must lie in (0, 1]")

    def choose(self, loss: Loss, theta: Float[Array, " p"], curve: AbstractCurve) -> Choice:
        step_size = jnp.asarray(self.step_size, theta.dtype)
        moved = theta + curve.update(step_size)
        return Choice(moved, loss(moved), step_size)
