"""The best step size on a logarithmic grid, refined."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sngd.search._base import AbstractSearch, Choice, LossAlong


class GridSearch(AbstractSearch):
    """Approximates the argmin of the loss over step sizes in `[0, 1]`, the line search of Algorithm 1.

    Good step sizes come in all magnitudes, so the search looks at all of them: first at powers of `ratio` from 1 to
    `smallest` or a little below, then at `refinements` points spaced evenly in the logarithm between the neighbors of
    the best one. Losses that are not finite never win. Among equal losses the larger step wins: where rounding hides
    the difference, the descent's model is the better guide.

    Trial losses are asked for `refinements` at a time.
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

    def trials(self, rows: int, parameters: int) -> int:
        return int(np.size(self._batches()[0]))

    def choose(self, along: LossAlong, state: tuple[()]) -> tuple[Choice, tuple[()]]:
        factors, refining = self._batches()

        def trial(best: _Best, batch: tuple[Array, Array]) -> tuple[_Best, None]:
            # Both stages share one loop, so that the losses are compiled once.
            factors, refine = batch
            step_sizes = jnp.minimum(jnp.where(refine, best.center * factors, factors), 1.0)
            values = along.losses(step_sizes)
            values = jnp.where(jnp.isfinite(values), values, jnp.inf)
            # Step sizes rise within a batch, and from one coarse batch to the next: the last of equal losses wins.
            index = len(factors) - 1 - jnp.argmin(values[::-1])
            better = values[index] <= best.value
            step_size = jnp.where(better, step_sizes[index], best.step_size)
            center = jnp.where(refine, best.center, step_size)
            return _Best(step_size, jnp.where(better, values[index], best.value), center), None

        zero = jnp.zeros_like(along.start)
        best, _ = jax.lax.scan(trial, _Best(zero, along.start, zero), (jnp.asarray(factors), jnp.asarray(refining)))
        return Choice(best.step_size, best.value, along.curve.update(best.step_size)), state

    def _batches(self) -> tuple[np.ndarray, np.ndarray]:
        """Step sizes of the coarse stage, then factors on its best for the fine one, `(batches, size)`, and which."""
        count = int(np.ceil(np.log(1 / self.smallest) / np.log(self.ratio))) + 1
        size = self.refinements or count
        count = -(-count // size) * size
        coarse = self.ratio ** -np.arange(count, dtype=float)[::-1].reshape(-1, size)
        if not self.refinements:
            return coarse, np.zeros(1, bool)
        # Exponents strictly between the neighbors of the best coarse point, without the point itself.
        exponents = np.linspace(-1, 1, self.refinements + 3)[1:-1]
        fine = self.ratio ** exponents[exponents != 0]
        return np.concatenate([coarse, fine[None]]), np.arange(len(coarse) + 1) == len(coarse)


class _Best(eqx.Module):
    """The best step size so far with its loss, and the best of the coarse stage, around which to refine."""

    step_size: Array
    value: Array
    center: Array
