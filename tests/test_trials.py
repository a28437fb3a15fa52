"""Unknown functions by trial functions, such as those that meet boundary conditions exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd

KEY = jax.random.key(0)
SQUARE, LINE = sngd.box(x=(0, 1), y=(0, 1)), sngd.interval(x=(0, 1))
ROD = sngd.space_time(t=(0, 0.2), x=(0, 1))
POINTS = np.random.default_rng(0).uniform(size=(40, 2))


def membrane(**options):
    """Poisson's equation whose boundary values are part of the trial function, without a boundary condition."""
    exact = lambda x: jnp.sin(jnp.pi * x[0]) * jnp.sin(jnp.pi * x[1]) + x[0] * x[1]
    force = lambda x: -2 * jnp.pi**2 * jnp.sin(jnp.pi * x[0]) * jnp.sin(jnp.pi * x[1])
    equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x), force)
    trial = lambda v, x: x[0] * x[1] + x[0] * (1 - x[0]) * x[1] * (1 - x[1]) * v
    return sngd.Problem(SQUARE, equation, unknowns=[sngd.Unknown("u", trial=trial)], exact=exact, **options)


@pytest.fixture(scope="module")
def solution():
    return sngd.solve(membrane(), key=KEY, tolerance=1e-10)


def test_boundary_values_are_exact(solution, tmp_path):
    assert solution.result is sngd.Result.TOLERANCE_REACHED
    assert solution.relative_l2() < 1e-10
    edge = np.stack([np.zeros(5), np.linspace(0, 1, 5)], axis=1)
    assert solution(edge).tolist() == [0.0] * 5
    assert solution(edge[:, ::-1] + [0.0, 1.0]) == pytest.approx(np.linspace(0, 1, 5), abs=1e-15)
    exact = np.sin(np.pi * POINTS[:, 0]) * np.sin(np.pi * POINTS[:, 1]) + POINTS[:, 0] * POINTS[:, 1]
    assert solution(POINTS) == pytest.approx(exact, abs=1e-10)
    sngd.save(solution, tmp_path / "membrane.sngd")
    assert sngd.load(tmp_path / "membrane.sngd", membrane())(POINTS) == pytest.approx(solution(POINTS), abs=1e-15)


def test_the_error_is_that_of_the_unknown():
    found = sngd.solve(membrane(), sngd.Features((3.0, 3.0), 24), key=KEY)
    exact = np.sin(np.pi * POINTS[:, 0]) * np.sin(np.pi * POINTS[:, 1]) + POINTS[:, 0] * POINTS[:, 1]
    errors = found(POINTS) - exact
    assert found.error(POINTS) == pytest.approx(errors, abs=0.2 * np.abs(errors).max())
    assert 0.3 < found.error_estimate / found.relative_l2() < 5


def test_a_network_is_trained_in_a_trial_function():
    trained = sngd.solve(membrane(), "1x16", key=KEY, stopping=sngd.Stopping(iterations=60))
    assert trained.relative_l2() < 1e-6
    assert trained([[0.0, 0.3]]).tolist() == [0.0]


def test_windows_of_a_trial_function():
    """A nonlinear evolution marches in windows, which all have the same trial function."""
    exact = lambda x: jnp.exp(-x[0]) * jnp.sin(jnp.pi * x[1])

    def reaction(u, x):
        force = (jnp.pi**2 - 1) * exact(x) + exact(x) ** 3
        return sngd.partial(u, "t")(x) - sngd.laplacian(u)(x) + u(x) ** 3 - force

    trial = lambda v, x: x[1] * (1 - x[1]) * v
    conditions = [sngd.Interior(reaction), sngd.Initial(exact)]
    problem = sngd.Problem(ROD, conditions, unknowns=[sngd.Unknown("u", trial=trial)], exact=exact)
    found = sngd.solve(problem, key=KEY, tolerance=1e-9)
    assert found.relative_l2() < 1e-9
    assert found(np.array([[0.1, 0.0]])).tolist() == [0.0]


def test_a_positive_coefficient_and_its_band():
    """The trial function `exp` keeps a coefficient positive; its band is that of the coefficient."""
    where = np.linspace(0, 1, 30)[:, None]
    readings = np.exp(-(where[:, 0] ** 2) / 2 - where[:, 0]) + 1e-4 * np.random.default_rng(0).normal(size=30)
    # u' = -k u with k = 1 + x.
    equation = sngd.Interior(lambda u, k, x: sngd.partial(u, "x")(x) + k(x) * u(x))
    data = sngd.Data(where, readings, noise=1e-4, of="u")
    unknowns = ["u", sngd.Unknown("k", trial=lambda v, x: jnp.exp(v))]
    conditions = [equation, sngd.Dirichlet(1.0, on="lower", of="u"), data, sngd.Smooth("k", penalty=1.0)]
    found = sngd.solve(sngd.Problem(LINE, conditions, unknowns=unknowns), key=KEY)
    dense = np.linspace(0.1, 0.9, 50)[:, None]
    errors, band = found["k"](dense) - (1 + dense[:, 0]), found.standard_deviation(dense)[:, 1]
    assert np.all(found["k"](dense) > 0)
    assert np.sqrt(np.mean(errors**2)) < 3 * np.sqrt(np.mean(band**2)) < 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: sngd.Unknown("u", trial=1.0),
            "trial of the unknown u is 1.0; give a function of a number and a point",
        ),
        (
            lambda: sngd.Unknown("u", complex=True, trial=lambda v, x: v),
            "the unknown u is complex and has a trial function; give one of the two",
        ),
        (
            lambda: sngd.solve(
                sngd.Problem(
                    SQUARE,
                    sngd.Interior(lambda u, x: sngd.laplacian(u)(x)),
                    unknowns=[sngd.Unknown("u", trial=lambda v, x: x * v)],
                ),
                key=KEY,
            ),
            "trial of the unknown u returns float64 of shape (2,); it must return one real number",
        ),
    ],
)
def test_trial_functions_that_cannot_be_used(make, message):
    with pytest.raises((TypeError, ValueError)) as raised:
        make()
    assert message in str(raised.value)
