"""The graph of a function, in which equal expressions are one node."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sngd.linearize._jaxpr import (
    Equation,
    Jaxpr,
    bind,
    changes_nothing,
    compiled_in,
    dtype_of,
    key_of,
    literal_in,
    shape_of,
)

# Constants of at most this many numbers, such as unit vectors, are compared by their content.
_SMALL = 64

_SHAPES = ("broadcast_in_dim", "reshape", "squeeze", "transpose")

Apply = Callable[[Equation, list[Any]], list[Any]]


@dataclasses.dataclass(frozen=True)
class Node:
    """One equation of a jaxpr. Its inputs and outputs are values of a graph, given by their numbers."""

    equation: Equation
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name of the primitive."""
        return self.equation.primitive.name

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the first output."""
        return shape_of(self.equation.outvars[0])

    @property
    def is_real(self) -> bool:
        """Whether the first output consists of real numbers."""
        return bool(jnp.issubdtype(dtype_of(self.equation.outvars[0]), jnp.floating))

    def shape_of(self, slot: int) -> tuple[int, ...]:
        """The shape of an input."""
        return shape_of(self.equation.invars[slot])


@dataclasses.dataclass(frozen=True)
class Graph:
    """The nodes on which the results of a function depend. A node comes after the nodes of its inputs.

    Values are numbered in the order of the nodes.
    """

    arguments: tuple[int, ...]
    constants: dict[int, Any]
    nodes: tuple[Node, ...]
    results: tuple[int, ...]

    def evaluate(self, arguments: Sequence[Any], apply: Apply = bind) -> list[Any]:
        """The results for these arguments. The function `apply` evaluates one equation for its inputs."""
        values = {**self.constants, **dict(zip(self.arguments, arguments, strict=True))}
        for node in self.nodes:
            results = apply(node.equation, [values[number] for number in node.inputs])
            values.update(zip(node.outputs, results, strict=True))
        return [values[number] for number in self.results]

    @property
    def given(self) -> set[int]:
        """The numbers of the arguments, of the constants, and of the values that are these in other shapes."""
        given = {*self.arguments, *self.constants}
        for node in self.nodes:
            if node.name in _SHAPES and given.issuperset(node.inputs):
                given.update(node.outputs)
        return given

    @property
    def multiplications(self) -> int:
        """The number of multiplications in matrix products. Products inside of loops and other calls do not count."""
        return sum(_multiplications(node) for node in self.nodes if node.name == "dot_general")


def graph_of(function: Callable[..., Any], *arguments: Array | jax.ShapeDtypeStruct) -> Graph:
    """The graph of `function`, which takes and returns arrays, for arguments of these shapes."""
    closed = jax.make_jaxpr(function)(*arguments)
    builder = _Builder()
    inputs = tuple(next(builder.numbers) for _ in arguments)
    results = builder.add(closed.jaxpr, closed.consts, inputs)
    nodes = _in_use(builder.nodes, results)
    return Graph(inputs, builder.constants, nodes, tuple(results))


class _Builder:
    """Builds a graph: it numbers the values of a jaxpr and of the functions it calls, and merges equal nodes."""

    def __init__(self) -> None:
        self.numbers = itertools.count()
        self.constants: dict[int, Any] = {}
        self.nodes: list[Node] = []
        self._known: dict[Any, Any] = {}

    def add(self, jaxpr: Jaxpr, constants: Sequence[Any], arguments: Sequence[int]) -> list[int]:
        """The numbers of the results of a jaxpr for arguments with these numbers."""
        given = (*map(self._constant, constants), *arguments)
        values: dict[Any, int] = dict(zip((*jaxpr.constvars, *jaxpr.invars), given, strict=True))

        def number(variable: Any) -> int:
            constant = literal_in(variable)
            return values[variable] if constant is None else self._constant(constant)

        for equation in jaxpr.eqns:
            inputs = tuple(map(number, equation.invars))
            function = compiled_in(equation)
            if function is not None:
                outputs = self.add(*function, inputs)
            elif changes_nothing(equation):
                outputs = inputs
            else:
                outputs = self._node(equation, inputs)
            values.update(zip(equation.outvars, outputs, strict=True))
        return [number(variable) for variable in jaxpr.outvars]

    def _node(self, equation: Equation, inputs: tuple[int, ...]) -> tuple[int, ...]:
        own = key_of(equation)
        key = None if own is None else (own, inputs)
        if key is not None and key in self._known:
            return self._known[key]
        outputs = tuple(next(self.numbers) for _ in equation.outvars)
        self.nodes.append(Node(equation, inputs, outputs))
        if key is not None:
            self._known[key] = outputs
        return outputs

    def _constant(self, value: Any) -> int:
        key = _content(value)
        if key not in self._known:
            number = next(self.numbers)
            self.constants[number] = value
            self._known[key] = number
        return self._known[key]


def _in_use(nodes: list[Node], results: Sequence[int]) -> tuple[Node, ...]:
    """The nodes on which the results depend, and the nodes that have side effects."""
    needed, kept = set(results), []
    for node in reversed(nodes):
        if node.equation.effects or needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))


def _content(value: Any) -> Any:
    """A key that two constants share if they are equal. Large constants and arrays of JAX equal only themselves."""
    if isinstance(value, jax.Array) or np.size(value) > _SMALL:
        return id(value)
    constant = np.asarray(value)
    # NumPy converts the scalars of JAX to numbers of Python and so loses their dtype.
    return constant.tobytes(), constant.shape, getattr(value, "dtype", constant.dtype)


def _multiplications(product: Node) -> int:
    ((contracted, _), _) = product.equation.params["dimension_numbers"]
    shape = product.shape_of(0)
    return int(np.prod(product.shape)) * int(np.prod([shape[axis] for axis in contracted]))
