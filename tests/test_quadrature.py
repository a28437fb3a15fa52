"""Rules, domains and their faces against exact integrals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sngd
from sngd.geometry import (
    GaussLegendre,
    GradedGaussLegendre,
    Midpoint,
    Sobol,
    UniformGrid,
    UniformRandom,
    default_quadrature,
)
from sngd.problem import Interior, Problem

RULES = [sngd.UniformGrid(5), sngd.GaussLegendre(4), sngd.Sobol(50), sngd.UniformRandom(40)]
LOWER, UPPER = np.array([-1.0, 0.5, 2.0]), np.array([3.0, 0.75, 2.5])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@given(dimension=st.integers(0, 3))
@settings(max_examples=4, deadline=None)
def test_constants_are_integrated_exactly_and_points_lie_inside(rule, dimension):
    points, weights = rule.rule(LOWER[:dimension], UPPER[:dimension])
    assert np.all(weights > 0)
    np.testing.assert_allclose(weights.sum(), np.prod(UPPER[:dimension] - LOWER[:dimension]), rtol=1e-13)
    assert points.shape == (len(weights), dimension)
    assert np.all((LOWER[:dimension] <= points) & (points <= UPPER[:dimension]))


def test_gauss_legendre_is_exact_to_its_degree_and_not_beyond():
    points, weights = sngd.GaussLegendre(4).rule(np.array([0.0]), np.array([2.0]))
    np.testing.assert_allclose(weights @ points[:, 0] ** 7, 2**8 / 8, rtol=1e-13)
    assert abs(weights @ points[:, 0] ** 8 - 2**9 / 9) > 1e-3


def test_trapezoidal_weights_are_exact_for_linear_functions_in_each_coordinate():
    points, weights = sngd.UniformGrid(4).rule(LOWER[:2], UPPER[:2])
    exact = np.prod((UPPER[:2] ** 2 - LOWER[:2] ** 2) / 2)
    np.testing.assert_allclose(weights @ (points[:, 0] * points[:, 1]), exact, rtol=1e-13)


@pytest.mark.parametrize(("rule", "tolerance"), [(sngd.Sobol(4096), 1e-4), (sngd.UniformRandom(4096), 2e-2)])
def test_sampled_rules_converge(rule, tolerance):
    points, weights = rule.rule(np.zeros(2), np.ones(2))
    np.testing.assert_allclose(weights @ np.exp(points.sum(axis=1)), (np.e - 1) ** 2, rtol=tolerance)


def test_sampled_rules_follow_their_seed():
    for rule in (sngd.Sobol, sngd.UniformRandom):
        same, other = [rule(16, seed).rule(np.zeros(2), np.ones(2))[0] for seed in (3, 4)]
        np.testing.assert_array_equal(same, rule(16, 3).rule(np.zeros(2), np.ones(2))[0])
        assert not np.allclose(same, other)


def test_divergence_theorem_on_a_box():
    """The normals point outward: the flux of `(x, 2 y, 3 z)` through the faces is the integral of its divergence, 6."""
    domain = sngd.box(x=(-1, 3), y=(0.5, 0.75), z=(2, 2.5))
    problem = Problem(domain, [Interior(lambda u, x: u(x))], quadrature=sngd.GaussLegendre(2))
    faces = problem.collocation(sngd.Dirichlet(0.0))
    flux = np.sum(faces.weights * np.sum(faces.points * np.array([1, 2, 3]) * faces.normals, axis=1))
    np.testing.assert_allclose(flux, 6 * domain.measure, rtol=1e-13)


def test_faces_of_space_time():
    domain = sngd.space_time(t=(0, 1), x=(2, 5))
    assert {(face.axis, face.side) for face in domain.boundary} == {("x", "lower"), ("x", "upper")}
    np.testing.assert_array_equal(domain.initial.embed(np.array([[3.0]])), [[0.0, 3.0]])
    np.testing.assert_array_equal(domain.face("x", "lower").normal, [0, -1])
    assert domain.measure == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sngd.box(x=(1, 0)), "axis 'x'"),
        (lambda: sngd.box(x=(0, np.inf)), "finite"),
        (lambda: sngd.box(), "at least one named axis"),
        (lambda: sngd.box(x=(0, 1, 2)), "lower and an upper"),
        (lambda: sngd.interval(x=(0, 1), y=(0, 1)), "use box"),
        (lambda: sngd.space_time(x=(0, 1), y=(0, 1)), "needs an axis t"),
        (lambda: sngd.box(x=(0, 1)).face("y", "lower"), "its axes are x"),
        (lambda: sngd.box(x=(0, 1)).face("x", "left"), '"lower" or "upper"'),
        (lambda: sngd.box(x=(0, 1)).initial, "no time axis"),
        (lambda: sngd.GaussLegendre(0), "points_per_axis is 0"),
        (lambda: sngd.UniformGrid(1), "points_per_axis is 1"),
        (lambda: sngd.Sobol(2.5), "points is 2.5"),
        (lambda: sngd.UniformRandom(-3), "points is -3"),
    ],
)
def test_bad_domains_and_rules_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class Unsound:
    def __init__(self, weights):
        self.weights = np.array(weights)

    def rule(self, lower, upper):
        return np.zeros((2, len(lower))), self.weights


@pytest.mark.parametrize(
    ("weights", "message"), [([1.0, -1.0], "positive"), ([1.0, np.nan], "positive"), ([1.0], r"shape \(1,\)")]
)
def test_rules_with_unusable_weights_are_refused(weights, message):
    condition = Interior(lambda u, x: u(x), quadrature=Unsound(weights))
    with pytest.raises(ValueError, match=message):
        Problem(sngd.box(x=(0, 1)), [condition]).collocation(condition)


RULES = [UniformGrid(7), GaussLegendre(7), Midpoint(7), Sobol(64), UniformRandom(50)]


@pytest.mark.parametrize("rule", [*RULES, GaussLegendre(1), Midpoint(1)], ids=repr)
def test_staggered_points_are_as_many_and_others(rule):
    lower, upper = np.zeros(2), np.array([1.0, 3.0])
    points, _ = rule.rule(lower, upper)
    other, weights = rule.staggered().rule(lower, upper)
    assert other.shape == points.shape
    assert np.mean(np.min(np.linalg.norm(points[:, None] - other[None], axis=-1), axis=1) > 1e-6) > 0.8
    np.testing.assert_allclose(weights.sum(), 3.0)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_refined_rules_have_half_as_many_points_more(rule):
    (points, _), (finer, _) = [r.rule(np.zeros(1), np.ones(1)) for r in (rule, rule.refined())]
    np.testing.assert_allclose(len(finer) / len(points), 1.5, atol=0.1)


def test_a_rule_has_its_own_number_of_points_on_every_axis_and_a_face_those_of_its_axes():
    domain = sngd.box(x=(0, 1), y=(0, 2), z=(-1, 1))
    rule = GaussLegendre((3, 5, 2))
    found = rule.on(domain)
    points, weights = found.points, found.weights
    assert [len(np.unique(points[:, axis].round(12))) for axis in range(3)] == [3, 5, 2]
    assert weights @ (points[:, 0] ** 5 * points[:, 1] ** 9 * points[:, 2] ** 2) == pytest.approx(
        2**10 / 10 / 6 * 2 / 3
    )
    points = rule.on(domain.face("y", "upper")).points
    assert [len(np.unique(points[:, axis].round(12))) for axis in range(3)] == [3, 1, 2]
    assert len(rule.refined().on(domain).points) > 1.5 * 30
    with pytest.raises(ValueError, match=r"points_per_axis is \(3, 5, 2\), for 3 axes; give one number, or 2 of them"):
        rule.on(sngd.box(x=(0, 1), y=(0, 1)))


def test_a_graded_rule_resolves_a_layer_that_an_even_one_misses():
    rule, width = GradedGaussLegendre(8, halvings=22), 1e-6
    line = sngd.interval(x=(0, 1))
    points, weights = rule.on(line).points, rule.on(line).weights
    assert weights.sum() == pytest.approx(1, rel=1e-14)
    assert np.all(np.diff(points[:, 0]) > 0)
    layer = lambda x: np.exp((x - 1) / width)
    assert weights @ layer(points[:, 0]) == pytest.approx(width, rel=1e-10)
    even = GaussLegendre(len(points)).on(line)
    assert abs(even.weights @ layer(even.points[:, 0]) - width) > 1e-4 * width
    between = rule.staggered().on(line)
    assert between.weights @ layer(between.points[:, 0]) == pytest.approx(width, rel=1e-10)
    assert not set(between.points[:, 0]) & set(points[:, 0])


def test_default_rules_follow_the_network():
    counts = [
        default_quadrature(sngd.box(x=(0, 1), y=(0, 1)), parameters / 2)[0].points_per_axis
        for parameters in (100, 1341, 5301, 10**6)
    ]
    assert counts == [16, 24, 40, 40]
