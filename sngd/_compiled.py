"""How the functions of a run are compiled: so that little time goes into what gains less."""

import functools
import os
from collections.abc import Callable
from typing import Any, Literal, ParamSpec, TypeVar

import equinox as eqx
import jax

P = ParamSpec("P")
T = TypeVar("T")

# Most functions run a few dozen times. On processors XLA's newer emitters of fused loops and LLVM's higher levels take
# a quarter of the compilation and make no step shorter; on GPUs a search for the fastest kernels takes up to two
# fifths, more than it gains (`docs/performance.md`).
OPTIONS: dict[str, dict[str, bool | int]] = {
    "cpu": {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 1},
    "gpu": {"xla_gpu_autotune_level": 0},
}


def compiled(function: Callable[P, T], *, donate: Literal["all", "none"] = "none") -> Callable[P, T]:
    """`equinox.filter_jit`, with the options above. They are looked up in the first call, so that importing the library
    starts no backend. Not to be called within another compiled function: JAX takes the options of the outermost only.
    """

    @functools.cache
    def jitted() -> Callable[P, T]:
        # Equinox hands further options to `jax.jit`; its annotations do not say so.
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
    """The options that this version of XLA knows, without those that a user has set.

    - `flags`: what the environment variable `XLA_FLAGS` holds.
    """
    return {name: value for name, value in options.items() if name not in flags and _is_known(name, value)}


def _is_known(name: str, value: bool | int) -> bool:
    try:
        jax.jit(lambda: 0, compiler_options={name: value})()
    except jax.errors.JaxRuntimeError:
        return False
    return True
