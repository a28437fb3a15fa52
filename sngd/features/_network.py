"""Networks of one hidden layer, with an output layer for each cell of a domain, as arrays of NumPy."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from sngd.features._basis import Basis
from sngd.features._families import Layer
from sngd.geometry import Box


@dataclasses.dataclass(frozen=True)
class Network:
    """A layer of `q` features, scaled to each of `K` cells, with an output layer in each cell.

    - `cells`: boxes that do not overlap. `outputs`: shape `(K, m, q)`.
    - `numbers`: the unknown constants, in their units, shape `(c,)`.
    """

    layer: Layer
    cells: tuple[Box, ...]
    outputs: Float[np.ndarray, "K m q"]
    numbers: Float[np.ndarray, " c"] = dataclasses.field(default_factory=lambda: np.zeros(0))

    def __call__(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n m"]:
        """The values at points of the cells. A point outside of all cells belongs to the nearest one."""
        values, owners = np.empty((len(points), self.outputs.shape[1])), self.owners(points)
        for number in np.unique(owners):
            cell, own = self.cells[number], owners == number
            values[own] = self.layer((points[own] - cell.center) / cell.half_sides) @ self.outputs[number].T
        return values

    def owners(self, points: Float[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
        """The number of the cell of each point; on an interface, of the first cell there."""
        if len(self.cells) == 1:
            return np.zeros(len(points), dtype=int)
        lower, upper = (np.array([cell.extent[side] for cell in self.cells]) for side in (0, 1))
        outside = np.maximum(lower - points[:, None], points[:, None] - upper) / (upper - lower)
        return np.argmin(np.max(outside, axis=2, initial=0.0), axis=1)

    def slopes(self, scaled: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " d"]:
        """The root mean square of the slope along each axis in the first cell, as a part of that along the steepest
        one: the largest such part of any component; one for constant functions.

        - `scaled`: points of the cell, scaled to [-1, 1].
        """
        axes = self.layer.weights.shape[1]
        orders = tuple(tuple(row) for row in np.eye(axes, dtype=int).tolist())
        found = Basis(self.layer).derivatives(scaled, np.ones(axes), orders, self.outputs[0])
        each = np.sqrt(np.mean(found**2, axis=0))
        steepest = np.max(each, axis=1, keepdims=True)
        return np.max(each / np.where(steepest > 0, steepest, 1.0), axis=0) if np.any(steepest > 0) else np.ones(axes)

    @property
    def columns(self) -> Float[np.ndarray, "K c"]:
        """The output weights of each cell that are used, as one vector."""
        return self.layer.columns_of(self.outputs)

    def moved(
        self, outputs: Float[np.ndarray, "K m q"], numbers: Float[np.ndarray, " c"], size: float = 1.0
    ) -> "Network":
        """The network after a multiple of an update."""
        return dataclasses.replace(self, outputs=self.outputs + size * outputs, numbers=self.numbers + size * numbers)

    def plus(self, other: "Network") -> "Network":
        """The sum with another network on the same cells, as one network with the features of both."""
        weights, biases = (np.concatenate(pair) for pair in zip(self.layer.arrays, other.layer.arrays, strict=True))
        used, outputs = None, self.outputs.shape[1]
        if self.layer.used is not None or other.layer.used is not None:
            each = [
                np.ones((outputs, len(one)), bool) if one.used is None else one.used
                for one in (self.layer, other.layer)
            ]
            used = np.concatenate(each, axis=1)
        layer = Layer(weights, biases, self.layer.activation, used)
        outputs = np.concatenate([self.outputs, other.outputs], axis=2)
        return Network(layer, self.cells, outputs, self.numbers + other.numbers)
