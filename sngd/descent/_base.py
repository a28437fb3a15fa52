"""The interface of a descent."""

import abc
from typing import NamedTuple

import equinox as eqx
from jaxtyping import PRNGKeyArray, PyTree

from sngd._cost import Cost
from sngd._curve import AbstractCurve
from sngd.linearize import AbstractFactor, Linearization


class CurveReport(NamedTuple):
    """What a descent is told about its last curve. All entries are numbers on the host.

    - `rank`: the rank of the point that the search chose on the curve (`AbstractCurve.rank`), or -1 without a meaning.
    - `numerical_rank`: the numerical rank of the curve (`AbstractCurve.numerical_rank`), or -1 without a meaning.
    - `predicted_reduction`: the predicted reduction at the boldest point, divided by the optimality gap.
    """

    rank: int = -1
    numerical_rank: int = -1
    predicted_reduction: float = 1.0


class AbstractDescent(eqx.Module):
    """A method that turns one linearization into a curve of trial updates.

    A descent is a frozen and hashable configuration. Its state is what changes from step to step: a hashable PyTree of
    plain numbers, such as the size of a sketch. The state is static in the compiled step, so each new state compiles
    the step once. A descent knows neither the problem nor how a search chooses a point of its curve.

    A subclass defines `cost` and `step`. It may replace the other methods, which have defaults.
    """

    @property
    def wants_fast_features(self) -> bool:
        """Whether initial features should oscillate as fast as the equation allows. The default is `False`.

        With fast features the factor has more singular values above rounding errors. A run of some methods ends because
        no such singular values are left.
        """
        return False

    def init(self, rows: int, parameters: int) -> PyTree:
        """The state before the first step. The default is an empty state.

        - `rows`, `parameters`: the shape `(n, p)` of the factor.

        Raises `ValueError` if the descent cannot work with a factor of this shape.
        """
        return ()

    @abc.abstractmethod
    def cost(self, factor: AbstractFactor, state: PyTree) -> Cost:
        """The predicted memory and work of a step, without those of the linearization.

        This method reads only the shape and the storage of `factor`, not its numbers. The plan of a run and the
        policies use the prediction.
        """

    @abc.abstractmethod
    def step(self, linearization: Linearization, state: PyTree, key: PRNGKeyArray) -> AbstractCurve:
        """The curve of trial updates at one linearization. It is called under `jax.jit`.

        The loss after an update `d` is about `loss + g^T d + d^T G d / 2`, with the gradient `g` and the Gramian
        `G = F^T F`. The predicted reduction of the curve comes from this quadratic model.

        - `linearization`: the loss, its gradient, shape `(p,)`, the factor `F`, shape `(n, p)`, and for least squares
          the residual, shape `(n,)`.
        - `state`: the state from `init`, `update` or `widen`, which is static.
        - `key`: a new key for each step, for random test matrices.
        """

    def update(self, state: PyTree, report: CurveReport) -> PyTree:
        """The state for the next step. It is called on the host. By default the state stays the same."""
        return state

    def widen(self, state: PyTree, report: CurveReport) -> PyTree:
        """The state for a next step that is nonmonotone. It is called on the host.

        A nonmonotone step may need more directions than other steps. By default the state is that of `update`.
        """
        return self.update(state, report)
