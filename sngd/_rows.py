"""Rows divided between devices: which device has which, and how they get there and back.

A matrix of many rows is kept in blocks, one a device. Everything else (vectors, blocks of columns, parameters) is whole
on every device, in the order in which one device would have it.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int

# The one axis of the mesh, and how an array is laid over it: by its first axis, or whole on every device.
ROWS = "rows"
DIVIDED, WHOLE = PartitionSpec(ROWS), PartitionSpec()

Layout = PartitionSpec | tuple[PartitionSpec, ...]


def on_every_device(function: Callable, mesh: Mesh, divided: int, result: Layout = WHOLE) -> Callable:
    """`function`, run by every device on its blocks of the first `divided` arguments, and on all of the others.

    - `result`: how what it returns is laid over the devices.

    What it computes with must be among its arguments: of what it closes over there is no derivative and no batch.
    """

    def call(*arguments):
        layouts = (DIVIDED,) * divided + (WHOLE,) * (len(arguments) - divided)
        return jax.shard_map(function, mesh=mesh, in_specs=layouts, out_specs=result, check_vma=False)(*arguments)

    return call


@dataclasses.dataclass(frozen=True)
class RowLayout:
    """Rows in groups, each of which is divided evenly between the devices.

    A group that the devices do not divide is filled up with rows of zeros. The block of a device has its part of every
    group, one after the other.

    - `mesh`: of one axis, `ROWS`.
    - `groups`: pairs `(points, components)`; a group has `components` rows for each of its points, on one device.

    Its methods work on one device's block, within `on_every_device`.
    """

    mesh: Mesh
    groups: tuple[tuple[int, int], ...]

    @property
    def rows(self) -> int:
        """How many there are, without those of zeros."""
        return sum(points * components for points, components in self.groups)

    def part(self, whole: Float[Array, "n ..."]) -> Float[Array, "block ..."]:
        """This device's rows of an array that is whole."""
        mine = jnp.asarray(self._places)[jax.lax.axis_index(ROWS)]
        return jnp.take(whole, mine, axis=0, mode="fill", fill_value=0)

    def whole(self, block: Float[Array, "block ..."]) -> Float[Array, "n ..."]:
        """All rows, from every device's: gathers `n` times the rest."""
        return jax.lax.all_gather(block, ROWS, tiled=True)[self.order]

    def columns(self, block: Float[Array, "block p"]) -> Float[Array, "n part"]:
        """All rows of this device's part of the columns, filled up with zeros: every number moves once."""
        devices, width = self.mesh.size, block.shape[1]
        filled = jnp.pad(block, ((0, 0), (0, -width % devices)))
        return jax.lax.all_to_all(filled, ROWS, split_axis=1, concat_axis=0, tiled=True)[self.order]

    def take(self, block: Float[Array, "block p"], rows: Int[Array, " m"]) -> Float[Array, "m p"]:
        """Some of the rows, by their indices: a sum over devices of `m p` numbers."""
        local = jnp.asarray(self.order)[rows] - jax.lax.axis_index(ROWS) * len(block)
        local = jnp.where(local < 0, len(block), local)
        return jax.lax.psum(jnp.take(block, local, axis=0, mode="fill", fill_value=0), ROWS)

    @property
    def order(self) -> Int[np.ndarray, " n"]:
        """The place of every row in the blocks of all devices, one after the other."""
        return np.argsort(self._places.ravel(), kind="stable")[: self.rows]

    @property
    def _places(self) -> Int[np.ndarray, "devices block"]:
        """The row at every place; `rows`, which is out of bounds, where there is none."""
        parts, start = [], 0
        for points, components in self.groups:
            size = -(-points // self.mesh.size) * self.mesh.size * components
            index = np.arange(size)
            index = np.where(index < points * components, start + index, self.rows)
            parts.append(index.reshape(self.mesh.size, -1))
            start += points * components
        return np.concatenate(parts, axis=1)
