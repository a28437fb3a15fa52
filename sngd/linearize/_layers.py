"""Rows of a Jacobian as sums of outer products, for networks made of linear layers.

Suppose that a weight matrix `W` enters a residual only through its products with vectors `a_1, ..., a_S`. Then the
derivative of one row with respect to `W` is `sum_s g_s a_s^T`, where `g_s` is the derivative of the row with respect to
the product `W a_s`. The vectors are the input of the layer and its derivatives. The derivatives of highest order enter
as one sum, if the sum can be carried through the network (`_collapse.py`). For the heat equation there are three
vectors. So neither a row nor the Jacobian needs to be stored.

The products are found in the graph of the residual. So the method applies to any network whose weights enter by `W @
a`. A zero is added to each product that uses a weight, and one reverse pass with respect to these zeros gives all
`g_s`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sngd.linearize._collapse import fewest_products
from sngd.linearize._graph import Graph
from sngd.linearize._jaxpr import Equation, bind
from sngd.linearize._outer import Outer

Leaves = Sequence[Array]
Rows = Callable[[Leaves], Array]


@dataclasses.dataclass(frozen=True)
class _Weight:
    """A weight matrix, possibly in another shape, as a value of a graph."""

    leaf: int
    value: Array
    transposed: bool = False


@dataclasses.dataclass(frozen=True)
class _Product:
    """A product of a weight with vectors: the leaf of the weight, the vectors, shape `(S, width)`, and the axis.

    The axis is that axis of the weight over which the product sums.
    """

    leaf: int
    vectors: Array
    axis: int


class _NotLinearError(Exception):
    """A weight enters a residual otherwise than by a product with vectors."""

    def __init__(self, leaf: int):
        self.leaf = leaf


OnProduct = Callable[[_Product, Array], Array]


def graph_of_rows(rows: Rows, leaves: Leaves) -> Graph:
    """The graph of a function of the leaves, with the fewest matrix products."""
    return fewest_products(lambda *given: (rows(given),), *leaves)


def linear_leaves(rows: Rows, leaves: Leaves) -> frozenset[int]:
    """The indices of the leaves that are matrices and enter only by products with vectors. Nothing is computed."""
    return linear_leaves_of(graph_of_rows(rows, leaves), leaves)


def linear_leaves_of(graph: Graph, leaves: Leaves) -> frozenset[int]:
    """The result of `linear_leaves` for the graph of a function."""
    candidates = {index for index, leaf in enumerate(leaves) if leaf.ndim == 2}
    while candidates:
        found: set[int] = set()

        def note(product: _Product, result: Array, found: set[int] = found) -> Array:
            found.add(product.leaf)
            return result

        try:
            jax.eval_shape(lambda given, note=note: _evaluate(graph, given, frozenset(candidates), note), list(leaves))
        except _NotLinearError as error:
            candidates.discard(error.leaf)
            continue
        return frozenset(candidates & found)
    return frozenset()


def outer_products(
    rows: Rows, leaves: Leaves, linear: frozenset[int]
) -> tuple[Float[Array, " m"], dict[int, Outer], Float[Array, "m d"]]:
    """The values `rows(leaves)`, shape `(m,)`, and their derivatives.

    The derivatives with respect to the linear leaves are outer products. The derivatives with respect to the other
    leaves are stored, flattened one after the other.

    - `rows`: a function of the leaves at one point.
    """
    graph = graph_of_rows(rows, leaves)
    shapes: list[jax.ShapeDtypeStruct] = []

    def measure(product: _Product, result: Array) -> Array:
        shapes.append(jax.ShapeDtypeStruct(result.shape, result.dtype))
        return result

    jax.eval_shape(lambda given: _evaluate(graph, given, linear, measure), list(leaves))
    others = [leaf for index, leaf in enumerate(leaves) if index not in linear]

    def shifted(shifts: list[Array], others: list[Array]) -> tuple[Array, list[_Product]]:
        products: list[_Product] = []

        def shift(product: _Product, result: Array) -> Array:
            products.append(product)
            return result + shifts[len(products) - 1]

        rest = iter(others)
        given = [leaf if index in linear else next(rest) for index, leaf in enumerate(leaves)]
        values = _evaluate(graph, given, linear, shift)
        return values, products

    zeros = [jnp.zeros(shape.shape, shape.dtype) for shape in shapes]
    found: list[_Product] = []

    def values_of(shifts: list[Array], others: list[Array]) -> tuple[Array, list[Array]]:
        values, products = shifted(shifts, others)
        found[:] = products
        return values, [product.vectors for product in products]

    values, pull, vectors = jax.vjp(values_of, zeros, others, has_aux=True)
    slopes, dense = jax.vmap(pull)(jnp.eye(len(values), dtype=values.dtype))
    stored = jnp.concatenate([part.reshape(len(values), -1) for part in dense] or [jnp.zeros((len(values), 0))], axis=1)
    return values, _by_leaf(found, vectors, slopes), stored


def with_fewest_products(function: Callable[..., Array], *arguments: Array) -> Array:
    """The value `function(*arguments)`, computed as it is written or with fewer matrix products.

    Equal expressions are evaluated once. XLA finds equal expressions too, but not all of them in a loop.
    """
    (result,) = fewest_products(lambda *given: (function(*given),), *arguments).evaluate(arguments)
    return result


def _by_leaf(products: list[_Product], vectors: list[Array], slopes: list[Array]) -> dict[int, Outer]:
    """The pairs of vectors of all products, stacked for each weight."""
    pairs: dict[int, list[tuple[Array, Array]]] = {}
    for product, inputs, slope in zip(products, vectors, slopes, strict=True):
        rows, count = slope.shape[0], inputs.shape[0]
        outputs = slope.reshape(rows, count, -1)
        repeated = jnp.broadcast_to(inputs, (rows, *inputs.shape))
        pair = (outputs, repeated) if product.axis == 1 else (repeated, outputs)
        pairs.setdefault(product.leaf, []).append(pair)
    return {
        leaf: Outer(*(jnp.concatenate(side, axis=1) for side in zip(*found, strict=True)))
        for leaf, found in pairs.items()
    }


def _evaluate(graph: Graph, leaves: Leaves, linear: frozenset[int], on_product: OnProduct) -> Array:
    """The only result of a graph, with `on_product` applied to every product of a linear leaf with vectors."""
    arguments = [_Weight(index, leaf) if index in linear else leaf for index, leaf in enumerate(leaves)]

    def apply(equation: Equation, inputs: list[Any]) -> list[Any]:
        weights = [value for value in inputs if isinstance(value, _Weight)]
        return _with_weight(equation, inputs, weights[0], on_product) if weights else bind(equation, inputs)

    (result,) = graph.evaluate(arguments, apply)
    if isinstance(result, _Weight):
        raise _NotLinearError(result.leaf)
    return result


def _with_weight(equation: Equation, inputs: list[Any], weight: _Weight, on_product: OnProduct) -> list[Any]:
    name, parameters = equation.primitive.name, equation.params
    if name == "transpose" and tuple(parameters["permutation"]) == (1, 0):
        return [_Weight(weight.leaf, weight.value, not weight.transposed)]
    if name == "dot_general" and sum(isinstance(value, _Weight) for value in inputs) == 1:
        return [_product(equation, inputs, weight, on_product)]
    raise _NotLinearError(weight.leaf)


def _product(equation: Equation, inputs: list[Any], weight: _Weight, on_product: OnProduct) -> Array:
    (contracted, batched) = equation.params["dimension_numbers"]
    side = 0 if isinstance(inputs[0], _Weight) else 1
    if len(contracted[side]) != 1 or batched[0]:
        raise _NotLinearError(weight.leaf)
    value = weight.value.T if weight.transposed else weight.value
    vectors, axis = inputs[1 - side], contracted[1 - side][0]
    stacked = jnp.moveaxis(vectors, axis, -1).reshape(-1, vectors.shape[axis])
    meets = contracted[side][0] ^ weight.transposed
    (result,) = bind(equation, [value, vectors] if side == 0 else [vectors, value])
    # The axis of the outputs comes last, like the axis of the entries of the vectors.
    moved = jnp.moveaxis(result, 0, -1) if side == 0 else result
    moved = on_product(_Product(weight.leaf, stacked, meets), moved)
    return jnp.moveaxis(moved, -1, 0) if side == 0 else moved
