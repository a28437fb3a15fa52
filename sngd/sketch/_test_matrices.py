"""Random test matrices `M`, whose products `A M` are sketches of an operator `A`.

A test matrix of a user's is a function of the type `TestMatrix`: `(key, rows, columns, dtype) -> M`, shape
`(rows, columns)`. Descents call it under `jax.jit`, with a new key in every step.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

TestMatrix = Callable[[PRNGKeyArray, int, int, DTypeLike], Float[Array, "rows columns"]]


def gaussian(key: PRNGKeyArray, rows: int, columns: int, dtype: DTypeLike) -> Float[Array, "rows columns"]:
    """A matrix of independent standard normal entries (Halko, Martinsson and Tropp 2011, section 4.1).

    The entries are drawn in single precision and converted to `dtype`, in half the time of a draw in double precision.
    A random direction is as good with 24 random bits for each entry as with 53.
    """
    return jax.random.normal(key, (rows, columns), jnp.float32).astype(dtype)
