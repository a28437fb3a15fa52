"""Rows divided between devices: which device has which rows, and how rows are exchanged.

A matrix of many rows is kept in blocks, one for each device. All other arrays (vectors, blocks of columns, parameters)
are whole on every device, in the same order as on one device.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int

# The only axis of the mesh, and the two layouts of an array: divided along its first axis, or whole on every device.
ROWS = "rows"
DIVIDED, WHOLE = PartitionSpec(ROWS), PartitionSpec()

Layout = PartitionSpec | tuple[PartitionSpec, ...]


def on_every_device(function: Callable, mesh: Mesh, divided: int, result: Layout = WHOLE) -> Callable:
    """The function of whole and divided arrays that runs `function` on every device.

    - `divided`: the number of first arguments that are divided. Each device gets its block of these arguments, and all
      of the other arguments.
    - `result`: the layout of the result of `function` over the devices.

    All arrays that `function` uses must be among its arguments. Arrays that it closes over cannot be differentiated or
    batched.
    """

    def call(*arguments):
        layouts = (DIVIDED,) * divided + (WHOLE,) * (len(arguments) - divided)
        return jax.shard_map(function, mesh=mesh, in_specs=layouts, out_specs=result, check_vma=False)(*arguments)

    return call


@dataclasses.dataclass(frozen=True)
class RowLayout:
    """The layout of rows in groups, each of which is divided evenly between the devices.

    A group whose size is no multiple of the number of devices is padded with rows of zeros. The block of a device has
    its part of each group, one after the other.

    - `mesh`: the devices. The mesh has one axis, `ROWS`.
    - `groups`: pairs `(points, components)`. A group has `components` rows for each of its points, on one device.

    The methods work on the block of one device, within `on_every_device`.
    """

    mesh: Mesh
    groups: tuple[tuple[int, int], ...]

    @property
    def rows(self) -> int:
        """The number of rows `n`, without the padding."""
        return sum(points * components for points, components in self.groups)

    def part(self, whole: Float[Array, "n ..."]) -> Float[Array, "block ..."]:
        """The rows of this device, from an array that is whole."""
        mine = jnp.asarray(self._places)[jax.lax.axis_index(ROWS)]
        return jnp.take(whole, mine, axis=0, mode="fill", fill_value=0)

    def whole(self, block: Float[Array, "block ..."]) -> Float[Array, "n ..."]:
        """The whole array, from the blocks of all devices. It gathers all `n` rows."""
        return jax.lax.all_gather(block, ROWS, tiled=True)[self.order]

    def columns(self, block: Float[Array, "block p"]) -> Float[Array, "n part"]:
        """All rows of this device's part of the columns, which is padded with zeros. Each number moves once."""
        devices, width = self.mesh.size, block.shape[1]
        filled = jnp.pad(block, ((0, 0), (0, -width % devices)))
        return jax.lax.all_to_all(filled, ROWS, split_axis=1, concat_axis=0, tiled=True)[self.order]

    def take(self, block: Float[Array, "block p"], rows: Int[Array, " m"]) -> Float[Array, "m p"]:
        """Some of the rows, given by their indices, on every device. It sums `m p` numbers over the devices."""
        local = jnp.asarray(self.order)[rows] - jax.lax.axis_index(ROWS) * len(block)
        local = jnp.where(local < 0, len(block), local)
        return jax.lax.psum(jnp.take(block, local, axis=0, mode="fill", fill_value=0), ROWS)

    @property
    def order(self) -> Int[np.ndarray, " n"]:
        """The position of each row in the blocks of all devices, one after the other."""
        return np.argsort(self._places.ravel(), kind="stable")[: self.rows]

    @property
    def _places(self) -> Int[np.ndarray, "devices block"]:
        """The index of the row at each position. It is `rows`, which is out of bounds, for padding."""
        parts, start = [], 0
        for points, components in self.groups:
            size = -(-points // self.mesh.size) * self.mesh.size * components
            index = np.arange(size)
            index = np.where(index < points * components, start + index, self.rows)
            parts.append(index.reshape(self.mesh.size, -1))
            start += points * components
        return np.concatenate(parts, axis=1)
