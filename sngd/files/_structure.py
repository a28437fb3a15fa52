"""The structure of a network, without the values of its parameters, as plain text that can be compared."""

import dataclasses
import functools
import zlib
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

_PLAIN = (bool, int, float, complex, str, bytes, type(None))

# The largest number of differences that a message names.
_NAMED = 4


@dataclasses.dataclass(frozen=True)
class Structure:
    """One line of text for each part of a network, by its path, such as `network.layers[0].weight`.

    - `arrays`: the lines of arrays. A line has the dtype and the shape, and for an array that is not trained a
      checksum.
    - `others`: the lines of all other parts: the value of a number or a text, the name of a function, or the type of
      any other object.

    The lines are the same in every process.
    """

    arrays: dict[str, str]
    others: dict[str, str]

    def differences(self, other: "Structure") -> str:
        """The differences between this structure and `other`, in words. The text is empty if there are none.

        A part that is no array counts only if both structures have it, because a class may gain fields in a later
        version.
        """
        both = self.others.keys() & other.others.keys()
        mine, theirs = ({name: each.others[name] for name in each.others if name in both} for each in (self, other))
        return differences(mine | self.arrays, theirs | other.arrays)


def structure_of(network: Any) -> Structure:
    """The structure of a network, which is a callable PyTree."""
    trained = {id(leaf) for leaf in jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))}
    parts = dict(_parts(network, "network"))
    arrays = {name: _array(part, is_trained=id(part) in trained) for name, part in parts.items() if _is_array(part)}
    return Structure(arrays, {name: _text(part) for name, part in parts.items() if not _is_array(part)})


def differences(here: dict[str, str], there: dict[str, str]) -> str:
    """The differences between two descriptions, in words.

    The text names the first four parts that differ, each with both values. It is empty if there are none.
    """
    missing = "absent"
    names = [name for name in (here | there) if here.get(name, missing) != there.get(name, missing)]
    found = [f"{name} is {here.get(name, missing)} here and {there.get(name, missing)} there" for name in names]
    more = [f"and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
    return "; ".join(found[:_NAMED] + more)


def _parts(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The paths of an object and of all its parts, with the object and the parts."""
    yield path, node
    children = {} if _is_array(node) or _is_plain(node) else _children(node)
    for name, child in children.items():
        yield from _parts(child, path + name)


def _is_array(node: Any) -> bool:
    return eqx.is_array(node) or isinstance(node, np.ndarray | np.generic)


def _is_plain(node: Any) -> bool:
    return isinstance(node, _PLAIN) or (isinstance(node, tuple) and all(map(_is_plain, node)))


def _children(node: Any) -> dict[str, Any]:
    """The parts of an object by their names."""
    match node:
        case type():
            return {}
        case functools.partial():
            return {".func": node.func, ".args": node.args, ".keywords": node.keywords}
        case dict():
            return {f"[{key!r}]": value for key, value in node.items()}
        case tuple() | list():
            return {f"[{index}]": value for index, value in enumerate(node)}
    if dataclasses.is_dataclass(node):
        names = [field.name for field in dataclasses.fields(node)]
        return {f".{name}": getattr(node, name) for name in names if hasattr(node, name)}
    flat = jax.tree_util.default_registry.flatten_one_level(node)
    return {} if flat is None else {f"[{index}]": child for index, child in enumerate(flat[0])}


def _array(array: Any, *, is_trained: bool) -> str:
    text = f"{array.dtype} of shape {tuple(array.shape)}"
    if is_trained:
        return text
    data = jax.random.key_data(array) if jnp.issubdtype(array.dtype, jax.dtypes.prng_key) else array
    return f"{text} with checksum {zlib.crc32(np.asarray(data).tobytes()):08x}"


def _text(node: Any) -> str:
    """The text of a plain value, the name of a function, or the name of the type of any other object."""
    if isinstance(node, tuple) and _is_plain(node):
        return f"({', '.join(map(_text, node))}{',' * (len(node) == 1)})"
    if isinstance(node, _PLAIN):
        # A bound that is given as the integer 1 equals a bound of 1.0.
        return repr(node).removesuffix(".0")
    return getattr(node, "__name__", type(node).__name__)
