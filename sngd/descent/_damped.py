"""The Levenberg-Marquardt curve of a singular value decomposition."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sngd._curve import AbstractCurve
from sngd.linearize import Linearization
from sngd.sketch import AbstractSVD

# Where an energy's gradient is still known: its rounding errors do not shrink with the singular values.
_GRADIENT_RESOLUTION = 1e-12


def damped(linearization: Linearization, svd: AbstractSVD, *, twice: bool = False) -> "Damped":
    """The curve at `linearization`, from a decomposition of its factor."""
    return Damped(svd, coordinates_of(svd, linearization.residual, linearization.energy_gradient), twice)


def coordinates_of(
    svd: AbstractSVD, residual: Float[Array, " n"] | None, energy_gradient: Float[Array, " p"] | None
) -> Float[Array, " k"]:
    """`b = U^T r`; for an energy, which has no residual, `b = S^-1 V^T g`.

    The norm of the latter is that of the gradient in the dual of the Gramian's norm.
    """
    if residual is not None:
        return svd.left_rmatmul(residual)
    assert energy_gradient is not None
    values = svd.singular_values
    kept = values > _GRADIENT_RESOLUTION * values[0]
    return jnp.where(kept, svd.right_rmatmul(energy_gradient) / jnp.where(kept, values, 1.0), 0.0)


class Damped(AbstractCurve):
    """The Levenberg-Marquardt updates `t -> -V s / (s^2 + lambda) b`, with `sqrt(lambda) = e s_1 / t`.

    `e` is the resolution of the decomposition: at `t = 1` the damping is at the rounding error of the singular values.
    Every factor of ten below is ten times the damping in `s`, and from `t = e` down the update is a small multiple of
    the gradient.

    - `coordinates`: `b`, shape `(k,)`, the residual in the basis of the left singular vectors.
    - `twice`: whether a step takes a second point, from the first one's end and with the same decomposition.
    """

    svd: AbstractSVD
    coordinates: Float[Array, " k"]
    twice: bool = eqx.field(static=True, default=False)

    @property
    def gradient_norm(self) -> Float[Array, ""]:
        return jnp.linalg.norm(self.svd.singular_values * self.coordinates)

    def update(self, t: Float[Array, ""]) -> Float[Array, " p"]:
        return -self.svd.damped(self.coordinates, t)

    def predicted_reduction(self, t: Float[Array, ""]) -> Float[Array, ""]:
        kept = self.svd.filter_factors(t)
        return jnp.sum((kept - kept**2 / 2) * self.coordinates**2)

    def rank(self, t: Float[Array, ""]) -> Int[Array, ""]:
        """The number of singular values above the root of the damping."""
        return jnp.sum(self.svd.filter_factors(t) > 0.5)

    def damping(self, t: Float[Array, ""]) -> Float[Array, ""]:
        """`sqrt(lambda) / s_1`."""
        return self.svd.resolution / t

    def moved(self, residual: Float[Array, " n"] | None, energy_gradient: Float[Array, " p"] | None) -> "Damped | None":
        return Damped(self.svd, coordinates_of(self.svd, residual, energy_gradient)) if self.twice else None

    @property
    def numerical_rank(self) -> Int[Array, ""]:
        return self.svd.rank(self.svd.resolution)
