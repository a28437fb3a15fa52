"""Fits of frozen features as networks that can be evaluated, trained and saved."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from sngd.features import Network, Piece
from sngd.networks import MLP, Cells
from sngd.problem import Problem


def as_mlp(network: Network, problem: Problem) -> MLP:
    """The same function, on the whole domain as one cell, as an `MLP`."""
    layer = network.layer
    widths = (problem.domain.dimension, len(layer) - 1, problem.outputs)
    made = MLP(widths, problem.domain.bounds, key=jax.random.key(0), activation=layer.activation)
    # The first feature is constant.
    (output,), first = network.outputs, layer(np.zeros((1, layer.weights.shape[1])))[0, 0]
    weights = (jnp.asarray(layer.weights[1:]), jnp.asarray(output[:, 1:]))
    biases = (jnp.asarray(layer.biases[1:]), jnp.asarray(first * output[:, 0]))
    return eqx.tree_at(lambda part: (part.weights, part.biases), made, (weights, biases))


def as_cells(pieces: Sequence[Piece]) -> Cells:
    """The solutions in the cells of all windows as one network."""
    layer, networks = pieces[0].fit.network.layer, [piece.fit.network for piece in pieces]
    return Cells(
        weights=jnp.asarray(layer.weights),
        biases=jnp.asarray(layer.biases),
        outputs=jnp.asarray(np.concatenate([network.outputs for network in networks])),
        boxes=tuple(cell.bounds for network in networks for cell in network.cells),
        activation=layer.activation,
    )
