"""How a factor is kept: stored, as outer products, or recomputed in blocks of rows."""

import dataclasses

import jax
from jaxtyping import Array

from sngd.linearize._rewriting import outer_leaves
from sngd.linearize._terms import Term
from sngd.linearize._trial import TrialFunction

# Parameters, for every side of a weight matrix, from which rows are kept as outer products even where they could be
# stored: hidden layers of more than 64. Kernels are formed sooner so.
_WIDE = 32


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much memory a factor may take. How the factor is kept follows from it.

    - `dense_bytes`: the largest size of a factor that may be stored.
    - `layered`: whether outer products may be used. They are used, for a network made of linear layers, if the factor
      is too large to store, or if the layers are wide and there are fewer rows than parameters.
    - `chunk_bytes`: the size of one block. A factor kept as outer products forms blocks of columns. Any other factor
      that is not stored recomputes blocks of rows, of one point at least.
    """

    dense_bytes: int = 2**30
    layered: bool = True
    chunk_bytes: int = 2**28


def storage_of(
    terms: tuple[Term, ...], trial: TrialFunction, theta: Array, limits: Limits
) -> tuple[int | None, frozenset[int]]:
    """How the factor of these terms is kept.

    Returns the points of one block, `None` where the whole factor is stored; and the positions of the leaves whose
    derivatives are kept as outer products. There are none where such leaves do not hold most of the parameters.
    """
    rows, row_bytes = sum(term.rows for term in terms), 8 * len(theta)
    leaves = jax.tree.leaves(jax.eval_shape(trial.unravel, theta))
    sides = sum(sum(leaf.shape) for leaf in leaves if leaf.ndim == 2)
    if rows * row_bytes <= limits.dense_bytes and (rows >= len(theta) or len(theta) <= _WIDE * sides):
        return None, frozenset()
    linear = outer_leaves(terms, trial, theta) if limits.layered else frozenset()
    if rows * row_bytes <= limits.dense_bytes and not linear:
        return None, linear
    return max(1, limits.chunk_bytes // (row_bytes * max(term.components for term in terms))), linear
