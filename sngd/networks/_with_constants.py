"""A network together with unknown constants of its problem."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, Float


class WithConstants(eqx.Module):
    """A network, and one variable without bounds for each unknown constant.

    - `network`: a function of one point. `variables`: shape `(c,)`, in the order of the constants of the problem.
    """

    network: Any
    variables: Float[Array, " c"]

    def __call__(self, x: Float[Array, " d"]) -> Array:
        return self.network(x)
