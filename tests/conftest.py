"""Shared setup.

Most of the time of the tests is compilation, and they run each function a few times. So XLA compiles at its lowest
level and without its newer emitters, as `sngd/_compiled.py` has it for the functions of a run; so do the processes that
tests start. The files that take longest come first, so that no worker waits.
"""

import os
import signal
from pathlib import Path

os.environ["XLA_FLAGS"] = " ".join(
    [
        *os.environ.get("XLA_FLAGS", "").split(),
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
        "--xla_cpu_use_fusion_emitters=false",
    ]
)

# Tests count compilations, and leave the user's cache alone.
os.environ["SNGD_CACHE"] = "off"

import jax
import pytest

jax.config.update("jax_enable_x64", True)


LONGEST = ("devices", "runs", "annotations", "invariance", "linearize", "paper", "checkpoints", "frequencies", "cli")


def pytest_collection_modifyitems(items):
    place = {f"test_{name}": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(Path(item.fspath).stem, len(place)))


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture(autouse=True, scope="module")
def forget_what_is_compiled():
    """Every compiled function maps memory, and a process may have so many mappings: XLA crashes where one is denied."""
    yield
    jax.clear_caches()


@pytest.fixture
def control_c():
    """Ctrl-C does what Python makes of it, here and in processes started here, also where the tests were told to
    ignore it, as what runs in the background is."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
