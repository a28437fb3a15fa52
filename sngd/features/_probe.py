"""What small changes of a solution do to the residuals: the pair of matrices that tells how stable a problem is."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from sngd.features._basis import Basis
from sngd.features._families import Layer
from sngd.features._network import Network
from sngd.features._system import System


class Probe(NamedTuple):
    """Changes by features, of unit coefficients.

    - `values`: of the features at points, over the root of the number of points, shape `(n, q)`.
    - `responses`: of the residuals to the features of all components, shape `(rows, m q)`. Each condition is in the
      unit of its response to slow features, without the weight of the user.
    """

    values: Float[np.ndarray, "n q"]
    responses: Float[np.ndarray, "rows columns"]


def probe(
    systems: tuple[System, System], layer: Layer, slow: Layer, at: Network | None, unit: Float[np.ndarray, "n d"]
) -> Probe:
    """The responses of the rows of one cell to features on that cell.

    - `systems`: at the points of a fit and between them. `slow`: the features by whose responses residuals are divided.
    - `at`: the network on the cell at which the problem is linearized; `None` for a linear one.
    - `unit`: points of [-1, 1]^d.
    """
    basis, basis_of_slow = Basis(layer), Basis(slow)
    weights = [math.sqrt(rows.weight) for rows in systems[0].rows]
    (units,) = systems[0].units(systems[0].jacobian(basis_of_slow), basis_of_slow).own
    other = None if at is None else Basis(at.layer)
    parts = [
        each / (scale * weight)
        for system in systems
        for each, scale, weight in zip(system.jacobian(basis, at, other).features[0], units, weights, strict=True)
    ]
    responses = np.concatenate([part.reshape(len(part), -1) for part in parts]) / math.sqrt(len(systems))
    return Probe(layer(unit) / math.sqrt(len(unit)), responses)
