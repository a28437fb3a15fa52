"""Expressions of a function as a graph, in which equal expressions are one node."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jaxtyping import Array

# Constants of at most so many numbers, such as unit vectors, are compared by their content.
_SMALL = 64

_CALLS = ("jit", "pjit")

_SHAPES = ("broadcast_in_dim", "reshape", "squeeze", "transpose")

Apply = Callable[[core.JaxprEqn, list[Any]], list[Any]]


@dataclasses.dataclass(frozen=True)
class Node:
    """One equation of a jaxpr, whose inputs and outputs are values of a graph, by their numbers."""

    equation: core.JaxprEqn
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name of the primitive."""
        return self.equation.primitive.name

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the first output."""
        return _aval(self.equation.outvars[0]).shape

    @property
    def is_real(self) -> bool:
        """Whether the first output consists of real numbers."""
        return bool(jnp.issubdtype(_aval(self.equation.outvars[0]).dtype, jnp.floating))

    def shape_of(self, slot: int) -> tuple[int, ...]:
        """The shape of an input."""
        return _aval(self.equation.invars[slot]).shape


@dataclasses.dataclass(frozen=True)
class Graph:
    """The nodes that results depend on, each after those it takes its inputs from.

    Values are numbered in the order of the nodes.
    """

    arguments: tuple[int, ...]
    constants: dict[int, Any]
    nodes: tuple[Node, ...]
    results: tuple[int, ...]

    def evaluate(self, arguments: Sequence[Any], apply: Apply) -> list[Any]:
        """The results for these arguments; `apply` evaluates an equation."""
        values = {**self.constants, **dict(zip(self.arguments, arguments, strict=True))}
        for node in self.nodes:
            results = apply(node.equation, [values[number] for number in node.inputs])
            values.update(zip(node.outputs, results, strict=True))
        return [values[number] for number in self.results]

    @property
    def given(self) -> set[int]:
        """Arguments, constants, and these in other shapes."""
        given = {*self.arguments, *self.constants}
        for node in self.nodes:
            if node.name in _SHAPES and given.issuperset(node.inputs):
                given.update(node.outputs)
        return given

    @property
    def multiplications(self) -> int:
        """How many multiplications its matrix products take, those inside of loops and the like not counted."""
        return sum(_multiplications(node) for node in self.nodes if node.name == "dot_general")


def graph_of(function: Callable[..., Any], *arguments: Array | jax.ShapeDtypeStruct) -> Graph:
    """The graph of `function`, which takes and returns arrays, for arguments of these shapes."""
    closed = jax.make_jaxpr(function)(*arguments)
    builder = _Builder()
    inputs = tuple(next(builder.numbers) for _ in arguments)
    results = builder.add(closed.jaxpr, closed.consts, inputs)
    nodes = _in_use(builder.nodes, results)
    return Graph(inputs, builder.constants, nodes, tuple(results))


def bind(equation: core.JaxprEqn, inputs: list[Any]) -> list[Any]:
    """The outputs of one equation for these inputs, by their positions: a square may get two factors."""
    primitive = equation.primitive
    with equation.ctx.manager:
        outputs = primitive.bind(*inputs, **primitive.get_bind_params(equation.params))
    return list(outputs) if primitive.multiple_results else [outputs]


class _Builder:
    """Numbers the values of jaxprs, calls and all, and keeps one node of equal ones."""

    def __init__(self) -> None:
        self.numbers = itertools.count()
        self.constants: dict[int, Any] = {}
        self.nodes: list[Node] = []
        self._known: dict[Any, Any] = {}

    def add(self, jaxpr: core.Jaxpr, constants: Sequence[Any], arguments: Sequence[int]) -> list[int]:
        """The numbers of the results of a jaxpr for arguments with these numbers."""
        given = (*map(self._constant, constants), *arguments)
        values: dict[Any, int] = dict(zip((*jaxpr.constvars, *jaxpr.invars), given, strict=True))

        def number(variable: Any) -> int:
            return self._constant(variable.val) if isinstance(variable, core.Literal) else values[variable]

        for equation in jaxpr.eqns:
            inputs = tuple(map(number, equation.invars))
            if equation.primitive.name in _CALLS:
                closed = equation.params["jaxpr"]
                outputs = self.add(closed.jaxpr, closed.consts, inputs)
            elif equation.primitive.name == "reshape" and equation.invars[0].aval == equation.outvars[0].aval:
                outputs = inputs
            else:
                outputs = self._node(equation, inputs)
            values.update(zip(equation.outvars, outputs, strict=True))
        return [number(variable) for variable in jaxpr.outvars]

    def _node(self, equation: core.JaxprEqn, inputs: tuple[int, ...]) -> tuple[int, ...]:
        key = _key(equation, inputs)
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
    """Those that the results depend on, and those that do something else."""
    needed, kept = set(results), []
    for node in reversed(nodes):
        if node.equation.effects or needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))


def _key(equation: core.JaxprEqn, inputs: tuple[int, ...]) -> Any:
    """What equal equations have in common, or `None`."""
    if equation.effects:
        return None
    parameters = _rule(equation) if equation.primitive.name == "custom_jvp_call" else parameters_of(equation)
    return None if parameters is None else (equation.primitive, parameters, inputs)


def parameters_of(equation: core.JaxprEqn) -> Any:
    """Its parameters, to be compared with those of other equations; or `None`."""
    items = tuple(sorted(equation.params.items()))
    try:
        hash(items)
    except TypeError:
        return None
    return items


def _rule(equation: core.JaxprEqn) -> Any:
    """What a function with a derivative of its own computes, and where its derivative is written; or `None`."""
    closed = equation.params["call_jaxpr"]
    information = getattr(equation.params.get("jvp_jaxpr_fun"), "debug_info", None)
    place = getattr(information, "func_src_info", None)
    if place is None or closed.consts:
        return None
    builder = _Builder()
    results = builder.add(closed.jaxpr, (), [next(builder.numbers) for _ in closed.jaxpr.invars])
    steps = tuple(_key(node.equation, node.inputs) for node in builder.nodes)
    constants = tuple((number, _content(value)) for number, value in builder.constants.items())
    return None if None in steps else (place, steps, constants, tuple(results))


def _content(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic | float | int) and np.size(value) <= _SMALL:
        constant = np.asarray(value)
        return constant.tobytes(), constant.shape, constant.dtype
    return id(value)


def _aval(variable: Any) -> Any:
    return variable.aval


def _multiplications(product: Node) -> int:
    ((contracted, _), _) = product.equation.params["dimension_numbers"]
    shape = product.shape_of(0)
    return int(np.prod(product.shape)) * int(np.prod([shape[axis] for axis in contracted]))
