"""Sums of derivatives, carried through a network as one vector.

The highest derivatives enter a layer linearly. With `h = sin(a)` and `a = W g + b`, for example, `h_t - h_xx = cos(a)
(a_t - a_xx) + sin(a) a_x^2` and `a_t - a_xx = W (g_t - g_xx)`. So if an operator takes a sum of the highest
derivatives, one product with the weight matrix serves for the whole sum. The heat equation takes three products instead
of four. A Laplacian in `d` dimensions takes `d + 2` instead of `2 d + 1`.

This is the collapsed Taylor mode of Dangel, Siebert, Zeinhofer and Walther, NeurIPS 2025, arXiv:2505.13644. Here sums
are carried through the linear operations named below, from the results of any graph to its arguments.
"""

import collections
import dataclasses
import functools
import graphlib
import operator
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import jax
from jaxtyping import Array

from sngd.linearize._batches import summed_early
from sngd.linearize._graph import Graph, Node, graph_of
from sngd.linearize._jaxpr import bind, parameters_of

# Operations that are linear in their first input, and operations that are linear in each of two inputs.
_LINEAR = ("broadcast_in_dim", "div", "reduce_sum", "reshape", "slice", "squeeze", "transpose")
_BILINEAR = ("dot_general", "mul")

# The largest number of terms of a sum that is written out, and the largest number of sums.
_MOST_TERMS, _MOST_SUMS = 64, 2000

# A term is a value of the graph, given by its number, times scalars among the values. `~number` stands for a division
# by the scalar with this number. A sum is a set of terms with coefficients, which count how often each term occurs.
# Constants are scalars, so that equal sums look equal.
_Term = tuple[tuple[int, ...], int]
_Sum = tuple[tuple[_Term, float], ...]


@dataclasses.dataclass(frozen=True)
class _Part:
    """A term of a sum, with its coefficient, whose value is computed from other sums.

    - `inputs`: the sums that are the inputs of the node of the value. It is `None` for an argument or a constant of the
      graph.
    """

    coefficient: float
    scalars: tuple[int, ...]
    value: int
    inputs: tuple[_Sum, ...] | None

    @property
    def needs(self) -> tuple[_Sum, ...]:
        """The sums from which the value of the term is computed."""
        return (*(_alone(max(scalar, ~scalar)) for scalar in self.scalars), *(self.inputs or ()))


def fewest_products(function: Callable[..., Any], *arguments: Array | jax.ShapeDtypeStruct) -> Graph:
    """The graph of `function`, with sums carried through it if its matrix products then take fewer operations."""
    plain = graph_of(function, *arguments)
    if not plain.multiplications or any(node.equation.effects for node in plain.nodes):
        return plain
    early = graph_of(functools.partial(summed_early, plain), *arguments)
    found, collapse = [plain, early], _Collapse(early)
    if collapse.is_complete:
        found.append(graph_of(collapse.evaluate, *arguments))
    return min(found, key=lambda graph: graph.multiplications)


class _Collapse:
    """A graph whose results are evaluated from sums of its values."""

    def __init__(self, graph: Graph):
        self._graph = graph
        self._makers = {number: node for node in graph.nodes for number in node.outputs}
        # Arguments and constants are not summed, so that weight matrices stay as they are.
        self._given = graph.given
        self._parts: dict[_Sum, list[_Part]] = {}
        waiting = [_alone(number) for number in graph.results]
        while waiting and len(self._parts) < _MOST_SUMS:
            wanted = waiting.pop()
            if wanted not in self._parts:
                self._parts[wanted] = self._divided(wanted)
                waiting += self._needs(wanted)
        self.is_complete = not waiting

    def evaluate(self, *arguments: Array) -> tuple[Array, ...]:
        """The results of the graph for these arguments."""
        given = {**self._graph.constants, **dict(zip(self._graph.arguments, arguments, strict=True))}
        sums: dict[_Sum, Array] = {}

        # A constant of a graph may be of a type that only JAX knows.
        def evaluated(part: _Part) -> Any:
            if part.inputs is None:
                value = given[part.value]
            else:
                node = self._makers[part.value]
                value = bind(node.equation, [sums[needed] for needed in part.inputs])[node.outputs.index(part.value)]
            for scalar in part.scalars:
                value = value / sums[_alone(~scalar)] if scalar < 0 else sums[_alone(scalar)] * value
            return value if part.coefficient == 1 else part.coefficient * value

        order = graphlib.TopologicalSorter({wanted: self._needs(wanted) for wanted in self._parts}).static_order()
        for wanted in order:
            sums[wanted] = functools.reduce(operator.add, map(evaluated, self._parts[wanted]))
        return tuple(sums[_alone(number)] for number in self._graph.results)

    def _needs(self, wanted: _Sum) -> list[_Sum]:
        return [needed for part in self._parts[wanted] for needed in part.needs]

    def _divided(self, wanted: _Sum) -> list[_Part]:
        """The parts of a sum. They are those of the graph, unless several terms share a linear operation."""
        groups = self._groups(self._written_out(wanted))
        if len(wanted) == 1 and all(len(group) == 1 for group in groups):
            return [self._single(*wanted[0])]
        return [self._single(*group[0][:2]) if len(group) == 1 else self._shared(group) for group in groups]

    def _single(self, term: _Term, coefficient: float) -> _Part:
        scalars, value = term
        maker = self._makers.get(value)
        return _Part(coefficient, scalars, value, None if maker is None else tuple(map(_alone, maker.inputs)))

    def _shared(self, group: "_Group") -> _Part:
        """One operation on a sum, in place of a sum of operations.

        A factor that all terms have in common stays outside of the sum, so that sums that differ by a factor are equal.
        """
        total: dict[_Term, float] = collections.defaultdict(float)
        common = functools.reduce(operator.and_, (collections.Counter(scalars) for (scalars, _), *_ in group))
        for (scalars, value), coefficient, slot in group:
            left = tuple(sorted((collections.Counter(scalars) - common).elements()))
            total[left, self._makers[value].inputs[slot]] += coefficient
        (_, value), _, slot = group[0]
        lead = total[min(total)] or 1.0
        inputs = [_alone(number) for number in self._makers[value].inputs]
        inputs[slot] = tuple((term, total[term] / lead) for term in sorted(total))
        return _Part(lead, tuple(sorted(common.elements())), value, tuple(inputs))

    def _written_out(self, wanted: _Sum) -> dict[_Term, float]:
        """The terms of a sum after additions and products with scalars are expanded, from the last value on."""
        terms: dict[_Term, float] = dict(wanted)
        done: dict[_Term, float] = {}
        while terms:
            latest = max(terms, key=lambda term: term[1])
            coefficient = terms.pop(latest)
            addends = self._addends(latest) if len(terms) + len(done) < _MOST_TERMS else None
            into, found = (done, [(latest, 1.0)]) if addends is None else (terms, addends)
            for term, factor in found:
                into[term] = into.get(term, 0.0) + factor * coefficient
        return done

    def _addends(self, term: _Term) -> list[tuple[_Term, float]] | None:
        """The terms whose sum is this term, or `None` if the term is no sum."""
        scalars, value = term
        node = self._makers.get(value)
        if node is None or not node.is_real:
            return None
        match node.name:
            case "add" | "add_any" | "sub":
                sign = -1.0 if node.name == "sub" else 1.0
                return [((scalars, node.inputs[0]), 1.0), ((scalars, node.inputs[1]), sign)]
            case "neg":
                return [((scalars, node.inputs[0]), -1.0)]
            case "mul" if () in (node.shape_of(0), node.shape_of(1)):
                scalar, other = self._scalar_first(node)
                return [((tuple(sorted((*scalars, scalar))), other), 1.0)]
            case "div" if node.shape_of(1) == ():
                return [((tuple(sorted((*scalars, ~node.inputs[1]))), node.inputs[0]), 1.0)]
        return None

    def _scalar_first(self, node: Node) -> tuple[int, int]:
        """The factors of a product with a scalar, the scalar first.

        If both factors are scalars, the first one is the constant, or else the one that comes earlier in the graph.
        Derivatives come later than their factors.
        """
        slots = [slot for slot in (0, 1) if node.shape_of(slot) == ()]
        slot = min(slots, key=lambda slot: (node.inputs[slot] not in self._graph.constants, node.inputs[slot]))
        return node.inputs[slot], node.inputs[1 - slot]

    def _groups(self, terms: Mapping[_Term, float]) -> "list[_Group]":
        """The terms in groups. The terms of one group are the same linear operation on different inputs."""
        possible = {term: list(self._operations(term[1])) for term in terms}
        counts = collections.Counter(key for operations in possible.values() for key, _ in operations)
        groups: dict[Hashable, _Group] = collections.defaultdict(list)
        for term, coefficient in terms.items():
            key, slot = max(possible[term], key=lambda found: counts[found[0]], default=(term, 0))
            groups[key].append((term, coefficient, slot))
        return list(groups.values())

    def _operations(self, value: int) -> Iterator[tuple[Hashable, int]]:
        """The linear operations whose output the value is, each with its input."""
        node = self._makers.get(value)
        if node is None or not node.is_real or node.name not in (*_LINEAR, *_BILINEAR):
            return
        name, parameters = node.name, parameters_of(node.equation)
        if name in ("reshape", "squeeze"):
            name, parameters = "reshape", node.shape
        for slot in range(1 if name in _LINEAR else 2):
            if parameters is None or node.inputs[slot] in self._given:
                continue
            others = (*node.inputs[:slot], *node.inputs[slot + 1 :])
            side = None if name == "mul" else slot
            yield (name, side, others, node.shape_of(slot), parameters), slot


_Group = list[tuple[_Term, float, int]]


def _alone(number: int) -> _Sum:
    return ((((), number), 1.0),)
