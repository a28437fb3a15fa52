"""Multilayer perceptrons whose inputs are scaled to the domain."""

import itertools
import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from sngd._arrays import on_device
from sngd.networks._sine import sine

Activation = Callable[[Array], Array]


def _relu(x: Array) -> Array:
    """The function `max(x, 0)`, elementwise, with the derivative 0 at 0.

    `jax.nn.relu` has a custom derivative rule, which hides from the graph of a residual that two occurrences are equal.
    """
    return jnp.where(x <= 0, 0.0, x)


ACTIVATIONS: dict[str, Activation] = {"tanh": jnp.tanh, "sin": sine, "relu": _relu, "gelu": jax.nn.gelu}

# Both numbers were chosen by measurement; docs/choices.md has the measurements.
DEFAULT_GAIN = 1.3
DEFAULT_BIAS = 0.5

# The bound of the weights of the first layer at a frequency of one. Glorot's bound falls with the width of the layer,
# but the frequency of a unit should not depend on how many other units there are. The number is 1.3 times Glorot's
# bound for two inputs and twenty units, the first layer of the paper's network.
_FIRST_BOUND = 2 / 3

# Random numbers drawn for a network, at least.
_DRAWN = 4096


class MLP(eqx.Module):
    """A fully connected network on a box: `x -> scale (W_k a(... a(W_1 s(x) + b_1) ...) + b_k)`.

    The fixed affine map `s` takes the box to `[-1, 1]^d`. Along a periodic axis, the coordinate `s` enters the network
    as `cos(pi s)` and `sin(pi s)`. So the network has the period of the box along that axis.

    A network maps one point, shape `(d,)`, to a scalar if it has one output, and otherwise to an array of shape `(m,)`.
    `jax.vmap` evaluates it at many points. The trained parameters are `weights`, of shapes `(fan_out, fan_in)`, and
    `biases`, of shapes `(fan_out,)`.

    - `widths`: the widths of all layers, from the number of inputs to the number of outputs, for instance
      `(2, 20, 20, 20, 20, 1)`.
    - `bounds`: a lower and an upper bound for each input, as in `Box.bounds`.
    - `key`: the source of the initial parameters. They are float64 if JAX has 64-bit types enabled, else float32.
    - `activation`: a name in `ACTIVATIONS`. It is a name so that a file can hold it.
    - `periodic`: the indices of the periodic axes.
    - `gain`: a factor on the initial weights between hidden layers. They are uniform up to `gain` times Glorot's bound
      `sqrt(6 / (fan_in + fan_out))`. The weights of the output layer are uniform up to Glorot's bound itself.
    - `bias`: the hidden biases are initially uniform in `[-bias, bias]`. The output bias starts at zero.
    - `frequencies`: one positive number for each input, by default 1. The weights of the first layer for an input are
      uniform up to two thirds of its frequency, for any width. The largest frequency multiplies the biases of the
      first layer.
    - `scale`: a fixed factor on the output, for a solution that is much larger or much smaller than one.

    Raises `ValueError` if an argument does not fit the others, or if `activation` is unknown.

    Glorot's bound is from Glorot and Bengio, AISTATS 2010. The defaults of `activation`, `gain` and `bias` were chosen
    by measurement (docs/choices.md).
    """

    weights: tuple[Float[Array, "_fan_out _fan_in"], ...]
    biases: tuple[Float[Array, " _fan_out"], ...]
    bounds: tuple[tuple[float, float], ...] = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    periodic: tuple[int, ...] = eqx.field(static=True)
    scale: float = eqx.field(static=True)

    def __init__(
        self,
        widths: tuple[int, ...],
        bounds: tuple[tuple[float, float], ...],
        *,
        key: PRNGKeyArray,
        activation: str = "sin",
        periodic: tuple[int, ...] = (),
        gain: float = DEFAULT_GAIN,
        bias: float = DEFAULT_BIAS,
        frequencies: tuple[float, ...] | None = None,
        scale: float = 1.0,
    ):
        if len(widths) < 2 or any(width < 1 for width in widths):
            raise ValueError(f"widths is {widths}; give the input dimension, positive hidden widths and the outputs")
        if widths[0] != len(bounds):
            raise ValueError(
                f"widths starts with {widths[0]}; the domain has {len(bounds)} axes, so it must be {len(bounds)}"
            )
        if not set(periodic) <= set(range(len(bounds))) or len(set(periodic)) < len(periodic):
            raise ValueError(f"periodic is {periodic}; give different indices of axes, below {len(bounds)}")
        if frequencies is not None and (len(frequencies) != len(bounds) or min(frequencies) <= 0):
            raise ValueError(f"frequencies is {frequencies}; give {len(bounds)} positive numbers, one for each axis")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is {activation!r}; it must be one of {', '.join(ACTIVATIONS)}")
        if not 0 < scale < np.inf:
            raise ValueError(f"scale is {scale}; it must be positive and finite")
        self.bounds, self.activation, self.periodic, self.scale = bounds, activation, periodic, scale
        weights, biases = [], []
        pairs = list(itertools.pairwise((widths[0] + len(periodic), *widths[1:])))
        # One draw serves all layers, and NumPy does the rest: eager JAX would compile operations for every shape.
        draws = iter(
            np.split(_uniform(key, sum(fan_in * fan_out + fan_out for fan_in, fan_out in pairs)), _ends(pairs))
        )
        for layer, (fan_in, fan_out) in enumerate(pairs):
            hidden = layer < len(pairs) - 1
            glorot = (gain if hidden else 1.0) * np.sqrt(6 / (fan_in + fan_out))
            bound = glorot if layer else _FIRST_BOUND
            weights.append(bound * next(draws).reshape(fan_out, fan_in))
            biases.append((bias if hidden else 0.0) * next(draws))
        frequencies = frequencies or (1.0,) * len(bounds)
        scales = np.array([*frequencies, *(frequencies[axis] for axis in periodic)])
        weights[0], biases[0] = weights[0] * scales, biases[0] * max(frequencies)
        self.weights, self.biases = tuple(map(on_device, weights)), tuple(map(on_device, biases))

    @property
    def widths(self) -> tuple[int, ...]:
        return (len(self.bounds), *(len(bias) for bias in self.biases))

    @property
    def untrained(self) -> bool:
        """Whether all output biases are zero, as in a new network. A step of training changes them."""
        return not np.any(np.asarray(self.biases[-1]))

    def remade(self, key: PRNGKeyArray, frequencies: tuple[float, ...]) -> "MLP":
        """A new network with the same widths, bounds, activation, periodic axes and scale.

        Its initial parameters come from `key` and `frequencies`, with the default `gain` and `bias`.
        """
        return MLP(
            self.widths,
            self.bounds,
            key=key,
            activation=self.activation,
            periodic=self.periodic,
            frequencies=frequencies,
            scale=self.scale,
        )

    def __call__(self, x: Float[Array, " d"]) -> Array:
        lower, upper = np.array(self.bounds).T
        hidden = self._features((2 * x - (lower + upper)) / (upper - lower))
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = ACTIVATIONS[self.activation](weight @ hidden + bias)
        output = self.weights[-1] @ hidden + self.biases[-1]
        output = output if self.scale == 1 else self.scale * output
        return output[0] if output.shape == (1,) else output

    def _features(self, scaled: Float[Array, " d"]) -> Float[Array, " features"]:
        """The inputs of the first layer, from the coordinates in `[-1, 1]`.

        Cosines replace the periodic coordinates, and the sines of the periodic coordinates follow at the end.
        """
        if not self.periodic:
            return scaled
        axes = np.array(self.periodic)
        angles = jnp.pi * scaled[axes]
        return jnp.concatenate([scaled.at[axes].set(jnp.cos(angles)), jnp.sin(angles)])


def _uniform(key: PRNGKeyArray, count: int) -> Float[np.ndarray, " count"]:
    """Uniform numbers in `[-1, 1)`. The drawn ones are more: a power of two, so that one compilation serves networks of
    many sizes. JAX draws the same numbers first, however many follow.
    """
    drawn = max(_DRAWN, 2 ** math.ceil(math.log2(count)))
    return np.asarray(jax.random.uniform(key, (drawn,), float, -1.0, 1.0))[:count]


def _ends(pairs: list[tuple[int, int]]) -> list[int]:
    """The indices at which one long vector is split into the weights and biases of all layers, in turn."""
    return list(itertools.accumulate(size for pair in pairs for size in (pair[0] * pair[1], pair[1])))[:-1]
