"""Outliers and smooth unknown functions, against SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import make_smoothing_spline
from scipy.optimize import least_squares, minimize_scalar

import sngd

KEY = jax.random.key(0)
LINE = sngd.interval(x=(0, 1))
WHERE = np.linspace(0, 1, 50)
GENERATOR = np.random.default_rng(0)
VALUES = np.sin(6 * WHERE) + 0.1 * GENERATOR.normal(size=50)
DENSE = np.linspace(0, 1, 201)

TIMES = np.linspace(0.02, 2, 100)
CLEAN = np.exp(-0.7 * TIMES) + 0.01 * GENERATOR.normal(size=100)
OUTLIERS = [7, 31, 52, 80, 96]
DIRTY = CLEAN + 0.5 * np.isin(np.arange(100), OUTLIERS)


def spline(noise, **options):
    """The solution of a problem that has readings alone, whose exact solution is a smoothing spline."""
    conditions = [sngd.Data(WHERE[:, None], VALUES, noise=noise), sngd.Smooth("u", **options)]
    return sngd.solve(sngd.Problem(LINE, conditions), key=KEY)


def decay(noise, huber, values=DIRTY):
    equation = sngd.Interior(lambda u, x, k: sngd.partial(u, "t")(x) + k * u(x))
    data = sngd.Data(TIMES[:, None], values, noise=noise, huber=huber)
    problem = sngd.Problem(
        sngd.interval(t=(0, 2)), [equation, sngd.Initial(1.0), data], unknowns=["u", sngd.Constant("k")]
    )
    return sngd.solve(problem, key=KEY)


def test_a_penalty_makes_the_smoothing_spline():
    found = spline(0.1, penalty=1.0)
    expected = make_smoothing_spline(WHERE, VALUES, lam=0.1**2)(DENSE)
    assert found.result is sngd.Result.NOISE_REACHED
    # The kinks of the third derivative at the readings are beyond the features.
    assert np.sqrt(np.mean((found(DENSE[:, None]) - expected) ** 2)) < 2e-3
    assert found.misfit == pytest.approx(np.sum((found(WHERE[:, None]) - VALUES) ** 2) / 0.1**2, rel=1e-3)


@pytest.mark.parametrize("noise", [0.1, None])
def test_the_penalty_is_chosen_by_the_readings(noise):
    found = spline(noise)
    errors = found(DENSE[:, None]) - np.sin(6 * DENSE)
    generalized = make_smoothing_spline(WHERE, VALUES)(DENSE) - np.sin(6 * DENSE)
    # Nearly as good as the spline that SciPy chooses by generalized cross-validation, and within its own band.
    assert np.sqrt(np.mean(errors**2)) < 1.5 * np.sqrt(np.mean(generalized**2))
    band = np.sqrt(np.mean(found.standard_deviation(DENSE[:, None]) ** 2))
    assert 0.5 < np.sqrt(np.mean(errors**2)) / band < 2
    assert found.choices["penalty"].endswith("by restricted maximum likelihood")
    assert found.problem.conditions[1].penalty is None


def test_a_smooth_coefficient_from_readings_with_noise():
    # -u'' + q u = f with u = 2 + sin(2 pi x) and q = 1 + x^2.
    coefficient, function = lambda x: 1 + x[0] ** 2, lambda x: 2 + jnp.sin(2 * jnp.pi * x[0])

    def equation(u, q, x):
        force = 4 * jnp.pi**2 * jnp.sin(2 * jnp.pi * x[0]) + coefficient(x) * function(x)
        return -sngd.partial(u, "x", "x")(x) + q(x) * u(x) - force

    readings = np.array([function([x]) for x in WHERE]) + 1e-3 * GENERATOR.normal(size=50)
    data = sngd.Data(WHERE[:, None], readings, noise=1e-3, of="u")
    problem = sngd.Problem(LINE, [sngd.Interior(equation), data, sngd.Smooth("q")], unknowns=["u", "q"])
    found = sngd.solve(problem, key=KEY)
    errors = found["q"](DENSE[:, None]) - (1 + DENSE**2)
    band = found.standard_deviation(DENSE[:, None])[:, 1]
    assert np.sqrt(np.mean(errors**2)) < 0.15
    assert np.sqrt(np.mean(errors**2)) < 3 * np.sqrt(np.mean(band**2))


def test_readings_with_outliers():
    squares = decay(0.01, None).constants["k"]
    found = decay(0.01, 1.345)
    reference = least_squares(
        lambda k: (np.exp(-k * TIMES) - DIRTY) / 0.01, [1.0], loss="huber", f_scale=1.345, xtol=1e-15, gtol=1e-15
    )
    robust, clean = found.constants["k"], decay(0.01, None, CLEAN).constants["k"]
    assert robust.value == pytest.approx(reference.x[0], abs=1e-5)
    assert abs(robust.value - 0.7) < 2 * max(abs(clean.value - 0.7), clean.standard_error)
    assert abs(squares.value - 0.7) > 5 * squares.standard_error
    assert found.choices["outliers"] == "data: readings 7, 31, 52, 80, 96"
    # Five outliers of a hundred take little of what the other readings tell.
    assert 0.8 < robust.standard_error / clean.standard_error < 1.3


def test_the_noise_of_readings_with_outliers_is_that_of_the_median():
    robust, clean = decay(None, 1.345).constants["k"], decay(None, None, CLEAN).constants["k"]
    assert abs(robust.value - clean.value) < 2 * clean.standard_error
    assert 0.7 < robust.standard_error / clean.standard_error < 1.5


def test_features_that_are_named_are_kept_through_all_solutions():
    features = sngd.Features((20.0,), 64)
    conditions = [sngd.Data(WHERE[:, None], VALUES, noise=0.1, huber=3.0), sngd.Smooth("u")]
    found = sngd.solve(sngd.Problem(LINE, conditions), features, key=KEY)
    assert found.choices["network"] == f"sngd.{features!r}"
    assert {"outliers", "penalty"} <= set(found.choices)
    errors = found(DENSE[:, None]) - np.sin(6 * DENSE)
    assert np.sqrt(np.mean(errors**2)) < 0.06


@pytest.mark.parametrize(("size", "noise"), [(1e6, 1e5), (1e-6, None)])
def test_smoothness_does_not_depend_on_units(size, noise):
    conditions = [sngd.Data(WHERE[:, None], size * VALUES, noise=noise), sngd.Smooth("u")]
    found = sngd.solve(sngd.Problem(LINE, conditions), key=KEY)
    reference = make_smoothing_spline(WHERE, VALUES)(DENSE)
    assert np.sqrt(np.mean((found(DENSE[:, None]) / size - reference) ** 2)) < 0.05
    band = np.sqrt(np.mean(found.standard_deviation(DENSE[:, None]) ** 2)) / size
    assert 0.02 < band < 0.08


def test_a_prior_beside_outliers():
    equation = sngd.Interior(lambda u, x, k: sngd.partial(u, "t")(x) + k * u(x))
    data = sngd.Data(TIMES[:, None], DIRTY, noise=0.01, huber=1.345)
    k = sngd.Constant("k", prior=(0.8, 0.005))
    problem = sngd.Problem(sngd.interval(t=(0, 2)), [equation, sngd.Initial(1.0), data], unknowns=["u", k])
    robust = lambda r: np.sum(np.where(np.abs(r) < 1.345, r**2, 1.345 * (2 * np.abs(r) - 1.345)))
    objective = lambda k: robust((np.exp(-k * TIMES) - DIRTY) / 0.01) + ((k - 0.8) / 0.005) ** 2
    best = minimize_scalar(objective, bounds=(0.6, 0.9), method="bounded", options={"xatol": 1e-12})
    assert sngd.solve(problem, key=KEY).constants["k"].value == pytest.approx(best.x, abs=1e-4)
