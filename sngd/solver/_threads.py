"""How many threads LAPACK uses during a run."""

import os
from contextlib import AbstractContextManager

# JAX's LAPACK is SciPy's OpenBLAS, and JAX loads it with the first decomposition. Loaded after the limit is set, it
# would keep a thread for every core.
import scipy.linalg.cython_blas
import scipy.linalg.cython_lapack  # noqa: F401
import threadpoolctl


def lapack_threads() -> int:
    """How many threads LAPACK is left during a run: half of the cores, at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // 2)


def share_cores_with_lapack() -> AbstractContextManager:
    """Leave LAPACK half of the cores while this context is open.

    XLA calls LAPACK from its own pool, which has a thread a core. OpenBLAS adds as many again, which wait by spinning:
    on two cores a step takes longer with two LAPACK threads than with one (docs/performance.md).
    """
    return threadpoolctl.threadpool_limits(lapack_threads(), user_api="blas")


def crowded_pools() -> list[str]:
    """The pools of BLAS threads that have more threads than a run leaves them, in words."""
    pools = threadpoolctl.threadpool_info()
    return [
        f"{pool['internal_api']} with {pool['num_threads']} threads"
        for pool in pools
        if pool["user_api"] == "blas" and pool["num_threads"] > lapack_threads()
    ]
