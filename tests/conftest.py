"""Shared setup.

Most of the time of the tests is compilation. All processes of one run of the tests share what they compile, in a folder
that is empty at its start. XLA compiles at its lowest level: the tests run each function a few times.
"""

import os
import shutil
import signal
import tempfile

_COMPILED = "JAX_COMPILATION_CACHE_DIR"

# The first process of a run of the tests makes the folder. The other ones find it in their environment.
_own = None if _COMPILED in os.environ else tempfile.mkdtemp(prefix="sngd-compiled-")
if _own is not None:
    os.environ[_COMPILED] = _own
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"
    lowest = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {lowest}"

import jax  # noqa: E402 - reads the environment
import pytest  # noqa: E402

jax.config.update("jax_enable_x64", True)


def pytest_unconfigure():
    if _own is not None:
        shutil.rmtree(_own, ignore_errors=True)


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
