"""Random test matrices `M`, whose columns probe an operator."""

from collections.abc import Callable

import jax
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

TestMatrix = Callable[[PRNGKeyArray, int, int, DTypeLike], Float[Array, "rows columns"]]


def gaussian(key: PRNGKeyArray, rows: int, columns: int, dtype: DTypeLike) -> Float[Array, "rows columns"]:
    """Independent standard normal entries (Halko, Martinsson and Tropp 2011, section 4.1)."""
    return jax.random.normal(key, (rows, columns), dtype)
