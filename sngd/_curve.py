"""A curve of trial updates: what a descent hands to a search."""

import abc

import equinox as eqx
from jaxtyping import Array, Float


class AbstractCurve(eqx.Module):
    """Trial updates `t -> update` for `t` in `[0, 1]`, from no update at 0 to the boldest one at 1."""

    @abc.abstractmethod
    def update(self, t: Float[Array, ""]) -> Float[Array, " p"]:
        """What to add to the parameters."""

    @abc.abstractmethod
    def predicted_reduction(self, t: Float[Array, ""]) -> Float[Array, ""]:
        """How much the quadratic model of the loss falls under `update(t)`."""


class Ray(AbstractCurve):
    """The straight curve `t -> -t * direction`.

    - `direction`: shape `(p,)`; the full step of the method.
    - `slope`: the gradient of the loss along `direction`.
    - `curvature`: the Gramian's quadratic form of `direction`.
    """

    direction: Float[Array, " p"]
    slope: Float[Array, ""]
    curvature: Float[Array, ""]

    def update(self, t: Float[Array, ""]) -> Float[Array, " p"]:
        return -t * self.direction

    def predicted_reduction(self, t: Float[Array, ""]) -> Float[Array, ""]:
        return t * self.slope - t**2 * self.curvature / 2
