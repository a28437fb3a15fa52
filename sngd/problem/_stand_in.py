"""Functions that take the place of an unknown."""

import dataclasses
from collections.abc import Callable
from typing import Any

from jaxtyping import Array, Float

from sngd.problem._field import Field


def in_place_of(u: Field, values: Callable[[Float[Array, " d"]], Array]) -> Field:
    """A field with these values that an equation may take for `u`: `function` has all the attributes of that of `u`."""
    return u.like(_StandIn(values, u.function))


@dataclasses.dataclass(frozen=True)
class _StandIn:
    """Values of one function, and attributes of another, such as a coefficient that a network holds."""

    values: Callable
    original: Any

    def __call__(self, x: Float[Array, " d"]) -> Array:
        return self.values(x)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "original"), name)
