"""Frozen features, their least-squares problem, the choice between them, windows, and the estimate of the error."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

import sngd
from sngd.features import Chooser, FeatureChoice, Network, Rows, can_march, fit
from sngd.features import Features as Family
from sngd.library import boundary_layer, bvp, heat, poisson, transport
from sngd.networks import Windows
from sngd.solver import Policies

KEY = jax.random.key(0)
POISSON, HEAT, BVP, TRANSPORT = poisson(), heat(), bvp(), transport()


def without_exact(problem, **changes):
    return dataclasses.replace(problem, exact=None, **changes)


def oscillator(frequency=3.0, end=20.0):
    """A pendulum of small amplitude: a system of two equations."""

    def equation(u, t):
        position, velocity = u(t)
        return sngd.partial(u, "t")(t) - jnp.stack([velocity, -(frequency**2) * position])

    def exact(t):
        return jnp.stack([jnp.cos(frequency * t[0]), -frequency * jnp.sin(frequency * t[0])])

    conditions = [sngd.Interior(equation), sngd.Initial((1.0, 0.0))]
    return sngd.Problem(sngd.interval(t=(0, end)), conditions, exact=exact, outputs=2, name="oscillator")


@pytest.mark.parametrize("activation", ["sin", "tanh"])
@pytest.mark.parametrize("spread", ["uniform", "log-uniform"])
@pytest.mark.parametrize("coordinates", [0, 1, 2])
def test_the_weights_lie_in_the_box_of_the_bandwidths(activation, spread, coordinates):
    family = Family((3.0, 20.0, 5.0), 200, activation, spread, coordinates)
    layer = family.draw(np.random.default_rng(0))
    assert layer.weights.shape == (200, 3)
    assert np.all(np.abs(layer.weights) <= [3, 20, 5])
    assert np.max(np.abs(layer.weights), axis=0) == pytest.approx([3, 20, 5], rel=0.2)
    depends = np.count_nonzero(layer.weights[1:], axis=1)
    assert set(depends) == {coordinates or 3}
    values = layer(np.random.default_rng(1).uniform(-1, 1, (50, 3)))
    assert np.ptp(values[:, 0]) == 0
    assert values[0, 0] == pytest.approx(1, rel=1e-15)


def test_sine_features_are_periodic_where_the_problem_is():
    layer = Family((10.0, 10.0), 64).draw(np.random.default_rng(0), periodic=(1,))
    points = np.random.default_rng(1).uniform(-1, 1, (20, 2))
    other = points + np.array([0.0, 2.0])
    assert layer(other) == pytest.approx(layer(points), abs=1e-13)
    assert np.ptp(np.abs(layer(points + np.array([0.5, 0.0])) - layer(points))) > 0.1


def laplacian_rows(problem, layer):
    """The equation and the boundary condition of Poisson's problem for each feature, by their closed form."""
    square, faces = (problem.collocation(condition) for condition in problem.conditions)
    scaled = lambda points: 2 * points - 1
    waves = np.sin(scaled(square.points) @ layer.weights.T + layer.biases)
    inside = np.sqrt(square.weights)[:, None] * waves * np.sum((2 * layer.weights) ** 2, axis=1)
    data = np.sqrt(square.weights) * 2 * np.pi**2 * np.prod(np.sin(np.pi * square.points), axis=1)
    edge = np.sqrt(faces.weights)[:, None] * np.sin(scaled(faces.points) @ layer.weights.T + layer.biases)
    return [inside, edge], [-data, np.zeros(len(edge))]


def test_rows_are_those_of_the_closed_form():
    problem = dataclasses.replace(POISSON, quadrature=sngd.GaussLegendre((17, 18)))
    layer = Family((6.0, 5.0), 150).draw(np.random.default_rng(0))
    rows = Rows.of(problem, "sin")
    jacobian, residual = laplacian_rows(problem, layer)
    for found, expected in zip(rows.jacobian(layer), jacobian, strict=True):
        assert found[:, 0] == pytest.approx(expected, rel=1e-11, abs=1e-11 * np.abs(expected).max())
    for found, expected in zip(rows.residual(rows.zero(layer)), residual, strict=True):
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_a_fit_is_the_least_squares_solution_of_numpy():
    problem = dataclasses.replace(POISSON, quadrature=sngd.GaussLegendre(14))
    layer = Family((4.0, 4.0), 40).draw(np.random.default_rng(0))
    found = fit(Rows.of(problem, "sin"), layer, steps=5)
    jacobian, residual = laplacian_rows(problem, layer)
    units = [np.sqrt(np.mean(np.sum(part**2, axis=0))) for part in jacobian]
    assert found.units == pytest.approx(units, rel=1e-10)
    matrix = np.concatenate([part / unit for part, unit in zip(jacobian, units, strict=True)])
    right = np.concatenate([part / unit for part, unit in zip(residual, units, strict=True)])
    expected, *_ = np.linalg.lstsq(matrix, -right, rcond=1e-15)
    assert found.linear
    assert found.steps == 1
    assert found.residual == pytest.approx(np.linalg.norm(matrix @ expected + right), rel=1e-8)
    points = np.random.default_rng(1).random((100, 2))
    assert found.network(points)[:, 0] == pytest.approx(layer(2 * points - 1) @ expected, abs=1e-9)


def test_the_jacobian_of_a_nonlinear_equation_is_that_of_finite_differences():
    problem = dataclasses.replace(BVP, quadrature=sngd.GaussLegendre(20))
    layer, generator = Family((6.0,), 30).draw(np.random.default_rng(0)), np.random.default_rng(1)
    rows = Rows.of(problem, "sin")
    at = dataclasses.replace(rows.zero(layer), output=generator.normal(size=(1, 30)))
    change, step = generator.normal(size=(1, 30)), 1e-5
    sides = [rows.residual(Network(layer, at.output + sign * step * change, at.place)) for sign in (1, -1)]
    for found, plus, minus in zip(rows.jacobian(layer, at), *sides, strict=True):
        expected = (plus - minus) / (2 * step)
        assert found[:, 0] @ change[0] == pytest.approx(expected, abs=1e-7 * np.abs(expected).max())


ESTIMATED = [
    (POISSON, (4.0, 4.0), 80),
    (POISSON, (8.0, 8.0), 150),
    (HEAT, (4.0, 6.0), 120),
    (BVP, (12.0,), 24),
    (BVP, (12.0,), 30),
    (TRANSPORT, (4.0, 24.0), 100),
    (TRANSPORT, (4.0, 24.0), 130),
]


def test_estimates_are_within_a_factor_of_ten_of_the_error_and_one_within_a_hundred():
    ratios = []
    for problem, bandwidths, count in ESTIMATED:
        solution = sngd.solve(problem, sngd.Features(bandwidths, count), key=KEY)
        assert 1e-14 < solution.relative_l2() < 0.1
        ratios.append(solution.error_estimate / solution.relative_l2())
    assert min(ratios) >= 0.1
    assert max(ratios) <= 100
    assert np.sum(np.array(ratios) > 10) <= 1


@pytest.mark.parametrize(
    ("problem", "tolerance"),
    [(POISSON, 1e-11), (HEAT, 1e-11), (BVP, 1e-12), (TRANSPORT, 1e-10)],
    ids=["poisson", "heat", "bvp", "transport"],
)
def test_a_problem_is_solved_to_its_tolerance_without_its_exact_solution(problem, tolerance):
    solution = sngd.solve(without_exact(problem), key=KEY, tolerance=tolerance)
    assert solution.result is sngd.Result.TOLERANCE_REACHED
    assert solution.error_estimate <= tolerance
    assert solution.relative_l2(problem.exact) <= 3 * tolerance
    assert math.isnan(solution.history.error[-1])


def test_the_choices_hold_the_call_that_repeats_the_solution():
    solution = sngd.solve(BVP, key=KEY, tolerance=1e-10)
    again = eval(solution.choices["call"], {"sngd": sngd, "problem": BVP, "key": KEY})
    assert str(again.network) == str(solution.network)
    for found, expected in zip(jax.tree.leaves(again.network), jax.tree.leaves(solution.network), strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("width", [1e-2, 1e-3, 1e-4])
def test_a_layer_at_a_face_is_resolved(width):
    problem = boundary_layer(eps=width)
    features = sngd.Features((20 / width,), 256, activation="tanh", spread="layers")
    solution = sngd.solve(problem, features, key=KEY, tolerance=1e-8)
    assert solution.result is sngd.Result.TOLERANCE_REACHED
    assert solution.relative_l2() <= 3e-8


def test_a_solution_that_is_not_determined_says_so():
    equation = sngd.Interior(lambda u, x: sngd.partial(u, "x", "x")(x) + jnp.cos(x[0]))
    problem = sngd.Problem(sngd.interval(x=(0, math.pi)), [equation, sngd.Neumann(0.0)], name="no level")
    solution = sngd.solve(problem, sngd.Features((8.0,), 60), key=KEY)
    assert solution.result is sngd.Result.UNDETERMINED
    assert solution.error_estimate == math.inf


def test_features_that_are_too_few_say_how_far_they_came():
    solution = sngd.solve(POISSON, sngd.Features((3.0, 3.0), 20), key=KEY, tolerance=1e-9)
    assert solution.result is sngd.Result.STAGNATED
    assert "the features leave an estimated error of" in solution.detail
    assert solution.error_estimate > 1e-6


def test_a_component_that_vanishes_is_measured_against_the_largest_one():
    def equation(u, x):
        return sngd.partial(u, "x", "x")(x) + jnp.stack([jnp.sin(x[0]), 0.0])

    problem = sngd.Problem(sngd.interval(x=(0, math.pi)), [sngd.Interior(equation), sngd.Dirichlet(0.0)], outputs=2)
    solution = sngd.solve(problem, key=KEY, tolerance=1e-9)
    assert solution.result is sngd.Result.TOLERANCE_REACHED
    points = np.linspace(0, math.pi, 50)[:, None]
    assert solution(points) == pytest.approx(np.stack([np.sin(points[:, 0]), np.zeros(50)], axis=1), abs=1e-9)


def test_an_absolute_tolerance_counts_the_size_of_the_solution():
    problem = sngd.Problem(
        sngd.interval(x=(0, 1)),
        [sngd.Interior(lambda u, x: sngd.partial(u, "x", "x")(x) - 1e6), sngd.Dirichlet(0.0)],
        exact=lambda x: 5e5 * x[0] * (x[0] - 1),
    )
    solution = sngd.solve(problem, key=KEY, absolute_tolerance=1e-4)
    points = np.linspace(0, 1, 50)[:, None]
    assert solution.result is sngd.Result.TOLERANCE_REACHED
    assert solution(points) == pytest.approx(5e5 * points[:, 0] * (points[:, 0] - 1), abs=3e-4)


def test_a_callback_sees_the_network_and_ends_the_search():
    seen = []

    def callback(snapshot, record):
        loss = np.sum(snapshot.residual() ** 2) / 2
        seen.append((snapshot.iteration, record.loss, loss, snapshot.network(jnp.zeros(2)), snapshot.theta.shape))
        return True

    solution = sngd.solve(HEAT, key=KEY, tolerance=1e-15, callbacks=callback)
    assert solution.result is sngd.Result.STOPPED
    assert len(seen) == 1
    iteration, loss, from_residual, value, parameters = seen[0]
    assert iteration == 0
    assert from_residual == pytest.approx(loss, rel=1e-12)
    assert np.shape(value) == ()
    assert parameters == (solution.parameters,)


def test_an_exception_of_a_callback_has_the_solution():
    def callback(snapshot, record):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough") as caught:
        sngd.solve(HEAT, key=KEY, tolerance=1e-15, callbacks=callback)
    assert caught.value.solution.relative_l2() < 1e-6


@pytest.fixture(scope="module")
def swings():
    """The oscillator in windows of time."""
    policies = Policies(features=FeatureChoice(largest=128, columns=64))
    return sngd.solve(oscillator(), key=KEY, tolerance=1e-9, policies=policies)


def test_an_evolution_is_cut_into_windows(swings):
    assert isinstance(swings.network, Windows)
    assert swings.result is sngd.Result.TOLERANCE_REACHED
    assert swings.relative_l2() <= 3e-9
    assert swings.error_estimate / 10 <= max(swings.relative_l2(), 1e-13) <= 10 * swings.error_estimate
    assert "windows" in swings.choices


def test_windows_fit_together_and_agree_with_scipy(swings):
    starts = np.array(swings.network.starts[1:])
    before, after = swings(starts[:, None] - 1e-9), swings(starts[:, None])
    assert before == pytest.approx(after, abs=1e-7)
    times = np.linspace(0, 20, 41)
    rule = lambda t, y: [y[1], -9 * y[0]]
    expected = scipy.integrate.solve_ivp(rule, (0, 20), [1, 0], method="DOP853", t_eval=times, rtol=1e-12, atol=1e-12)
    assert swings(times[:, None]) == pytest.approx(expected.y.T, abs=1e-7)


def test_a_solution_in_windows_is_saved_differentiated_and_evaluated(swings, tmp_path):
    sngd.save(swings, tmp_path / "swings.npz")
    loaded = sngd.load(tmp_path / "swings.npz", oscillator())
    points = np.linspace(0, 20, 33)[:, None]
    assert np.array_equal(loaded(points), swings(points))
    assert loaded.choices == swings.choices
    slopes = sngd.partial(swings, "t")(points)
    assert slopes[:, 0] == pytest.approx(swings(points)[:, 1], abs=1e-6)


def test_windows_are_for_evolutions_from_initial_conditions():
    assert can_march(oscillator())
    assert can_march(HEAT)
    assert not can_march(POISSON)
    domain = sngd.space_time(t=(0, 1), x=(0, 1))
    last = sngd.Dirichlet(0.0, on=domain.face("t", "upper"))
    assert not can_march(sngd.Problem(domain, [*HEAT.conditions, last]))
    periodic = sngd.Problem(domain, [HEAT.conditions[0], sngd.Periodic("t"), HEAT.conditions[2]])
    assert not can_march(periodic)


@pytest.mark.parametrize(
    ("starts", "message"),
    [((0.0, 0.5, 0.5), "increasing"), ((0.1, 0.5, 0.7), "increasing"), ((0.0, 0.5, 1.0), "increasing")],
)
def test_windows_of_other_instants_are_refused(starts, message):
    arrays = (np.zeros((3, 4, 1)), np.zeros((3, 4)), np.zeros((3, 1, 4)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match=message):
        Windows(*map(jnp.asarray, arrays), ((0.0, 1.0),), 0, starts)


def test_a_search_draws_the_same_features_again():
    draw = lambda: Chooser(FeatureChoice(), BVP, (1, 2), lambda line: None).candidate(Family((6.0,), 20))
    assert np.array_equal(draw().fit.network.output, draw().fit.network.output)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sngd.Features(()), "bandwidths is"),
        (lambda: sngd.Features((1.0, -2.0)), "bandwidths is"),
        (lambda: sngd.Features((1.0,), 1), "count is 1"),
        (lambda: sngd.Features((1.0,), activation="cos"), "activation is 'cos'"),
        (lambda: sngd.Features((1.0,), spread="normal"), "spread is 'normal'"),
        (lambda: FeatureChoice(better=1.5), "better is 1.5"),
        (lambda: FeatureChoice(wider=1.0), "wider is 1.0"),
        (lambda: FeatureChoice(columns=0), "columns is 0"),
        (lambda: sngd.solve(POISSON, key=KEY, tolerance=0.0), "tolerance is 0.0; it must be a positive number"),
        (lambda: sngd.solve(POISSON, key=KEY, tolerance=-1), "tolerance is -1"),
        (lambda: sngd.solve(POISSON, key=KEY, tolerance=1e-17), "tolerance is 1e-17; rounding errors"),
        (lambda: sngd.solve(POISSON, key=KEY, tolerance="small"), "tolerance is 'small'"),
        (lambda: sngd.solve(POISSON, key=KEY, absolute_tolerance=0), "absolute_tolerance is 0"),
        (lambda: sngd.solve(POISSON, sngd.Features((2.0,)), key=KEY), "one for each of the axes x, y"),
        (lambda: sngd.solve(sngd.library.bvp_energy(), sngd.Features((2.0,)), key=KEY), "least-squares form"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_residual_that_oscillates_faster_than_the_features_counts():
    """The error is `0.09 / 500` in size, and hidden from features of the size of the solution."""
    source = lambda x: 1 + 0.09 * jnp.cos(500 * x[0]) * jnp.exp(-(((x[0] - 0.5) / 0.1) ** 2))
    equation = sngd.Interior(lambda u, x: sngd.partial(u, "x")(x) - source(x))
    problem = sngd.Problem(sngd.interval(x=(0, 1)), [equation, sngd.Dirichlet(0.0, on="lower")])
    solution = sngd.solve(problem, sngd.Features((8.0,), 40), key=KEY, tolerance=1e-8)
    points = np.linspace(0, 1, 1001)
    rule = lambda x, u: [1 + 0.09 * np.cos(500 * x) * np.exp(-(((x - 0.5) / 0.1) ** 2))]
    exact = scipy.integrate.solve_ivp(rule, (0, 1), [0.0], t_eval=points, rtol=1e-10, atol=1e-12, max_step=1e-3).y[0]
    error = np.linalg.norm(solution(points[:, None]) - exact) / np.linalg.norm(exact)
    assert solution.result is sngd.Result.STAGNATED
    assert error <= 3 * solution.error_estimate


def test_a_condition_on_the_first_instant_and_the_sides_together_is_not_cut_into_windows():
    domain = sngd.space_time(t=(0, 1), x=(0, 1))
    faces = [domain.initial, domain.face("x", "lower"), domain.face("x", "upper")]
    data = lambda x: jnp.where((x[1] <= 0) | (x[1] >= 1), 0.0, jnp.sin(jnp.pi * x[1]))
    problem = sngd.Problem(domain, [HEAT.conditions[0], sngd.Dirichlet(data, on=faces)])
    assert not can_march(problem)
    arrays = (np.array([[0.5, 0.5]]), np.ones(1))
    assert not can_march(dataclasses.replace(HEAT, quadrature=arrays))


def test_a_residual_that_is_not_finite_at_zero_is_refused_or_trained():
    """`u' = -sqrt(u)` has no derivative at zero."""
    equation = sngd.Interior(lambda u, t: sngd.partial(u, "t")(t) + jnp.sqrt(u(t)))
    problem = sngd.Problem(sngd.interval(t=(0, 1)), [equation, sngd.Initial(1.0)])
    with pytest.raises(ValueError, match="the residual is not finite for features"):
        sngd.solve(problem, sngd.Features((4.0,), 30), key=KEY)


def test_a_callback_that_ends_the_search_ends_it_for_an_undetermined_problem_too():
    equation = sngd.Interior(lambda u, x: sngd.partial(u, "x", "x")(x) + jnp.cos(x[0]))
    problem = sngd.Problem(sngd.interval(x=(0, math.pi)), [equation, sngd.Neumann(0.0)])
    seen = []
    solution = sngd.solve(problem, key=KEY, callbacks=lambda snapshot, record: seen.append(record) or True)
    assert solution.result is sngd.Result.STOPPED
    assert len(seen) == 1


def test_the_weights_of_conditions_do_not_decide_whether_a_problem_is_well_posed():
    problem = dataclasses.replace(POISSON, conditions=[POISSON.conditions[0], sngd.Dirichlet(0.0, weight=1e-14)])
    plain, light = (sngd.solve(each, sngd.Features((4.0, 4.0), 60), key=KEY) for each in (POISSON, problem))
    assert light.stability == pytest.approx(plain.stability, rel=1e-2)


def test_features_for_layers_may_be_wide_or_narrow():
    for bandwidth in (0.5, 1e20):
        solution = sngd.solve(BVP, sngd.Features((bandwidth,), 20, activation="tanh", spread="layers"), key=KEY)
        assert math.isfinite(solution.loss)
