"""The interface of a descent."""

import abc
from typing import NamedTuple

import equinox as eqx
from jaxtyping import PRNGKeyArray, PyTree

from sngd._cost import Cost
from sngd._curve import AbstractCurve
from sngd.linearize import AbstractFactor, Linearization


class CurveReport(NamedTuple):
    """What a descent learns of its last curve.

    - `rank`: that of the point which was chosen on the curve. `numerical_rank`: that of the curve. Each is -1 where it
      has no meaning.
    - `predicted_reduction`: the part of the optimality gap that the boldest point of the curve is predicted to remove.
    """

    rank: int = -1
    numerical_rank: int = -1
    predicted_reduction: float = 1.0


class AbstractDescent(eqx.Module):
    """Turns one linearization into a curve of trial updates.

    A descent is configuration, frozen and hashable. What changes from step to step is its state, a PyTree of plain
    numbers: they are sizes, and so part of the compiled step. A descent knows nothing of the problem or of how a point
    on its curve is chosen.

    A subclass defines `cost` and `step`. It replaces the other methods where their defaults do not suit.
    """

    @property
    def wants_fast_features(self) -> bool:
        """Whether initial features should oscillate as fast as the equation allows; by default not.

        Fast features have more singular values above rounding, for which some methods run out of directions.
        """
        return False

    def init(self, rows: int, parameters: int) -> PyTree:
        """The state before the first step, for a factor of this shape. By default there is none.

        Raises `ValueError` where the descent does not fit such a factor.
        """
        return ()

    @abc.abstractmethod
    def cost(self, factor: AbstractFactor, state: PyTree) -> Cost:
        """What a step takes beside the linearization. Reads the shapes of `factor` only."""

    @abc.abstractmethod
    def step(self, linearization: Linearization, state: PyTree, key: PRNGKeyArray) -> AbstractCurve:
        """The curve at one linearization. Called under `jax.jit`, with a state that is static."""

    def update(self, state: PyTree, report: CurveReport) -> PyTree:
        """The state for the next step. Called on the host. By default it stays as it is."""
        return state

    def widen(self, state: PyTree, report: CurveReport) -> PyTree:
        """The state for a next step that is to leave the neighborhood, which may need more directions. Called on the
        host. By default it is that for any step.
        """
        return self.update(state, report)
