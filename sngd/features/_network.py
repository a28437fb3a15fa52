"""Networks of one hidden layer on a box: plain arrays, and as a function that JAX differentiates."""

import dataclasses

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from sngd._arrays import on_device
from sngd.features._families import Layer
from sngd.networks import ACTIVATIONS

# Features that are evaluated at once: small enough for a cache, large enough to hide the calls.
FEATURES = 128


@dataclasses.dataclass(frozen=True)
class Place:
    """The box on which features are scaled: bounds of shape `(d,)`."""

    lower: Float[np.ndarray, " d"]
    upper: Float[np.ndarray, " d"]

    @property
    def center(self) -> Float[np.ndarray, " d"]:
        return (self.lower + self.upper) / 2

    @property
    def half(self) -> Float[np.ndarray, " d"]:
        return (self.upper - self.lower) / 2

    def points(self, unit: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Points of the box from points of [0, 1]^d."""
        return self.lower + (self.upper - self.lower) * unit


@dataclasses.dataclass(frozen=True)
class Network:
    """A layer of `q` features with an output layer, shape `(m, q)`, on a box."""

    layer: Layer
    output: Float[np.ndarray, "m q"]
    place: Place

    def __call__(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n m"]:
        """The values at points of the box."""
        return self.layer((points - self.place.center) / self.place.half) @ self.output.T

    def plus(self, other: "Network") -> "Network":
        """The sum with another network on the same box, as one network with the features of both."""
        weights, biases = (np.concatenate(pair) for pair in zip(self.layer.arrays, other.layer.arrays, strict=True))
        layer = Layer(weights, biases, self.layer.activation)
        return Network(layer, np.concatenate([self.output, other.output], axis=1), self.place)

    def padded(self) -> tuple[Array, Array, Array]:
        """Output, weights and biases with a whole number of blocks of features."""
        missing = -len(self.layer) % FEATURES
        weights, biases = self.layer.arrays
        return (
            on_device(np.pad(self.output, [(0, 0), (0, missing)])),
            on_device(np.pad(weights, [(0, missing), (0, 0)])),
            on_device(np.pad(biases, (0, missing))),
        )


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
