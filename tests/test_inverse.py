"""Unknown constants and measured data, against sensitivities by closed forms and by SciPy."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq, least_squares, minimize_scalar
from scipy.stats import chi2, t

import sngd

KEY = jax.random.key(0)
ROD = sngd.space_time(t=(0, 1), x=(0, 1))
HEAT = sngd.Interior(lambda u, x, k: sngd.partial(u, "t")(x) - k * sngd.laplacian(u)(x))
START = sngd.Initial(lambda x: jnp.sin(jnp.pi * x[1]))
K = sngd.Constant("k", start=1.0, lower=0.0)
GENERATOR = np.random.default_rng(0)
WHERE = GENERATOR.uniform(size=(40, 2))
ERRORS = GENERATOR.normal(size=40)

LINE = sngd.interval(t=(0, 2))
DECAY = sngd.Interior(lambda u, x, k: sngd.partial(u, "t")(x) + k * u(x))
TIMES = np.linspace(0.1, 2, 20)[:, None]


def temperature(k, points=WHERE):
    return np.exp(-k * np.pi**2 * points[:, 0]) * np.sin(np.pi * points[:, 1])


def rod(noise, *, weight=1.0, deviation=0.01, constant=K):
    data = sngd.Data(WHERE, temperature(0.25) + deviation * ERRORS, noise=noise)
    equation = dataclasses.replace(HEAT, weight=weight)
    return sngd.Problem(ROD, [equation, START, sngd.Dirichlet(0.0), data], unknowns=["u", constant])


def decay(noise, *, deviation=0.01, constant=K, start=1.0):
    data = sngd.Data(TIMES, np.exp(-0.7 * TIMES[:, 0]) + deviation * ERRORS[:20], noise=noise)
    return sngd.Problem(LINE, [DECAY, sngd.Initial(start), data], unknowns=["u", constant])


def expected(model, values, deviations, start):
    """Least squares by SciPy, with the covariance from its Jacobian."""
    found = least_squares(lambda k: (model(*k) - values) / deviations, start, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    return found.x, np.linalg.inv(found.jac.T @ found.jac), float(np.sum(found.fun**2))


def test_a_constant_from_exact_readings_has_the_accuracy_of_the_solution():
    solution = sngd.solve(rod(0.0, deviation=0.0), key=KEY, tolerance=1e-9)
    found = solution.constants["k"]
    assert solution.result is sngd.Result.TOLERANCE_REACHED
    assert found.value == pytest.approx(0.25, abs=1e-10)
    assert abs(found.value - 0.25) <= 3 * found.error_estimate
    assert found.standard_error == 0.0
    assert solution.standard_deviation(WHERE).tolist() == [0.0] * 40
    assert solution(WHERE) == pytest.approx(temperature(0.25), abs=1e-9)


@pytest.mark.parametrize("weight", [1.0, 100.0])
def test_a_constant_from_noisy_readings_is_that_of_least_squares(weight):
    values = temperature(0.25) + 0.01 * ERRORS
    (best,), covariance, _ = expected(temperature, values, 0.01, [0.3])
    solution = sngd.solve(rod(0.01, weight=weight), key=KEY)
    found = solution.constants["k"]
    assert solution.result is sngd.Result.NOISE_REACHED
    assert found.value == pytest.approx(best, rel=1e-6)
    assert found.standard_error == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-3)
    assert solution.covariance == pytest.approx(covariance, rel=2e-3)
    low, high = found.interval()
    assert (high - low) / 2 == pytest.approx(1.959964 * found.standard_error, rel=1e-5)
    # The band of the solution is its derivative by the constant, times the standard error.
    slopes = -(np.pi**2) * WHERE[:, 0] * temperature(best)
    assert solution.standard_deviation(WHERE) == pytest.approx(
        np.abs(slopes) * found.standard_error, rel=1e-3, abs=1e-8
    )
    assert str(found) == f"{best:.4f} +- {math.sqrt(covariance[0, 0]):.4f}"


def test_readings_with_a_covariance_matrix_are_weighed_by_its_inverse():
    apart = np.abs(TIMES - TIMES.T)
    covariance = 1e-4 * (np.exp(-apart / 0.3) + 0.1 * np.eye(20))
    lower = np.linalg.cholesky(covariance)
    values = np.exp(-0.7 * TIMES[:, 0]) + lower @ ERRORS[:20]
    data = sngd.Data(TIMES, values, noise=covariance)
    problem = sngd.Problem(LINE, [DECAY, sngd.Initial(1.0), data], unknowns=["u", K])
    solution = sngd.solve(problem, key=KEY)
    whitened = lambda k: np.linalg.solve(lower, np.exp(-k * TIMES[:, 0]) - values)
    best = least_squares(whitened, [1.0], xtol=1e-15, ftol=1e-15, gtol=1e-15)
    found = solution.constants["k"]
    assert solution.result is sngd.Result.NOISE_REACHED
    assert found.value == pytest.approx(best.x[0], rel=1e-6)
    assert found.standard_error == pytest.approx(np.linalg.inv(best.jac.T @ best.jac)[0, 0] ** 0.5, rel=1e-3)
    # A diagonal matrix is the same as the standard deviations.
    deviations = 0.01 * (1 + TIMES[:, 0])
    either = [sngd.solve(decay(noise), key=KEY).constants["k"] for noise in (deviations, np.diag(deviations**2))]
    assert either[0].value == pytest.approx(either[1].value, rel=1e-8)
    assert either[0].standard_error == pytest.approx(either[1].standard_error, rel=1e-6)


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (np.ones((20, 19)), "noise of data has shape (20, 19); give one standard deviation, one for each of the 20"),
        (np.eye(20) + np.eye(20, k=1), "noise of data is not symmetric: its entries (0, 1) and (1, 0) are 1.0 and 0.0"),
        (np.ones((20, 20)), "noise of data has the eigenvalue"),
    ],
)
def test_matrices_that_are_no_covariances(noise, message):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        decay(noise)
    assert message in str(raised.value)


def test_a_network_is_not_trained_with_correlated_readings():
    with pytest.raises(ValueError, match="the noise of data is a covariance matrix, which no network is trained"):
        sngd.solve(decay(np.eye(20)), "1x10", key=KEY)


def test_noise_that_is_not_given_is_estimated():
    values = np.exp(-0.7 * TIMES[:, 0]) + 0.01 * ERRORS[:20]
    (best,), covariance, squares = expected(lambda k: np.exp(-k * TIMES[:, 0]), values, 1.0, [0.5])
    found = sngd.solve(decay(None), key=KEY).constants["k"]
    assert found.value == pytest.approx(best, rel=1e-6)
    assert found.freedom == pytest.approx(19, abs=1e-3)
    assert found.standard_error == pytest.approx(math.sqrt(covariance[0, 0] * squares / 19), rel=1e-3)
    low, high = found.interval(0.9)
    assert (high - low) / 2 == pytest.approx(1.729133 * found.standard_error, rel=1e-4)


def test_readings_of_different_accuracy_and_a_prior_are_combined():
    deviations = np.where(np.arange(20) < 10, 0.01, 0.1)
    values = np.exp(-0.7 * TIMES[:, 0]) + deviations * ERRORS[:20]
    model = lambda k: np.append(np.exp(-k * TIMES[:, 0]), k)
    (best,), covariance, _ = expected(model, np.append(values, 0.6), np.append(deviations, 0.02), [0.5])
    constant = sngd.Constant("k", prior=(0.6, 0.02))
    data = sngd.Data(TIMES, values, noise=deviations)
    problem = sngd.Problem(LINE, [DECAY, sngd.Initial(1.0), data], unknowns=["u", constant])
    found = sngd.solve(problem, key=KEY).constants["k"]
    assert found.value == pytest.approx(best, rel=1e-5)
    assert found.standard_error == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-3)


def test_a_constant_at_its_bound_has_no_interval():
    found = sngd.solve(decay(0.01, constant=sngd.Constant("k", start=1.0, lower=0.9)), key=KEY).constants["k"]
    assert found.bound == 0.9
    assert found.value == pytest.approx(0.9, abs=1e-6)
    assert math.isnan(found.standard_error)
    assert str(found) == "0.9 (at its bound, without an interval)"
    with pytest.raises(ValueError, match="the constant k is at its bound"):
        found.interval()


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_direction_that_nothing_determines_is_named(noise):
    """Only the product of the two constants is seen."""
    equation = sngd.Interior(lambda u, x, a, b: sngd.partial(u, "t")(x) + a * b * u(x))
    data = sngd.Data(TIMES, np.exp(-0.7 * TIMES[:, 0]), noise=noise)
    unknowns = ["u", sngd.Constant("a", start=1.0), sngd.Constant("b", start=1.0)]
    solution = sngd.solve(sngd.Problem(LINE, [equation, sngd.Initial(1.0), data], unknowns=unknowns), key=KEY)
    assert solution.result is sngd.Result.UNDETERMINED
    assert "do not determine the constants along" in solution.detail
    product = solution.constants["a"].value * solution.constants["b"].value
    assert product == pytest.approx(0.7, abs=1e-8)
    assert math.isinf(solution.constants["a"].standard_error)


def test_two_functions_two_constants_and_an_operator_that_was_read():
    """`u' = -a v`, `v' = b u`, from readings of one function and of the derivative of the other."""
    equations = sngd.Interior(
        lambda u, v, x, a, b: (sngd.partial(u, "t")(x) + a * v(x), sngd.partial(v, "t")(x) - b * u(x))
    )
    frequency = math.sqrt(2.0 * 0.5)
    conditions = [
        equations,
        sngd.Initial((1.0, 0.0)),
        sngd.Data(TIMES, np.cos(frequency * TIMES[:, 0]), noise=0.0, of="u"),
        sngd.Data(
            TIMES, 0.5 * np.cos(frequency * TIMES[:, 0]), noise=0.0, operator=lambda v, x: sngd.partial(v, "t")(x)
        ),
    ]
    unknowns = ["u", "v", sngd.Constant("a", start=1.0), sngd.Constant("b", start=1.0)]
    solution = sngd.solve(sngd.Problem(LINE, conditions, unknowns=unknowns), key=KEY, tolerance=1e-10)
    assert [solution.constants[name].value for name in "ab"] == pytest.approx([2.0, 0.5], abs=1e-9)
    assert solution["v"](TIMES) == pytest.approx(0.5 * np.sin(TIMES[:, 0]), abs=1e-9)
    assert sngd.partial(solution["u"], "t")(TIMES) == pytest.approx(-np.sin(TIMES[:, 0]), abs=1e-8)
    with pytest.raises(KeyError, match="w is none of the unknown functions u, v"):
        solution["w"]


def test_a_trained_network_finds_constants_too():
    solution = sngd.solve(decay(0.0, deviation=0.0), "1x8", key=KEY)
    assert solution.constants["k"].value == pytest.approx(0.7, abs=1e-7)


def test_solutions_with_constants_are_saved_and_started_from(tmp_path):
    problem = decay(0.01)
    solution = sngd.solve(problem, key=KEY)
    sngd.save(solution, tmp_path / "solution.npz")
    loaded = sngd.load(tmp_path / "solution.npz", problem)
    assert loaded.constants == solution.constants
    assert loaded.covariance.tolist() == solution.covariance.tolist()
    assert loaded.standard_deviation(TIMES).tolist() == solution.standard_deviation(TIMES).tolist()
    again = sngd.solve(problem, key=KEY, start=loaded)
    assert again.constants["k"].value == pytest.approx(solution.constants["k"].value, rel=1e-8)
    with pytest.raises(ValueError, match="unknowns"):
        sngd.load(tmp_path / "solution.npz", dataclasses.replace(problem, unknowns=["u", "v", K]))


def test_a_coefficient_of_one_axis_is_found_from_readings():
    """`u_t = q(x) u_xx + f` with `u = exp(-t) sin(2 x + 1)` and `q = 1 + x^2 / 2`."""
    q = lambda x: 1 + x[1] ** 2 / 2
    wave = lambda x: jnp.exp(-x[0]) * jnp.sin(2 * x[1] + 1)
    equation = sngd.Interior(
        lambda u, q, x: sngd.partial(u, "t")(x) - q(x) * sngd.partial(u, "x", "x")(x),
        value=lambda x: (4 * q(x) - 1) * wave(x),
    )
    points = ROD.grid(13)
    data = sngd.Data(points, np.exp(-points[:, 0]) * np.sin(2 * points[:, 1] + 1), noise=0.0, of="u")
    unknowns = ["u", sngd.Unknown("q", inputs="x", start=0.5)]
    problem = sngd.Problem(ROD, [equation, data], unknowns=unknowns)
    solution = sngd.solve(problem, key=KEY, tolerance=1e-6)
    places = ROD.grid(9)
    error = np.abs(solution["q"](places) - (1 + places[:, 1] ** 2 / 2)).max()
    assert error <= 1e-6
    assert solution["q"](places[:9]) == pytest.approx(solution["q"](places[-9:]), abs=1e-14)
    assert solution.error_estimate <= 1e-6


def test_a_free_boundary_is_an_unknown_function_of_time():
    """Stefan's problem with `y = x / s(t)`, in windows of time."""
    first = 0.5
    strip = sngd.space_time(t=(0, 1), y=(0, 1))
    wall, front = strip.face("y", "lower"), strip.face("y", "upper")
    heat = lambda x: jnp.exp(x[0] - x[1] * (first + x[0]) + first) - 1

    def equation(u, s, x):
        moving = sngd.partial(u, "t")(x) - x[1] * sngd.partial(s, "t")(x) / s(x) * sngd.partial(u, "y")(x)
        return moving - sngd.partial(u, "y", "y")(x) / s(x) ** 2

    conditions = [
        sngd.Interior(equation),
        sngd.Initial(lambda x: jnp.stack([heat(x), first])),
        sngd.Dirichlet(heat, of="u", on=wall),
        sngd.Dirichlet(0.0, of="u", on=front),
        sngd.Boundary(lambda u, s, x: s(x) * sngd.partial(s, "t")(x) + sngd.partial(u, "y")(x), on=front),
    ]
    unknowns = ["u", sngd.Unknown("s", inputs="t", start=1.0)]
    solution = sngd.solve(sngd.Problem(strip, conditions, unknowns=unknowns), key=KEY, tolerance=1e-8)
    assert solution.result is sngd.Result.TOLERANCE_REACHED
    times = np.stack([np.linspace(0, 1, 11), np.full(11, 0.3)], axis=1)
    assert solution["s"](times) == pytest.approx(first + times[:, 0], abs=1e-8)


@pytest.mark.parametrize("noise", [0.1, None])
def test_a_profile_follows_the_curvature_of_the_likelihood(noise):
    # A decay that is over before most readings: a faster one is as good, a slower one is not.
    times, rate = np.linspace(0.2, 2, 10), 4.0
    values = np.exp(-rate * times) + 0.1 * ERRORS[:10]
    data = sngd.Data(times[:, None], values, noise=noise)
    problem = sngd.Problem(LINE, [DECAY, sngd.Initial(1.0), data], unknowns=["u", K])
    solution = sngd.solve(problem, key=KEY)
    misfit = lambda k: np.sum((np.exp(-k * times) - values) ** 2) / (noise or 1.0) ** 2
    best = minimize_scalar(misfit, bounds=(0, 20), method="bounded", options={"xatol": 1e-10})
    freedom = 10 - 1
    allowed = chi2.ppf(0.95, 1) if noise else best.fun / freedom * t.ppf(0.975, freedom) ** 2
    ends = [brentq(lambda k: misfit(k) - best.fun - allowed, *pair) for pair in ((1e-9, best.x), (best.x, 100))]
    found = sngd.profile(solution, "k", key=KEY)
    assert solution.misfit == pytest.approx(best.fun, rel=1e-6)
    assert solution.freedom == pytest.approx(freedom, rel=1e-3)
    assert found.interval == pytest.approx(tuple(ends), rel=0.02)
    assert found.misfits == pytest.approx([misfit(k) for k in found.values], rel=1e-4)
    # The interval of the standard error is symmetric, and this one is not.
    assert found.interval[1] - solution.constants["k"].value > 1.5 * (solution.constants["k"].value - found.interval[0])


def test_a_profile_that_cannot_be_made():
    solution = sngd.solve(decay(0.0, deviation=0.0), key=KEY)
    with pytest.raises(ValueError, match="the solution has readings of which none has noise; a profile needs noise"):
        sngd.profile(solution, "k", key=KEY)
    with pytest.raises(TypeError, match="solution is 'k'; give a Solution"):
        sngd.profile("k", "k", key=KEY)
    with pytest.raises(KeyError, match="name is 'j'; the constants of the solution, without coefficients, are k"):
        sngd.profile(solution, "j", key=KEY)


def test_the_noise_of_several_sets_of_readings_is_estimated_apart():
    """Readings of a value and of a derivative, whose noise differs by a factor of a hundred."""
    generator = np.random.default_rng(3)
    times, noise = np.linspace(0.05, 2, 60), (0.003, 0.3)
    models = (lambda k: np.exp(-k * times), lambda k: k**2 * np.exp(-k * times))
    values = [model(0.7) + size * generator.normal(size=60) for model, size in zip(models, noise, strict=True)]
    second = lambda u, x: sngd.partial(u, "t", "t")(x)
    data = [
        sngd.Data(times[:, None], values[0], name="value"),
        sngd.Data(times[:, None], values[1], operator=second, name="curvature"),
    ]
    found = sngd.solve(sngd.Problem(LINE, [DECAY, sngd.Initial(1.0), *data], unknowns=["u", K]), key=KEY)
    # The likelihood in which each standard deviation is the one that fits best.
    profile = lambda k: sum(
        30 * np.log(np.mean((model(k) - each) ** 2)) for model, each in zip(models, values, strict=True)
    )
    best = minimize_scalar(profile, bounds=(0.5, 0.9), method="bounded", options={"xatol": 1e-12})
    k = found.constants["k"]
    assert k.value == pytest.approx(best.x, abs=0.02 * k.standard_error)
    assert k.freedom == pytest.approx(119, rel=1e-3)
    slopes = [-times * np.exp(-0.7 * times), (2 * 0.7 - 0.7**2 * times) * np.exp(-0.7 * times)]
    information = sum(np.sum((slope / size) ** 2) for slope, size in zip(slopes, noise, strict=True))
    assert k.standard_error == pytest.approx(information**-0.5, rel=0.2)
    estimated = [float(each.split(": ")[1]) for each in found.choices["noise"].split("; ")]
    assert estimated == pytest.approx(noise, rel=0.25)


def test_a_trained_network_has_no_band_and_no_profile():
    trained = sngd.solve(decay(0.01), "1x6", key=KEY, stopping=sngd.Stopping(iterations=20))
    assert math.isnan(trained.misfit)
    assert np.isnan(trained.standard_deviation(TIMES)).all()
    with pytest.raises(ValueError, match="the solution is a trained network, whose misfit is not known"):
        sngd.profile(trained, "k", key=KEY)


def test_sets_of_readings_that_do_not_tell_their_noise():
    lone, many = sngd.Data([[1.0]], [0.5], name="one"), sngd.Data(TIMES, np.exp(-0.7 * TIMES[:, 0]))
    problem = sngd.Problem(LINE, [DECAY, sngd.Initial(1.0), lone, many], unknowns=["u", K])
    with pytest.raises(ValueError, match="noise of one is left out, and 1 of its readings"):
        sngd.solve(problem, key=KEY)
    # One reading and one constant leave nothing that tells the noise.
    found = sngd.solve(dataclasses.replace(problem, conditions=[DECAY, sngd.Initial(1.0), lone]), key=KEY)
    assert math.isinf(found.constants["k"].standard_error)
