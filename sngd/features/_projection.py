"""The features of a layer that are closest to a function that other features make, from which fits begin."""

import numpy as np
from jaxtyping import Float

from sngd.features._blocks import Blocks
from sngd.features._families import Layer
from sngd.features._network import Network
from sngd.geometry import Box

# The damping, as a part of the norm of the features at the points.
_DAMPING = 1e-12


def projected(
    network: Network,
    cells: tuple[Box, ...],
    layer: Layer,
    scaled: Float[np.ndarray, "n d"],
    fixed: tuple[int, float] | None = None,
) -> Network:
    """The features of a layer that are closest to a network in each cell, in least squares over points of the cell.

    - `scaled`: the points, scaled to [-1, 1], the same in each cell.
    - `fixed`: the number of an axis, and the coordinate there at which the network is taken everywhere; left out, it is
      taken at the points.
    """
    values = []
    for cell in cells:
        points = cell.center + cell.half_sides * scaled
        if fixed is not None:
            points[:, fixed[0]] = fixed[1]
        values.append(network(points))
    features, outputs = layer(scaled), np.zeros((len(cells), values[0].shape[1], len(layer)))
    wanted = np.stack(values, axis=2)
    for number, used in enumerate(layer.used_by(outputs.shape[1])):
        matrix = Blocks((features[:, used],))
        found = matrix.solve([wanted[:, number], np.zeros((0, len(cells)))], _DAMPING * matrix.scale)
        outputs[:, number, used] = found.columns[0].T
    return Network(layer, cells, outputs, network.numbers)
