"""Rows of a Jacobian as sums of outer products, for networks made of linear layers.

Where parameters enter a residual only through products of a weight matrix `W` with vectors `a_1, ..., a_S`, the
derivative of one row by `W` is `sum_s g_s a_s^T`, with `g_s` the derivative of the row by the product `W a_s`. The
vectors are the layer's input and its derivatives along the directions that the operator takes: four for the heat
equation. So neither a row nor the Jacobian needs to be stored.

The products are found by walking through the residual's jaxpr, so that any network whose weights enter by `W @ a` will
do. Every product that uses a weight gets a zero added to it, and one reverse pass by these zeros gives all `g_s`. Equal
expressions are evaluated once: derivatives written one by one, as in `u_xx + u_yy`, share what they have in common.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jaxtyping import Array, Float

from sngd.linearize._outer import Outer

# Constants of at most so many numbers, such as unit vectors, are compared by their content.
_SMALL = 64

_CALLS = ("jit", "pjit")

Leaves = Sequence[Array]
Rows = Callable[[Leaves], Array]


@dataclasses.dataclass(frozen=True)
class _Weight:
    """A weight matrix on its way through a jaxpr."""

    leaf: int
    value: Array
    transposed: bool = False


@dataclasses.dataclass(frozen=True)
class _Product:
    """A product of a weight with vectors: the weight's leaf, the vectors `(S, width)`, and which axis they meet."""

    leaf: int
    vectors: Array
    axis: int


class _NotLinearError(Exception):
    """A weight entered in another way than by a product with vectors."""

    def __init__(self, leaf: int):
        self.leaf = leaf


OnProduct = Callable[[_Product, Array], Array]


def linear_leaves(rows: Rows, leaves: Leaves) -> frozenset[int]:
    """Which of the leaves are matrices that enter only by products with vectors. Nothing is computed."""
    candidates = {index for index, leaf in enumerate(leaves) if leaf.ndim == 2}
    while candidates:
        found: set[int] = set()

        def note(product: _Product, result: Array, found: set[int] = found) -> Array:
            found.add(product.leaf)
            return result

        try:
            jax.eval_shape(lambda given, note=note: _evaluate(rows, given, frozenset(candidates), note), list(leaves))
        except _NotLinearError as error:
            candidates.discard(error.leaf)
            continue
        return frozenset(candidates & found)
    return frozenset()


def outer_products(
    rows: Rows, leaves: Leaves, linear: frozenset[int]
) -> tuple[Float[Array, " m"], dict[int, Outer], Float[Array, "m d"]]:
    """`rows(leaves)`, shape `(m,)`, and its derivative: by the linear leaves as outer products, by the others stored.

    - `rows`: a function of the leaves at one point.

    The stored derivatives are those by the other leaves, flattened one after the other.
    """
    shapes: list[jax.ShapeDtypeStruct] = []

    def measure(product: _Product, result: Array) -> Array:
        shapes.append(jax.ShapeDtypeStruct(result.shape, result.dtype))
        return result

    jax.eval_shape(lambda given: _evaluate(rows, given, linear, measure), list(leaves))
    others = [leaf for index, leaf in enumerate(leaves) if index not in linear]

    def shifted(shifts: list[Array], others: list[Array]) -> tuple[Array, list[_Product]]:
        products: list[_Product] = []

        def shift(product: _Product, result: Array) -> Array:
            products.append(product)
            return result + shifts[len(products) - 1]

        rest = iter(others)
        given = [leaf if index in linear else next(rest) for index, leaf in enumerate(leaves)]
        values = _evaluate(rows, given, linear, shift)
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


def evaluated_once(function: Callable[..., Array], *arguments: Array) -> Array:
    """`function(*arguments)`, with equal expressions evaluated once.

    XLA finds them too, but in a loop not all of them: the loss of heat conduction with five layers of 520 took four
    products of twenty more than it needs.
    """
    return _evaluate(lambda given: function(*given), arguments, frozenset(), lambda product, result: result)


def _by_leaf(products: list[_Product], vectors: list[Array], slopes: list[Array]) -> dict[int, Outer]:
    """The pairs of all products with one weight, in one stack."""
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


def _evaluate(rows: Rows, leaves: Leaves, linear: frozenset[int], on_product: OnProduct) -> Array:
    """`rows(leaves)`, with `on_product` applied to every product of a linear leaf with vectors."""
    closed = jax.make_jaxpr(rows)(list(leaves))
    arguments = [_Weight(index, leaf) if index in linear else leaf for index, leaf in enumerate(leaves)]
    (result,) = _Walk(on_product).run(closed.jaxpr, closed.consts, arguments)
    return result


class _Walk:
    """An interpreter of jaxprs that evaluates equal expressions once and tells of products with weights."""

    def __init__(self, on_product: OnProduct):
        self._on_product = on_product
        self._known: dict[Any, list[Any]] = {}
        # Keys hold identities of values, so the values must live as long.
        self._alive: list[Any] = []

    def run(self, jaxpr: core.Jaxpr, constants: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
        values: dict[Any, Any] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*constants, *arguments), strict=True))

        def read(variable: Any) -> Any:
            return variable.val if isinstance(variable, core.Literal) else values[variable]

        for equation in jaxpr.eqns:
            inputs = [read(variable) for variable in equation.invars]
            values.update(zip(equation.outvars, self._apply(equation, inputs), strict=True))
        results = [read(variable) for variable in jaxpr.outvars]
        for result in results:
            if isinstance(result, _Weight):
                raise _NotLinearError(result.leaf)
        return results

    def _apply(self, equation: core.JaxprEqn, inputs: list[Any]) -> list[Any]:
        if equation.primitive.name in _CALLS:
            closed = equation.params["jaxpr"]
            return self.run(closed.jaxpr, closed.consts, inputs)
        key = self._key(equation, inputs)
        if key is not None and key in self._known:
            return self._known[key]
        weights = [value for value in inputs if isinstance(value, _Weight)]
        results = self._with_weight(equation, inputs, weights[0]) if weights else _bind(equation, inputs)
        self._alive += inputs
        if key is not None:
            self._known[key] = results
        return results

    def _with_weight(self, equation: core.JaxprEqn, inputs: list[Any], weight: _Weight) -> list[Any]:
        name, parameters = equation.primitive.name, equation.params
        if name == "transpose" and tuple(parameters["permutation"]) == (1, 0):
            return [_Weight(weight.leaf, weight.value, not weight.transposed)]
        if name == "dot_general" and sum(isinstance(value, _Weight) for value in inputs) == 1:
            return [self._product(equation, inputs, weight)]
        raise _NotLinearError(weight.leaf)

    def _product(self, equation: core.JaxprEqn, inputs: list[Any], weight: _Weight) -> Array:
        (contracted, batched) = equation.params["dimension_numbers"]
        side = 0 if isinstance(inputs[0], _Weight) else 1
        if len(contracted[side]) != 1 or batched[0]:
            raise _NotLinearError(weight.leaf)
        value = weight.value.T if weight.transposed else weight.value
        vectors, axis = inputs[1 - side], contracted[1 - side][0]
        stacked = jnp.moveaxis(vectors, axis, -1).reshape(-1, vectors.shape[axis])
        meets = contracted[side][0] ^ weight.transposed
        (result,) = _bind(equation, [value, vectors] if side == 0 else [vectors, value])
        # Outputs last, as the vectors' entries are.
        moved = jnp.moveaxis(result, 0, -1) if side == 0 else result
        moved = self._on_product(_Product(weight.leaf, stacked, meets), moved)
        return jnp.moveaxis(moved, -1, 0) if side == 0 else moved

    def _key(self, equation: core.JaxprEqn, inputs: list[Any]) -> Any:
        parameters = _rule(equation) if equation.primitive.name == "custom_jvp_call" else _hashable(equation.params)
        if parameters is None:
            return None
        return equation.primitive, parameters, tuple(map(_identity, inputs))


def _hashable(parameters: dict[str, Any]) -> Any:
    items = tuple(sorted(parameters.items()))
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
    return None if place is None or closed.consts else (str(closed), place)


def _bind(equation: core.JaxprEqn, inputs: list[Any]) -> list[Any]:
    """The outputs of one equation for these inputs."""
    pairs = zip(equation.invars, inputs, strict=True)
    variables = {variable: value for variable, value in pairs if not isinstance(variable, core.Literal)}
    information = core.DebugInfo("one equation", equation.primitive.name, ("",) * len(variables), None)
    alone = core.Jaxpr([], list(variables), equation.outvars, [equation], equation.effects, information)
    return core.jaxpr_as_fun(core.ClosedJaxpr(alone, []))(*variables.values())


def _identity(value: Any) -> Any:
    if isinstance(value, _Weight):
        return value.leaf, value.transposed
    if isinstance(value, np.ndarray | np.generic | float | int) and np.size(value) <= _SMALL:
        constant = np.asarray(value)
        return constant.tobytes(), constant.shape, constant.dtype
    return id(value)
