"""How many threads LAPACK uses during a run."""

import os
from contextlib import AbstractContextManager

import threadpoolctl


def share_cores_with_lapack() -> AbstractContextManager:
    """Leave LAPACK half of the cores while this context is open.

    XLA calls LAPACK from its own pool, which has a thread a core. OpenBLAS adds as many again, which wait by spinning:
    on two cores a step takes longer with two LAPACK threads than with one (docs/performance.md).
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return threadpoolctl.threadpool_limits(max(1, cores // 2), user_api="blas")
