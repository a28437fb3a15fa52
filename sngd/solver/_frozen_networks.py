"""Fits of frozen features as networks that can be evaluated, trained and saved, and the other way round."""

import dataclasses
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sngd._arrays import on_device
from sngd.features import FROZEN_ACTIVATIONS, Layer, Network, stretched
from sngd.networks import MLP, Cells, WithConstants
from sngd.problem import AbstractProblem, Problem
from sngd.solver._solution import Solution

# The number of widths of a network with one hidden layer.
_SHALLOW = 3

# Weights are multiples of pi if they are at most so far from them.
_WHOLE = 1e-12


def as_mlp(network: Network, problem: Problem) -> Callable:
    """The same function, on the whole domain as one cell, as an `MLP`, with the constants if there are any."""
    layer = network.layer
    widths = (problem.domain.dimension, len(layer) - 1, network.outputs.shape[1])
    made = MLP(widths, problem.domain.bounds, key=jax.random.key(0), activation=layer.activation)
    # The first feature is constant.
    (output,), first = network.outputs, layer(np.zeros((1, layer.weights.shape[1])))[0, 0]
    weights = (jnp.asarray(layer.weights[1:]), jnp.asarray(output[:, 1:]))
    biases = (jnp.asarray(layer.biases[1:]), jnp.asarray(first * output[:, 0]))
    whole = eqx.tree_at(lambda part: (part.weights, part.biases), made, (weights, biases))
    return _with_constants(whole, network.numbers, problem)


def as_cells(networks: Sequence[Network], problem: Problem) -> Callable:
    """Networks with one layer in the cells of several windows, as one network, with the constants if there are any."""
    layer = networks[0].layer
    cells = Cells(
        weights=jnp.asarray(layer.weights),
        biases=jnp.asarray(layer.biases),
        outputs=jnp.asarray(np.concatenate([network.outputs for network in networks])),
        boxes=tuple(cell.bounds for network in networks for cell in network.cells),
        activation=layer.activation,
    )
    return _with_constants(cells, networks[0].numbers, problem)


def _with_constants(network: MLP | Cells, numbers: Float[np.ndarray, " c"], problem: Problem) -> Callable:
    """The network with constants, which are given in their units."""
    if not len(numbers):
        return network
    pairs = zip(problem.constants, numbers * problem.units, strict=True)
    return WithConstants(network, on_device(np.array([constant.variable(value) for constant, value in pairs])))


def frozen_start(solution: Solution, problem: AbstractProblem) -> Network | None:
    """The network of a solution as features with output layers, stretched to the domain of a problem; `None` for a
    network that is none.
    """
    network, domain, numbers = solution.network, problem.domain.hull, np.zeros(0)
    if isinstance(network, WithConstants):
        pairs = zip(problem.constants, network.variables, strict=True)
        numbers = np.array([float(constant.value(variable)) / constant.unit for constant, variable in pairs])
        network = network.network
    if isinstance(network, Cells):
        before = solution.problem.domain.hull
        boxes = [dataclasses.replace(before, lower=lower, upper=upper) for lower, upper in _bounds(network)]
        layer = Layer(np.asarray(network.weights), np.asarray(network.biases), network.activation)
        cells = tuple(stretched(box, before, domain) for box in boxes)
        return Network(layer, cells, np.asarray(network.outputs), numbers)
    if not isinstance(network, MLP) or len(network.widths) != _SHALLOW or network.periodic:
        return None
    if network.activation not in FROZEN_ACTIVATIONS:
        return None
    constant = Layer.constant(domain.dimension, network.activation)
    periods = np.asarray(network.weights[0])[:, list(problem.periodic_axes)] / np.pi
    if not np.allclose(periods, np.round(periods), rtol=0, atol=_WHOLE):
        # Features that are not periodic do not meet periodic conditions by themselves.
        return None
    hidden = Layer(np.asarray(network.weights[0]), np.asarray(network.biases[0]), network.activation)
    bias, output = network.scale * np.asarray(network.biases[1]), network.scale * np.asarray(network.weights[1])
    first = Network(constant, (domain,), bias[None, :, None], numbers)
    return first.plus(Network(hidden, (domain,), output[None], np.zeros_like(numbers)))


def trained_start(solution: Solution, problem: AbstractProblem) -> Callable:
    """The network of a solution, on the domain of a problem where it is one that scales its inputs."""
    network = solution.network
    if isinstance(network, WithConstants):
        inner = dataclasses.replace(solution, network=network.network)
        return WithConstants(trained_start(inner, problem), network.variables)
    if not isinstance(network, MLP) or network.bounds == problem.domain.bounds:
        return network
    options = {"activation": network.activation, "periodic": network.periodic, "scale": network.scale}
    made = MLP(network.widths, problem.domain.bounds, key=jax.random.key(0), **options)
    return eqx.tree_at(lambda part: (part.weights, part.biases), made, (network.weights, network.biases))


def _bounds(network: Cells) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    """The lower and the upper bounds of each cell."""
    return [(tuple(low for low, _ in box), tuple(high for _, high in box)) for box in network.boxes]
