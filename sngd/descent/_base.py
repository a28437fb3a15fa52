"""The interface of a descent."""

import abc

import equinox as eqx
from jaxtyping import PRNGKeyArray

from sngd._cost import Cost
from sngd._curve import AbstractCurve
from sngd.linearize import AbstractFactor, Linearization


class AbstractDescent(eqx.Module):
    """Turns one linearization into a curve of trial updates.

    A descent is frozen and hashable: arrays it must remember do not exist yet, and sizes are part of the compiled step.
    It knows nothing of the problem or of how a point on its curve is chosen.
    """

    @property
    @abc.abstractmethod
    def wants_fast_features(self) -> bool:
        """Whether its runs end for want of singular values above rounding, of which fast oscillations leave more."""

    @abc.abstractmethod
    def prepare(self, rows: int, parameters: int) -> "AbstractDescent":
        """The descent for a factor of this shape, before the first step. Raises `ValueError` where it does not fit."""

    @abc.abstractmethod
    def cost(self, factor: AbstractFactor) -> Cost:
        """What a step takes beside the linearization, after `prepare`. Reads the shapes of `factor` only."""

    @abc.abstractmethod
    def step(self, linearization: Linearization, key: PRNGKeyArray) -> AbstractCurve:
        """The curve at one linearization. Called under `jax.jit`."""

    @abc.abstractmethod
    def adapt(self, rank: int, numerical_rank: int, promise: float = 1.0, escape: bool = False) -> "AbstractDescent":
        """The descent for the next step. Called on the host, between steps.

        - `rank`: that of the point chosen on the last curve; `numerical_rank`: the curve's.
        - `promise`: the part of the loss that the boldest point of the last curve promised to remove.
        - `escape`: whether the next step is to leave the neighborhood, which may need more directions.
        """
