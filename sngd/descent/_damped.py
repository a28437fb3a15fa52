"""The Levenberg-Marquardt curve of a singular value decomposition."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sngd._curve import AbstractCurve
from sngd.linearize import Linearization
from sngd.sketch import AbstractSVD

# The gradient of an energy is unknown along directions with singular values below this part of the first one, because
# its rounding errors do not shrink with the singular values.
_GRADIENT_RESOLUTION = 1e-12


def damped(linearization: Linearization, svd: AbstractSVD, *, twice: bool = False) -> "Damped":
    """The Levenberg-Marquardt curve at `linearization`.

    - `svd`: a decomposition of the factor of the linearization.
    - `twice`: whether a step takes a second point, as in `Damped`.
    """
    return Damped(svd, coordinates_of(svd, linearization.residual, linearization.energy_gradient), twice)


def coordinates_of(
    svd: AbstractSVD, residual: Float[Array, " n"] | None, energy_gradient: Float[Array, " p"] | None
) -> Float[Array, " k"]:
    """The coordinates `b` of the right-hand side in the basis of the left singular vectors, shape `(k,)`.

    For least squares `b = U^T r` with the residual `r`. For an energy, which has no residual, `b = S^-1 V^T g` with the
    gradient `g`. Its norm is the dual norm of the gradient with respect to the norm of the Gramian.

    One of `residual` and `energy_gradient` is `None`.
    """
    if residual is not None:
        return svd.left_rmatmul(residual)
    assert energy_gradient is not None
    values = svd.singular_values
    kept = values > _GRADIENT_RESOLUTION * values[0]
    return jnp.where(kept, svd.right_rmatmul(energy_gradient) / jnp.where(kept, values, 1.0), 0.0)


class Damped(AbstractCurve):
    """The Levenberg-Marquardt curve `t -> -V (s / (s^2 + lambda)) b`, with `sqrt(lambda) = e s_1 / t`.

    Here `s` are the singular values and `e` is the resolution of the decomposition. At `t = 1`, `sqrt(lambda)` is as
    large as the rounding errors of the singular values. For ten times smaller `t`, `sqrt(lambda)` is ten times larger.
    For `t <= e` the update is nearly a multiple of the gradient.

    Source: More, "The Levenberg-Marquardt algorithm", Lect. Notes Math. 630, 1978.

    - `svd`: the decomposition of the factor.
    - `coordinates`: the vector `b`, shape `(k,)`, the residual in the basis of the left singular vectors.
    - `twice`: whether a step takes a second point. The second point begins at the parameters that the first point leads
      to, and uses the same decomposition.
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
        """The number of singular values above `sqrt(lambda)`."""
        return jnp.sum(self.svd.filter_factors(t) > 0.5)

    def damping(self, t: Float[Array, ""]) -> Float[Array, ""]:
        """The relative damping `sqrt(lambda) / s_1`."""
        return self.svd.resolution / t

    def moved(self, residual: Float[Array, " n"] | None, energy_gradient: Float[Array, " p"] | None) -> "Damped | None":
        return Damped(self.svd, coordinates_of(self.svd, residual, energy_gradient)) if self.twice else None

    @property
    def numerical_rank(self) -> Int[Array, ""]:
        return self.svd.rank(self.svd.resolution)
