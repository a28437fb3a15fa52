"""Random test matrices `M`, whose products `A M` are sketches of an operator `A`.

A test matrix of a user's is a function of the type `TestMatrix`: `(key, rows, columns, dtype) -> M`, shape
`(rows, columns)`. Descents call it under `jax.jit`, with a new key in every step.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

TestMatrix = Callable[[PRNGKeyArray, int, int, DTypeLike], Float[Array, "rows columns"]]


def drawn(
    test_matrix: TestMatrix, key: PRNGKeyArray, rows: int, columns: int, dtype: DTypeLike
) -> Float[Array, "rows columns"]:
    """A test matrix, whose shape is checked while JAX traces it. Raises `ValueError` for one of another shape or of
    other numbers than real ones.
    """
    found = test_matrix(key, rows, columns, dtype)
    shape, kind = jnp.shape(found), jnp.result_type(found)
    if shape != (rows, columns) or not jnp.issubdtype(kind, jnp.floating):
        raise ValueError(
            f"test_matrix returns {kind} numbers of shape {shape} for {rows} rows and {columns} columns; return real "
            f"numbers of shape ({rows}, {columns})"
        )
    return found


def gaussian(key: PRNGKeyArray, rows: int, columns: int, dtype: DTypeLike) -> Float[Array, "rows columns"]:
    """A matrix of independent standard normal entries (Halko, Martinsson and Tropp 2011, section 4.1).

    The entries are drawn in single precision and converted to `dtype`, in half the time of a draw in double precision.
    A random direction is as good with 24 random bits for each entry as with 53.
    """
    return jax.random.normal(key, (rows, columns), jnp.float32).astype(dtype)


def khatri_rao(key: PRNGKeyArray, rows: int, columns: int, dtype: DTypeLike) -> Float[Array, "rows columns"]:
    """A matrix whose columns are outer products of two Gaussian vectors, cut off after `rows` entries.

    It is a Khatri-Rao product of two Gaussian matrices. The entries have variance one. Those of one column are
    uncorrelated, but not independent. Such matrices are nearly as good as Gaussian ones in practice (Saibaba, Verma and
    Ballard, arXiv:2507.23207; Camaño, Epperly, Meyer and Tropp, arXiv:2508.21189). A column takes about
    `2 sqrt(rows)` random numbers instead of `rows`. A factor that is kept as outer products takes its product with
    columns that are outer products for each weight matrix, and never forms the test matrix.
    """
    left_key, right_key = jax.random.split(key)
    width = math.isqrt(max(rows - 1, 0)) + 1
    height = -(-rows // width)
    left, right = gaussian(left_key, height, columns, dtype), gaussian(right_key, width, columns, dtype)
    return (left[:, None] * right[None]).reshape(-1, columns)[:rows]
