"""Complex unknown functions, and periodic conditions with a factor, against exact solutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.problem import Components

KEY = jax.random.key(0)
PSI = [sngd.Unknown("psi", complex=True)]
SQUARE = sngd.box(x=(0, 1), y=(0, 1))
LINE = sngd.interval(x=(0, 1))
ROD = sngd.space_time(t=(0, 0.1), x=(0, 1))


def plane(x):
    return jnp.exp(1j * (3 * x[0] + 2 * x[1]))


def absorbing(psi, x):
    return sngd.laplacian(psi)(x) + (13 + 2j) * psi(x) - 2j * plane(x)


def waves(**options):
    # A function of NumPy is evaluated on the host, so that complex data pass through both ways.
    ends = sngd.Dirichlet(lambda x: np.exp(1j * (3 * x[0] + 2 * x[1])))
    conditions = [sngd.Interior(absorbing), ends, *options.pop("data", [])]
    return sngd.Problem(SQUARE, conditions, unknowns=PSI, exact=plane, **options)


@pytest.fixture(scope="module")
def solution():
    return sngd.solve(waves(), key=KEY, tolerance=1e-12)


def test_a_complex_equation_is_solved_to_rounding_errors(solution):
    points = np.random.default_rng(0).uniform(size=(50, 2))
    exact = np.exp(1j * (3 * points[:, 0] + 2 * points[:, 1]))
    found = solution(points)
    assert found.shape == (50,)
    assert found.dtype == complex
    assert np.max(np.abs(found - exact)) < 1e-12
    assert solution.relative_l2() == pytest.approx(np.linalg.norm(found - exact) / np.sqrt(50), abs=1e-12)
    assert np.abs(solution.error(points)).max() < 1e-11
    assert sngd.partial(solution, "x")(points) == pytest.approx(3j * exact, abs=1e-10)
    assert solution["psi"](points) == pytest.approx(exact, abs=1e-12)
    assert not solution.standard_deviation(points).any()


def test_a_complex_solution_is_drawn_saved_and_loaded(solution, tmp_path):
    figure = sngd.plot(solution, tmp_path / "wave.png", of="psi")
    (modulus,) = figure.axes[0].images
    assert np.abs(modulus.get_array() - 1).max() < 1e-12
    sngd.save(solution, tmp_path / "wave.sngd")
    points = np.array([[0.2, 0.7]])
    assert sngd.load(tmp_path / "wave.sngd", waves())(points) == solution(points)


def test_a_network_is_trained_for_a_complex_unknown():
    problem = sngd.Problem(
        LINE,
        [sngd.Interior(lambda psi, x: sngd.partial(psi, "x")(x) - 2j * psi(x)), sngd.Dirichlet(1.0, on="lower")],
        unknowns=PSI,
        exact=lambda x: jnp.exp(2j * x[0]),
    )
    trained = sngd.solve(problem, "1x10", key=KEY, stopping=sngd.Stopping(iterations=60))
    assert trained.relative_l2() < 1e-9
    assert trained.error_estimate < 1e-6


def test_a_complex_and_a_real_unknown_solve_one_system():
    # psi' = i r psi with r = x, and r' = |psi|^2 = 1.
    def equations(psi, r, x):
        assert not jnp.iscomplexobj(r(x))
        first = sngd.partial(psi, "x")(x) - 1j * r(x) * psi(x)
        return first, sngd.partial(r, "x")(x) - jnp.abs(psi(x)) ** 2

    start = sngd.Dirichlet(1.0, on="lower", of="psi"), sngd.Dirichlet(0.0, on="lower", of="r")
    exact = lambda x: jnp.stack([jnp.exp(0.5j * x[0] ** 2), x[0].astype(complex)])
    unknowns = [*PSI, "r"]
    problem = sngd.Problem(LINE, [sngd.Interior(equations), *start], unknowns=unknowns, exact=exact)
    found = sngd.solve(problem, key=KEY, tolerance=1e-10)
    assert found.relative_l2() < 1e-10
    points = np.array([[0.3], [0.8]])
    assert found["r"](points) == pytest.approx(points[:, 0], abs=1e-10)
    assert not np.iscomplexobj(found["r"](points))
    assert found(points).shape == (2, 2)


def test_a_constant_from_complex_readings_with_noise():
    # The standard error of k of exp(i k x) from values with noise s in each part is s over the norm of x.
    where = np.linspace(0.05, 1, 20)[:, None]
    generator = np.random.default_rng(0)
    noise = 1e-3 * (generator.normal(size=20) + 1j * generator.normal(size=20))
    values = np.exp(2j * where[:, 0]) + noise
    equation = sngd.Interior(lambda psi, x, k: sngd.partial(psi, "x")(x) - 1j * k * psi(x))
    start, data = sngd.Dirichlet(1.0, on="lower"), sngd.Data(where, values, noise=1e-3)
    unknowns = [*PSI, sngd.Constant("k", start=1.5)]
    found = sngd.solve(sngd.Problem(LINE, [equation, start, data], unknowns=unknowns), key=KEY)
    k = found.constants["k"]
    assert k.standard_error == pytest.approx(1e-3 / np.linalg.norm(where), rel=1e-3)
    assert abs(k.value - 2) < 3 * k.standard_error
    assert found.standard_deviation(where) == pytest.approx(where[:, 0] * k.standard_error, rel=1e-3)


@pytest.mark.parametrize("features", [None, sngd.Features((3.0, 3.0), 300)])
def test_antiperiodic_functions(features):
    exact = lambda x: jnp.exp(-(jnp.pi**2) * x[0]) * jnp.sin(jnp.pi * x[1] + 0.3)
    equation = sngd.Interior(lambda u, x: sngd.partial(u, "t")(x) - sngd.laplacian(u)(x))
    conditions = [equation, sngd.Initial(exact), sngd.Periodic("x", (0, 1), factor=-1)]
    problem = sngd.Problem(ROD, conditions, exact=exact)
    assert problem.periodic_axes == ()
    network = () if features is None else (features,)
    found = sngd.solve(problem, *network, key=KEY, tolerance=1e-10)
    assert found.relative_l2() < 1e-10
    assert found.error_estimate < 1e-9


def test_bloch_waves_in_cells():
    # A nonlinear equation is solved in cells, which meet across the period up to the factor.
    k = 1.7
    exact = lambda x: jnp.exp(1j * (k * x[1] - (k**2 / 2 - 1) * x[0]))

    def schroedinger(psi, x):
        return 1j * sngd.partial(psi, "t")(x) + sngd.laplacian(psi)(x) / 2 + jnp.abs(psi(x)) ** 2 * psi(x)

    ends = sngd.Periodic("x", (0, 1), factor=np.exp(1j * k))
    problem = sngd.Problem(ROD, [sngd.Interior(schroedinger), sngd.Initial(exact), ends], unknowns=PSI, exact=exact)
    found = sngd.solve(problem, key=KEY, tolerance=1e-10)
    assert "cells" in found.optimizer
    assert found.relative_l2() < 1e-10


def test_components_of_complex_and_real_functions():
    components = Components(("a", "b"), (True, False))
    assert len(components) == 3
    values = components.values(jnp.array([1.0, 2.0, 3.0]))
    assert values.tolist() == [1 + 2j, 3 + 0j]
    assert components.parts(np.array([[1 + 2j, 3 + 0j]])).tolist() == [[1.0, 2.0, 3.0]]
    assert components.norms(np.array([3.0, 4.0, 2.0])).tolist() == [5.0, 2.0]
    product = components.product(1j) @ np.array([1.0, 2.0, 3.0])
    assert product[:2].tolist() == [-2.0, 1.0]


EQUATION = sngd.Interior(lambda u, x: sngd.laplacian(u)(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sngd.Unknown("u", complex=1), "complex of the unknown u is 1; it must be True or False"),
        (lambda: sngd.Unknown("u", start=1j), "start of the unknown u is 1j, and the unknown is real"),
        (lambda: sngd.Periodic("x", factor="a"), "factor of periodic is 'a'; it must be a number"),
        (lambda: sngd.Periodic("x", factor=0), "factor of periodic is 0; it must be finite and not zero"),
        (
            lambda: sngd.Problem(LINE, [sngd.Periodic("x"), sngd.Periodic("x", (1,))]),
            "conditions holds two Periodic ones for the axis 'x'; give one with all orders",
        ),
        (
            lambda: solve([EQUATION, sngd.Dirichlet(1j)]),
            "value of dirichlet is complex at one point, and u is real; give real numbers, or make",
        ),
        (
            lambda: solve([EQUATION, sngd.Dirichlet(lambda x: 1j * float(x[0]))]),
            "value of dirichlet is complex at one point, and u is real; give real numbers, or make",
        ),
        (
            lambda: solve([sngd.Interior(lambda u, x: 1j * u(x))]),
            "the residual of interior is complex, and the unknown u is real; write real equations, or make it complex",
        ),
        (lambda: solve([EQUATION, sngd.Periodic("x", factor=1j)]), "factor of periodic is 1j, and u has real values"),
        (
            lambda: solve([EQUATION, sngd.Data([[0.5]], [1j], noise=0.1)]),
            "values of data are complex, and what was read is real; give values of the same kind",
        ),
        (
            lambda: solve([EQUATION, sngd.Data([[0.5]], [1.0], noise=0.1)], unknowns=PSI, equation=False),
            "values of data are real, and what was read is complex; give values of the same kind",
        ),
        (
            lambda: sngd.Energy(LINE, density=lambda u, x: 0.0, metric=lambda u, v, x: v(x), unknowns=PSI),
            "unknowns of the energy holds a complex function; give its real and its imaginary part as two functions",
        ),
        (
            lambda: solve([EQUATION, sngd.Dirichlet(0.0)], exact=lambda x: 1j * x[0]),
            "exact is complex, and the unknown u is real; give real values, or make it complex by",
        ),
    ],
)
def test_complex_values_that_do_not_fit(make, message):
    with pytest.raises((TypeError, ValueError)) as raised:
        make()
    assert message in str(raised.value)


def solve(conditions, *, unknowns=("u",), exact=None, equation=True):
    given = conditions if equation else [sngd.Interior(lambda psi, x: sngd.laplacian(psi)(x)), *conditions[1:]]
    sngd.solve(sngd.Problem(LINE, given, unknowns=unknowns, exact=exact), key=KEY)
