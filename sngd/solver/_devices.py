"""The devices of a run: one process with several, or several processes."""

from typing import TypeVar

import equinox as eqx
import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding
from jaxtyping import Array, Float

from sngd._arguments import require_integer
from sngd._arrays import on_device
from sngd._rows import ROWS, WHOLE
from sngd.linearize import AbstractObjective

T = TypeVar("T")


def mesh_of(devices: int) -> Mesh | None:
    """The first `devices` that JAX sees, in all processes together; `None` for one.

    Raises `TypeError` for anything but an integer. Raises `ValueError` for less than one, where there are fewer, or
    where a process would be left without one.
    """
    require_integer("devices", devices, least=1)
    seen = jax.devices()
    if devices > len(seen):
        raise ValueError(
            f"devices is {devices}, and JAX sees {len(seen)} ({seen[0].platform}); take at most {len(seen)}, or make "
            "more of a processor with the environment variable "
            f"XLA_FLAGS=--xla_force_host_platform_device_count={devices}"
        )
    if devices == 1:
        return None
    if jax.process_count() > 1 and devices < len(seen):
        raise ValueError(
            f"devices is {devices}, and {jax.process_count()} processes have {len(seen)} of them; take all, with "
            "devices=jax.device_count(), so that no process is left without"
        )
    return Mesh(np.array(seen[:devices]), (ROWS,))


def require_points(objective: AbstractObjective, mesh: Mesh | None) -> None:
    """Raises `ValueError` where there are fewer points than devices."""
    points = sum(len(term.scales) for term in objective.factor_terms)
    if mesh is not None and points < mesh.size:
        raise ValueError(f"devices is {mesh.size}, and there are {points} points to divide; take at most {points}")


def whole_on(mesh: Mesh | None, tree: T) -> T:
    """The arrays of `tree`, whole on every device of the mesh."""
    if mesh is None:
        return tree
    arrays, rest = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.jit(lambda same: same, out_shardings=NamedSharding(mesh, WHOLE))(arrays), rest)


def on_one_device(array: Float[Array, "..."]) -> Float[Array, "..."]:
    """A copy of an array that is whole everywhere, on this process's default device."""
    return on_device(array)


def agreed(mesh: Mesh | None, tree: T) -> T:
    """What the first process has for `tree`, numbers on the host, by which all processes have to decide alike."""
    if mesh is None or jax.process_count() == 1:
        return tree
    return multihost_utils.broadcast_one_to_all(tree)
