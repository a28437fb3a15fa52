import jax.numpy as jnp
import pytest

from sngd import _compiled
from sngd._compiled import compiled


@pytest.fixture
def options(monkeypatch):
    """Sets the options of every backend, for this test."""

    def set_to(options):
        monkeypatch.setattr(_compiled, "_OPTIONS", dict.fromkeys(("cpu", "gpu"), options))
        _compiled._options.cache_clear()

    yield set_to
    _compiled._options.cache_clear()


def test_all_options_of_this_backend_are_known(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    _compiled._options.cache_clear()
    assert _compiled._options() == _compiled._OPTIONS[jnp.ones(1).device.platform]


def test_an_option_that_xla_does_not_know_is_left_out(options, monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    options({"xla_backend_optimization_level": 1, "xla_no_such_option": 1})
    assert _compiled._options() == {"xla_backend_optimization_level": 1}
    assert compiled(lambda x: 2 * x)(jnp.asarray(3.0)) == 6


def test_an_option_that_the_user_has_set_is_the_users(options, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=3")
    options({"xla_backend_optimization_level": 1, "xla_llvm_disable_expensive_passes": False})
    assert _compiled._options() == {"xla_llvm_disable_expensive_passes": False}


def test_arguments_that_are_no_arrays_are_static():
    power = compiled(lambda x, by: x**by)
    assert power(jnp.asarray(3.0), by=2) == 9
