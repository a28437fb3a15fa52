"""The interface of a descent."""

import abc

import equinox as eqx
from jaxtyping import Array, Int, PRNGKeyArray

from sngd._curve import AbstractCurve
from sngd.linearize import Linearization


class DescentInfo(eqx.Module):
    """What a descent reports of one step.

    - `rank`: the number of directions it used, or -1 where it has no rank.
    - `numerical_rank`: how many it could have told from rounding, or -1.
    """

    rank: Int[Array, ""] | int = -1
    numerical_rank: Int[Array, ""] | int = -1


class AbstractDescent(eqx.Module):
    """Turns one linearization into a curve of trial updates.

    A descent is frozen and hashable: arrays it must remember do not exist yet, and sizes are part of the compiled step.
    It knows nothing of the problem or of how a point on its curve is chosen.
    """

    @abc.abstractmethod
    def prepare(self, rows: int, parameters: int) -> "AbstractDescent":
        """The descent for a factor of this shape, before the first step. Raises `ValueError` where it does not fit."""

    @abc.abstractmethod
    def step(self, linearization: Linearization, key: PRNGKeyArray) -> tuple[AbstractCurve, DescentInfo]:
        """The curve at one linearization. Called under `jax.jit`."""

    @abc.abstractmethod
    def adapt(self, rank: int, numerical_rank: int) -> "AbstractDescent":
        """The descent for the next step, given what the last one reported. Called on the host, between steps."""
