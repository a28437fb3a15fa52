"""Optimizers of a user's own: a descent alone, and transformations of Optax."""

import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jaxtyping import Array

import sngd
from sngd.descent import SNGD, AbstractDescent, Ray
from sngd.linearize import make_objective
from sngd.search import FixedStep, GridSearch
from sngd.solver import Checkpoints, Optimizer, Stopping


class Cosines(eqx.Module):
    """Linear in its coefficients."""

    coefficients: Array

    def __call__(self, x):
        return jnp.sum(self.coefficients * jnp.cos(jnp.arange(len(self.coefficients)) * x[0]))


LINE = sngd.interval(x=(-1, 1))
FIT = sngd.Problem(LINE, [sngd.Interior(lambda u, x: u(x) - jnp.exp(x[0]))], quadrature=sngd.GaussLegendre(20))
START = Cosines(jnp.ones(4))


def run(optimizer, **options):
    options = {"stopping": Stopping(iterations=4), **options}
    return sngd.solve(FIT, START, key=jax.random.key(0), optimizer=optimizer, **options)


def test_a_descent_alone_is_searched_on_a_grid():
    alone, pair = run(SNGD()), run(Optimizer(SNGD(), GridSearch()))
    np.testing.assert_array_equal(alone.history.loss, pair.history.loss)
    assert alone.optimizer == "SNGD with GridSearch"


@pytest.mark.parametrize("transformation", [optax.sgd(0.1, momentum=0.9), optax.adamw(1e-2), optax.lbfgs()])
def test_a_transformation_of_optax_makes_the_steps_that_optax_makes(transformation):
    """Those that read the parameters, the loss or its values elsewhere too."""
    objective, theta = make_objective(FIT, START)
    state, loss = transformation.init(theta), objective.value
    for _ in range(4):
        value, gradient = jax.value_and_grad(loss)(theta)
        transform = optax.with_extra_args_support(transformation).update
        update, state = transform(gradient, state, theta, value=value, grad=gradient, value_fn=loss)
        theta = optax.apply_updates(theta, update)
    solution = run(transformation)
    np.testing.assert_allclose(solution.network.coefficients, theta, rtol=1e-9)
    np.testing.assert_allclose(solution.history.loss[-1], loss(theta), rtol=1e-9)


def test_a_run_by_optax_goes_on_from_its_checkpoint(tmp_path):
    transformation = optax.adam(0.1)
    run(transformation, checkpoints=Checkpoints(tmp_path), stopping=Stopping(iterations=2))
    resumed = run(transformation, checkpoints=Checkpoints(tmp_path, resume=True))
    np.testing.assert_array_equal(resumed.history.loss, run(transformation).history.loss)


def test_optax_is_not_imported_for_those_who_do_not_use_it():
    code = "import sngd, sys; sys.exit('optax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_callback_needs_no_list():
    seen = []
    run("gd", callbacks=lambda state, record: seen.append(record.iteration))
    assert seen == [0, 1, 2, 3, 4]


class RandomStep(AbstractDescent):
    """Moves by a random vector, whatever the loss."""

    def cost(self, factor, state):
        return sngd.descent.Cost(0, 0)

    def step(self, linearization, state, key):
        one = jnp.ones(())
        return Ray(jax.random.normal(key, linearization.gradient.shape), one, one, one)


def test_every_step_has_a_key_of_its_own():
    """No two steps draw the same numbers, and none draws those of the key that a callback sees."""
    states = []
    run(Optimizer(RandomStep(), FixedStep(1.0)), callbacks=lambda state, record: states.append(state))
    thetas = np.array([state.theta for state in states])
    drawn = [*np.diff(thetas, axis=0), *(-jax.random.normal(state.iterate.key, state.theta.shape) for state in states)]
    assert len(drawn) == 4 + 5
    apart = np.abs(np.array(drawn)[:, None] - np.array(drawn)[None]).max(axis=-1)
    assert np.all(apart[~np.eye(len(drawn), dtype=bool)] > 1e-6)
