"""Sums over the axis of a batch, taken before linear operations instead of after them.

A Laplacian pushes the unit vectors of all axes through a network as one batch, and sums over the batch at the end. The
part that enters every layer linearly can be summed before the first layer.
"""

import dataclasses
from collections.abc import Callable, Mapping, Set
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sngd.linearize._graph import Graph, Node
from sngd.linearize._jaxpr import bind

_Axes = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class _Rule:
    """How to compute the sum of the output of a node from sums of its inputs.

    - `inner`: the axes over which inputs are summed, by the positions of these inputs. Other inputs are not summed.
    - `combine`: the function of the inputs, so summed, that gives the sum of the output.
    """

    inner: dict[int, _Axes]
    combine: Callable[..., Array]


def summed_early(graph: Graph, *arguments: Array) -> tuple[Array, ...]:
    """The results of a graph for these arguments, by the same operations in another order."""
    makers = {number: node for node in graph.nodes for number in node.outputs}
    rules = _rules(graph, makers)
    values: dict[int, Any] = {**graph.constants, **dict(zip(graph.arguments, arguments, strict=True))}
    sums: dict[tuple[int, _Axes], Array] = {}

    def total(number: int, axes: _Axes) -> Array:
        if (number, axes) not in sums:
            sums[number, axes] = jnp.sum(values[number], axes)
        return sums[number, axes]

    for node in graph.nodes:
        summed = (node.inputs[0], node.equation.params["axes"]) if node.name == "reduce_sum" else None
        outputs = [sums[summed]] if summed in sums else bind(node.equation, [values[number] for number in node.inputs])
        values.update(zip(node.outputs, outputs, strict=True))
        for axes, rule in rules.get(node.outputs[0], {}).items():
            inputs = [
                total(number, rule.inner[slot]) if slot in rule.inner else values[number]
                for slot, number in enumerate(node.inputs)
            ]
            sums[node.outputs[0], axes] = rule.combine(*inputs)
    return tuple(values[number] for number in graph.results)


def _rules(graph: Graph, makers: Mapping[int, Node]) -> dict[int, dict[_Axes, _Rule]]:
    """For each value that is summed, the axes of the sum and the rule that computes the sum."""
    rules: dict[int, dict[_Axes, _Rule]] = {}
    given = graph.given

    def sum_over(number: int, axes: _Axes) -> None:
        node = makers.get(number)
        rule = _rule(node, axes, given) if node is not None and node.is_real else None
        if rule is not None:
            rules.setdefault(number, {})[axes] = rule

    for node in reversed(graph.nodes):
        if node.name == "reduce_sum":
            sum_over(node.inputs[0], node.equation.params["axes"])
        for rule in rules.get(node.outputs[0], {}).values():
            for slot, inner in rule.inner.items():
                sum_over(node.inputs[slot], inner)
    return rules


def _rule(node: Node, axes: _Axes, given: Set[int]) -> _Rule | None:
    """The rule for the sum of the output of a node over these axes, or `None` if no rule is known."""
    shapes = [node.shape_of(slot) for slot in range(len(node.inputs))]
    # The inputs that are no scalars, with the axes over which they are summed.
    several = {slot: axes for slot, shape in enumerate(shapes) if shape != ()}
    match node.name:
        case "neg":
            return _Rule({0: axes}, jnp.negative)
        case "add" | "add_any" if shapes[0] == shapes[1]:
            return _Rule({0: axes, 1: axes}, jnp.add)
        case "sub" if shapes[0] == shapes[1]:
            return _Rule({0: axes, 1: axes}, jnp.subtract)
        case "mul" if any(_one_along(axes, shape) for shape in shapes):
            return _Rule(several, jnp.multiply)
        case "div" if _one_along(axes, shapes[1]):
            return _Rule(several, jnp.divide)
        case "broadcast_in_dim" if shapes[0] == _without(axes, node.shape) and _one_along(axes, node.shape):
            return _Rule({}, jnp.asarray)
        case "reduce_sum":
            return _summed_again(node, axes)
        case "squeeze":
            kept = [axis for axis in range(len(shapes[0])) if axis not in node.equation.params["dimensions"]]
            shape = _without(axes, node.shape)
            return _Rule({0: tuple(kept[axis] for axis in axes)}, lambda summed: jnp.reshape(summed, shape))
        case "transpose":
            return _transposed(node, axes)
        case "dot_general":
            return _product(node, axes, given)
    return None


def _one_along(axes: _Axes, shape: tuple[int, ...]) -> bool:
    """Whether an array of this shape has one entry along each of these axes. A sum over them changes no value."""
    return shape == () or all(shape[axis] == 1 for axis in axes)


def _without(axes: _Axes, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


def _summed_again(node: Node, axes: _Axes) -> _Rule:
    """The rule for a node that is itself a sum: its own axes are summed after the given axes."""
    own, count = node.equation.params["axes"], len(node.shape_of(0))
    kept = [axis for axis in range(count) if axis not in own]
    inner = tuple(kept[axis] for axis in axes)
    left = [axis for axis in range(count) if axis not in inner]
    places = tuple(left.index(axis) for axis in own)
    return _Rule({0: inner}, lambda summed: jnp.sum(summed, places))


def _transposed(node: Node, axes: _Axes) -> _Rule:
    permutation = node.equation.params["permutation"]
    left = [axis for position, axis in enumerate(permutation) if position not in axes]
    order = [sorted(left).index(axis) for axis in left]
    return _Rule({0: tuple(sorted(permutation[axis] for axis in axes))}, lambda summed: jnp.transpose(summed, order))


def _product(node: Node, axes: _Axes, given: Set[int]) -> _Rule | None:
    """The rule for a matrix product that is summed over axes of one of its factors.

    The sum of the product is the product with the sum of that factor. There is no rule if the factor is an argument of
    the graph, because weight matrices stay as they are.
    """
    parameters = node.equation.params
    contracted, batched = parameters["dimension_numbers"]
    free = [
        [axis for axis in range(len(node.shape_of(slot))) if axis not in (*contracted[slot], *batched[slot])]
        for slot in (0, 1)
    ]
    places = [(slot, axis) for slot in (0, 1) for axis in free[slot]]
    slots = {places[axis][0] for axis in axes} if not batched[0] else set()
    if len(slots) != 1:
        return None
    (slot,) = slots
    if node.inputs[slot] in given:
        return None
    inner = tuple(places[axis][1] for axis in axes)
    left = [axis for axis in range(len(node.shape_of(slot))) if axis not in inner]
    along = list(contracted)
    along[slot] = tuple(left.index(axis) for axis in contracted[slot])

    def product(first: Array, second: Array) -> Array:
        numbers = ((along[0], along[1]), batched)
        return jax.lax.dot_general(first, second, **{**parameters, "dimension_numbers": numbers})

    return _Rule({slot: inner}, product)
