"""The real components that unknown functions are made of: parts of complex ones, and values in trial functions."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float


def real_parts(values: Array) -> Array:
    """Real values themselves; of complex values the real parts and then the imaginary parts, as one vector."""
    if not jnp.iscomplexobj(values):
        return values
    flat = jnp.ravel(values)
    return jnp.concatenate([flat.real, flat.imag])


@functools.partial(jax.jit, static_argnums=0)
def _at_points(trial: Callable, values: Float[Array, "n ..."], points: Float[Array, "n d"]) -> Float[Array, " n"]:
    return jax.vmap(trial)(values, points)


@functools.partial(jax.jit, static_argnums=0)
def _slopes(trial: Callable, values: Float[Array, "n ..."], points: Float[Array, "n d"]) -> Float[Array, "n ..."]:
    return jax.vmap(jax.grad(trial))(values, points)


def _made(trial: Callable, number: Array, x: Float[Array, " d"], name: str) -> Array:
    """The value of a trial function. Raises `TypeError` or `ValueError` for anything but one real number."""
    try:
        value = jnp.asarray(trial(number, x))
    except (TypeError, IndexError) as error:
        raise TypeError(
            f"trial of the unknown {name} fails: {error}; write a function of a number and a point with jax.numpy"
        ) from error
    if value.shape or not jnp.issubdtype(value.dtype, jnp.floating):
        raise ValueError(
            f"trial of the unknown {name} returns {value.dtype} of shape {value.shape}; it must return one real number"
        )
    return value


@dataclasses.dataclass(frozen=True)
class Components:
    """The `m` real components of unknown functions: one of a real function, two of a complex one, and those of a trial
    function.

    - `names`: of the functions. `are_complex`: whether each is complex. A complex one has its real part first.
    - `trials`: for each function the trial function that makes it from its component, or `None`. A function with one is
      real. If it is left out, there are none.
    - `regions`: for each function the name of the region that it lives on, and its name in conditions there. If it is
      left out, all functions live on the whole domain.
    - `counts`: the number of components that each function takes in its trial function. If it is left out, it is one.
    """

    names: tuple[str, ...] = ("u",)
    are_complex: tuple[bool, ...] = (False,)
    trials: tuple[Callable[[Array, Array], Array] | None, ...] = ()
    regions: tuple[tuple[str, str], ...] = ()
    counts: tuple[int, ...] = ()

    def __len__(self) -> int:
        return sum(self.sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of components of each function."""
        counts = self.counts or (1,) * len(self.names)
        return tuple(2 if each else count for each, count in zip(self.are_complex, counts, strict=True))

    @property
    def any_is_complex(self) -> bool:
        return any(self.are_complex)

    def of(self, names: Sequence[str]) -> "Components":
        """Those of some of the functions, without trial functions: their values are those of the unknowns already."""
        return Components(tuple(names), tuple(self.are_complex[self.names.index(name)] for name in names))

    def within(self, region: str) -> tuple[tuple[int, ...], "Components"]:
        """The functions that live on a region, by their numbers, and the components with the names that they have
        there.
        """
        chosen = tuple(number for number, (on, _) in enumerate(self.regions) if on == region)
        names = tuple(self.regions[number][1] for number in chosen)
        return chosen, Components(names, tuple(self.are_complex[number] for number in chosen))

    @property
    def shared(self) -> tuple[str, ...]:
        """The names that the functions have in every one of the regions, if they are the same in all."""
        sets = {tuple(name for on, name in self.regions if on == region) for region, _ in self.regions}
        return next(iter(sets)) if len(sets) == 1 else ()

    def owners(self, names: Sequence[str]) -> Float[np.ndarray, "m r"]:
        """For each component, and each of these regions, one where it lives there and zero elsewhere."""
        on = [region for region, _ in self.regions]
        each = [region for region, size in zip(on, self.sizes, strict=True) for _ in range(size)]
        return np.array([[float(region == name) for name in names] for region in each])

    @property
    def has_trials(self) -> bool:
        return any(each is not None for each in self.trials)

    def function(self, parts: Callable[[Float[Array, " d"]], Array]) -> Callable[[Float[Array, " d"]], Array]:
        """The unknown functions, from a function of one point that returns their components."""
        return Assembled(parts, self) if self.any_is_complex or self.has_trials else parts

    def at(self, x: Float[Array, " d"], parts: Array) -> Array:
        """The functions at the point `x`, as `values` has them, from their components there."""
        if not self.has_trials:
            return self.values(parts)
        divided = self._divided(jnp.ravel(parts))
        made = [
            each if trial is None else _made(trial, each if len(each) > 1 else each[0], x, name)
            for name, trial, each in zip(self.names, self.trials, divided, strict=True)
        ]
        whole = jnp.concatenate([jnp.ravel(each) for each in made])
        return self.values(whole if len(whole) > 1 else whole[0])

    def at_points(self, points: Float[np.ndarray, "n d"], parts: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "n m"]:
        """The components of the functions at points, after the trial functions."""
        found = parts
        if self.has_trials:
            found = parts.copy()
            for columns, trial in self._columns():
                given = parts[:, columns] if len(columns) > 1 else parts[:, columns[0]]
                found[:, columns] = 0.0
                found[:, columns[0]] = np.asarray(_at_points(trial, given, points))
        return found

    def changes(
        self, points: Float[np.ndarray, "n d"], parts: Float[np.ndarray, "n m"], by: Float[np.ndarray, "n m s"]
    ) -> Float[np.ndarray, "n m s"]:
        """What `s` changes of the components change in the functions at points, after the trial functions. A function
        of several parts has its change in the first of its components, and zeros in the others.
        """
        found = by.copy()
        for columns, trial in self._columns():
            given = parts[:, columns] if len(columns) > 1 else parts[:, columns[0]]
            slopes = np.asarray(_slopes(trial, given, points)).reshape(len(points), len(columns), 1)
            found[:, columns] = 0.0
            found[:, columns[0]] = np.sum(slopes * by[:, columns], axis=1)
        return found

    def _columns(self) -> list[tuple[list[int], Callable[[Array, Array], Array]]]:
        """The trial functions, and the numbers of the components that they take."""
        ends = np.cumsum(self.sizes).tolist()
        every = [list(range(end - size, end)) for end, size in zip(ends, self.sizes, strict=True)]
        return [(columns, trial) for columns, trial in zip(every, self.trials, strict=False) if trial is not None]

    def values(self, parts: Array) -> Array:
        """The functions at one point, shape `()` for one and `(f,)` for several, from their components there."""
        if not self.any_is_complex:
            return parts
        values = jnp.stack(
            [
                jax.lax.complex(*each) if is_complex else each[0].astype(complex)
                for each, is_complex in zip(self._of_functions(parts), self.are_complex, strict=True)
            ]
        )
        return values[0] if len(values) == 1 else values

    def parts(self, values: np.ndarray) -> Float[np.ndarray, "..."]:
        """The components, shape `(n, m)`, of functions at `n` points, shape `(n,)` or `(n, f)`: the first one of a
        function of several parts, and zeros for the others.

        Values of real functions of one component each stay as they are.
        """
        if not self.any_is_complex and len(self) == len(self.names):
            return values
        parts = []
        each = zip(values.reshape(len(values), -1).T, self.are_complex, self.sizes, strict=True)
        for values_of_one, is_complex, size in each:
            others = [np.imag(values_of_one)] if is_complex else [np.zeros(len(values))] * (size - 1)
            parts.extend([np.real(values_of_one), *others])
        return np.stack(parts, axis=1)

    def assembled(self, parts: Float[np.ndarray, "n m"]) -> np.ndarray:
        """The functions at `n` points, shape `(n, f)`, from their components."""
        pairs = zip(self._divided(parts.T), self.are_complex, strict=True)
        found = [each[0] + 1j * each[1] if is_complex else each[0] for each, is_complex in pairs]
        return np.stack(found, axis=1)

    def product(self, factor: complex) -> Float[np.ndarray, "m m"]:
        """The matrix by which a number multiplies the components of all functions."""
        number = complex(factor)
        blocks = [
            np.array([[number.real, -number.imag], [number.imag, number.real]]) if each else number.real * np.eye(size)
            for each, size in zip(self.are_complex, self.sizes, strict=True)
        ]
        return np.asarray(scipy.linalg.block_diag(*blocks))

    def norms(self, sizes: Float[np.ndarray, " m"]) -> Float[np.ndarray, " f"]:
        """The norms of the functions, from those of their components."""
        return np.array([np.linalg.norm(each) for each in self._divided(sizes)])

    def _of_functions(self, parts: Any) -> list[Any]:
        """The values of the functions, of which those with a trial function have one component left."""
        sizes = [2 if each else 1 for each in self.are_complex]
        ends = np.cumsum(sizes).tolist()
        return [parts[end - size : end] for end, size in zip(ends, sizes, strict=True)]

    def _divided(self, parts: Any) -> list[Any]:
        ends = np.cumsum(self.sizes).tolist()
        return [parts[start:end] for start, end in zip([0, *ends], ends, strict=False)]


class Assembled(eqx.Module):
    """Unknown functions, some complex or with a trial function, with the attributes of the function of components."""

    original: Any
    components: Components = eqx.field(static=True)

    def __call__(self, x: Float[Array, " d"]) -> Array:
        return self.components.at(x, self.original(x))

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "original"), name)
