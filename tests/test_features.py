"""Frozen features, their least-squares problem, the choice between them, cells, and the estimate of the error."""

import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

import sngd
from sngd.features import (
    Basis,
    Blocks,
    Chooser,
    Conditions,
    Coupling,
    FeatureChoice,
    Joint,
    March,
    Network,
    Refinement,
    System,
    can_march,
    fit,
    interfaces,
)
from sngd.features import Features as Family
from sngd.library import boundary_layer, bvp, heat, poisson, transport
from sngd.networks import Cells
from sngd.solver import Policies

KEY = jax.random.key(0)
POISSON, HEAT, BVP, TRANSPORT = poisson(), heat(), bvp(), transport()


def without_exact(problem, **changes):
    return dataclasses.replace(problem, exact=None, **changes)


def oscillator(frequency=3.0, end=20.0):
    """A pendulum of small amplitude: a system of two equations."""

    def equations(q, v, x):
        return sngd.partial(q, "t")(x) - v(x), sngd.partial(v, "t")(x) + frequency**2 * q(x)

    def exact(t):
        return jnp.stack([jnp.cos(frequency * t[0]), -frequency * jnp.sin(frequency * t[0])])

    conditions = [sngd.Interior(equations), sngd.Initial((1.0, 0.0))]
    domain = sngd.interval(t=(0, end))
    return sngd.Problem(domain, conditions, unknowns=["q", "v"], exact=exact, name="oscillator")


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


def system_of(problem):
    """The rows of a problem with points on the whole domain."""
    return System((problem.domain,), Conditions.of(problem, "sin").rows(problem))


def test_rows_are_those_of_the_closed_form():
    problem = dataclasses.replace(POISSON, quadrature=sngd.GaussLegendre((17, 18)))
    layer = Family((6.0, 5.0), 150).draw(np.random.default_rng(0))
    system = system_of(problem)
    jacobian, residual = laplacian_rows(problem, layer)
    for found, expected in zip(system.jacobian(Basis(layer)).features[0], jacobian, strict=True):
        assert found[:, 0] == pytest.approx(expected, rel=1e-11, abs=1e-11 * np.abs(expected).max())
    for found, expected in zip(system.residual(system.zero(layer))[0], residual, strict=True):
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_a_fit_is_the_least_squares_solution_of_numpy():
    problem = dataclasses.replace(POISSON, quadrature=sngd.GaussLegendre(14))
    layer = Family((4.0, 4.0), 40).draw(np.random.default_rng(0))
    found = fit(system_of(problem), layer, steps=5)
    jacobian, residual = laplacian_rows(problem, layer)
    units = [np.sqrt(np.mean(np.sum(part**2, axis=0))) for part in jacobian]
    assert found.units.own[0] == pytest.approx(units, rel=1e-10)
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
    system = system_of(problem)
    at = dataclasses.replace(system.zero(layer), outputs=generator.normal(size=(1, 1, 30)))
    change, step = generator.normal(size=(1, 1, 30)), 1e-5
    sides = [system.residual(dataclasses.replace(at, outputs=at.outputs + sign * step * change))[0] for sign in (1, -1)]
    for found, plus, minus in zip(system.jacobian(Basis(layer), at).features[0], *sides, strict=True):
        expected = (plus - minus) / (2 * step)
        assert found[:, 0] @ change[0, 0] == pytest.approx(expected, abs=1e-7 * np.abs(expected).max())


def cubic():
    """A nonlinear equation with a smooth solution on the square."""

    def exact(x):
        return jnp.sin(2 * x[0]) * jnp.cos(x[1])

    def equation(u, x):
        return sngd.laplacian(u)(x) - u(x) ** 3 + 5 * exact(x) + exact(x) ** 3

    conditions = [sngd.Interior(equation), sngd.Dirichlet(exact)]
    return sngd.Problem(sngd.box(x=(-1, 1), y=(-1, 1)), conditions, exact=exact, name="cubic")


def test_a_fit_from_a_close_solution_takes_fewer_steps_to_the_same_residual():
    choose = lambda: Chooser(FeatureChoice(), Conditions.of(cubic(), "sin"), (0,), lambda line: None)
    wide, chooser = Family((5.0, 5.0), 120), choose()
    begun = chooser.candidate(Family((3.0, 3.0), 60))
    near, fresh = chooser.candidate(wide, near=begun), choose().candidate(wide)
    assert near.fit.steps < fresh.fit.steps
    assert near.fit.residual == pytest.approx(fresh.fit.residual, rel=0.2)
    points = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    exact = np.sin(2 * points[:, 0]) * np.cos(points[:, 1])
    assert near.fit.network(points)[:, 0] == pytest.approx(exact, abs=1e-6)


def test_an_axis_of_small_bandwidth_takes_fewer_points():
    found = Conditions.of(POISSON, "sin").with_points(Family((0.25, 8.0), 200)).quadrature.points_per_axis
    assert 2 * found[0] < found[1]
    assert 1.6 * 200 <= math.prod(found) <= 2 * 200
    alike = Conditions.of(POISSON, "sin").with_points(Family((8.0, 8.0), 200)).quadrature.points_per_axis
    assert alike == (18, 18)


@pytest.mark.parametrize("seed", range(5))
def test_the_error_between_scarce_points_is_seen(seed):
    """A hundred given values of a function and sixty waves: what these leave between the points and at the corners."""
    exact = lambda x: jnp.exp(jnp.sin(2 * x[0])) / (1.5 + x[1] ** 2)
    condition = sngd.Interior(lambda u, x: u(x) - exact(x))
    problem = sngd.Problem(sngd.box(x=(-1, 1), y=(-1, 1)), [condition], quadrature=sngd.Sobol(128), exact=exact)
    solution = sngd.solve(problem, sngd.Features((8.0, 8.0), 80), key=jax.random.key(seed))
    error = np.max(solution.relative_l2())
    assert 1e-8 < error < 0.1
    assert 1 / 3 <= solution.error_estimate / error <= 10


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


def decaying():
    """Two functions of three variables that hardly change along one of them, with an equation that is not linear."""

    def exact(z):
        t, x, y = z
        return jnp.exp(-t / 20) * jnp.stack([jnp.sin(3 * x) * jnp.cos(3 * y), jnp.cos(3 * x) * jnp.sin(3 * y)])

    def equations(u, v, x):
        a, b = exact(x)
        return u(x) + u(x) ** 3 - a - a**3, v(x) * (1 + u(x) ** 2) - b * (1 + a**2)

    domain = sngd.space_time(t=(0, 1), x=(-1, 1), y=(-1, 1))
    return sngd.Problem(domain, [sngd.Interior(equations)], unknowns=["u", "v"], exact=exact)


def test_bandwidths_on_three_axes_follow_the_slopes_of_the_solution():
    problem = decaying()
    chooser = Chooser(FeatureChoice(), Conditions.of(problem, "sin"), (0,), lambda line: None)
    ranked, better = itertools.islice(chooser.stages(insist=False), 2)
    assert ranked.features.count == 256
    assert better.features.count == 512
    t, x, y = better.features.bandwidths
    assert t < x / 4
    assert x == pytest.approx(y, rel=0.1)
    assert better.score < chooser.candidate(Family((2.0, x, y), 512)).score / 4


def test_more_features_are_tried_only_if_there_is_time():
    asked = []
    has_time = lambda expected: asked.append(expected) or len(asked) < 2
    chooser = Chooser(FeatureChoice(), Conditions.of(POISSON, "sin"), (0,), lambda line: None, goes_on=has_time)
    # There is time for the second number of features, and none for wider ones.
    ranked, second = chooser.stages(insist=False)
    assert second.features == dataclasses.replace(ranked.features, count=512)
    assert len(asked) == 3
    assert asked[0] > 0


def test_slopes_are_parts_of_the_steepest_one():
    points = np.random.default_rng(0).uniform(-1, 1, (50, 3))
    layer = Family((3.0, 20.0, 5.0), 2).draw(np.random.default_rng(0))
    box = sngd.box(x=(0, 7), y=(0, 1), z=(0, 1))
    network = Network(layer, (box,), np.array([[[1.0, 2.0], [0.0, 0.0]]]))
    steep = np.abs(layer.weights[1])
    np.testing.assert_allclose(network.slopes(points), steep / np.max(steep))
    np.testing.assert_array_equal(network.moved(-network.outputs, np.zeros(0)).slopes(points), np.ones(3))


def test_a_component_that_vanishes_is_measured_against_the_largest_one():
    def equations(u, v, x):
        return sngd.partial(u, "x", "x")(x) + jnp.sin(x[0]), sngd.partial(v, "x", "x")(x)

    conditions = [sngd.Interior(equations), sngd.Dirichlet(0.0)]
    problem = sngd.Problem(sngd.interval(x=(0, math.pi)), conditions, unknowns=["u", "v"])
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
    assert isinstance(swings.network, Cells)
    assert swings.result is sngd.Result.TOLERANCE_REACHED
    assert swings.relative_l2() <= 3e-9
    assert swings.error_estimate / 10 <= swings.relative_l2() <= 10 * swings.error_estimate
    assert "windows" in swings.choices


def test_windows_fit_together_and_agree_with_scipy(swings):
    starts = np.array([box[0][0] for box in swings.network.boxes[1:]])
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
    ("boxes", "message"),
    [
        ((), "boxes is empty"),
        ((((0.0, 1.0),),), "arrays have shapes"),
        ((((0.0, 1.0),), ((1.0, 1.0),)), "the lower bound of each input must be below the upper one"),
    ],
)
def test_cells_that_make_no_sense_are_refused(boxes, message):
    arrays = (np.zeros((4, 1)), np.zeros(4), np.zeros((2, 1, 4)))
    with pytest.raises(ValueError, match=message):
        Cells(*map(jnp.asarray, arrays), boxes)


def test_a_search_draws_the_same_features_again():
    conditions = Conditions.of(BVP, "sin")
    draw = lambda: Chooser(FeatureChoice(), conditions, (1, 2), lambda line: None).candidate(Family((6.0,), 20))
    assert np.array_equal(draw().fit.network.outputs, draw().fit.network.outputs)


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
        (lambda: March(bandwidth=0.0), "bandwidth is 0.0"),
        (lambda: March(counts=(10, 10)), "counts is"),
        (lambda: March(counts=(1, 10, 10)), "counts is 1"),
        (lambda: March(halvings=-1), "halvings is -1"),
        (lambda: March(cells=0), "cells is 0"),
        (lambda: March(windows=(0.5, 0.5)), "windows is"),
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
    equation = sngd.Interior(lambda u, x: sngd.partial(u, "t")(x) + jnp.sqrt(u(x)))
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


@pytest.mark.parametrize(("width", "border", "sides"), [(3, 0, 1), (5, 2, 2)])
def test_blocks_are_solved_like_the_whole_matrix(width, border, sides):
    generator, count = np.random.default_rng(0), 6
    own = tuple(generator.normal(size=(4, width)) for _ in range(count))
    pairs = [(0, 1), (1, 3), (2, 3), (0, 5), (4, 4), (3, 5)]
    couplings = tuple(Coupling(*pair, *generator.normal(size=(2, 4, width))) for pair in pairs)
    borders, last = tuple(generator.normal(size=(count, 4, border))), generator.normal(size=(4, border))
    blocks = Blocks(own, couplings, borders, last)
    right = [generator.normal(size=(4, sides)) for _ in range(count + len(pairs) + 1)]
    whole = np.zeros((4 * len(right), width * count + border))
    whole[:, width * count :] = np.concatenate([*borders, np.zeros((4 * len(pairs), border)), last])
    for row, matrix in enumerate(own):
        whole[4 * row : 4 * row + 4, width * row : width * (row + 1)] = matrix
    for row, part in enumerate(couplings, count):
        for block, matrix in ((part.first, part.left), (part.second, part.right)):
            whole[4 * row : 4 * row + 4, width * block : width * (block + 1)] += matrix
    damping = 0.1
    # The border is damped relative to its columns, by a hundred times as much.
    size = np.sqrt(np.mean([np.sum(matrix**2) for matrix in own]))
    borders_too = 100 * np.linalg.norm(whole[:, width * count :], axis=0) / size
    above = np.concatenate([whole, damping * np.diag([*np.ones(width * count), *borders_too])])
    below = np.concatenate([*right, np.zeros((whole.shape[1], sides))])
    expected, *_ = np.linalg.lstsq(above, below)
    found = blocks.solve(right, damping)
    solution = np.concatenate([found.columns.reshape(-1, sides), found.border])
    assert solution == pytest.approx(expected, rel=1e-10, abs=1e-12)
    products = np.concatenate(blocks.times(found.columns[:, :, 0], found.border[:, 0]))
    assert products == pytest.approx(whole @ expected[:, 0], rel=1e-10, abs=1e-12)


def boxes(domain, *bounds):
    return tuple(dataclasses.replace(domain, lower=lower, upper=upper) for lower, upper in bounds)


def test_interfaces_are_where_cells_meet():
    domain = sngd.box(x=(0, 2), y=(0, 1))
    cells = boxes(domain, ((0, 0), (1, 1)), ((1, 0), (2, 0.5)), ((1, 0.5), (2, 1)))
    found = {(each.first, each.second, each.face.axis): each for each in interfaces(cells, domain)}
    assert set(found) == {(0, 1, "x"), (0, 2, "x"), (1, 2, "y")}
    here, there = found[0, 2, "x"].points(sngd.Problem(domain, POISSON.conditions, quadrature=sngd.GaussLegendre(5)))
    assert np.array_equal(here, there)
    assert np.all(here[:, 0] == 1)
    assert np.all((here[:, 1] > 0.5) & (here[:, 1] < 1))
    around = {(each.first, each.second, each.face.axis): each for each in interfaces(cells, domain, (0,))}
    assert set(around) == {*found, (1, 0, "x"), (2, 0, "x")}
    assert around[1, 0, "x"].shift == -2


def front(speed):
    """Viscous Burgers' equation with a wave that travels, `u = s - tanh((x - s t) / (2 nu))` for `nu = 1/20`."""
    nu = 0.05
    exact = lambda x: speed - jnp.tanh((x[1] - speed * x[0]) / (2 * nu))

    def equation(u, x):
        return sngd.partial(u, "t")(x) + u(x) * sngd.partial(u, "x")(x) - nu * sngd.partial(u, "x", "x")(x)

    domain = sngd.space_time(t=(0, 0.5), x=(-1, 1))
    return sngd.Problem(domain, [sngd.Interior(equation), sngd.Initial(exact), sngd.Dirichlet(exact)], exact=exact)


@pytest.fixture(scope="module")
def travels():
    return sngd.solve(without_exact(front(0.6)), key=KEY, tolerance=1e-7)


def test_cells_crowd_where_the_solution_is_steep(travels):
    assert travels.result is sngd.Result.TOLERANCE_REACHED
    assert travels.relative_l2(front(0.6).exact) <= 1e-7
    first = [box for box in travels.network.boxes if box[0][0] == 0]
    narrow, wide = (pick(first, key=lambda box: box[1][1] - box[1][0]) for pick in (min, max))
    assert narrow[1][1] - narrow[1][0] < wide[1][1] - wide[1][0]
    assert min(abs(narrow[1][0]), abs(narrow[1][1])) <= 0.5


def test_a_solution_in_cells_is_smooth_across_them(travels):
    """The solution and its slope are continuous: the equation is of second order."""
    edges = sorted({box[1][0] for box in travels.network.boxes if box[0][0] == 0} - {-1.0})
    assert edges
    points = np.array([[0.01, edge] for edge in edges])
    step = np.array([0.0, 1e-9])
    for function in (travels, sngd.partial(travels, "x")):
        assert function(points - step) == pytest.approx(function(points + step), abs=1e-6)


def burgers(nu, bounds=(-1, 1)):
    """Burgers' equation, whose viscosity is a parameter."""

    def equation(u, x, nu):
        return sngd.partial(u, "t")(x) + u(x) * sngd.partial(u, "x")(x) - nu * sngd.partial(u, "x", "x")(x)

    return sngd.Problem(sngd.space_time(t=(0, 0.5), x=bounds), [sngd.Interior(equation), *SIDES], parameters={"nu": nu})


SIDES = (sngd.Initial(lambda x: -jnp.sin(jnp.pi * x[1])), sngd.Dirichlet(0.0))


def test_a_solution_is_the_start_for_other_coefficients():
    problem = burgers(0.2)
    first = sngd.solve(problem, key=KEY, tolerance=1e-7)
    other = dataclasses.replace(problem, parameters={"nu": 0.18})
    near, anew = (sngd.solve(other, key=KEY, tolerance=1e-7, start=start) for start in (first, None))
    assert near.result is anew.result is sngd.Result.TOLERANCE_REACHED
    points = problem.domain.grid(11)
    assert near(points) == pytest.approx(anew(points), abs=1e-6)
    assert np.linalg.norm(near(points) - first(points)) > 1e-2
    # The cells of the start are tried first.
    assert near.network.boxes[: len(first.network.boxes)] == first.network.boxes
    assert near.compilations == 0


def test_a_start_is_stretched_to_other_bounds():
    first = sngd.solve(BVP, key=KEY, tolerance=1e-9)
    domain = sngd.interval(x=(-1, 1))
    wide = sngd.Problem(domain, [sngd.Interior(lambda u, x: sngd.laplacian(u)(x) + jnp.cos(x[0])), sngd.Dirichlet(0.0)])
    exact = lambda points: np.cos(points[:, 0]) - np.cos(1)
    points = np.linspace(-1, 1, 21)[:, None]
    solution = sngd.solve(wide, key=KEY, tolerance=1e-9, start=first)
    assert solution(points) == pytest.approx(exact(points), abs=1e-8)
    poisson_first = sngd.solve(POISSON, key=KEY, tolerance=1e-9)
    again = sngd.solve(POISSON, key=KEY, tolerance=1e-9, start=poisson_first)
    assert np.array_equal(again.network.weights[0], poisson_first.network.weights[0])
    assert again.relative_l2() <= 1e-9


def test_a_trained_network_is_the_start_of_training():
    first = sngd.solve(BVP, "2x8", key=KEY, stopping=sngd.Stopping(iterations=3, restarts=0))
    again = sngd.solve(BVP, key=KEY, start=first, stopping=sngd.Stopping(iterations=0, restarts=0))
    points = np.linspace(0, 1, 9)[:, None]
    assert np.array_equal(again(points), first(points))


def test_a_start_that_is_not_periodic_is_trained_where_the_problem_is():
    options = {"key": KEY, "stopping": sngd.Stopping(iterations=0, restarts=0)}
    network = sngd.networks.make_network("1x6", TRANSPORT.domain.bounds, 1, key=KEY)
    plain = dataclasses.replace(TRANSPORT, conditions=TRANSPORT.conditions[:2])
    first = sngd.solve(plain, network, **options)
    again = sngd.solve(TRANSPORT, start=first, **options)
    points = TRANSPORT.domain.grid(5)
    assert np.array_equal(again(points), first(points))


@pytest.mark.parametrize(
    ("problem", "network", "message"),
    [
        (HEAT, "auto", "start has the axes x, y"),
        (dataclasses.replace(POISSON, unknowns=("u", "v")), "auto", "start has the unknowns u; this problem has u, v"),
        (POISSON, "3x24", "start and network are both given"),
    ],
)
def test_a_start_of_another_kind_is_refused(problem, network, message):
    start = sngd.solve(POISSON, sngd.Features((2.0, 2.0), 10), key=KEY)
    with pytest.raises(ValueError, match=message):
        sngd.solve(problem, network, key=KEY, start=start)
    with pytest.raises(TypeError, match="start is 'x'"):
        sngd.solve(POISSON, key=KEY, start="x")


@pytest.mark.parametrize(("problem", "bandwidths", "count"), [(POISSON, (4.0, 4.0), 60), (HEAT, (4.0, 6.0), 80)])
def test_the_error_is_known_as_a_function(problem, bandwidths, count, tmp_path):
    solution = sngd.solve(problem, sngd.Features(bandwidths, count), key=KEY)
    points = problem.domain.grid(15)
    exact = np.asarray(jax.vmap(problem.exact)(points))
    error = solution(points) - exact
    assert np.linalg.norm(error - solution.error(points)) <= 0.2 * np.linalg.norm(error)
    sngd.save(solution, tmp_path / "solution.npz")
    assert np.array_equal(sngd.load(tmp_path / "solution.npz", problem).error(points), solution.error(points))


def test_the_error_of_a_trained_network_is_not_known_as_a_function():
    solution = sngd.solve(BVP, "1x4", key=KEY, stopping=sngd.Stopping(iterations=1, restarts=0))
    with pytest.raises(ValueError, match="known as a norm only"):
        solution.error(np.zeros((1, 1)))


def test_a_march_that_was_killed_goes_on_after_its_last_window(tmp_path):
    problem, folder = burgers(0.05), tmp_path / "run"
    options = sngd.Checkpoints(folder, seconds=0.0, keep=100)
    whole = sngd.solve(problem, key=KEY, tolerance=1e-7, checkpoints=options)
    files = sorted((folder / "windows").glob("*.npz"))
    assert len(files) > 2
    for path in files[2:]:
        path.unlink()
    resumed = sngd.solve(problem, key=KEY, tolerance=1e-7, checkpoints=dataclasses.replace(options, resume=True))
    windows = sorted((folder / "windows").glob("*.npz"))
    assert [path.name for path in windows] == [path.name for path in files]
    assert resumed.network.boxes == whole.network.boxes
    assert np.array_equal(resumed.network.outputs, whole.network.outputs)
    assert resumed.error_estimate == whole.error_estimate
    with pytest.raises(ValueError, match="holds those of another run"):
        sngd.solve(problem, key=KEY, tolerance=1e-7, checkpoints=options)
    with pytest.raises(ValueError, match="is of another run: goal is 1e-06 here and 1e-07 there"):
        sngd.solve(problem, key=KEY, tolerance=1e-6, checkpoints=dataclasses.replace(options, resume=True))


def test_windows_end_where_the_caller_says():
    """The source jumps at `t = 0.3`, which no smooth features follow."""
    equation = sngd.Interior(lambda u, x: sngd.partial(u, "t")(x) + u(x) ** 2 - jnp.where(x[0] < 0.3, 1.0, 0.0))
    problem = sngd.Problem(sngd.interval(t=(0, 1)), [equation, sngd.Initial(0.0)])
    solution = sngd.solve(problem, key=KEY, tolerance=1e-9, policies=Policies(march=March(windows=(0.3,))))
    assert solution.result is sngd.Result.TOLERANCE_REACHED
    times, top = np.linspace(0, 1, 21), np.tanh(0.3)
    exact = np.where(times < 0.3, np.tanh(times), top / (1 + top * (times - 0.3)))
    assert solution(times[:, None]) == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize(
    ("problem", "windows", "message"),
    [
        (POISSON, (0.5,), "this domain has no time axis"),
        (dataclasses.replace(HEAT, conditions=[*HEAT.conditions, sngd.Periodic("t")]), (0.5,), "couples times"),
        (HEAT, (0.5, 1.5), "the instants must be between 0"),
    ],
)
def test_windows_that_make_no_sense_are_refused(problem, windows, message):
    with pytest.raises(ValueError, match=message):
        sngd.solve(problem, key=KEY, policies=Policies(march=March(windows=windows)))


def test_a_derivative_that_counts_in_a_small_part_of_the_domain_is_not_overlooked():
    """The second derivative has a coefficient that is zero but for one fortieth of the interval."""
    inside = lambda x: jnp.where(jnp.abs(x[0] - 0.61) < 0.0125, 1.0, 0.0)
    equation = sngd.Interior(lambda u, x: sngd.partial(u, "x")(x) + inside(x) * sngd.partial(u, "x", "x")(x))
    problem = sngd.Problem(sngd.interval(x=(0, 1)), [equation, sngd.Dirichlet(0.0)])
    conditions = Conditions.of(problem, "sin")
    assert conditions.orders == ((2,),)


def test_an_equation_that_reads_other_times_is_not_solved_in_cells():
    """`u' = -u(0)` is solved by `1 - t`, on the whole interval at once."""
    equation = sngd.Interior(lambda u, x: sngd.partial(u, "t")(x) + u(jnp.zeros(1)))
    problem = sngd.Problem(sngd.interval(t=(0, 1)), [equation, sngd.Initial(1.0)], exact=lambda t: 1 - t[0])
    solution = sngd.solve(problem, key=KEY, tolerance=1e-10)
    assert not isinstance(solution.network, Cells)
    assert solution.relative_l2() <= 1e-10


def test_units_of_conditions_come_from_the_features_of_their_own_region():
    """A small region beside a large one leaves the units of the large one as they are."""
    laplace = sngd.Interior(lambda u, x: sngd.laplacian(u)(x))
    units = []
    for size in (0.5, 0.01):
        small = sngd.disk(radius=size)
        domain = sngd.regions(large=sngd.disk(radius=1) - small, small=small)
        problem = sngd.Problem(domain, [laplace, sngd.Interface("large", "small"), sngd.Dirichlet(0.0)])
        conditions = Conditions.of(problem, "sin")
        features = Family((4.0, 4.0), 64)
        system = System((domain.hull,), conditions.rows(conditions.with_points(features)))
        basis = Basis(features.draw_for(problem.frames, np.random.default_rng(0)))
        units.append(system.units(system.jacobian(basis), basis).own[0])
    assert units[1][0] == pytest.approx(units[0][0], rel=0.5)
    assert units[1][1] > 10 * units[0][1]


def test_rows_of_many_blocks_are_solved_like_the_whole_matrix():
    generator, count, width, border = np.random.default_rng(1), 4, 3, 2
    own = tuple(generator.normal(size=(2, width)) for _ in range(count))
    borders, last = tuple(generator.normal(size=(count, 2, border))), generator.normal(size=(1, border))
    joint = Joint((0, 2, 3), tuple(generator.normal(size=(3, 2, width))), generator.normal(size=(2, border)))
    blocks = Blocks(own, (), borders, last, (joint,))
    whole = np.zeros((2 * count + 3, width * count + border))
    for number, matrix in enumerate(own):
        whole[2 * number : 2 * number + 2, width * number : width * (number + 1)] = matrix
        whole[2 * number : 2 * number + 2, width * count :] = borders[number]
    for block, part in zip(joint.blocks, joint.parts, strict=True):
        whole[2 * count : 2 * count + 2, width * block : width * (block + 1)] = part
    whole[2 * count : 2 * count + 2, width * count :] = joint.border
    whole[-1, width * count :] = last
    right, damping = generator.normal(size=(len(whole), 1)), 0.1
    size = np.sqrt(np.mean([np.sum(matrix**2) for matrix in own]))
    damped = [*np.ones(width * count), *(100 * np.linalg.norm(whole[:, width * count :], axis=0) / size)]
    above = np.concatenate([whole, damping * np.diag(damped)])
    expected, *_ = np.linalg.lstsq(above, np.concatenate([right, np.zeros((len(damped), 1))]))
    found = blocks.solve(np.split(right, [2, 4, 6, 8, 10]), damping)
    assert np.concatenate([found.columns.reshape(-1, 1), found.border]) == pytest.approx(expected, rel=1e-9)
    products = np.concatenate(blocks.times(found.columns[:, :, 0], found.border[:, 0]))
    assert products == pytest.approx(whole @ expected[:, 0], rel=1e-9, abs=1e-12)


def test_an_integral_over_several_cells_fixes_the_level_of_a_solution():
    square = sngd.box(x=(-1, 1), y=(-1, 1))
    wave = lambda x: jnp.exp(x[0]) * jnp.sin(x[1])
    slope = lambda x, normal: jax.grad(wave)(x) @ normal
    conditions = [
        sngd.Interior(lambda u, x: sngd.laplacian(u)(x)),
        sngd.Boundary(lambda u, x, normal: sngd.directional(u, normal)(x) - slope(x, normal)),
        sngd.Integral(lambda u, x: u(x), 2.0),
    ]
    problem = sngd.Problem(square, conditions)
    conditions, features = Conditions.of(problem, "sin"), March().features(2)
    layer = features.draw_for(problem.frames, np.random.default_rng(0))
    both = boxes(square, ((-1, -1), (0, 1)), ((0, -1), (1, 1)))
    system = System.of(conditions, conditions.with_points(features), both)
    network = fit(system, layer, steps=1).network
    points = square.grid(21)
    exact = np.exp(points[:, 0]) * np.sin(points[:, 1]) + 0.5
    assert network(points)[:, 0] == pytest.approx(exact, abs=1e-7)


def test_cells_are_graded_towards_a_reentrant_corner():
    corner = sngd.polygon([(0, 0), (0, -1), (1, -1), (1, 1), (-1, 1), (-1, 0)])
    cells = Refinement(corner.hull, None, 16, 512).towards((corner.hull,), np.zeros(2), 3)
    assert sum(cell.measure for cell in cells) == pytest.approx(corner.hull.measure)
    close = [cell for cell in cells if np.all(np.abs(cell.center) <= cell.half_sides + 1e-12)]
    assert len(close) == 4
    assert all(cell.half_sides == pytest.approx([0.125, 0.125]) for cell in close)
