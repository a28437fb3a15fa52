"""Threads of LAPACK during a run, and steps that take longer than predicted."""

import json
import logging
import os
import subprocess
import sys

import pytest

from sngd.solver._pace import Pace

PROGRAM = """
import json
import jax
import threadpoolctl

jax.config.update("jax_enable_x64", True)
import sngd


def threads():
    pools = threadpoolctl.threadpool_info()
    return {pool["filepath"]: pool["num_threads"] for pool in pools if pool["user_api"] == "blas"}


seen = []
problem = sngd.Problem(sngd.interval(x=(0, 1)), sngd.Dirichlet(0.0))
options = {"key": jax.random.key(0), "stopping": sngd.Stopping(iterations=2)}
sngd.solve(problem, "1x4", callbacks=lambda state, record: seen.append(threads()), **options)
print(json.dumps({"during": seen[-1], "after": threads()}))
"""


def test_lapack_has_half_of_the_cores_during_a_run():
    """Afterwards it has as many as before. JAX loads a library of its own with its first decomposition."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores < 2:
        pytest.skip("one core is no more than half of the cores, and at least one")
    limits = {name for name in os.environ if name.endswith("_NUM_THREADS")}
    environment = {name: value for name, value in os.environ.items() if name not in limits}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["during"]
    assert found["during"] == {path: min(count, cores // 2) for path, count in found["after"].items()}
    assert min(found["after"].values()) > 1, "a limit that may be exceeded"


def test_slow_steps_are_warned_of_once(caplog):
    pace = Pace(predicted=0.05)
    with caplog.at_level(logging.WARNING, logger="sngd"):
        for seconds in (0.1, 1.6, 1.6, 0.1, 1.6, 1.6):
            pace.after_step(seconds)
        assert not caplog.messages
        for _ in range(4):
            pace.after_step(1.6)
    (message,) = caplog.messages
    assert message.startswith("a step takes 1.6 s, where the plan expects 0.05 s: ")


def test_the_smallest_steps_are_not_held_to_predictions(caplog):
    pace = Pace(predicted=1e-5)
    with caplog.at_level(logging.WARNING, logger="sngd"):
        for _ in range(5):
            pace.after_step(0.5)
    assert not caplog.messages
