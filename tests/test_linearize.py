"""The linearization against finite differences, dense algebra and itself in chunks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.library import PROBLEMS, find_problem
from sngd.linearize import ChunkedFactor, DenseFactor, make_objective
from sngd.networks import make_network

# Coarse rules keep the sweep fast; the chunks divide none of the counts.
RULES = {1: sngd.GaussLegendre(23), 2: sngd.GaussLegendre(9)}


def objective_of(name, key, **memory):
    problem = find_problem(name)
    object.__setattr__(problem, "quadrature", RULES[problem.domain.dimension])
    network = make_network("2x12", problem.domain.bounds, key=key)
    return make_objective(problem, network, **memory)


@pytest.fixture(params=PROBLEMS)
def name(request):
    return request.param


def test_gramian_products_equal_dense_algebra(name, key):
    """Eq. (7): `G @ Y` is `J.T @ (J @ Y)` to 1e-12, with `J` assembled by forward mode, a column at a time."""
    objective, theta = objective_of(name, key)
    factor = objective.linearize(theta).factor
    jacobian = _jacobian_by_forward_mode(objective, theta)
    columns = jax.random.normal(key, (len(theta), 7))
    expected = jacobian.T @ (jacobian @ columns)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(factor.gramian_matmul(columns), expected, rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(
        factor.gramian_compress(columns), columns.T @ expected, rtol=0, atol=1e-12 * np.abs(columns.T @ expected).max()
    )
    assert factor.shape == jacobian.shape == (objective.rows, len(theta))


def _jacobian_by_forward_mode(objective, theta):
    def values(t):
        start = objective.trial.field(theta)
        rows = []
        for term in objective.factor_terms:
            field = objective.trial.field(t)
            at = lambda x, n, s, term=term, field=field: s * jnp.ravel(term.function(start, field, x, n))
            rows.append(jax.vmap(at)(term.points, term.normals, term.scales).ravel())
        return jnp.concatenate(rows)

    return jax.jacfwd(values)(theta)


def test_chunks_of_any_size_give_the_same_products(name, key):
    dense, theta = objective_of(name, key)
    stored = dense.linearize(theta)
    assert isinstance(stored.factor, DenseFactor)
    rows, parameters = stored.factor.shape
    columns, images = jax.random.normal(key, (parameters, 5)), jax.random.normal(key, (rows, 5))
    for points in (1, 4):
        chunked, _ = objective_of(name, key, dense_bytes=0, chunk_bytes=points * 2 * 8 * parameters)
        other = chunked.linearize(theta)
        assert isinstance(other.factor, ChunkedFactor)
        for left, right in [
            (other.gradient, stored.gradient),
            (other.factor.matmul(columns), stored.factor.matmul(columns)),
            (other.factor.rmatmul(images), stored.factor.rmatmul(images)),
            (other.factor.gramian_matmul(columns), stored.factor.gramian_matmul(columns)),
            (other.factor.gramian_compress(columns), stored.factor.gramian_compress(columns)),
        ]:
            np.testing.assert_allclose(left, right, rtol=0, atol=1e-12 * np.abs(right).max())


def test_jacobian_agrees_with_finite_differences_in_a_direction(name, key):
    objective, theta = objective_of(name, key)
    linearization = objective.linearize(theta)
    direction = jax.random.normal(key, theta.shape) / np.sqrt(len(theta))
    step = 1e-6
    if linearization.residual is not None:
        values, expected = objective.residual, linearization.factor.matmul(direction[:, None])[:, 0]
    else:
        values, expected = objective.value, linearization.gradient @ direction
    difference = (values(theta + step * direction) - values(theta - step * direction)) / (2 * step)
    np.testing.assert_allclose(difference, expected, rtol=0, atol=1e-7 * np.abs(expected).max())


def test_gradient_is_the_derivative_of_the_loss(name, key):
    objective, theta = objective_of(name, key)
    expected = jax.grad(objective.value)(theta)
    gradient = objective.linearize(theta).gradient
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_change_keeps_the_digits_that_the_energy_itself_loses(key):
    """For steps so small that the change is linear and far below the spacing of the values."""
    objective, theta = objective_of("bvp-energy", key)
    shifts = 1e-12 * jax.random.normal(key, (50, *theta.shape))
    exact = shifts @ objective.linearize(theta).gradient
    changes = jax.vmap(objective.change_from(theta))(theta + shifts)
    differences = jax.vmap(objective.value)(theta + shifts) - objective.value(theta)
    assert np.linalg.norm(changes - exact) < np.linalg.norm(differences - exact) / 2


def test_a_plain_function_with_parameters_is_a_network(key):
    def quadratic(parameters, x):
        return parameters["a"] * x[0] ** 2 + parameters["b"]

    network = jax.tree_util.Partial(quadratic, {"a": jnp.array(2.0), "b": jnp.array(1.0)})
    problem = sngd.Problem(sngd.interval(x=(0, 1)), [sngd.Interior(lambda u, x: sngd.partial(u, "x", "x")(x) - 6)])
    solution = sngd.solve(problem, network, key=key, stopping=sngd.Stopping(iterations=3))
    np.testing.assert_allclose(solution(np.array([[2.0]])), 3 * 4 + 1, rtol=1e-10)
