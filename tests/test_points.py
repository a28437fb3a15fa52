"""Points that a user brings: rules with one method, and arrays."""

import jax
import numpy as np
import pytest

import sngd
from sngd.linearize import with_points_for
from sngd.problem import with_other_points
from sngd.solver import Stopping

SQUARE = sngd.box(x=(0, 1), y=(0, 2))
EQUATION = sngd.Interior(lambda u, x: sngd.laplacian(u)(x) - 2)
WALLS = sngd.Dirichlet(lambda x: x[0] ** 2)


class Rule:
    """The midpoints of equal squares: all that a user has to write."""

    def __init__(self, count):
        self.count = count

    def rule(self, lower, upper):
        steps = (np.arange(self.count) + 0.5) / self.count
        unit = np.stack(np.meshgrid(*[steps] * len(lower), indexing="ij"), axis=-1).reshape(-1, len(lower))
        return lower + (upper - lower) * unit, np.full(len(unit), np.prod(upper - lower) / len(unit))


class Disk(Rule):
    """Points of a part of the box: those in a disk."""

    def rule(self, lower, upper):
        points, weights = super().rule(lower, upper)
        inside = np.linalg.norm(points - (lower + upper) / 2, axis=1) < 0.5
        return points[inside], weights[inside]


def both(change, problem):
    """The points of all conditions, of the problem and of the changed one."""
    other = with_other_points(problem, change)
    pairs = zip(problem.conditions, other.conditions, strict=True)
    return [(problem.collocation(mine), other.collocation(theirs)) for mine, theirs in pairs]


def staggered(points):
    return points.staggered()


def refined(points):
    return points.refined()


def distance(points, others):
    """Of each of the others to the next point."""
    return np.linalg.norm(points[:, None] - others[None], axis=-1).min(axis=0)


def test_a_user_rule_is_checked_at_as_many_other_points_and_refined_by_them():
    problem = sngd.Problem(SQUARE, [EQUATION, WALLS], quadrature=Rule(6))
    for points, others in both(staggered, problem):
        assert len(others.points) == len(points.points)
        assert np.mean(distance(points.points, others.points) > 1e-6) == 1
        np.testing.assert_allclose(others.weights.sum(), points.weights.sum())
    for points, finer in both(refined, problem):
        assert len(finer.points) == 2 * len(points.points)
        assert distance(finer.points, points.points).max() == 0
        np.testing.assert_allclose(finer.weights.sum(), points.weights.sum())
        assert finer.weights.min() > 0
    # The points that check a refined problem are none of its own.
    finer = with_other_points(problem, refined)
    assert all(np.all(distance(mine.points, other.points) > 1e-9) for mine, other in both(staggered, finer))


def test_a_rule_for_a_part_of_the_box_stays_in_it():
    problem = sngd.Problem(sngd.box(x=(0, 1), y=(0, 1)), EQUATION, quadrature=Disk(12))
    for change in (staggered, refined):
        ((points, others),) = both(change, problem)
        assert np.linalg.norm(others.points - 0.5, axis=1).max() < 0.5
        np.testing.assert_allclose(others.weights.sum(), points.weights.sum())


def test_arrays_are_for_the_interior_and_checked_between():
    rng = np.random.default_rng(0)
    points = rng.random((30, 2)) * [1, 2]
    weights = rng.random(30)
    problem = sngd.Problem(SQUARE, [EQUATION, WALLS], quadrature=(points, weights)).with_points(100)
    interior, walls = (problem.collocation(condition) for condition in problem.conditions)
    np.testing.assert_array_equal(interior.points, points)
    np.testing.assert_array_equal(interior.weights, weights)
    default = sngd.Problem(SQUARE, [WALLS]).with_points(100)
    np.testing.assert_array_equal(walls.points, default.collocation(WALLS).points)
    (_, others), _ = both(staggered, problem)
    # Each is half way between two of the points.
    middles = (points[:, None] + points[None]) / 2
    assert distance(middles[~np.eye(30, dtype=bool)], others.points).max() < 1e-15
    np.testing.assert_array_equal(others.weights, weights)
    (_, finer), _ = both(refined, problem)
    assert distance(finer.points, points).max() == 0
    assert len(finer.points) > 45
    np.testing.assert_allclose(finer.weights.sum(), weights.sum())


def test_a_single_point_stays_where_it_is():
    pin = sngd.Interior(lambda u, x: u(x) - 0.25, quadrature=([[0.5, 0.5]], [3.0]))
    for change in (staggered, refined):
        ((_, other),) = both(change, sngd.Problem(SQUARE, pin))
        np.testing.assert_array_equal(other.points, [[0.5, 0.5]])
        np.testing.assert_array_equal(other.weights, [3.0])


def test_arrays_on_faces_have_the_normals_of_their_faces():
    steps = np.linspace(0.1, 0.9, 5)
    right, top = np.stack([np.ones(5), 2 * steps], axis=1), np.stack([steps, np.full(5, 2.0)], axis=1)
    arrays = (np.concatenate([top, right]), np.arange(1.0, 11.0))
    own = sngd.Neumann(0.0, on="upper", quadrature=arrays)
    shared = sngd.Neumann(0.0, on=SQUARE.face("y", "upper"))
    problem = sngd.Problem(SQUARE, [own, shared], boundary_quadrature=arrays)
    found, of_problem = (problem.collocation(condition) for condition in problem.conditions)
    np.testing.assert_array_equal(found.points, np.concatenate([right, top]))
    np.testing.assert_array_equal(found.normals, [[1, 0]] * 5 + [[0, 1]] * 5)
    np.testing.assert_array_equal(found.weights, [6, 7, 8, 9, 10, 1, 2, 3, 4, 5])
    np.testing.assert_array_equal(of_problem.points, top)
    (_, others), _ = both(staggered, problem)
    np.testing.assert_array_equal(others.points[:5, 0], 1.0)
    np.testing.assert_array_equal(others.points[5:, 1], 2.0)
    assert np.all(distance(found.points, others.points) > 0.05)


def test_conditions_on_faces_without_a_point_are_named():
    arrays = (np.array([[0.0, 0.5]]), np.ones(1))
    problem = sngd.Problem(SQUARE, sngd.Dirichlet(0.0, on="upper"), boundary_quadrature=arrays)
    with pytest.raises(ValueError, match=r"boundary_quadrature has no point on the faces x = 1.0, y = 2.0"):
        problem.collocation(problem.conditions[0])


class InteriorOnly:
    def rule(self, lower, upper):
        return np.array([[lower[0], lower[1]]]), np.ones(1)


class ShapeOfTheInterior:
    def rule(self, lower, upper):
        return np.zeros((4, 2)), np.ones(4)


class Outside:
    def rule(self, lower, upper):
        return upper[None] + 1, np.ones(1)


@pytest.mark.parametrize("rule", [InteriorOnly(), ShapeOfTheInterior()])
def test_a_rule_that_fails_on_faces_asks_for_another_one_there(rule):
    problem = sngd.Problem(SQUARE, [EQUATION, WALLS], quadrature=rule)
    with pytest.raises(ValueError, match=r"on the face x = 0.0, a box of dimension 1.*boundary_quadrature"):
        sngd.solve(problem, "1x4", key=jax.random.key(0))
    fitting = sngd.Problem(SQUARE, [EQUATION, WALLS], quadrature=rule, boundary_quadrature=Rule(3))
    assert len(fitting.collocation(WALLS).points) == 12


def test_points_outside_of_the_box_are_refused():
    with pytest.raises(ValueError, match=r"gives the point \[2.0, 3.0\], which lies outside of the box"):
        sngd.solve(sngd.Problem(SQUARE, EQUATION, quadrature=Outside()), "1x4", key=jax.random.key(0))


def test_a_run_that_fits_its_points_only_goes_on_with_more():
    """With a rule of a user's for the equation, and arrays and data of NumPy on one of the ends."""
    line = sngd.interval(x=(0, 2))
    conditions = [
        sngd.Interior(lambda u, x: sngd.partial(u, "x", "x")(x), lambda x: float(x[0]) ** 2),
        sngd.Dirichlet(0.0, on="lower"),
        sngd.Dirichlet(lambda x: np.square(x[0]) / 3, on="upper", quadrature=([[2.0]], [1.0])),
    ]
    problem = sngd.Problem(line, conditions, exact=lambda x: x[0] ** 4 / 12, quadrature=Rule(2))
    stopping = Stopping(iterations=60, refinements=1, restarts=0)
    solution = sngd.solve(problem, "1x6", key=jax.random.key(0), stopping=stopping, error_every=100)
    assert solution.rows > 4
    assert 0 < solution.validation_loss < 0.1
    assert solution.relative_l2() < min(0.1, solution.error_estimate)
    assert solution.error_estimate < 10


def test_points_follow_the_network_and_are_few_without_one():
    problem = sngd.Problem(SQUARE, WALLS)
    counts = [len(with_points_for(problem, parameters).collocation(WALLS).points) for parameters in (100, 5301)]
    assert counts == [4 * 20, 4 * 44]
    assert len(problem.collocation(WALLS).points) == 4 * 20


def test_one_condition_needs_no_list():
    assert sngd.Problem(SQUARE, EQUATION).conditions == (EQUATION,)
