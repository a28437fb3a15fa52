"""What `solve` refuses before anything is compiled: arguments of another type, or outside of their range."""

import numbers
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sngd._arguments import require_integer, shown
from sngd.files import Checkpoints
from sngd.problem import AbstractProblem
from sngd.solver._driver import Callback
from sngd.solver._solution import Solution
from sngd.solver._stopping import Stopping
from sngd.solver.policies import Policies

# A tolerance below this is below the rounding errors of any solution.
LEAST_TOLERANCE = 1e-15


def require_float64() -> None:
    if not jax.config.read("jax_enable_x64"):
        raise TypeError(
            "JAX runs in float32; natural gradients need float64. Call jax.config.update('jax_enable_x64', True) "
            "before anything else, or set the environment variable JAX_ENABLE_X64=1"
        )


def require_problem(problem: object, network: object) -> None:
    if isinstance(problem, AbstractProblem):
        return
    if isinstance(network, AbstractProblem):
        raise TypeError(
            f"problem is {shown(problem)} and network is a {type(network).__name__}; the arguments are swapped, so "
            "write solve(problem, network, ...)"
        )
    raise TypeError(
        f"problem is {shown(problem)}; it must be a Problem or an Energy, for instance sngd.library.poisson()"
    )


def require_key(key: object) -> None:
    example = "for instance jax.random.key(0)"
    if not isinstance(key, jax.Array | np.ndarray):
        seed = f"jax.random.key({key})" if isinstance(key, int) else "jax.random.key(0)"
        raise TypeError(f"key is {shown(key)}; give a key of JAX, for instance {seed}")
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if not typed and key.dtype != jnp.uint32:
        raise TypeError(f"key is an array of {key.dtype}; give a key of JAX, {example}")
    if key.ndim != (0 if typed else 1):
        raise ValueError(f"key is an array of shape {key.shape}; give one key, {example}")


def require_start(start: object, problem: AbstractProblem, named: bool) -> None:
    """Raises `TypeError` or `ValueError` for a start that is no solution of a problem of the same kind.

    - `named`: whether the caller names a network too.
    """
    if start is None:
        return
    if not isinstance(start, Solution):
        raise TypeError(f"start is {shown(start)}; give a Solution, such as the one that solve or load returns")
    if named:
        raise ValueError("start and network are both given; a start brings its own network, so leave one of them out")
    before, now = start.problem.domain, problem.domain
    if (before.axes, before.time_axis) != (now.axes, now.time_axis):
        raise ValueError(
            f"start has the axes {', '.join(before.axes)} with the time axis {before.time_axis}; this problem has "
            f"{', '.join(now.axes)} with {now.time_axis}. Leave the start out"
        )
    names = lambda each: ", ".join([*each.functions, *(constant.name for constant in each.constants)])
    if names(start.problem) != names(problem):
        raise ValueError(
            f"start has the unknowns {names(start.problem)}; this problem has {names(problem)}. Leave the start out"
        )


def listed_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    """The callbacks, one of which may come without a list. Raises `TypeError` for one that cannot be called."""
    listed: tuple[Any, ...] = (callbacks,)
    if isinstance(callbacks, Iterable) and not callable(callbacks):
        listed = tuple(callbacks)
    for callback in listed:
        if not callable(callback) or isinstance(callback, type):
            raise TypeError(
                f"callbacks holds {shown(callback)}; each must be a function of a snapshot and a record, "
                "callback(snapshot, record)"
            )
    return listed


def require_options(
    stopping: object, checkpoints: object, policies: object, error_every: int, memory: float | None
) -> None:
    if stopping is not None and not isinstance(stopping, Stopping):
        iterations = stopping if isinstance(stopping, int) else 1000
        raise TypeError(
            f"stopping is {shown(stopping)}; give a Stopping, for instance sngd.Stopping(iterations={iterations})"
        )
    if checkpoints is not None and not isinstance(checkpoints, Checkpoints):
        folder = checkpoints if isinstance(checkpoints, str) else "run"
        raise TypeError(
            f'checkpoints is {shown(checkpoints)}; give a Checkpoints, for instance sngd.Checkpoints("{folder}")'
        )
    if policies is not None and not isinstance(policies, Policies):
        raise TypeError(
            f"policies is {shown(policies)}; give the policies of a run, for instance sngd.solver.Policies(refine=...)"
        )
    require_integer("error_every", error_every, least=1)
    if memory is not None and not (isinstance(memory, numbers.Real) and memory > 0):
        raise ValueError(
            f"memory is {shown(memory)}; it must be a positive number of bytes, or left out for the machine's"
        )


def require_tolerance(name: str, tolerance: object, least: float = 0.0) -> None:
    """Raises `ValueError` for a tolerance that is no positive number, or below `least`."""
    if tolerance is None:
        return
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 < tolerance < np.inf:
        raise ValueError(f"{name} is {shown(tolerance)}; it must be a positive number, for instance 1e-8")
    if tolerance < least:
        raise ValueError(
            f"{name} is {tolerance}; rounding errors alone are as large as {least}, so give at least that, or leave "
            "it out for the smallest error that can be reached"
        )
