"""Fits of frozen features as networks that can be evaluated, trained and saved."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sngd.features import Network, Piece
from sngd.networks import MLP, Windows
from sngd.problem import Problem


def as_mlp(network: Network, problem: Problem) -> MLP:
    """The same function as an `MLP`."""
    layer = network.layer
    widths = (problem.domain.dimension, len(layer) - 1, problem.outputs)
    made = MLP(widths, problem.domain.bounds, key=jax.random.key(0), activation=layer.activation)
    output, constant = _without_constant(network)
    weights = (jnp.asarray(layer.weights[1:]), jnp.asarray(output))
    biases = (jnp.asarray(layer.biases[1:]), jnp.asarray(constant))
    return eqx.tree_at(lambda part: (part.weights, part.biases), made, (weights, biases))


def as_windows(pieces: Sequence[Piece], problem: Problem) -> Windows:
    """The solutions in all windows as one network. Windows with fewer features get some that do not count."""
    networks = [piece.candidate.fit.network for piece in pieces]
    most = max(len(network.layer) for network in networks) - 1
    outputs, constants = zip(*map(_without_constant, networks), strict=True)

    def stack(parts: list[np.ndarray], axis: int) -> jax.Array:
        widths = [[(0, most - part.shape[axis] if at == axis else 0) for at in range(part.ndim)] for part in parts]
        return jnp.asarray(np.stack([np.pad(part, width) for part, width in zip(parts, widths, strict=True)]))

    return Windows(
        weights=stack([network.layer.weights[1:] for network in networks], 0),
        biases=stack([network.layer.biases[1:] for network in networks], 0),
        outputs=stack(list(outputs), 1),
        constants=jnp.asarray(np.stack(constants)),
        bounds=problem.domain.bounds,
        axis=problem.domain.initial.index,
        starts=tuple(float(piece.window.start) for piece in pieces),
        activation=networks[0].layer.activation,
    )


def _without_constant(network: Network) -> tuple[Float[np.ndarray, "m q"], Float[np.ndarray, " m"]]:
    """The output weights without those of the first feature, which is constant, and what that one adds."""
    constant = network.layer(np.zeros((1, network.layer.weights.shape[1])))[0, 0]
    return network.output[:, 1:], constant * network.output[:, 0]
