"""The interface of a search."""

import abc
from collections.abc import Callable

import equinox as eqx
from jaxtyping import Array, Float

from sngd._curve import AbstractCurve

Loss = Callable[[Float[Array, " p"]], Float[Array, ""]]


class Choice(eqx.Module):
    """The point that a search picked on a curve: the parameters there, their loss, and `step_size`, its `t`.

    Where no point is better than the start, `step_size` is zero and the parameters are the old ones.
    """

    theta: Float[Array, " p"]
    value: Float[Array, ""]
    step_size: Float[Array, ""]


class AbstractSearch(eqx.Module):
    """Picks a point on a curve of trial updates by evaluating the loss. Knows nothing of how the curve was made."""

    @abc.abstractmethod
    def choose(self, loss: Loss, theta: Float[Array, " p"], curve: AbstractCurve) -> Choice:
        """The point to take, starting from `theta`. Called under `jax.jit`."""
