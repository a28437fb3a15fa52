"""Shared setup."""

import signal

import jax
import pytest

jax.config.update("jax_enable_x64", True)


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
