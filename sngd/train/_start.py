"""Where a run starts: the initial parameters of a network that is given by its architecture."""

from collections.abc import Callable

from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray

from sngd.linearize import AbstractFactor, AbstractObjective, DenseFactor, LeastSquares
from sngd.networks import MLP
from sngd.train._frequencies import ROWS, Frequencies, choose_frequencies
from sngd.train._step import linearize, linearize_residual


def suitable_start(
    objective: AbstractObjective, make: Callable[[Frequencies], MLP], axes: int, *, fast: bool, key: PRNGKeyArray
) -> Float[Array, " p"]:
    """The parameters of the network that `make` gives for frequencies that suit the objective.

    Where the Jacobian is too large to store, they are the same for all axes, and chosen on some of the points; where it
    is not known by outer products either, or of an energy, they are all one.

    - `fast`: where the Jacobian is known by outer products, whether to take the fastest of the frequencies that suit.
    """
    stored = objective.chunk is None
    if not stored:
        if not (objective.linear and isinstance(objective, LeastSquares)):
            return ravel_pytree(make((1.0,) * axes))[0]
        if objective.rows > ROWS:
            objective = objective.on_some_points(ROWS, key)

    def parameters(frequencies: Frequencies) -> Float[Array, " p"]:
        return ravel_pytree(make(frequencies))[0]

    def residual_and_factor(theta: Float[Array, " p"]) -> tuple[Array, AbstractFactor]:
        if not isinstance(objective, LeastSquares):
            residual, jacobian = linearize_residual(objective, theta)
            return residual, DenseFactor(jacobian)
        # On all points, the function that training compiles anyway.
        linearization, *_ = linearize(objective, theta, key)
        assert linearization.residual is not None
        return linearization.residual, linearization.factor

    frequencies = choose_frequencies(
        residual_and_factor, parameters, axes, together=not stored, fastest=fast and not stored, key=key
    )
    return parameters(frequencies)
