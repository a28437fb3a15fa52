"""Networks of a user's own: any callable PyTree, with its own attributes, whatever the shape of a single output."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

import sngd
from sngd.linearize import Limits, make_objective
from sngd.solver import Stopping, load, save

LINE = sngd.interval(x=(0, 1))
EQUATION = sngd.Interior(lambda u, x: sngd.partial(u, "x", "x")(x) + u(x))
SINE = lambda x: jnp.sin(x[0])
PROBLEM = sngd.Problem(LINE, [EQUATION, sngd.Dirichlet(SINE)], exact=SINE, quadrature=sngd.GaussLegendre(12))


def perceptron(inputs, outputs):
    return eqx.nn.MLP(inputs, outputs, 8, 1, activation=jnp.tanh, key=jax.random.key(0))


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), ("scalar", 1), ("scalar", "scalar")])
def test_a_network_may_take_and_return_a_number_or_one_entry(inputs, outputs, tmp_path):
    """All are the same function: the same numbers as from the network that takes a point and returns a scalar."""
    run = lambda network: sngd.solve(PROBLEM, network, key=jax.random.key(0), stopping=Stopping(5, restarts=0))
    solution, expected = run(perceptron(inputs, outputs)), run(perceptron(1, "scalar"))
    assert isinstance(solution.network, eqx.nn.MLP)
    np.testing.assert_allclose(solution.history.loss, expected.history.loss, rtol=1e-6)
    points = np.linspace(0, 1, 5)[:, None]
    assert solution(points).shape == (5,)
    np.testing.assert_allclose(solution(points), expected(points), rtol=0, atol=1e-9)
    np.testing.assert_allclose(solution.relative_l2(), solution.history.error[-1], rtol=1e-9)
    save(solution, tmp_path / "s.npz")
    back = load(tmp_path / "s.npz", PROBLEM, perceptron(inputs, outputs))
    np.testing.assert_array_equal(back(points), solution(points))


class WithCoefficient(eqx.Module):
    """A network with a coefficient that the equation reads, and is to find."""

    inner: eqx.nn.MLP
    coefficient: Array

    def __call__(self, x):
        return self.inner(x)


def growth(u, x):
    """Of the solution `exp(2 x)`, which the data state, the coefficient is 2."""
    return jnp.stack([sngd.partial(u, "x")(x) - u.function.coefficient * u(x), u(x) - jnp.exp(2 * x[0])])


@pytest.mark.parametrize("outputs", [1, "scalar"])
def test_an_equation_reads_an_attribute_of_the_network(outputs):
    problem = sngd.Problem(LINE, [sngd.Interior(growth)], quadrature=sngd.GaussLegendre(12))
    network = WithCoefficient(perceptron(1, outputs), jnp.asarray(1.0))
    solution = sngd.solve(problem, network, key=jax.random.key(0), stopping=Stopping(60, restarts=0))
    np.testing.assert_allclose(solution.network.coefficient, 2.0, rtol=1e-6)


def test_an_equation_reads_an_attribute_where_the_factor_is_kept_as_outer_products():
    network = WithCoefficient(eqx.nn.MLP(1, 1, 8, 2, key=jax.random.key(0)), jnp.asarray(1.0))
    problem = sngd.Problem(LINE, [sngd.Interior(growth)], quadrature=sngd.GaussLegendre(4))
    stored, theta = make_objective(problem, network)
    outer, _ = make_objective(problem, network, Limits(dense_bytes=0))
    assert outer.storage == "kept as outer products"
    rows, jacobian = jax.jit(lambda t: (outer.factor(t).rmatmul(jnp.eye(8)).T, stored.residual_jacobian(t)))(theta)
    np.testing.assert_allclose(rows, jacobian, rtol=1e-9, atol=1e-12)


def test_a_density_reads_an_attribute_of_the_network():
    """A coefficient that is not trained: the minimum of the energy is where the equation `u = coefficient` holds."""

    class Fixed(eqx.Module):
        inner: eqx.nn.MLP
        coefficient: float = eqx.field(static=True)

        def __call__(self, x):
            return self.inner(x)

    density = lambda u, x: (u(x) - u.function.coefficient) ** 2 / 2
    energy = sngd.Energy(LINE, density, lambda u, v, x: v(x), quadrature=sngd.GaussLegendre(8))
    network = Fixed(perceptron(1, 1), 3.0)
    solution = sngd.solve(energy, network, key=jax.random.key(0), stopping=Stopping(20, restarts=0))
    np.testing.assert_allclose(solution(np.array([[0.3]])), 3.0, rtol=1e-9)


def test_a_density_that_reads_a_trained_attribute_is_refused():
    """The energy is minimized over the values of the network, which do not tell how to change the attribute."""
    density = lambda u, x: (u(x) - u.function.coefficient) ** 2 / 2
    energy = sngd.Energy(LINE, density, lambda u, v, x: v(x))
    with pytest.raises(ValueError, match="density reads a trained attribute of the network"):
        sngd.solve(energy, WithCoefficient(perceptron(1, 1), jnp.asarray(1.0)), key=jax.random.key(0))


def test_what_a_network_raises_is_named():
    with pytest.raises(ValueError, match=r"network cannot be evaluated at one point x of shape \(1,\): TypeError: .*3"):
        sngd.solve(PROBLEM, perceptron(3, 1), key=jax.random.key(0))
