"""The boldest step whose actual reduction is at least a given fraction of the predicted one."""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from sngd._arrays import on_device
from sngd.search._base import AbstractSearch, Choice, LossAlong

# Losses that a bisection takes in most steps.
_FEW = 3

# A change of the loss below this fraction of it may be rounding.
_ROUNDING = 1e-14

# Dampings that differ by less are the same: the steps between them are much larger.
_SLACK = 1e-2


class GainState(eqx.Module):
    """What a search by the gain ratio knows of the run.

    - `bisects`: whether it looks for a step size by bisection.
    - `damping`: that of the last step; zero before the first.
    - `bound`: what the loss after the next step may be in any case; minus infinity for a monotone step.
    - `relaxed`: whether a step of the run, the next one included, may raise the loss.
    """

    bisects: bool = eqx.field(static=True)
    damping: Float[Array, ""]
    bound: Float[Array, ""]
    relaxed: Bool[Array, ""]


class GainRatio(AbstractSearch):
    """The largest step size whose gain ratio, the actual over the predicted reduction, is at least `fraction`.

    The step of least loss hugs the walls of a curved valley. The boldest step that the quadratic model still predicts
    well moves along the valley. Step sizes are powers of `ratio` from 1 down to `smallest` or a little below. Where no
    step size has the gain ratio, the one with the lowest loss is taken, if that is lower than the present one.

    In a narrow curved valley only short steps have it. A nonmonotone step is the largest one whose loss is at most a
    bound above the present loss (after Grippo, Lampariello and Lucidi, SIAM J. Numer. Anal. 23, 1986). It follows the
    model's own direction to a place where the valley is usually wide.

    - `fraction`: the least gain ratio. `relaxed`: the part of it that is enough once a run has made a nonmonotone step:
      longer steps pass by the next valleys, where before they only cost steps (docs/precision.md).
    - `smallest`, `ratio`: the smallest step size, and the ratio of neighboring ones.
    - `nonmonotone`: whether a run may take nonmonotone steps.
    - `bisect`: whether the step size is found by bisection, from the damping of the last step on. That takes one loss
      or two where the damping has not changed, and a logarithm of the number of step sizes at most. Left out, it is so
      where rows times parameters, a measure of the work of one loss, exceed `expensive`.
    - `expand`: bisection goes on to larger steps from those with at least this gain ratio. A step with a smaller one is
      near the limit of the model (Moré, Lect. Notes Math. 630, 1978).

    Raises `ValueError` for a fraction, a smallest step size or a ratio that makes no sense.
    """

    fraction: float = 0.25
    smallest: float = 1e-16
    ratio: float = 10**0.5
    nonmonotone: bool = True
    bisect: bool | None = None
    relaxed: float = 0.4
    expand: float = 0.75
    expensive: float = 2e7

    def __check_init__(self):
        if not 0 < self.fraction < 1:
            raise ValueError(f"fraction is {self.fraction}; it must lie between 0 and 1")
        if not 0 < self.relaxed <= 1:
            raise ValueError(f"relaxed is {self.relaxed}; it is a part of fraction, so it must lie in (0, 1]")
        if not self.expand > 0:
            raise ValueError(f"expand is {self.expand}; it is a gain ratio, so it must be positive")
        if not 0 < self.smallest < 1:
            raise ValueError(f"smallest is {self.smallest}; it must lie between 0 and 1")
        if not self.ratio > 1:
            raise ValueError(f"ratio is {self.ratio}; it must be greater than 1")

    def init(self, rows: int, parameters: int) -> GainState:
        bisects = rows * parameters > self.expensive if self.bisect is None else self.bisect
        return GainState(bisects, *map(on_device, (0.0, -np.inf, False)))

    def trials(self, rows: int, parameters: int) -> int:
        bisects = rows * parameters > self.expensive if self.bisect is None else self.bisect
        return _FEW if bisects else len(self._step_sizes())

    @property
    def allows_increase(self) -> bool:
        return self.nonmonotone

    def allow_increase(self, state: GainState, bound: float) -> GainState:
        return dataclasses.replace(state, bound=jnp.full_like(state.bound, bound), relaxed=jnp.ones_like(state.relaxed))

    def choose(self, along: LossAlong, state: GainState) -> tuple[Choice, GainState]:
        curve, value, step_sizes = along.curve, along.start, jnp.asarray(self._step_sizes())
        predicted = jax.vmap(curve.predicted_reduction)(step_sizes)
        fraction = jnp.where(state.relaxed, self.relaxed, 1.0) * self.fraction

        def accepts(values: Array, predicted: Array) -> Array:
            kept = (value - values >= fraction * predicted) & (values < value)
            return kept | (values <= state.bound)

        def expands(values: Array, predicted: Array) -> Array:
            # A step whose predicted reduction is below rounding does no harm, so the search goes on to larger ones.
            harmless = (predicted <= _ROUNDING * value) & jnp.isfinite(values)
            kept = value - values >= jnp.maximum(self.expand, fraction) * predicted
            return kept | (values <= state.bound) | harmless

        if state.bisects:
            bolder = jnp.sum(jax.vmap(curve.damping)(step_sizes) < state.damping * (1 - _SLACK))
            first = jnp.minimum(bolder, len(step_sizes) - 1)
            picked = _bisected(along, accepts, expands, step_sizes, predicted, first)
        else:
            values = _tried(along, accepts, step_sizes, predicted)
            accepted = accepts(values, predicted)
            index = jnp.where(jnp.any(accepted), jnp.argmax(accepted), jnp.argmin(values))
            picked = Choice(step_sizes[index], values[index], curve.update(step_sizes[index]))
        taken = (picked.value < value) | (picked.value <= state.bound)
        step_size, value = jnp.where(taken, picked.step_size, 0.0), jnp.where(taken, picked.value, value)
        damping = jnp.where(step_size == 0, state.damping, curve.damping(step_size))
        after = dataclasses.replace(state, damping=damping, bound=jnp.full_like(state.bound, -jnp.inf))
        return Choice(step_size, value, picked.update), after

    def _step_sizes(self) -> np.ndarray:
        # A thousandth of a step short, so that rounding in the logarithms adds no point.
        count = int(np.ceil(np.log(1 / self.smallest) / np.log(self.ratio) - 1e-3)) + 1
        return self.ratio ** -np.arange(count, dtype=float)


def _tried(
    along: LossAlong,
    accepts: Callable[[Array, Array], Array],
    step_sizes: Float[Array, " k"],
    predicted: Float[Array, " k"],
) -> Float[Array, " k"]:
    """The losses at the step sizes from the largest down, a batch at a time, until one of a batch accepts; infinity at
    the others, which are smaller, and where the loss is not finite.
    """
    count, size = len(step_sizes), along.at_once
    batches = -(-count // size)
    step_sizes, predicted = (
        jnp.pad(values, (0, batches * size - count), mode="edge").reshape(batches, size)
        for values in (step_sizes, predicted)
    )

    def try_batch(state: tuple[Array, ...]) -> tuple[Array, ...]:
        batch, _, values = state
        found = _or_infinity(along.losses(step_sizes[batch]))
        return batch + 1, jnp.any(accepts(found, predicted[batch])), values.at[batch].set(found)

    start = (jnp.asarray(0), jnp.asarray(False), jnp.full(step_sizes.shape, jnp.inf))
    values = jax.lax.while_loop(lambda state: (state[0] < batches) & ~state[1], try_batch, start)[2]
    return values.ravel()[:count]


def _bisected(
    along: LossAlong,
    accepts: Callable[[Array, Array], Array],
    expands: Callable[[Array, Array], Array],
    step_sizes: Float[Array, " k"],
    predicted: Float[Array, " k"],
    first: Int[Array, ""],
) -> Choice:
    """The largest accepted step size that the search tries.

    If none is accepted, it is the one with the lowest loss. If no loss is finite, the step size is zero and the loss
    infinite.

    The search begins at the index `first`. While `expands` holds, it moves to larger step sizes by strides of one, two,
    four, and so on. If neither `expands` nor `accepts` holds at `first`, it moves to smaller step sizes in the same way
    until one is accepted. Then it bisects what is left (exponential search, Bentley and Yao, Inf. Proc. Letters 5,
    1976).
    """
    count = len(step_sizes)

    def probe(state: tuple[Array, Array, Array, Array, Choice]) -> tuple[Array, Array, Array, Array, Choice]:
        low, high, stride, accepted, picked = state
        larger, smaller = jnp.maximum(high - stride, low), jnp.minimum(low + stride - 1, high - 1)
        middle = jnp.where(low == 0, larger, jnp.where(high == count, smaller, (low + high) // 2))
        middle = jnp.where(stride == 0, first, middle)
        found, update = along.trial(step_sizes[middle])
        found = _or_infinity(found)
        accepted_here = accepts(found, predicted[middle])
        # A step size that is accepted after another one is larger.
        better = accepted_here | (~accepted & (found < picked.value))
        here = Choice(step_sizes[middle], found, update)
        picked = jax.tree.map(lambda new, old: jnp.where(better, new, old), here, picked)
        on = expands(found, predicted[middle])
        low = jnp.where(on, low, jnp.where(accepted_here, middle, middle + 1))
        high = jnp.where(on | accepted_here, middle, high)
        return low, high, jnp.maximum(1, 2 * stride), accepted | accepted_here, picked

    nothing = jax.eval_shape(along.curve.update, step_sizes[0])
    begin = Choice(jnp.zeros(()), jnp.asarray(jnp.inf), jnp.zeros_like(nothing))
    start = (jnp.asarray(0), jnp.asarray(count), jnp.asarray(0), jnp.asarray(False), begin)
    return jax.lax.while_loop(lambda state: state[0] < state[1], probe, start)[4]


def _or_infinity(losses: Float[Array, "*k"]) -> Float[Array, "*k"]:
    """The losses, with infinity in the place of those that are not finite."""
    return jnp.where(jnp.isfinite(losses), losses, jnp.inf)
