"""Networks that are named for each of several unknown functions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.networks import MLP, Several

KEY = jax.random.key(0)
ROD = sngd.space_time(t=(0, 1), x=(0, 1))
STOPPING = sngd.Stopping(iterations=80)
POINTS = np.random.default_rng(0).uniform(size=(20, 2))


def source():
    """`u_t = u_xx + q(x)` with `u = (1 - exp(-t)) sin(2 x)` read everywhere, and so an unknown function of one axis."""
    exact = lambda x: x[0] * jnp.sin(2 * x[1])
    equation = sngd.Interior(lambda u, q, x: sngd.partial(u, "t")(x) - sngd.laplacian(u)(x) - q(x) - rest(x))
    rest = lambda x: 4 * x[0] * jnp.sin(2 * x[1])
    data = sngd.Data(ROD.grid(8), np.asarray(jax.vmap(exact)(jnp.asarray(ROD.grid(8)))), noise=0.0, of="u")
    both = lambda x: jnp.stack([exact(x), jnp.sin(2 * x[1])])
    return sngd.Problem(ROD, [equation, data], unknowns=["u", sngd.Unknown("q", "x")], exact=both)


@pytest.fixture(scope="module")
def solution():
    return sngd.solve(source(), {"u": "1x16", "q": "1x8"}, key=KEY, stopping=STOPPING)


def test_each_function_has_its_own_network(solution, tmp_path):
    assert isinstance(solution.network, Several)
    assert [part.widths for part in solution.network.networks] == [(2, 16, 1), (1, 8, 1)]
    assert solution.relative_l2() < 1e-5
    elsewhere = POINTS * [0.0, 1.0] + [0.3, 0.0]
    assert np.array_equal(solution["q"](POINTS), solution["q"](elsewhere))
    sngd.save(solution, tmp_path / "several.sngd")
    assert sngd.load(tmp_path / "several.sngd", source())(POINTS) == pytest.approx(solution(POINTS), abs=1e-15)


def test_one_text_makes_a_network_for_each_group_of_axes():
    found = sngd.solve(source(), "1x6", key=KEY, stopping=sngd.Stopping(iterations=2))
    assert [part.widths for part in found.network.networks] == [(2, 6, 1), (1, 6, 1)]


class Wave(eqx.Module):
    """`a sin(b s)` of one coordinate."""

    numbers: jax.Array

    def __call__(self, s):
        return self.numbers[0] * jnp.sin(self.numbers[1] * s[0])


def test_a_network_of_the_user_for_one_of_the_functions():
    network = {"q": Wave(jnp.array([0.8, 1.8])), "u": MLP((2, 12, 1), ROD.bounds, key=KEY)}
    found = sngd.solve(source(), network, key=KEY, stopping=STOPPING)
    numbers = found.network.networks[1].numbers
    assert numbers == pytest.approx([1.0, 2.0], abs=1e-5)


def test_complex_functions_and_functions_that_share_a_network():
    equations = lambda psi, a, b, x: (sngd.partial(psi, "x")(x) - 1j * psi(x), a(x) - 1, b(x) - x[0])
    unknowns = [sngd.Unknown("psi", complex=True), "a", "b"]
    start = sngd.Dirichlet(1.0, on="lower", of="psi")
    problem = sngd.Problem(sngd.interval(x=(0, 1)), [sngd.Interior(equations), start], unknowns=unknowns)
    found = sngd.solve(problem, {"psi": "1x8"}, key=KEY, stopping=sngd.Stopping(iterations=20))
    assert [part.widths[-1] for part in found.network.networks] == [2, 2]
    assert found(np.array([[0.5]]))[0] == pytest.approx([np.exp(0.5j), 1.0, 0.5], abs=1e-3)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"v": "1x4"}, "network names 'v', and the unknown functions are u, q"),
        ({"u": 3}, "network of u is 3; give a text such as '2x16', or a callable PyTree"),
    ],
)
def test_networks_that_cannot_be_used(network, message):
    with pytest.raises((TypeError, ValueError)) as raised:
        sngd.solve(source(), network, key=KEY)
    assert str(raised.value) == message


def test_outputs_that_are_not_in_one_network_each():
    with pytest.raises(ValueError, match=r"places is \(\(0,\), \(0,\)\); each output must be in one of them"):
        Several((Wave(jnp.ones(2)), Wave(jnp.ones(2))), ((0,), (0,)), ((0,), (0,)))
