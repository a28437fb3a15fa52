"""A step size given beforehand."""

import jax.numpy as jnp

from sngd.search._base import AbstractSearch, Choice, LossAlong


class FixedStep(AbstractSearch):
    """Always the same point of the curve, better or not."""

    step_size: float

    def __check_init__(self):
        if not 0 < self.step_size <= 1:
            raise ValueError(f"step_size is {self.step_size}; it must lie in (0, 1]")

    def trials(self, rows: int, parameters: int) -> int:
        return 1

    def choose(self, along: LossAlong, state: tuple[()]) -> tuple[Choice, tuple[()]]:
        step_size = jnp.asarray(self.step_size, along.start.dtype)
        return Choice(step_size, *along.trial(step_size)), state
