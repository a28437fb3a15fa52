"""Derivatives and residuals of a solution, at many points, against JAX on its network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.library import poisson
from sngd.networks import make_network
from sngd.solver import Stopping

POINTS = np.random.default_rng(0).uniform(0, 1, (5000, 2))


@pytest.fixture(scope="module")
def solution():
    return sngd.solve(poisson(), "1x8", key=jax.random.key(0), stopping=Stopping(iterations=3))


def test_derivatives(solution):
    gradient = np.asarray(jax.vmap(jax.grad(solution.network))(jnp.asarray(POINTS)))
    hessian = np.asarray(jax.vmap(jax.hessian(solution.network))(jnp.asarray(POINTS)))
    found = {
        "u_x": (sngd.partial(solution, "x"), gradient[:, 0]),
        "u_xy": (sngd.partial(sngd.partial(solution, "x"), "y"), hessian[:, 0, 1]),
        "gradient": (sngd.gradient(solution), gradient),
        "laplacian": (sngd.laplacian(solution), np.trace(hessian, axis1=1, axis2=2)),
        "divergence": (sngd.divergence(sngd.gradient(solution)), np.trace(hessian, axis1=1, axis2=2)),
        "along": (sngd.directional(solution, np.array([1.0, 2.0])), gradient @ [1.0, 2.0]),
    }
    for name, (function, expected) in found.items():
        np.testing.assert_allclose(function(POINTS), expected, rtol=1e-10, atol=1e-10, err_msg=name)
    with pytest.raises(ValueError, match=r"points have shape \(3,\); this problem needs \(n, 2\)"):
        sngd.partial(solution, "x")(np.zeros(3))


def test_the_network_is_a_function_for_jax(solution):
    x = jnp.asarray([0.2, 0.3])
    value = solution(np.asarray(x)[None])[0]
    np.testing.assert_allclose(jax.jit(lambda x: solution.network(x))(x), value, rtol=1e-12)
    np.testing.assert_allclose(jax.vmap(solution.network)(x[None]), [value], rtol=1e-12)
    step = 1e-6
    slope = (solution.network(x + jnp.asarray([step, 0.0])) - solution.network(x - jnp.asarray([step, 0.0]))) / step / 2
    np.testing.assert_allclose(jax.grad(solution.network)(x)[0], slope, rtol=1e-6, atol=1e-9)


def test_residuals_of_each_condition_without_their_weights(solution):
    interior, boundary = solution.residuals()
    assert (interior.label, boundary.label) == ("interior", "dirichlet")
    value = np.asarray(jax.vmap(solution.network)(jnp.asarray(boundary.points)))
    exact = np.asarray(jax.vmap(solution.problem.exact)(jnp.asarray(boundary.points)))
    np.testing.assert_allclose(boundary.values[:, 0], value - exact, atol=1e-12)
    point, worst = boundary.worst
    assert worst == np.abs(boundary.values).max()
    assert point.tolist() in boundary.points.tolist()
    np.testing.assert_allclose(interior.root_mean_square, np.sqrt(np.mean(interior.values**2)), rtol=1e-12)
    assert "at most" in repr(interior)


def test_residuals_in_chunks_are_those_of_single_points(key):
    square = sngd.box(x=(0, 1), y=(0, 1))
    equations = sngd.Interior(lambda u, x: jnp.stack([u(x) - x[0], 2 * u(x)]), name="two")
    network = make_network("1x4", square.bounds, key=key)
    problem = sngd.Problem(square, [equations], quadrature=sngd.GaussLegendre(60))
    (found,) = sngd.solve(problem, network, key=key, stopping=Stopping(iterations=0, restarts=0)).residuals()
    values = np.asarray(jax.vmap(network)(jnp.asarray(found.points)))
    assert len(found.points) == 3600
    np.testing.assert_allclose(found.values, np.stack([values - found.points[:, 0], 2 * values], axis=1), atol=1e-12)


def test_a_picture_shows_the_axes_the_unknown_and_the_title_that_are_asked_for(solution, tmp_path):
    figure = sngd.plot(solution, tmp_path / "picture.png", axes="y", title="along y")
    assert figure.get_suptitle() == "along y"
    assert figure.axes[0].get_xlabel() == "y"
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    curve = figure.axes[0].lines[0].get_ydata()
    along = np.stack([np.full(len(curve), 0.5), np.linspace(0, 1, len(curve))], axis=1)
    np.testing.assert_allclose(curve, solution(along), rtol=1e-12)
    with pytest.raises(ValueError, match="of is 'v'; the unknown functions are u"):
        sngd.plot(solution, of="v")
    with pytest.raises(ValueError, match="axes is"):
        sngd.plot(solution, axes=("x", "y", "x"))
