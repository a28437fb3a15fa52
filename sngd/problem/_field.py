"""A function of a point whose coordinates have names."""

import dataclasses
from collections.abc import Callable

from jaxtyping import Array, Float

from sngd.problem._domain import Box


@dataclasses.dataclass(frozen=True)
class Field:
    """A scalar or vector function of one point `x` of shape `(d,)` of a domain, which names the coordinates.

    A residual receives its unknown as a `Field`: call it to evaluate it, or pass it to a differential operator.
    `function` maps a point of shape `(d,)` to an array of any fixed shape.
    """

    function: Callable[[Float[Array, " d"]], Array]
    domain: Box

    def __call__(self, x: Float[Array, " d"]) -> Array:
        return self.function(x)

    def like(self, function: Callable[[Float[Array, " d"]], Array]) -> "Field":
        """Another function of the same coordinates, for instance a flux: `u.like(lambda x: k(x) * gradient(u)(x))`."""
        return Field(function, self.domain)
