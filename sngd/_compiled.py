"""How the functions of a run are compiled, with options that avoid compilation that does not pay."""

import functools
import os
from collections.abc import Callable
from typing import Any, Literal, ParamSpec, TypeVar

import equinox as eqx
import jax

P = ParamSpec("P")
T = TypeVar("T")

# Most functions run a few dozen times. On CPUs the newer emitters of fused loops of XLA and the higher optimization
# levels of LLVM take a quarter of the compilation time and make no step shorter. On GPUs the search for the fastest
# kernels takes up to two fifths of the compilation time, which is more than it gains (`docs/performance.md`).
OPTIONS: dict[str, dict[str, bool | int]] = {
    "cpu": {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 1},
    "gpu": {"xla_gpu_autotune_level": 0},
}


def compiled(function: Callable[P, T], *, donate: Literal["all", "none"] = "none") -> Callable[P, T]:
    """The function compiled by `equinox.filter_jit`, with the options of this file.

    The options are read in the first call, so that importing the library starts no backend. The function must not be
    called within another compiled function, because JAX uses the options of the outermost function only.

    - `donate`: whether the buffers of all arguments are donated to the result, as in `equinox.filter_jit`.
    """

    @functools.cache
    def jitted() -> Callable[P, T]:
        # Equinox passes further options to `jax.jit`, although its annotations do not say so.
        make: Any = eqx.filter_jit
        return make(function, donate=donate, compiler_options=_options())

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return jitted()(*args, **kwargs)

    return call


@functools.cache
def _options() -> dict[str, bool | int]:
    return those_to_set(OPTIONS.get(jax.default_backend(), {}), os.environ.get("XLA_FLAGS", ""))


def those_to_set(options: dict[str, bool | int], flags: str) -> dict[str, bool | int]:
    """The options that this version of XLA knows and the user has not set.

    - `flags`: the value of the environment variable `XLA_FLAGS`.
    """
    return {name: value for name, value in options.items() if name not in flags and _is_known(name, value)}


def _is_known(name: str, value: bool | int) -> bool:
    try:
        jax.jit(lambda: 0, compiler_options={name: value})()
    except jax.errors.JaxRuntimeError:
        return False
    return True
