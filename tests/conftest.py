"""Shared setup."""

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
