"""The boldest step that keeps a given fraction of what was predicted."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd._curve import AbstractCurve
from sngd.search._base import AbstractSearch, Choice, Losses


class GainRatio(AbstractSearch):
    """The largest step size whose actual reduction of the loss is at least `fraction` of the predicted one.

    The argmin hugs the walls of a curved valley; the boldest step that the quadratic model still understands moves
    along it. Step sizes are powers of `ratio` from 1 down to `smallest` or a little below, all tried in every step.
    Where none keeps its promise, the one with the lowest loss is taken if that is lower than the present one.

    In a narrow curved valley only short steps keep their promise. To escape, the search takes the largest step whose
    loss is at most the ceiling: along the model's own direction, to a place where the valley is usually wide. With
    `escapes=False` a run never asks for that.
    """

    fraction: float = 0.25
    smallest: float = 1e-16
    ratio: float = 10**0.5
    escapes: bool = True

    def __check_init__(self):
        if not 0 < self.fraction < 1:
            raise ValueError(f"fraction is {self.fraction}; it must lie between 0 and 1")
        if not 0 < self.smallest < 1:
            raise ValueError(f"smallest is {self.smallest}; it must lie between 0 and 1")
        if not self.ratio > 1:
            raise ValueError(f"ratio is {self.ratio}; it must be greater than 1")

    @property
    def can_escape(self) -> bool:
        return self.escapes

    def choose(
        self, losses: Losses, value: Float[Array, ""], curve: AbstractCurve, ceiling: Float[Array, ""]
    ) -> Choice:
        # A thousandth of a step short, so that rounding in the logarithms adds no point.
        count = int(np.ceil(np.log(1 / self.smallest) / np.log(self.ratio) - 1e-3)) + 1
        step_sizes = jnp.asarray(self.ratio ** -np.arange(count, dtype=float))
        values = losses(step_sizes)
        values = jnp.where(jnp.isfinite(values), values, jnp.inf)
        predicted = jax.vmap(curve.predicted_reduction)(step_sizes)
        kept = (value - values >= self.fraction * predicted) & (values < value)
        index = jnp.where(jnp.any(kept), jnp.argmax(kept), jnp.argmin(values))
        below = values <= ceiling
        index = jnp.where(jnp.any(below), jnp.argmax(below), index)
        taken = (values[index] < value) | below[index]
        return Choice(jnp.where(taken, step_sizes[index], 0.0), jnp.where(taken, values[index], value))
