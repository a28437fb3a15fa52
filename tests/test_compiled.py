"""Options of the compiler."""

import jax.numpy as jnp

from sngd._compiled import OPTIONS, compiled, those_to_set


def test_all_options_of_this_backend_are_known():
    options = OPTIONS[jnp.ones(1).device.platform]
    assert those_to_set(options, "") == options


def test_an_option_that_xla_does_not_know_is_left_out():
    options = {"xla_backend_optimization_level": 1, "xla_no_such_option": 1}
    assert those_to_set(options, "") == {"xla_backend_optimization_level": 1}
    assert compiled(lambda x: 2 * x)(jnp.asarray(3.0)) == 6


def test_an_option_that_the_user_has_set_is_the_users():
    options = {"xla_backend_optimization_level": 1, "xla_llvm_disable_expensive_passes": False}
    chosen = those_to_set(options, "--xla_backend_optimization_level=3")
    assert chosen == {"xla_llvm_disable_expensive_passes": False}


def test_arguments_that_are_no_arrays_are_static():
    power = compiled(lambda x, by: x**by)
    assert power(jnp.asarray(3.0), by=2) == 9
