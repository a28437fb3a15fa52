"""Which weight matrices are kept as outer products, after a check that the rewritten residual is the residual.

Outer products come from a rewritten graph of the residual (`_layers.py`). Rewriting relies on how JAX writes down a
function, and on parameters of operations that are equal only where they mean the same. So the rewritten residual is
compared with the residual as written, at one point of every term.
"""

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd.linearize._layered import rows_at
from sngd.linearize._layers import Leaves, Rows, graph_of_rows, linear_leaves, linear_leaves_of
from sngd.linearize._numpy import Evaluation
from sngd.linearize._terms import Term
from sngd.linearize._trial import TrialFunction

# A weight matrix with a side below this is stored, because the vectors of its outer products would take more memory.
_NARROW = 8

# Two results count as different if they differ by this part of the larger one, and also by this many times the rounding
# error of a single operation. Rewriting changes the order of sums; a wrong derivative differs in its first digits.
_DIFFERENCE = 1e-6
_ROUNDINGS = 1e4

# The parameters of the comparison differ from those of the network by about this part of their size. In a network whose
# parameters are zero, a wrong derivative might be zero too.
_SHIFT = 0.1

# This many random numbers are drawn and repeated, because a million would take longer than the rest of the check. The
# number is prime, so that the rows of a matrix differ.
_DRAWN = 1009


def outer_leaves(terms: Sequence[Term], trial: TrialFunction, theta: Float[Array, " p"]) -> frozenset[int]:
    """The indices of the leaves of the network to keep as outer products.

    These leaves are matrices that enter all terms only by products with vectors. The set is empty if these leaves hold
    at most half of the parameters. It is also empty, with a `RuntimeWarning`, if the residual cannot be rewritten, or
    if the rewritten residual differs from the residual as written.
    """
    leaves = jax.tree.leaves(trial.unravel(theta))
    rows = functools.partial(_rows, terms, trial, theta)
    try:
        _require_known_form()
        graph = graph_of_rows(rows, leaves)
        linear = frozenset(leaf for leaf in linear_leaves_of(graph, leaves) if min(leaves[leaf].shape) >= _NARROW)
        if 2 * sum(leaves[leaf].size for leaf in linear) <= len(theta):
            return frozenset()
        _require_equal(rows, lambda given: graph.evaluate(given)[0], leaves)
    except Exception as error:
        # An unknown function or an unknown version of JAX may raise any exception.
        reason = str(error).partition("\n")[0]
        warnings.warn(
            f"the Jacobian is not kept as outer products, since rewriting the residual for them fails with "
            f"{type(error).__name__}: {reason}; the results are right, but a run takes more time or memory",
            RuntimeWarning,
            stacklevel=2,
        )
        return frozenset()
    return linear


def _rows(terms: Sequence[Term], trial: TrialFunction, theta: Array, leaves: Leaves) -> Array:
    """The rows of all terms, each at one of its points, as a function of the leaves of the network."""
    middles = [jax.tree.map(lambda array: array[len(array) // 2], term.at_points) for term in terms]
    parts = [rows_at(term, trial, theta, leaves, *middle) for term, middle in zip(terms, middles, strict=True)]
    return jnp.concatenate(parts)


@functools.cache
def _require_known_form() -> None:
    """Raises `NotImplementedError` if the product with a weight matrix is not found in a simple function.

    Without this check, a version of JAX with another name of the operation would go unnoticed: the weights would look
    as if they entered otherwise than by products.
    """
    rows = lambda leaves: jax.jit(lambda vector: leaves[0].T @ jnp.sin(vector))(np.ones(2))
    if linear_leaves(rows, [jnp.ones((2, 3))]) != {0}:
        raise NotImplementedError(f"JAX {jax.__version__} writes down functions in an unknown form")


def _require_equal(written: Rows, rewritten: Rows, leaves: Leaves) -> None:
    """Raises `ArithmeticError` if two functions of the leaves of a network differ by more than rounding errors.

    The values of the functions are compared, and their derivatives in one random direction. For functions that cannot
    be differentiated in forward mode, the derivatives of one random combination of their values are compared instead.
    Results that are not finite are not compared.
    """
    drawn = np.random.default_rng(0).normal(size=(2, _DRAWN))
    direction = [np.resize(drawn[0], leaf.shape) for leaf in leaves]
    shifted = [leaf + _SHIFT * _size(leaf) * np.resize(drawn[1], leaf.shape) for leaf in map(np.asarray, leaves)]
    way, given = _forward, direction
    try:
        first = evaluated(way(written), shifted, given)
    except TypeError:
        way, given = _reverse, np.resize(drawn[0], jax.eval_shape(written, shifted).shape)
        first = evaluated(way(written), shifted, given)
    second = evaluated(way(rewritten), shifted, given)
    tolerance = _ROUNDINGS * max(first.rounding, second.rounding)
    for expected, found in zip(first.results, second.results, strict=True):
        if not np.all(np.isfinite(expected)):
            return
        scale = max(np.max(np.abs(expected), initial=0.0), np.max(np.abs(found), initial=0.0))
        difference = np.max(np.abs(expected - found), initial=0.0)
        if not difference <= max(_DIFFERENCE * scale, tolerance):
            raise ArithmeticError(f"rewritten, it differs by {difference:.1e} of {scale:.1e}")


def _forward(function: Rows) -> Callable[[Leaves, Leaves], Any]:
    return lambda leaves, direction: jax.jvp(function, (leaves,), (direction,))


def _reverse(function: Rows) -> Callable[[Leaves, Array], Any]:
    def values_and_gradient(leaves: Leaves, weights: Array) -> tuple[Array, Leaves]:
        values, pull = jax.vjp(function, leaves)
        return values, pull(weights)[0]

    return values_and_gradient


def evaluated(function: Callable[..., Any], *arguments: Any) -> Evaluation:
    """The results of a function for some arguments, by NumPy, without compiling anything."""
    closed = jax.make_jaxpr(function)(*arguments)
    return Evaluation(closed.jaxpr, closed.consts, jax.tree.leaves(arguments))


def _size(leaf: np.ndarray) -> float:
    """The root mean square of the entries of a leaf. It is 1 for a leaf that is zero."""
    return float(np.linalg.norm(leaf)) / leaf.size**0.5 or 1.0
