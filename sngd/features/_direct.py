"""Rows of conditions that read the unknown at other points than their own, by JAX, for one cell: the whole domain."""

from collections.abc import Callable

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from sngd._arrays import Unflatten, flattened, on_device
from sngd._compiled import compiled
from sngd.features._families import Layer
from sngd.features._network import Network
from sngd.linearize import Term, TrialFunction
from sngd.networks import ACTIVATIONS, WithConstants
from sngd.problem import Problem

# Features that are evaluated at once, of which a layer has a whole number, and points.
FEATURES, _POINTS = 128, 256


class FeatureSum(eqx.Module):
    """`output @ activation(weights @ s + biases)` plus the same of another layer, with `s` scaled to [-1, 1].

    - `output`: shape `(m, q)`, the only trained part. `weights`: `(q, d)`. `biases`: `(q,)`.
    - `center`, `half`: of the box, shape `(d,)`.
    - `base`: output, weights and biases of the other layer; `None` for no other layer.
    """

    output: Array
    weights: Array
    biases: Array
    center: Array
    half: Array
    base: tuple[Array, Array, Array] | None
    activation: str = eqx.field(static=True)

    def __call__(self, x: Float[Array, " d"]) -> Array:
        scaled, function = (x - self.center) / self.half, ACTIVATIONS[self.activation]
        values = self.output @ function(self.weights @ scaled + self.biases)
        if self.base is not None:
            output, weights, biases = self.base
            values = values + output @ function(weights @ scaled + biases)
        return values[0] if len(values) == 1 else values


def trial_of(
    problem: Problem, layer: Layer, base: Network | None, numbers: Float[np.ndarray, " c"]
) -> tuple[TrialFunction, Float[Array, " p"]]:
    """The map from output weights of features, and constants in their units, to the sum of these features and a network
    on the whole domain; and such a vector, with weights that are zero.

    - `base`: the network; left out, there is none. `numbers`: the unknown constants, in their units.
    """
    weights, biases = _padded(layer)
    whole = FeatureSum(
        output=on_device(np.zeros((problem.outputs, len(biases)))),
        weights=on_device(weights),
        biases=on_device(biases),
        center=on_device(problem.domain.center),
        half=on_device(problem.domain.half_sides),
        base=None if base is None else _base(base),
        activation=layer.activation,
    )
    wanted, given = [whole.output], whole
    if problem.constants:
        given = WithConstants(whole, on_device(numbers))
        wanted.append(given.variables)
    trained, fixed = eqx.partition(given, jax.tree.map(lambda leaf: any(leaf is each for each in wanted), given))
    parameters = {name: on_device(value) for name, value in problem.parameters.items()}
    unravel, components, free = (
        Unflatten.of(trained),
        problem.components,
        tuple(each.free for each in problem.constants),
    )
    trial = TrialFunction(unravel, fixed, problem.domain, _itself, parameters, components, free)
    return trial, flattened(trained)


def jacobian_of(
    term: Term, problem: Problem, layer: Layer, at: Network | None
) -> tuple[Float[np.ndarray, "n m q"], Float[np.ndarray, "n c"]]:
    """What a unit change of each output weight, and of each constant in its unit, changes in the rows of a term.

    - `at`: the network at which the residual is linearized; left out, the function that is zero everywhere.
    """
    trial, theta = trial_of(problem, layer, at, problem.start_numbers if at is None else at.numbers)
    rows = _in_blocks(term, lambda part: np.asarray(_jacobian(part, trial, theta)))
    weights, constants = np.split(rows, [len(theta) - len(problem.constants)], axis=1)
    return weights.reshape(len(rows), problem.outputs, -1)[:, :, : len(layer)], constants


def residual_of(term: Term, problem: Problem, network: Network) -> Float[np.ndarray, " n"]:
    """The rows of a term for a network."""
    trial, _ = trial_of(problem, network.layer, None, network.numbers)
    missing = trial.unravel.shapes[0][1] - len(network.layer)
    theta = flattened((np.pad(network.outputs[0], [(0, 0), (0, missing)]), network.numbers))
    return _in_blocks(term, lambda part: np.asarray(_values(part, trial, theta)))


def _base(network: Network) -> tuple[Array, Array, Array]:
    weights, biases = _padded(network.layer)
    output = np.pad(network.outputs[0], [(0, 0), (0, len(biases) - len(network.layer))])
    return on_device(output), on_device(weights), on_device(biases)


def _padded(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """Weights and biases with a whole number of blocks of features, so that fewer functions are compiled."""
    missing = -len(layer) % FEATURES
    return np.pad(layer.weights, [(0, missing), (0, 0)]), np.pad(layer.biases, (0, missing))


def _itself(network: FeatureSum) -> FeatureSum:
    return network


def _in_blocks(term: Term, function: Callable[[Term], np.ndarray]) -> np.ndarray:
    """`function` of the rows of a term, block by block of points. The last point fills up the last block."""
    count = len(term.scales)
    parts = []
    for start in range(0, count, _POINTS):
        part = function(term.at(np.minimum(np.arange(start, start + _POINTS), count - 1)))
        parts.append(part[: min(_POINTS, count - start) * term.components])
    return np.concatenate(parts)


@compiled
def _jacobian(term: Term, trial: TrialFunction, theta: Float[Array, " p"]) -> Float[Array, "n p"]:
    return term.jacobian(trial, theta)


@compiled
def _values(term: Term, trial: TrialFunction, theta: Float[Array, " p"]) -> Float[Array, " n"]:
    return term.values(trial, theta)
