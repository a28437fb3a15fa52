"""What an optimizer takes and returns: an iterate, and the report of a step."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from sngd.descent import CurveReport


class Iterate(eqx.Module):
    """Everything that changes from one step to the next.

    - `theta`: the parameters, shape `(p,)`. `key`: the source of the randomness of the next step.
    - `iteration`: how many steps have been made. `optimizer`: the state of the optimizer, its own business.

    It is not donated to the step: it takes `O(p)` memory where the step takes `O(p l)`, and a callback may keep it.
    """

    theta: Float[Array, " p"]
    key: PRNGKeyArray
    iteration: Int[Array, ""]
    optimizer: PyTree = ()


class StepReport(eqx.Module):
    """What one step reports.

    - `loss`: the loss that it reached. `gradient_norm`: that before the step. A step with one of them infinite or not a
      number is rejected.
    - `step_size`: zero where no step was found; not a number where the method has none.
    - `rank`, `numerical_rank`: how many directions the step is made of, and how many could be told from rounding; -1
      where that has no meaning.
    - `predicted_reduction`: the part of the optimality gap before the step that the boldest point of the curve was
      predicted to remove.
    - `optimality_gap`: how far above its minimum the loss may be: for a sum of squares the loss after the step; for an
      energy, whose minimum is not known, the predicted reduction of the full step before the step.
    """

    loss: Float[Array, ""] | float
    gradient_norm: Float[Array, ""] | float
    step_size: Float[Array, ""] | float = jnp.nan
    rank: Int[Array, ""] | int = -1
    numerical_rank: Int[Array, ""] | int = -1
    predicted_reduction: Float[Array, ""] | float = jnp.nan
    optimality_gap: Float[Array, ""] | float = jnp.nan

    @property
    def of_curve(self) -> CurveReport:
        """What a descent learns of its last curve, as numbers of Python. Called on the host."""
        return CurveReport(int(self.rank), int(self.numerical_rank), float(self.predicted_reduction))
