"""A PyTree as arrays and plain numbers, and its reconstruction from a template of the same structure."""

from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr
from jaxtyping import Array

T = TypeVar("T")

Plain = bool | int | float
"""The types of leaves that are neither arrays nor functions."""


def pack(name: str, tree: Any) -> tuple[dict[str, np.ndarray], list[Plain]]:
    """The arrays of a PyTree, and its other leaves.

    The array number `i` has the name `{name}_{i}`. Functions, traced ones among them, are part of the structure and are
    left out. Random keys become their data, arrays of integers. Raises `TypeError` for a leaf that is neither an array,
    a function nor a plain number.
    """
    leaves = [leaf for leaf in jax.tree.leaves(tree) if not _is_function(leaf)]
    others = [leaf for leaf in leaves if not eqx.is_array(leaf)]
    for leaf in others:
        if not isinstance(leaf, Plain):
            raise TypeError(f"{name} has a leaf {leaf!r}; a checkpoint holds arrays and plain numbers")
    arrays = [jax.random.key_data(leaf) if _is_key(leaf) else leaf for leaf in leaves if eqx.is_array(leaf)]
    return {f"{name}_{number}": np.asarray(array) for number, array in enumerate(arrays)}, others


def unpack(name: str, template: T, arrays: dict[str, np.ndarray], others: list[Plain]) -> T:
    """The PyTree with the structure of `template` and the leaves that `pack` returned.

    - `name`: as in `pack`.
    - `template`: a PyTree of the same structure. Its arrays determine the devices of the new arrays.
    - `arrays`, `others`: the arrays and the other leaves.

    Raises `KeyError` for an array that is missing. Raises `ValueError` for another leaf that is missing, and for a leaf
    of another type, shape or dtype.
    """
    leaves, structure = jax.tree.flatten(template)
    numbers, rest, found = iter(range(len(leaves))), iter(others), []
    for leaf in leaves:
        if eqx.is_array(leaf):
            found.append(restored(f"{name}_{next(numbers)}", leaf, arrays))
        elif _is_function(leaf):
            found.append(leaf)
        else:
            found.append(_like(name, leaf, next(rest, None)))
    if next(rest, None) is not None:
        raise ValueError(f"{name} holds more numbers than are expected")
    return jax.tree.unflatten(structure, found)


def restored(name: str, template: Array, arrays: dict[str, np.ndarray]) -> Array:
    """The array called `name`, on the devices of `template`.

    Raises `KeyError` if there is none. Raises `ValueError` if its shape or dtype is not that of `template`.
    """
    expected, values = jax.random.key_data(template) if _is_key(template) else template, arrays[name]
    if values.shape != expected.shape or values.dtype != expected.dtype:
        raise ValueError(f"{name} is {values.dtype} {values.shape}, not {expected.dtype} {expected.shape}")
    placed = jax.device_put(values, expected.sharding)
    return jax.random.wrap_key_data(placed, impl=jax.random.key_impl(template)) if _is_key(template) else placed


def _like(name: str, template: Any, value: Plain | None) -> Plain:
    if value is None or type(value) is not type(template):
        raise ValueError(f"{name} holds {value!r} in the place of a number like {template!r}")
    return value


def _is_function(leaf: Any) -> bool:
    """Whether a leaf is code: a function, or one that JAX has traced, as L-BFGS of Optimistix keeps."""
    return callable(leaf) or isinstance(leaf, ClosedJaxpr | Jaxpr)


def _is_key(leaf: Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
