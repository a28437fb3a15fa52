"""One network of one hidden layer with an output layer for each cell of a box."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd.networks._mlp import ACTIVATIONS

Bounds = tuple[tuple[float, float], ...]


class Cells(eqx.Module):
    """The function that is `output_k @ activation(weights @ s + biases)` in cell `k` of `K`.

    `s` are the coordinates, scaled from the cell to `[-1, 1]^d`. A point on the face between two cells belongs to the
    cell above it. A point in no cell belongs to the nearest one.

    - `weights`: shape `(q, d)`. `biases`: `(q,)`. `outputs`: `(K, m, q)`. All are float64.
    - `boxes`: for each cell, a lower and an upper bound for each input.
    - `activation`: a name in `ACTIVATIONS`.

    Raises `ValueError` for arrays whose shapes do not fit, no cells, or bounds that are not increasing.
    """

    weights: Float[Array, "q d"]
    biases: Float[Array, " q"]
    outputs: Float[Array, "K m q"]
    boxes: tuple[Bounds, ...] = eqx.field(static=True)
    activation: str = eqx.field(static=True, default="sin")

    def __check_init__(self):
        if not self.boxes:
            raise ValueError("boxes is empty; give the bounds of at least one cell")
        found = tuple(part.shape for part in (self.weights, self.biases, self.outputs))
        (units, inputs), outputs = self.weights.shape, self.outputs.shape[1]
        shapes = ((units, inputs), (units,), (len(self.boxes), outputs, units))
        if found != shapes or any(len(box) != inputs for box in self.boxes):
            raise ValueError(f"arrays have shapes {found}; {len(self.boxes)} cells of {inputs} inputs need {shapes}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is {self.activation!r}; it must be one of {', '.join(ACTIVATIONS)}")
        for box in self.boxes:
            if not all(low < high for low, high in box):
                raise ValueError(f"boxes holds {box}; the lower bound of each input must be below the upper one")

    def __call__(self, x: Float[Array, " d"]) -> Array:
        lower, upper = self._bounds
        # Half open cells: at a face the distance to the cell below is zero too, so that the last one is taken.
        outside = jnp.max(jnp.maximum(lower - x, x - upper) / (upper - lower), axis=1, initial=0.0)
        at = len(outside) - 1 - jnp.argmin(outside[::-1])
        center, half = (lower[at] + upper[at]) / 2, (upper[at] - lower[at]) / 2
        values = self.outputs[at] @ ACTIVATIONS[self.activation](self.weights @ ((x - center) / half) + self.biases)
        return values[0] if values.shape == (1,) else values

    @property
    def _bounds(self) -> tuple[Float[Array, "K d"], Float[Array, "K d"]]:
        """The lower and the upper bounds of the cells."""
        bounds = np.array(self.boxes)
        return jnp.asarray(bounds[:, :, 0]), jnp.asarray(bounds[:, :, 1])
