"""How a factor is kept: stored, as outer products, or recomputed in blocks of rows."""

import dataclasses

import jax
from jaxtyping import Array

from sngd.linearize._rewriting import outer_leaves
from sngd.linearize._terms import Term
from sngd.linearize._trial import TrialFunction

# If a network has more parameters than this times the sum of the sides of its weight matrices, its rows are kept as
# outer products even if they could be stored. Its hidden layers then have more than 64 units, and outer products form
# the kernel faster.
_WIDE = 32


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much memory a factor may take, from which follows how the factor is kept.

    - `dense_bytes`: the largest size of a factor that may be stored.
    - `layered`: whether outer products may be used. They are used, for a network made of linear layers, if the factor
      is too large to store, or if the layers are wide and there are fewer rows than parameters.
    - `chunk_bytes`: the size of one block of rows that are recomputed, of one point at least. It does not concern outer
      products, whose blocks of columns have a size of their own (`_column_blocks.py`).
    """

    dense_bytes: int = 2**30
    layered: bool = True
    chunk_bytes: int = 2**28


def storage_of(
    terms: tuple[Term, ...], trial: TrialFunction, theta: Array, limits: Limits
) -> tuple[int | None, frozenset[int]]:
    """How the factor of these terms is kept.

    The first result is the number of points of one block. It is `None` if the whole factor is stored. The second result
    is the set of the indices of the leaves whose derivatives are kept as outer products. It is empty if such leaves do
    not hold most of the parameters.
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
