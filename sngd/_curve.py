"""Curves of trial updates, which a descent returns and a search evaluates."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class AbstractCurve(eqx.Module):
    """A curve of trial updates `t -> update` for `t` in `[0, 1]`. At 0 there is no update, and at 1 the boldest one.

    A subclass defines `update`, `predicted_reduction` and `gradient_norm`. It may replace the other methods, which have
    defaults. All methods are called under `jax.jit`.
    """

    @abc.abstractmethod
    def update(self, t: Float[Array, ""]) -> Float[Array, " p"]:
        """The update, shape `(p,)`, which is added to the parameters."""

    @abc.abstractmethod
    def predicted_reduction(self, t: Float[Array, ""]) -> Float[Array, ""]:
        """The reduction of the loss under `update(t)` in the quadratic model, in units of the loss.

        It is positive if the model predicts a smaller loss (Conn, Gould and Toint, Trust-Region Methods, ch. 6).
        """

    def rank(self, t: Float[Array, ""]) -> Int[Array, ""]:
        """The number of directions of which `update(t)` is a combination. It is -1, the default, without a meaning."""
        return jnp.asarray(-1)

    def damping(self, t: Float[Array, ""]) -> Float[Array, ""]:
        """The damping of `update(t)`, which is proportional to `1 / t`. By default it is `1 / t`.

        It has the same unit for all curves of one descent, so that a search may begin at the damping of the last step.
        """
        return 1 / t

    def moved(
        self, residual: Float[Array, " n"] | None, energy_gradient: Float[Array, " p"] | None
    ) -> "AbstractCurve | None":
        """The curve that begins at other parameters and uses the factor at the present parameters.

        A step takes its second point on this curve. By default it is `None`, and a step takes one point.

        - `residual`: the residual of least squares at the other parameters. It is `None` for an energy.
        - `energy_gradient`: the gradient of an energy at the other parameters. It is `None` for least squares.
        """
        return None

    @property
    @abc.abstractmethod
    def gradient_norm(self) -> Float[Array, ""]:
        """The norm of the gradient of the loss at `t = 0`. For a curve from a sketch it is an approximation."""

    @property
    def numerical_rank(self) -> Int[Array, ""] | int:
        """The number of directions with singular values or eigenvalues above rounding errors.

        It is -1, the default, without a meaning.
        """
        return -1


class Ray(AbstractCurve):
    """The straight curve `t -> -t * direction`.

    - `direction`: the full step of the method with the opposite sign, shape `(p,)`.
    - `slope`: the inner product of the gradient of the loss and `direction`.
    - `curvature`: the quadratic form `direction^T G direction` of the Gramian `G`.
    - `norm`: the norm of the gradient.
    - `kept`: the rank of the update, or -1.
    - `resolved`: the numerical rank, or -1.
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
