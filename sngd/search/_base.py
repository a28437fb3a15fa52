"""The interface of a search."""

import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sngd._curve import AbstractCurve


class LossAlong(eqx.Module):
    """The loss along a curve of updates.

    - `loss`: maps an update, shape `(p,)`, to the loss after it. `start`: the loss at `t = 0`.
    - `at_once`: how many losses to evaluate in one batch.
    """

    loss: Callable[[Float[Array, " p"]], Float[Array, ""]]
    curve: AbstractCurve
    start: Float[Array, ""]
    at_once: int = eqx.field(static=True, default=1)

    def trial(self, step_size: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, " p"]]:
        """The loss at one step size, and the update that leads there."""
        update = self.curve.update(step_size)
        return self.loss(update), update

    def losses(self, step_sizes: Float[Array, " k"]) -> Float[Array, " k"]:
        """The losses at several step sizes."""
        return jax.lax.map(lambda t: self.trial(t)[0], step_sizes, batch_size=self.at_once)


class Choice(eqx.Module):
    """The point that a search picked on a curve: `step_size`, its `t`, the loss there, and the update, shape `(p,)`.

    Where no point is better than the start, `step_size` is zero, and the update may be anything.
    """

    step_size: Float[Array, ""]
    value: Float[Array, ""]
    update: Float[Array, " p"]


class Memory(eqx.Module):
    """What a search knows of the run.

    - `damping`: that of the last step; zero before the first.
    - `escaped`: whether a step was an escape, this one included.
    """

    damping: Float[Array, ""] = eqx.field(default_factory=lambda: jnp.zeros(()))
    escaped: Bool[Array, ""] = eqx.field(default_factory=lambda: jnp.zeros((), bool))


class AbstractSearch(eqx.Module):
    """Picks a point on a curve of trial updates by evaluating the loss. Knows nothing of how the curve was made."""

    @property
    @abc.abstractmethod
    def can_escape(self) -> bool:
        """Whether the search knows how to leave a place where steps have become short."""

    @abc.abstractmethod
    def prepare(self, rows: int, parameters: int) -> "AbstractSearch":
        """The search for an objective of this size, before the first step."""

    @property
    @abc.abstractmethod
    def trials(self) -> int:
        """About how many losses one choice takes, after `prepare`."""

    @abc.abstractmethod
    def choose(self, along: LossAlong, ceiling: Float[Array, ""], memory: Memory) -> Choice:
        """The point to take. Called under `jax.jit`.

        - `ceiling`: minus infinity, or how high the loss may climb to leave the neighborhood, if the search can.
        - `memory`: with the damping near which that of the next step may lie.
        """
