"""Adam, BFGS and L-BFGS: their steps against their definitions and SciPy."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from jaxtyping import Array

import sngd
from sngd.library import PAPER_PROBLEMS, bvp, find_problem
from sngd.linearize import make_objective
from sngd.solver import OPTIMIZERS, Result, Stopping, find_optimizer

BASELINES = ("adam", "bfgs", "l-bfgs")


class Cosines(eqx.Module):
    """A sum of cosines: linear in its coefficients, so that least squares are a linear problem."""

    coefficients: Array

    def __call__(self, x):
        return jnp.sum(self.coefficients * jnp.cos(jnp.arange(len(self.coefficients)) * x[0]))


LINE = sngd.interval(x=(-1, 1))
FIT = sngd.Problem(LINE, [sngd.Interior(lambda u, x: u(x) - jnp.exp(x[0]))], quadrature=sngd.GaussLegendre(20))


@pytest.mark.parametrize("name", ["bfgs", "l-bfgs"])
def test_quasi_newton_methods_solve_a_linear_problem(name, key):
    network = Cosines(jnp.zeros(4))
    objective, theta = make_objective(FIT, network)
    matrix, residual = np.asarray(objective.residual_jacobian(theta)), np.asarray(objective.residual(theta))
    expected = np.linalg.lstsq(matrix, -residual, rcond=None)[0]
    solution = sngd.solve(FIT, network, key=key, optimizer=name, stopping=Stopping(iterations=100))
    np.testing.assert_allclose(solution.network.coefficients, expected, rtol=1e-5)


def test_bfgs_goes_as_far_as_scipys(key):
    network = sngd.networks.make_network("1x10", ((-1, 1),), 1, key=key)
    objective, theta = make_objective(bvp(), network)
    value_and_grad = jax.jit(jax.value_and_grad(objective.value))
    reference = scipy.optimize.minimize(
        lambda x: tuple(map(np.asarray, value_and_grad(jnp.asarray(x)))),
        np.asarray(theta),
        jac=True,
        method="BFGS",
        options={"maxiter": 300},
    )
    stopping = Stopping(iterations=300, patience=301, refinements=0)
    solution = sngd.solve(bvp(), network, key=key, optimizer="bfgs", stopping=stopping)
    assert np.all(np.diff(solution.history.loss) <= 0)
    assert np.log(solution.loss) < 0.5 * np.log(reference.fun)


def test_adam_starts_with_a_step_of_its_rate_against_the_sign_of_the_gradient(key):
    network = Cosines(jnp.ones(4))
    objective, theta = make_objective(FIT, network)
    gradient = np.asarray(jax.grad(objective.value)(theta))
    solution = sngd.solve(FIT, network, key=key, optimizer="adam", stopping=Stopping(iterations=1))
    np.testing.assert_allclose(solution.network.coefficients, np.ones(4) - 1e-3 * np.sign(gradient), rtol=1e-6)
    assert np.isnan(solution.history.step_size[1])


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("problem", PAPER_PROBLEMS)
def test_baselines_reduce_the_loss_of_every_problem(problem, name, key):
    posed = dataclasses.replace(find_problem(problem), quadrature=sngd.GaussLegendre(6))
    solution = sngd.solve(posed, "1x8", key=key, optimizer=name, stopping=Stopping(iterations=20))
    assert solution.result is Result.ITERATIONS_EXHAUSTED
    assert solution.loss < solution.history.loss[0]
    assert solution.history.rank[-1] == -1


def test_bfgs_refuses_what_does_not_fit_into_memory(key):
    with pytest.raises(ValueError, match=r"^bfgs, .* GB .*, more than memory = 100.0 GB; .* fits"):
        sngd.solve(find_problem("heat"), "5x520", key=key, optimizer="bfgs", memory=100e9)


def test_every_optimizer_has_a_name_and_a_description():
    descriptions = [find_optimizer(name).description for name in OPTIMIZERS]
    # The two passes of SNGD, and the two descents in residual space, differ in an option.
    assert len(set(descriptions)) == len(OPTIMIZERS) - 2
