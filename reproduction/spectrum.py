"""Eigenvalues of the Gramian of a network, from the singular values of its factor."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd._compiled import compiled
from sngd.linearize import AbstractFactor, AbstractObjective, DenseFactor


def gramian_eigenvalues(objective: AbstractObjective, theta: Float[Array, " p"]) -> np.ndarray | None:
    """The eigenvalues of the Gramian that are not zero by its shape, `min(n, p)` of them, falling.

    As squares of the singular values of the factor they are known to the square of the machine precision times the
    largest one, where those of the Gramian itself are lost in rounding below the machine precision times it. `None`
    where the factor is too large to store.
    """
    if objective.chunk is not None:
        return None
    factor = _factor(objective, theta)
    assert isinstance(factor, DenseFactor)
    return np.asarray(jnp.linalg.svd(factor.matrix, compute_uv=False)) ** 2


@compiled
def _factor(objective: AbstractObjective, theta: Float[Array, " p"]) -> AbstractFactor:
    return objective.factor(theta)
