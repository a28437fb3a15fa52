"""Conditions: exact solutions leave no residual, wrong ones leave the right one."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.library import PROBLEMS, find_problem
from sngd.linearize import make_objective


class Exact(eqx.Module):
    """A known solution with one parameter to train, which multiplies it."""

    function: object
    factor: jax.Array

    def __init__(self, function):
        self.function = function
        self.factor = jnp.ones(())

    def __call__(self, x):
        return self.factor * self.function(x)


@pytest.mark.parametrize("name", [name for name in PROBLEMS if name != "bvp-energy"])
def test_exact_solutions_of_the_library_leave_no_residual(name):
    problem = find_problem(name)
    objective, theta = make_objective(problem, Exact(problem.exact))
    assert np.max(np.abs(objective.residual(theta))) < 1e-12
    assert objective.value(1.1 * theta) > 1e-3


def test_the_energy_is_stationary_at_the_exact_solution_and_its_metric_is_the_second_variation():
    problem = find_problem("bvp-energy")
    objective, theta = make_objective(problem, Exact(problem.exact))
    np.testing.assert_allclose(jax.jit(jax.grad(objective.value))(theta), 0.0, atol=1e-12)
    gramian = eqx.filter_jit(objective.linearize)(theta).factor.gramian_matmul(jnp.eye(1))
    np.testing.assert_allclose(gramian, jax.jit(jax.hessian(objective.value))(theta), rtol=1e-12)


def u(x):
    return jnp.exp(x[0]) * jnp.sin(x[1])


DOMAIN = sngd.box(x=(0, 1), y=(0, 2))
NORMAL_DERIVATIVES = {  # written by hand, face by face
    ("x", "lower"): lambda x: -u(x),
    ("x", "upper"): u,
    ("y", "lower"): lambda x: -jnp.exp(x[0]) * jnp.cos(x[1]),
    ("y", "upper"): lambda x: jnp.exp(x[0]) * jnp.cos(x[1]),
}


@pytest.mark.parametrize(("axis", "side"), NORMAL_DERIVATIVES)
def test_neumann_and_robin_use_the_outward_normal(axis, side):
    slope, on = NORMAL_DERIVATIVES[axis, side], (DOMAIN.face(axis, side),)
    conditions = [
        sngd.Dirichlet(u, on=on),
        sngd.Neumann(slope, on=on),
        sngd.Robin(2.0, lambda x: 2 * u(x) + slope(x), on=on),
        sngd.Boundary(lambda v, x, normal: sngd.gradient(v)(x) @ normal - slope(x), on=on),
    ]
    objective, theta = make_objective(sngd.Problem(DOMAIN, conditions), Exact(u))
    assert objective.rows == 4 * 20
    assert np.max(np.abs(objective.residual(theta))) < 1e-13
    # A normal of the wrong sign would leave twice the normal derivative.
    neumann = sngd.Neumann(lambda x: -slope(x), on=on)
    flipped = sngd.Problem(DOMAIN, [neumann], quadrature=sngd.GaussLegendre(20))
    objective, theta = make_objective(flipped, Exact(u))
    collocation = flipped.collocation(flipped.conditions[0])
    expected = 2 * jax.vmap(slope)(jnp.asarray(collocation.points)) * np.sqrt(collocation.weights)
    np.testing.assert_allclose(objective.residual(theta), expected, rtol=1e-12)


def test_initial_velocity_and_periodic_slopes():
    domain = sngd.space_time(t=(0, 1), x=(0, 2 * np.pi))
    conditions = [
        sngd.Initial(lambda x: jnp.sin(x[1])),
        sngd.Initial(lambda x: -2 * jnp.cos(x[1]), derivative=1),
        sngd.Periodic("x", derivatives=(0, 1, 2)),
    ]
    problem = sngd.Problem(domain, conditions)
    objective, theta = make_objective(problem, Exact(lambda x: jnp.sin(x[1] - 2 * x[0])))
    assert objective.rows == 20 + 20 + 3 * 20
    assert np.max(np.abs(objective.residual(theta))) < 1e-13
    objective, theta = make_objective(problem, Exact(lambda x: x[1]))
    periodic = objective.factor_terms[2].values(objective.trial, theta).reshape(-1, 3)
    scales = np.asarray(objective.factor_terms[2].scales)
    np.testing.assert_allclose(periodic, np.outer(scales, [2 * np.pi, 0, 0]), atol=1e-12)


def test_a_system_of_two_equations_has_two_rows_a_point():
    domain = sngd.interval(x=(0, 1))

    def equations(v, x):
        first, second = sngd.partial(v, "x")(x)
        return jnp.stack([first - v(x)[1], second + v(x)[0]])

    left = (domain.face("x", "lower"),)
    conditions = [sngd.Interior(equations), sngd.Dirichlet(1.0, on=left, component=1), sngd.Dirichlet(0.0, on=left)]
    problem = sngd.Problem(domain, conditions, outputs=2)
    objective, theta = make_objective(problem, Exact(lambda x: jnp.stack([jnp.sin(x[0]), jnp.cos(x[0])])))
    assert objective.rows == 2 * 64 + 1 + 2
    # The last condition wrongly asks for zero of both components at x = 0, where the second one is one.
    expected = np.zeros(objective.rows)
    expected[-1] = 1.0
    np.testing.assert_allclose(objective.residual(theta), expected, atol=1e-13)


def test_weights_multiply_a_condition_in_the_loss():
    def loss(weight):
        # The Laplacian of this function vanishes, so the boundary is all of the loss.
        conditions = [sngd.Dirichlet(1.0, weight=weight), sngd.Interior(lambda v, x: sngd.laplacian(v)(x))]
        objective, theta = make_objective(sngd.Problem(DOMAIN, conditions), Exact(u))
        return objective.value(theta)

    np.testing.assert_allclose(loss(3.0), 3 * loss(1.0), rtol=1e-12)
