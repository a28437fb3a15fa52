"""What a network is beside the values of its parameters, as plain text that can be compared."""

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

# How many differences a message names.
_NAMED = 4


@dataclasses.dataclass(frozen=True)
class Structure:
    """A line of text for every part of a network, by its path, like `network.layers[0].weight`.

    - `arrays`: the dtype and the shape of an array, with a checksum of one that is not trained.
    - `others`: the value of a number or a text, the name of a function, the type of any other object.

    The lines are the same in every process.
    """

    arrays: dict[str, str]
    others: dict[str, str]

    def differences(self, other: "Structure") -> str:
        """In what another one differs, in words. Other parts count where both have them: a class may gain fields."""
        both = self.others.keys() & other.others.keys()
        mine, theirs = ({name: each.others[name] for name in each.others if name in both} for each in (self, other))
        return differences(mine | self.arrays, theirs | other.arrays)


def structure_of(network: Any) -> Structure:
    """The structure of a callable PyTree."""
    trained = {id(leaf) for leaf in jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))}
    parts = dict(_parts(network, "network"))
    arrays = {name: _array(part, is_trained=id(part) in trained) for name, part in parts.items() if _is_array(part)}
    return Structure(arrays, {name: _text(part) for name, part in parts.items() if not _is_array(part)})


def differences(here: dict[str, str], there: dict[str, str]) -> str:
    """In what two descriptions differ, in words: the first few parts, each with its name and both values."""
    missing = "absent"
    names = [name for name in (here | there) if here.get(name, missing) != there.get(name, missing)]
    found = [f"{name} is {here.get(name, missing)} here and {there.get(name, missing)} there" for name in names]
    more = [f"and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
    return "; ".join(found[:_NAMED] + more)


def _parts(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The object and its parts, by their paths."""
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
    """A value as it is written; the name of a function, and of the type of any other object."""
    if isinstance(node, tuple) and _is_plain(node):
        return f"({', '.join(map(_text, node))}{',' * (len(node) == 1)})"
    if isinstance(node, _PLAIN):
        # A bound of 1 is one of 1.0.
        return repr(node).removesuffix(".0")
    return getattr(node, "__name__", type(node).__name__)
