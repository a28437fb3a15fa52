"""A curve of trial updates: what a descent hands to a search."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class AbstractCurve(eqx.Module):
    """Trial updates `t -> update` for `t` in `[0, 1]`, from no update at 0 to the boldest one at 1.

    A subclass defines `update`, `predicted_reduction` and `gradient_norm`. It replaces the other methods where their
    defaults do not suit.
    """

    @abc.abstractmethod
    def update(self, t: Float[Array, ""]) -> Float[Array, " p"]:
        """What to add to the parameters."""

    @abc.abstractmethod
    def predicted_reduction(self, t: Float[Array, ""]) -> Float[Array, ""]:
        """How much the quadratic model of the loss falls under `update(t)`."""

    def rank(self, t: Float[Array, ""]) -> Int[Array, ""]:
        """How many directions `update(t)` is made of, or -1, the default, where that has no meaning."""
        return jnp.asarray(-1)

    def damping(self, t: Float[Array, ""]) -> Float[Array, ""]:
        """The damping of `update(t)`, which falls like `1 / t`; by default it is `1 / t`.

        All curves of one descent share its unit, so that a search may begin at the damping of the last step.
        """
        return 1 / t

    def moved(
        self, residual: Float[Array, " n"] | None, energy_gradient: Float[Array, " p"] | None
    ) -> "AbstractCurve | None":
        """The curve that begins at other parameters and uses the factor at these; for a second point of the same step.

        By default it is `None`, and a step takes one point.

        - `residual`: of least squares, at the other parameters. `energy_gradient`: of an energy, there. One is `None`.
        """
        return None

    @property
    @abc.abstractmethod
    def gradient_norm(self) -> Float[Array, ""]:
        """The norm of the gradient of the loss at `t = 0`, or about that, where the curve comes from a sketch."""

    @property
    def numerical_rank(self) -> Int[Array, ""] | int:
        """How many directions could be told from rounding, or -1, the default, where that has no meaning."""
        return -1


class Ray(AbstractCurve):
    """The straight curve `t -> -t * direction`.

    - `direction`: shape `(p,)`; the full step of the method.
    - `slope`: the gradient of the loss along `direction`.
    - `curvature`: the Gramian's quadratic form of `direction`.
    - `norm`: of the gradient.
    - `kept`, `resolved`: how many directions it is made of, and how many could be told from rounding, or -1.
    """

    direction: Float[Array, " p"]
    slope: Float[Array, ""]
    curvature: Float[Array, ""]
    norm: Float[Array, ""]
    kept: Int[Array, ""] | int = -1
    resolved: Int[Array, ""] | int = -1

    def update(self, t: Float[Array, ""]) -> Float[Array, " p"]:
        return -t * self.direction

    def predicted_reduction(self, t: Float[Array, ""]) -> Float[Array, ""]:
        return t * self.slope - t**2 * self.curvature / 2

    def rank(self, t: Float[Array, ""]) -> Int[Array, ""]:
        return jnp.asarray(self.kept)

    @property
    def gradient_norm(self) -> Float[Array, ""]:
        return self.norm

    @property
    def numerical_rank(self) -> Int[Array, ""] | int:
        return self.resolved
