"""Families of random features: how the hidden layer of a network with a linear output layer is drawn."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from sngd._arguments import require_integer
from sngd.problem import Frame

_SPREADS = ("uniform", "log-uniform", "layers")

# The largest weight of a layer along the faces, and its largest distance from a face in units of its width.
_ALONG, _DISTANCE = 4.0, 3.0

_ACTIVATIONS = {"sin": np.sin, "tanh": np.tanh}

FROZEN_ACTIVATIONS = tuple(_ACTIVATIONS)
"""The activations of frozen features, by their names in `sngd.networks.ACTIVATIONS`."""

# The argument at which each activation is a constant as far as double precision can tell, and its value there.
_CONSTANT = {"sin": np.pi / 2, "tanh": 20.0}


# Features for each wave of a function of some of the axes, and further ones on one axis, or on each of several.
_FOR_WAVES, _ON_ONE, _ON_EACH = 1.5, 42.0, 10.0


@dataclasses.dataclass(frozen=True)
class Layer:
    """A hidden layer of `q` features `activation(weights @ s + biases)`, with `s` the coordinates scaled to [-1, 1].

    - `weights`: shape `(q, d)`. `biases`: shape `(q,)`. Both are float64.
    - `activation`: a name in `sngd.networks.ACTIVATIONS`.
    - `used`: for each unknown function which features it is made of, shape `(m, q)`; `None` where each is made of all.
    """

    weights: Float[np.ndarray, "q d"]
    biases: Float[np.ndarray, " q"]
    activation: str
    used: Bool[np.ndarray, "m q"] | None = None

    @classmethod
    def constant(cls, dimension: int, activation: str) -> "Layer":
        """A layer of one feature, which is one everywhere."""
        return cls(np.zeros((1, dimension)), np.full(1, _CONSTANT[activation]), activation)

    def __len__(self) -> int:
        return len(self.biases)

    def __call__(self, scaled: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n q"]:
        """The features at points whose coordinates are scaled to [-1, 1]."""
        return _ACTIVATIONS[self.activation](scaled @ self.weights.T + self.biases)

    def kind(self, order: int) -> tuple[int, float]:
        """The lowest order whose derivative of the activation is equal up to the sign, and that sign."""
        if self.activation == "sin":
            return order % 2, (1.0, 1.0, -1.0, -1.0)[order % 4]
        return order, 1.0

    def activated(self, scaled: Float[np.ndarray, "n d"], order: int) -> Float[np.ndarray, "n q"]:
        """A derivative of the activation at `weights @ s + biases`."""
        phases = scaled @ self.weights.T + self.biases
        if self.activation == "sin":
            return (np.sin, np.cos, lambda z: -np.sin(z), lambda z: -np.cos(z))[order % 4](phases)
        # The derivative of a polynomial p of tanh is that of p' (1 - tanh^2).
        polynomial = np.polynomial.Polynomial([0.0, 1.0])
        for _ in range(order):
            polynomial = polynomial.deriv() * np.polynomial.Polynomial([1.0, 0.0, -1.0])
        return polynomial(np.tanh(phases))

    def used_by(self, outputs: int) -> Bool[np.ndarray, "m q"]:
        """Which features each of so many functions is made of."""
        return np.ones((outputs, len(self)), dtype=bool) if self.used is None else self.used

    def columns_of(self, outputs: Float[np.ndarray, "*other m q"]) -> Float[np.ndarray, "*other c"]:
        """The output weights that are used, one function after the other."""
        flat = outputs.reshape(*outputs.shape[:-2], outputs.shape[-2] * outputs.shape[-1])
        return flat if self.used is None else flat[..., self.used.ravel()]

    def outputs_of(self, columns: Float[np.ndarray, "*other c"], outputs: int) -> Float[np.ndarray, "*other m q"]:
        """All output weights of so many functions, from those that are used."""
        if self.used is not None:
            whole = np.zeros((*columns.shape[:-1], self.used.size))
            whole[..., self.used.ravel()] = columns
            columns = whole
        return columns.reshape(*columns.shape[:-1], outputs, len(self))

    def scaled(self, center: tuple[float, ...], half_sides: tuple[float, ...]) -> "Layer":
        """The layer on a box with this center and these half sides, in the coordinates of the layer."""
        if set(center) == {0.0} and set(half_sides) == {1.0}:
            return self
        weights = self.weights / half_sides
        return dataclasses.replace(self, weights=weights, biases=self.biases - weights @ np.array(center))

    @property
    def arrays(self) -> tuple[Float[np.ndarray, "q d"], Float[np.ndarray, " q"]]:
        return self.weights, self.biases


@dataclasses.dataclass(frozen=True)
class Features:
    """A hidden layer of random features, whose weights are drawn from a box.

    As the network of `sngd.solve` they stand for a network of one hidden layer, whose output layer is fitted by least
    squares while the hidden layer stays as it is drawn.

    - `bandwidths`: the largest weight of each axis, in radians per half side of the domain.
    - `count`: the number of features.
    - `activation`: `"sin"` for waves with random phases; `"tanh"` for fronts around centers drawn from the domain.
    - `spread`: `"uniform"` weights up to the bandwidth, or `"log-uniform"` ones, which are as many in every octave; or
      `"layers"`, each of which is steep across one axis, log-uniformly, and close to a face of that axis.
    - `coordinates`: the number of coordinates that a feature depends on, drawn for each feature; 0 for all of them.

    Raises `ValueError` for a setting that is none of these.

    Waves whose bandwidth is larger than the solution needs are a frame: a truncated singular value decomposition finds
    accurate approximations with small coefficients, although the features are nearly dependent (Adcock and Huybrechs,
    SIAM Review 61, 2019).
    """

    bandwidths: tuple[float, ...]
    count: int = 256
    activation: str = "sin"
    spread: str = "uniform"
    coordinates: int = 0

    def __post_init__(self):
        object.__setattr__(self, "bandwidths", tuple(float(bandwidth) for bandwidth in self.bandwidths))
        if not self.bandwidths or not all(0 < bandwidth < math.inf for bandwidth in self.bandwidths):
            raise ValueError(f"bandwidths is {self.bandwidths}; give a positive number for each axis")
        require_integer("count", self.count, least=2)
        for name, known in (("activation", FROZEN_ACTIVATIONS), ("spread", _SPREADS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(known)}")
        require_integer("coordinates", self.coordinates, least=0)

    def scaled(self, *factors: float) -> "Features":
        """The features with the bandwidths multiplied by these factors, one for each axis."""
        bandwidths = tuple(b * factor for b, factor in zip(self.bandwidths, factors, strict=True))
        return dataclasses.replace(self, bandwidths=bandwidths)

    def draw_for(
        self, frames: Sequence[Frame], generator: np.random.Generator, periodic: tuple[int, ...] = ()
    ) -> Layer:
        """A layer of these features for functions of some of the axes, or on parts of the domain.

        - `frames`: where each function lives. `periodic`: as in `draw`.

        Functions of all axes are made of these features, scaled to the box around their part of the domain, and
        functions of fewer axes of features of the same bandwidths on these axes alone.
        """
        every = tuple(range(len(self.bandwidths)))
        # The functions of all axes come first.
        groups = sorted(set(frames), key=lambda frame: (frame.axes != every, frame))
        drawn = [self._drawn_on(frame.axes, generator, periodic).scaled(*frame[1:]) for frame in groups]
        if len(drawn) == 1:
            return drawn[0]
        weights, biases = (np.concatenate(parts) for parts in zip(*(each.arrays for each in drawn), strict=True))
        used = [
            np.concatenate([np.full(len(each), frame == own) for frame, each in zip(groups, drawn, strict=True)])
            for own in frames
        ]
        return Layer(weights, biases, self.activation, np.array(used))

    def _drawn_on(self, axes: tuple[int, ...], generator: np.random.Generator, periodic: tuple[int, ...]) -> Layer:
        """A layer of these features, or of features on some of the axes alone."""
        if len(axes) == len(self.bandwidths):
            return self.draw(generator, periodic)
        bandwidths = tuple(self.bandwidths[axis] for axis in axes)
        own = dataclasses.replace(self, bandwidths=bandwidths, count=_count_for(bandwidths), coordinates=0)
        drawn = own.draw(generator, tuple(at for at, axis in enumerate(axes) if axis in periodic))
        weights = np.zeros((len(drawn), len(self.bandwidths)))
        weights[:, list(axes)] = drawn.weights
        return dataclasses.replace(drawn, weights=weights)

    def draw(self, generator: np.random.Generator, periodic: tuple[int, ...] = ()) -> Layer:
        """A layer of these features.

        - `periodic`: the axes on which sine features must be periodic, by their indices: their weights there are
          multiples of pi.
        """
        count, axes = self.count, len(self.bandwidths)
        if self.spread == "layers":
            return self._layers(generator)
        weights = self._spread(generator.uniform(-1.0, 1.0, (count, axes)))
        if 0 < self.coordinates < axes:
            weights *= np.argsort(np.argsort(generator.random((count, axes)), axis=1), axis=1) < self.coordinates
        if self.activation == "sin":
            for axis in periodic:
                weights[:, axis] = np.pi * np.round(weights[:, axis] / np.pi)
            biases = generator.uniform(0.0, 2 * np.pi, count)
        else:
            biases = -np.sum(weights * generator.uniform(-1.0, 1.0, (count, axes)), axis=1)
        weights[0], biases[0] = 0.0, _CONSTANT[self.activation]
        return Layer(weights, biases, self.activation)

    def _layers(self, generator: np.random.Generator) -> Layer:
        count, axes = self.count, len(self.bandwidths)
        weights = generator.uniform(-1.0, 1.0, (count, axes)) * np.minimum(_ALONG, self.bandwidths)
        centers = generator.uniform(-1.0, 1.0, (count, axes))
        each, across = np.arange(count), generator.integers(axes, size=count)
        steep = np.maximum(self.bandwidths, 1.0)[across] ** generator.random(count)
        weights[each, across] = steep * generator.choice((-1.0, 1.0), count)
        near = 1 - np.minimum(_DISTANCE / steep, 1.0) * generator.random(count)
        wide = steep > _DISTANCE
        sides = generator.choice((-1.0, 1.0), count)
        centers[each[wide], across[wide]] = (sides * near)[wide]
        biases = -np.sum(weights * centers, axis=1)
        weights[0], biases[0] = 0.0, _CONSTANT[self.activation]
        return Layer(weights, biases, self.activation)

    def _spread(self, unit: Float[np.ndarray, "q d"]) -> Float[np.ndarray, "q d"]:
        """Weights from numbers that are uniform in [-1, 1]."""
        largest = np.array(self.bandwidths)
        if self.spread == "uniform":
            return unit * largest
        return np.sign(unit) * np.maximum(largest, 1.0) ** np.abs(unit)

    def __str__(self) -> str:
        seen = {0: "", 1: " of one coordinate each", 2: " of two coordinates each"}
        bands = ", ".join(f"{b:.3g}" for b in self.bandwidths)
        of = f"features{seen.get(self.coordinates, '')}"
        return f"{self.count} {self.activation} {of}, {self.spread} weights up to ({bands})"


def _count_for(bandwidths: tuple[float, ...]) -> int:
    """How many features a function needs, for waves up to these bandwidths."""
    more = _ON_ONE if len(bandwidths) == 1 else _ON_EACH
    return math.ceil(math.prod(_FOR_WAVES * 2 * bandwidth / math.pi + more for bandwidth in bandwidths))
