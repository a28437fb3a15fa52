"""Arrays from the host, and trees of arrays as one vector, without compiling anything.

JAX compiles a small function for every shape that `jnp.asarray` meets, and for every cut and every product outside of
compiled functions. Before a run there are dozens of these, and together they take as long as the step's compilation. So
NumPy does such work here.
"""

import dataclasses
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, PyTree


def on_device(array: ArrayLike) -> Array:
    """A copy of an array of the host, on the default device."""
    # Without a copy the array of JAX may share its memory with that of NumPy, which somebody may change.
    return jax.device_put(np.array(array))


def flattened(tree: PyTree[Array | np.ndarray]) -> Float[Array, " p"]:
    """The entries of all arrays in `tree`, one array after the other, shape `(p,)`."""
    return on_device(np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]))


@dataclasses.dataclass(frozen=True)
class Unflatten:
    """The map from a vector of shape `(p,)`, as `flattened` makes it, to a tree of arrays.

    - `structure`: that of the tree. `shapes`: those of its arrays.

    Two of them are equal where both are, so that compiled code is found again.
    """

    structure: Any
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, tree: PyTree[Array]) -> "Unflatten":
        """The one that makes trees like this one."""
        leaves, structure = jax.tree.flatten(tree)
        return cls(structure, tuple(leaf.shape for leaf in leaves))

    def __call__(self, vector: Float[Array | np.ndarray, " p"]) -> PyTree[Array]:
        ends = list(itertools.accumulate(map(math.prod, self.shapes)))[:-1]
        if isinstance(vector, Tracer):
            parts = [part.reshape(shape) for part, shape in zip(jnp.split(vector, ends), self.shapes, strict=True)]
        else:
            parts = np.split(np.asarray(vector), ends)
            parts = [on_device(part.reshape(shape)) for part, shape in zip(parts, self.shapes, strict=True)]
        return jax.tree.unflatten(self.structure, parts)
