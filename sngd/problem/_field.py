"""Functions of a point whose coordinates have names."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd.geometry import AbstractRegion
from sngd.problem._components import Components


@dataclasses.dataclass(frozen=True)
class Field:
    """A function of one point `x`, shape `(d,)`, of a domain that names the coordinates.

    A residual receives each unknown function as a `Field`. Call the field to evaluate it, or pass it to a differential
    operator.

    - `function`: a function from a point of shape `(d,)` to an array of any fixed shape. The function of the only
      unknown is the network, and a residual may read an attribute of the network as `u.function.name`.
    - `domain`: the domain of the point.
    - `parameters`: the parameters and the unknown constants of the problem, by their names.
    - `components`: of the unknown functions. The value at a point is that of the only function, or it has one entry for
      each of several; all entries are complex if one of the functions is.
    """

    function: Callable[[Float[Array, " d"]], Array]
    domain: AbstractRegion
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False)
    components: Components = dataclasses.field(default_factory=Components)

    @property
    def unknowns(self) -> tuple[str, ...]:
        """The names of the unknown functions."""
        return self.components.names

    def __call__(self, x: Float[Array, " d"]) -> Array:
        """The value at one point. Raises `ValueError` for a point that does not have the shape `(d,)`."""
        x = x if hasattr(x, "shape") else jnp.asarray(x)
        if x.shape != (self.domain.dimension,):
            raise ValueError(self._wrong_point(x.shape))
        return self.function(x)

    def like(self, function: Callable[[Float[Array, " d"]], Array]) -> "Field":
        """The field of another function of the same coordinates.

        A flux, for instance, is `u.like(lambda x: k(x) * gradient(u)(x))`.
        """
        return Field(function, self.domain, self.parameters, self.components)

    def named(self, name: str) -> "Field":
        """The field of one of the unknowns alone, by its name."""
        if len(self.unknowns) == 1:
            return self
        chosen = self.components.of([name])
        function = Entry(self.function, self.unknowns.index(name), is_real=not chosen.any_is_complex)
        return Field(function, self.domain, self.parameters, chosen)

    def within(self, region: str) -> "Field":
        """The field of the unknown functions that live on a region of the domain, by the names that they have there."""
        if not region or not self.components.regions:
            return self
        chosen, components = self.components.within(region)
        if len(chosen) == 1:
            function = Entry(self.function, chosen[0], is_real=not components.any_is_complex)
        else:
            function = Entries(self.function, chosen, is_real=not components.any_is_complex)
        return Field(function, self.domain, self.parameters, components)

    def _wrong_point(self, shape: tuple[int, ...]) -> str:
        axes, dimension = self.domain.axes, self.domain.dimension
        name = self.unknowns[0]
        found = f"{name} is evaluated at a point of shape {shape}; a point of this domain has shape ({dimension},), "
        found += f"with one coordinate for each of the axes {', '.join(axes)}. "
        if len(shape) == 2 and shape[1] == dimension:
            return f"{found}Write jax.vmap({name})(points) to evaluate it at many points"
        other = ", ".join(["x[0]", *["0.0"] * (dimension - 1)] if dimension > 1 else ["0.0"])
        return f"{found}Write {name}(x), or {name}(jnp.array([{other}])) for another point"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One entry of the values of a function, with the attributes of that function.

    - `is_real`: whether the entry is a real function beside complex ones.
    """

    original: Any
    index: int
    is_real: bool = True

    def __call__(self, x: Float[Array, " d"]) -> Array:
        value = self.original(x)[self.index]
        return value.real if self.is_real else value

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "original"), name)


@dataclasses.dataclass(frozen=True)
class Entries:
    """Some entries of the values of a function, with the attributes of that function.

    - `is_real`: whether these entries are real functions beside complex ones.
    """

    original: Any
    indices: tuple[int, ...]
    is_real: bool = True

    def __call__(self, x: Float[Array, " d"]) -> Array:
        values = self.original(x)[np.array(self.indices)]
        return values.real if self.is_real else values

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "original"), name)


@runtime_checkable
class HasField(Protocol):
    """A function of many points, such as a solution, that has a field to which differential operators apply."""

    def map_field(self, operator: Callable[[Field], Field]) -> "FieldAtPoints":
        """The result of `operator` on the field, as a function of many points."""
        ...


@runtime_checkable
class FieldAtPoints(HasField, Protocol):
    """The result of a differential operator on a solution: a function of many points."""

    def __call__(self, points: Any) -> Any:
        """The values at points of shape `(n, d)`: an array of shape `(n, ...)`."""
        ...
