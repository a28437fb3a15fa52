"""Where a run of a network that is passed as an object starts, and where it starts again."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

import sngd
from sngd.networks import MLP, make_network
from sngd.solver import Stopping

LINE = sngd.interval(x=(0, 1))
POINTS = sngd.GaussLegendre(40)


def wave(frequency, name="wave"):
    """A wave of so many half periods."""
    exact = lambda x: jnp.sin(frequency * jnp.pi * x[0])
    equation = lambda u, x: sngd.partial(u, "x", "x")(x) + (frequency * jnp.pi) ** 2 * exact(x)
    conditions = [sngd.Interior(equation), sngd.Dirichlet(0.0)]
    return sngd.Problem(LINE, conditions, exact=exact, quadrature=POINTS, name=name)


FAST, SLOW = wave(9), wave(1)


class Scaled(eqx.Module):
    """An output transform: zero at both ends."""

    inner: MLP
    factor: Array

    def __call__(self, x):
        return self.factor * x[0] * (1 - x[0]) * self.inner(x)


def mlp(**options):
    return make_network("1x16", LINE.bounds, key=jax.random.key(5), **options)


def bound(network):
    """How finely a network oscillates: the largest weight of its first layer."""
    return np.abs(np.asarray(network.weights[0])).max()


def start(problem, network, **stopping):
    stopping = Stopping(**{"iterations": 0, **stopping})
    return sngd.solve(problem, network, key=jax.random.key(0), stopping=stopping).network


@pytest.mark.parametrize(
    ("wrap", "unwrap"),
    [
        (lambda network: network, lambda network: network),
        (lambda network: Scaled(network, jnp.ones(())), lambda network: network.inner),
        (lambda network: jax.tree_util.Partial(lambda net, x: net(x), network), lambda network: network.args[0]),
    ],
    ids=["alone", "in a class", "in a Partial"],
)
def test_an_untrained_network_gets_the_frequencies_of_the_equation_wherever_it_is(wrap, unwrap):
    found = unwrap(start(FAST, wrap(mlp())))
    assert bound(found) > 3 * bound(mlp())
    assert (found.widths, found.bounds, found.activation) == (mlp().widths, mlp().bounds, mlp().activation)


@pytest.mark.parametrize("problem", [SLOW, FAST], ids=["slow", "fast"])
def test_parameters_are_kept_where_no_others_are_clearly_better(problem):
    chosen = start(problem, "1x16")
    np.testing.assert_array_equal(start(problem, chosen).weights[0], chosen.weights[0])


def test_zero_restarts_keep_the_parameters():
    np.testing.assert_array_equal(start(FAST, mlp(), restarts=0).weights[0], mlp().weights[0])


def test_a_trained_network_is_continued_from():
    """Also where it was trained for another equation, whose solution oscillates otherwise."""
    trained = sngd.solve(SLOW, mlp(), key=jax.random.key(0), stopping=Stopping(iterations=12))
    for problem in (SLOW, FAST):
        again = sngd.solve(problem, trained.network, key=jax.random.key(1), stopping=Stopping(iterations=0))
        jax.tree.map(np.testing.assert_array_equal, again.network.weights, trained.network.weights)
    warm = sngd.solve(SLOW, trained.network, key=jax.random.key(1), stopping=Stopping(iterations=1))
    assert warm.history.loss[0] < 1e-6 * sngd.solve(SLOW, mlp(), key=jax.random.key(0), stopping=Stopping(0)).loss
    assert warm.loss <= warm.history.loss[0]


TWO_VALUES = [sngd.Dirichlet(lambda x: 0.0), sngd.Dirichlet(lambda x: 1.0)]
STUCK = sngd.Problem(
    LINE, [sngd.Interior(lambda u, x: sngd.laplacian(u)(x)), *TWO_VALUES], quadrature=sngd.GaussLegendre(6)
)


class Foreign(eqx.Module):
    """A network that this library knows nothing of, with a table that is not trained."""

    first: eqx.nn.Linear
    last: eqx.nn.Linear
    size: Array
    table: Array

    def __call__(self, x):
        hidden = jnp.tanh(self.first(x) + jnp.sum(jax.lax.stop_gradient(self.table)))
        return self.size * self.last(hidden)[0]


def foreign():
    first, last = (eqx.nn.Linear(*sizes, key=jax.random.key(at)) for at, sizes in enumerate([(1, 6), (6, 1)]))
    return Foreign(first, last, jnp.ones(()), jnp.arange(4.0).reshape(2, 2) / 10)


@pytest.mark.parametrize("make", [lambda: make_network("1x6", LINE.bounds, key=jax.random.key(0)), foreign])
def test_a_run_that_is_stuck_starts_again_from_other_parameters(make):
    """Two values at one boundary: every attempt gets stuck between them."""
    options = {"key": jax.random.key(0), "stopping": Stopping(iterations=300, patience=10)}
    solution = sngd.solve(STUCK, make(), **options)
    starts = np.flatnonzero(np.isnan(solution.history.gradient_norm))
    assert len(starts) == 3
    assert len(set(solution.history.loss[starts])) == 3


def test_another_attempt_draws_the_entries_of_a_matrix_from_its_own():
    """By callbacks: what the run starts again from, as a vector of all parameters in the order of the leaves."""
    states = []
    options = {"key": jax.random.key(0), "stopping": Stopping(iterations=300, patience=10)}
    sngd.solve(STUCK, foreign(), callbacks=lambda state, record: states.append((record, state.theta)), **options)
    _, unravel = ravel_pytree(eqx.filter(foreign(), eqx.is_inexact_array))
    again = [unravel(theta) for record, theta in states if np.isnan(record.gradient_norm)][1:]
    assert len(again) == 2
    for network in again:
        given, found = np.asarray(foreign().first.weight), np.asarray(network.first.weight)
        assert not np.array_equal(found, given)
        np.testing.assert_array_equal(np.sort(np.abs(found), axis=0), np.sort(np.abs(given), axis=0))
        for name in ("size", "table"):
            np.testing.assert_array_equal(getattr(network, name), getattr(foreign(), name))
        np.testing.assert_array_equal(network.first.bias, foreign().first.bias)
