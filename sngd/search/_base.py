"""The interface of a search."""

import abc
from collections.abc import Callable

import equinox as eqx
import jax
from jaxtyping import Array, Float, PyTree

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


class AbstractSearch(eqx.Module):
    """Picks a point on a curve of trial updates by evaluating the loss. It knows nothing of how the curve was made.

    A search is configuration, frozen and hashable. What changes from step to step is its state, a PyTree.

    A subclass defines `trials` and `choose`. It replaces the other methods where their defaults do not suit.
    """

    def init(self, rows: int, parameters: int) -> PyTree:
        """The state before the first step, for an objective of this size. By default there is none."""
        return ()

    @abc.abstractmethod
    def trials(self, rows: int, parameters: int) -> int:
        """About how many losses one choice takes."""

    @abc.abstractmethod
    def choose(self, along: LossAlong, state: PyTree) -> tuple[Choice, PyTree]:
        """The point to take, and the state for the next choice, of the same structure. Called under `jax.jit`."""

    @property
    def allows_increase(self) -> bool:
        """Whether `allow_increase` gives a state. By default it does not."""
        return False

    def allow_increase(self, state: PyTree, bound: float) -> PyTree:
        """The state for one choice whose loss may rise up to `bound`: a nonmonotone step. Called on the host.

        Raises `NotImplementedError` by default.
        """
        raise NotImplementedError(f"{type(self).__name__} takes no step that raises the loss")
