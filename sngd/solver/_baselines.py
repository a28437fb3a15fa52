"""Methods of other libraries, for comparison: Adam of Optax, BFGS and L-BFGS of Optimistix.

They see the loss of the same objective, and its gradient by automatic differentiation.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax
import optimistix
from jaxtyping import Array, Float, PyTree

from sngd._compiled import compiled
from sngd._cost import Cost
from sngd.linearize import AbstractFactor, AbstractObjective
from sngd.solver._iterate import Iterate, StepReport
from sngd.solver._optax import OptaxOptimizer
from sngd.solver._optimizer import AbstractOptimizer, loss_operations

# Trial points of a line search after which there is no better one to be found: 2^-50 is the machine precision.
_TRIALS = 50

# Adam (Kingma and Ba 2015). The learning rate is 1e-3 for 15,000 iterations; then every 10,000 divide it by ten, down
# to 1e-7: early enough for the iterations that the paper gives Adam, 100,000. The paper does not state its own.
_LEARNING_RATE = optax.exponential_decay(1e-3, 10_000, 0.1, 15_000, staircase=True, end_value=1e-7)


@dataclasses.dataclass(frozen=True)
class QuasiNewton(AbstractOptimizer):
    """BFGS, memory `O(p^2)`, or with limited memory L-BFGS, by Optimistix, with its Armijo line search.

    One step is one accepted point, however many the line search tries.

    - `history`: how many past steps L-BFGS keeps; `None` for BFGS.
    """

    history: int | None = None

    @property
    def description(self) -> str:
        return "BFGS (Optimistix)" if self.history is None else f"L-BFGS with {self.history} past steps (Optimistix)"

    @property
    def patience(self) -> int:
        return 1000

    def cost(self, factor: AbstractFactor, state: PyTree | None = None) -> Cost:
        """BFGS holds the inverse Hessian and a copy, L-BFGS two vectors for each past step."""
        parameters = factor.shape[1]
        numbers = 2 * parameters**2 if self.history is None else 2 * self.history * parameters
        return Cost(8 * numbers, 4 * loss_operations(factor) + 2 * numbers)

    def init(self, objective: AbstractObjective, theta: Float[Array, " p"]) -> PyTree:
        value = jax.ShapeDtypeStruct((), theta.dtype)
        solver = self._solver()
        memory = solver.init(_loss, theta, objective, {}, value, None, frozenset())
        # The first step of Optimistix evaluates the start.
        return _solver_step(solver, objective, theta, memory)[1]

    def step(self, objective: AbstractObjective, iterate: Iterate) -> tuple[Iterate, StepReport]:
        solver, theta, memory = self._solver(), iterate.theta, iterate.optimizer
        norm = jnp.linalg.norm(memory.f_info.grad)
        accepted, step_size = memory.num_accepted_steps, jnp.zeros(())
        for _ in range(_TRIALS):
            tried = memory.search_state.step_size
            theta, memory = _solver_step(solver, objective, theta, memory)
            if int(memory.num_accepted_steps) > int(accepted):
                step_size = tried
                break
        report = StepReport(memory.f_info.f, norm, step_size)
        return Iterate(theta, iterate.key, iterate.iteration + 1, memory), report

    def _solver(self) -> Any:
        if self.history is None:
            return optimistix.BFGS(rtol=0.0, atol=0.0)
        return optimistix.LBFGS(rtol=0.0, atol=0.0, history_length=self.history)


def _loss(theta: Float[Array, " p"], objective: AbstractObjective) -> tuple[Array, None]:
    return objective.value(theta), None


@compiled
def _solver_step(
    solver: Any, objective: AbstractObjective, theta: Float[Array, " p"], memory: PyTree
) -> tuple[Float[Array, " p"], PyTree]:
    theta, memory, _ = solver.step(_loss, theta, objective, {}, memory, frozenset())
    return theta, memory


BASELINES: dict[str, AbstractOptimizer] = {
    "adam": OptaxOptimizer(optax.adam(_LEARNING_RATE), "Adam (Optax)"),
    "bfgs": QuasiNewton(),
    "l-bfgs": QuasiNewton(history=20),
}
