"""The best step size on a logarithmic grid, refined."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd._curve import AbstractCurve
from sngd.search._base import AbstractSearch, Choice, Loss


class GridSearch(AbstractSearch):
    """Approximates the argmin of the loss over step sizes in `[0, 1]`, the line search of Algorithm 1.

    Good step sizes come in all magnitudes, so the search looks at all of them: first at 0 and at powers of `ratio` from
    `smallest` up to 1, then at `refinements` points spaced evenly in the logarithm between the neighbors of the best
    one. Losses that are not finite never win. Among equal losses the larger step wins: where rounding hides the
    difference, the descent's model is the better guide.

    Trial losses are evaluated one after the other, so memory does not grow with the grid.
    """

    smallest: float = 1e-9
    ratio: float = 8.0
    refinements: int = 6

    def __check_init__(self):
        if not 0 < self.smallest < 1:
            raise ValueError(f"smallest is {self.smallest}; it must lie between 0 and 1")
        if not self.ratio > 1:
            raise ValueError(f"ratio is {self.ratio}; it must be greater than 1")
        if self.refinements < 0 or self.refinements % 2:
            raise ValueError(f"refinements is {self.refinements}; it must be even, half on each side, and not negative")

    def choose(self, loss: Loss, theta: Float[Array, " p"], curve: AbstractCurve) -> Choice:
        count = int(np.ceil(np.log(1 / self.smallest) / np.log(self.ratio))) + 1
        coarse = np.concatenate([[0.0], self.ratio ** -np.arange(count, dtype=float)[::-1]])
        # Exponents strictly between the neighbors of the best coarse point, without the point itself.
        exponents = np.linspace(-1, 1, self.refinements + 3)[1:-1]
        fine = self.ratio ** exponents[exponents != 0]
        refining = np.arange(len(coarse) + len(fine)) >= len(coarse)

        def trial(best: _Best, step: tuple[Array, Array]) -> tuple[_Best, None]:
            # Both stages share one loop, so that the loss is compiled once.
            factor, refine = step
            step_size = jnp.minimum(jnp.where(refine, best.center * factor, factor), 1.0)
            value = loss(theta + curve.update(step_size))
            better = jnp.isfinite(value) & (value <= best.value)
            step_size = jnp.where(better, step_size, best.step_size)
            center = jnp.where(refine, best.center, step_size)
            return _Best(step_size, jnp.where(better, value, best.value), center), None

        start = _Best(*[jnp.asarray(number, theta.dtype) for number in (0.0, jnp.inf, 0.0)])
        best, _ = jax.lax.scan(trial, start, (jnp.asarray(np.concatenate([coarse, fine])), jnp.asarray(refining)))
        return Choice(theta + curve.update(best.step_size), best.value, best.step_size)


class _Best(eqx.Module):
    """The best step size so far with its loss, and the best of the coarse stage, around which to refine."""

    step_size: Array
    value: Array
    center: Array
