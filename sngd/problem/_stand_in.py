"""Functions that replace the unknown in an equation."""

import dataclasses
from collections.abc import Callable
from typing import Any

from jaxtyping import Array, Float

from sngd.problem._field import Field


def in_place_of(u: Field, values: Callable[[Float[Array, " d"]], Array]) -> Field:
    """A field with other values that an equation accepts in place of `u`.

    Its `function` has all attributes of the function of `u`, such as a coefficient that a network holds.

    - `values`: a function from a point of shape `(d,)` to an array of the shape of `u(x)`.
    """
    return u.like(_StandIn(values, u.function))


@dataclasses.dataclass(frozen=True)
class _StandIn:
    """A function with the values of one function and the attributes of another function."""

    values: Callable
    original: Any

    def __call__(self, x: Float[Array, " d"]) -> Array:
        return self.values(x)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "original"), name)
