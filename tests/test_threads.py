"""Threads of LAPACK during a run, and steps that take longer than predicted."""

import json
import logging
import os
import subprocess
import sys

from sngd.train._pace import Pace

SCRIPT = """
import json, jax
jax.config.update("jax_enable_x64", True)
import sngd, threadpoolctl
from sngd.library import bvp
seen = []
def look(state, record):
    pools = [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    seen.append(pools)
sngd.solve(bvp(), "1x6", key=jax.random.key(0), stopping=sngd.Stopping(iterations=3), callbacks=look)
after = [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
print(json.dumps({"seen": seen, "after": after}))
"""


def test_no_pool_has_more_threads_than_half_the_cores():
    """In a fresh process, which loads JAX's LAPACK with its first decomposition, long after the run has begun."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    threads = dict.fromkeys(names, "4")
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment | threads, check=True
    )
    found = json.loads(process.stdout.splitlines()[-1])
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert len(found["seen"]) == 4
    assert all(len(pools) == len(found["after"]) > 0 for pools in found["seen"]), "none is loaded on the way"
    assert max(map(max, found["seen"])) <= max(1, cores // 2)
    assert max(found["after"]) == 4, "the limits of before are restored"


def test_slow_steps_are_warned_of_once(caplog):
    pace = Pace(predicted=0.05)
    with caplog.at_level(logging.WARNING, logger="sngd"):
        for seconds in (0.1, 0.6, 0.6, 0.1, 0.6, 0.6):
            pace.after_step(seconds)
        assert not caplog.messages
        for _ in range(4):
            pace.after_step(0.6)
    (message,) = caplog.messages
    assert message.startswith("a step takes 0.6 s, where the plan expects 0.05 s: ")


def test_the_smallest_steps_are_not_held_to_predictions(caplog):
    pace = Pace(predicted=1e-5)
    with caplog.at_level(logging.WARNING, logger="sngd"):
        for _ in range(5):
            pace.after_step(0.15)
    assert not caplog.messages
