"""Eigenvalues of the Gramian of a network, from the singular values of its factor."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd._compiled import compiled
from sngd.linearize import AbstractFactor, AbstractObjective, DenseFactor


def gramian_eigenvalues(objective: AbstractObjective, theta: Float[Array, " p"]) -> np.ndarray | None:
    """The `min(n, p)` largest eigenvalues of the Gramian, in falling order. The other eigenvalues are zero.

    They are the squares of the singular values of the factor. So the smallest eigenvalue that can be resolved is the
    square of the machine precision times the largest one. An eigendecomposition of the Gramian itself resolves
    eigenvalues only down to the machine precision times the largest one.

    The result is `None` if the factor is too large to store.
    """
    if objective.chunk is not None:
        return None
    factor = _factor(objective, theta)
    assert isinstance(factor, DenseFactor)
    return np.asarray(jnp.linalg.svd(factor.matrix, compute_uv=False)) ** 2


@compiled
def _factor(objective: AbstractObjective, theta: Float[Array, " p"]) -> AbstractFactor:
    return objective.factor(theta)
