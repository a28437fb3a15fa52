"""The interface of a search."""

import abc
from collections.abc import Callable

import equinox as eqx
from jaxtyping import Array, Float

from sngd._curve import AbstractCurve

Losses = Callable[[Float[Array, " k"]], Float[Array, " k"]]


class Choice(eqx.Module):
    """The point that a search picked on a curve: `step_size`, its `t`, and the loss there.

    Where no point is better than the start, `step_size` is zero.
    """

    step_size: Float[Array, ""]
    value: Float[Array, ""]


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
    def choose(
        self,
        losses: Losses,
        value: Float[Array, ""],
        curve: AbstractCurve,
        ceiling: Float[Array, ""],
        damping: Float[Array, ""],
    ) -> Choice:
        """The point to take. Called under `jax.jit`.

        - `losses`: maps step sizes, shape `(k,)`, to the losses at those points of the curve; as many at once as the
          objective finds fit.
        - `value`: the loss at `t = 0`.
        - `ceiling`: minus infinity, or how high the loss may climb to leave the neighborhood, if the search can.
        - `damping`: that of the last step, near which the next one may lie; zero before the first.
        """
