"""How finely an initial network oscillates, for what it is to find."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.library import heat, transport
from sngd.linearize import LayeredFactor, make_objective
from sngd.networks import make_network
from sngd.solver import FrequencyChoice, Policies, Stopping


def test_frequencies_follow_the_solution():
    """A wave of five half periods along `y` and one along `x` needs a network that oscillates faster along `y`."""
    square = sngd.box(x=(0, 1), y=(0, 1))
    exact = lambda x: jnp.sin(jnp.pi * x[0]) * jnp.sin(5 * jnp.pi * x[1])
    equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x) + 26 * jnp.pi**2 * exact(x))
    problem = sngd.Problem(square, [equation, sngd.Dirichlet(0.0)], exact=exact)
    solution = sngd.solve(problem, "2x20", key=jax.random.key(0), stopping=Stopping(iterations=0))
    along_x, along_y = np.abs(np.asarray(solution.network.weights[0])).max(axis=0)
    assert along_y > 1.5 * along_x


def test_frequencies_of_one_axis_are_found_over_flat_scores():
    """A wave on a circle that passes each point five times: only features that oscillate in time follow it."""
    problem, none = transport(), Stopping(iterations=0)
    solution = sngd.solve(problem, "1x60+periodic", key=jax.random.key(3), stopping=none)
    in_time = np.abs(np.asarray(solution.network.weights[0])).max(axis=0)[1]
    assert in_time > 10


def test_frequencies_of_a_wide_network_are_chosen_on_some_of_many_points(monkeypatch):
    """The rows of 45 x 45 points would make a kernel of three times as many entries as those that are drawn."""
    rows, kernel = [], LayeredFactor.kernel
    monkeypatch.setattr(LayeredFactor, "kernel", lambda self: rows.append(self.shape[0]) or kernel(self))
    exact = lambda x: jnp.sin(5 * jnp.pi * x[0]) * jnp.sin(5 * jnp.pi * x[1])
    equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x) + 50 * jnp.pi**2 * exact(x))
    square, points = sngd.box(x=(0, 1), y=(0, 1)), sngd.GaussLegendre(45)
    problem = sngd.Problem(square, [equation, sngd.Dirichlet(0.0)], quadrature=points)
    solution = sngd.solve(problem, "2x128", key=jax.random.key(0), stopping=Stopping(iterations=0))
    assert solution.rows == 45**2 + 4 * 45
    assert 1300 < max(rows) <= 1344
    slow = make_network("2x128", square.bounds, key=jax.random.key(0))
    fastest = [np.abs(np.asarray(network.weights[0])).max() for network in (solution.network, slow)]
    assert fastest[0] > 1.5 * fastest[1]


def test_of_frequencies_that_suit_a_wide_network_residual_space_takes_the_fastest(key):
    """Several suit a smooth solution: the more they oscillate, the more singular values of the Jacobian are known."""
    # So small a network leaves about as much as the limit; well above it several frequencies suit for certain.
    problem = dataclasses.replace(heat(), quadrature=sngd.GaussLegendre(24))
    policies = Policies(frequencies=FrequencyChoice(floor=-6.0))

    def start(optimizer):
        options = {"optimizer": optimizer, "stopping": Stopping(iterations=0), "policies": policies}
        return sngd.solve(problem, "3x96", key=key, **options).network

    def rank(network):
        objective, theta = make_objective(problem, network)
        kernel = eqx.filter_jit(lambda theta: objective.factor(theta).kernel())(theta)
        values = np.sqrt(np.abs(np.linalg.eigvalsh(kernel)))
        return np.sum(values > 1e-8 * values.max())

    fast, slow, of_engd_w = map(start, ("residual-space", "preconditioned", "engd-w"))
    ratio = fast.weights[0] / slow.weights[0]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-12)
    assert ratio[0, 0] > 1.2
    assert rank(fast) > 1.2 * rank(slow)
    np.testing.assert_array_equal(of_engd_w.weights[0], slow.weights[0])


@pytest.mark.parametrize(
    ("good_up_to", "best", "expected"),
    [(1.0, 1.0, 1.0), (1.5, 1.0, 1.3), (2.0, 1.0, 1.69), (1e3, 40.0, 52.0)],
)
def test_faster_frequencies_are_taken_as_long_as_they_are_equally_good(good_up_to, best, expected):
    score = lambda frequencies: -12.0 if max(frequencies) <= good_up_to else -5.0
    fastest = FrequencyChoice().fastest_of(score, (best, best))
    np.testing.assert_allclose(fastest, (expected, expected), rtol=1e-12)
