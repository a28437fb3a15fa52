"""One network of one hidden layer for each window of time."""

import itertools

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd.networks._mlp import ACTIVATIONS


class Windows(eqx.Module):
    """The function that is `output_k @ activation(weights_k @ s + biases_k) + constant_k` in window `k` of `K`.

    `s` are the coordinates, scaled from the box of the window to `[-1, 1]^d`. A window has its first instant and lacks
    its last one, but for the last window.

    - `weights`: shape `(K, q, d)`. `biases`: `(K, q)`. `outputs`: `(K, m, q)`. `constants`: `(K, m)`. All are float64.
    - `bounds`: a lower and an upper bound for each input, as in `Box.bounds`.
    - `axis`: the index of the input that is time. `starts`: the first instant of each window, increasing.
    - `activation`: a name in `ACTIVATIONS`.

    Raises `ValueError` for arrays whose shapes do not fit, or instants that are not increasing or not in the bounds.
    """

    weights: Float[Array, "K q d"]
    biases: Float[Array, "K q"]
    outputs: Float[Array, "K m q"]
    constants: Float[Array, "K m"]
    bounds: tuple[tuple[float, float], ...] = eqx.field(static=True)
    axis: int = eqx.field(static=True)
    starts: tuple[float, ...] = eqx.field(static=True)
    activation: str = eqx.field(static=True, default="sin")

    def __check_init__(self):
        count, units, inputs, outputs = len(self.starts), *self.weights.shape[1:], self.outputs.shape[1]
        shapes = ((count, units, inputs), (count, units), (count, outputs, units), (count, outputs))
        found = tuple(part.shape for part in (self.weights, self.biases, self.outputs, self.constants))
        if found != shapes or inputs != len(self.bounds):
            raise ValueError(f"arrays have shapes {found}; {count} windows of {len(self.bounds)} inputs need {shapes}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is {self.activation!r}; it must be one of {', '.join(ACTIVATIONS)}")
        if not 0 <= self.axis < len(self.bounds):
            raise ValueError(f"axis is {self.axis}; it must be the index of one of {len(self.bounds)} inputs")
        instants = (*self.starts, self.bounds[self.axis][1])
        increasing = all(early < late for early, late in itertools.pairwise(instants))
        if not self.starts or self.starts[0] != self.bounds[self.axis][0] or not increasing:
            raise ValueError(
                f"starts is {self.starts}; give increasing instants, from {self.bounds[self.axis][0]} to below "
                f"{self.bounds[self.axis][1]}"
            )

    def __call__(self, x: Float[Array, " d"]) -> Array:
        at = jnp.sum(x[self.axis] >= np.array(self.starts[1:]), dtype=int)
        lower, upper = (jnp.asarray(each)[at] for each in self._boxes)
        hidden = self.weights[at] @ ((2 * x - (lower + upper)) / (upper - lower)) + self.biases[at]
        values = self.outputs[at] @ ACTIVATIONS[self.activation](hidden) + self.constants[at]
        return values[0] if values.shape == (1,) else values

    @property
    def _boxes(self) -> tuple[Float[np.ndarray, "K d"], Float[np.ndarray, "K d"]]:
        """The lower and the upper bounds of the windows."""
        lower, upper = (np.tile(bound, (len(self.starts), 1)) for bound in np.array(self.bounds).T)
        lower[:, self.axis] = self.starts
        upper[:, self.axis] = (*self.starts[1:], self.bounds[self.axis][1])
        return lower, upper
