"""Regions, the pieces of their boundaries and the points on both, against formulas and exact integrals."""

import dataclasses
import itertools
import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sngd
from sngd.geometry import AbstractRegion
from sngd.problem import with_other_points

PLATE = sngd.box(x=(0, 2), y=(0, 1))
ELL = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]
CIRCLE = sngd.implicit(lambda x: x @ x - 1, x=(-1.5, 1.5), y=(-1.5, 1.5))
SPHERE = sngd.implicit(lambda x: jnp.sqrt(x @ x) - 1, x=(-1.5, 1.5), y=(-1.5, 1.5), z=(-1.5, 1.5))


def within(radius, center=(0, 0)):
    return lambda p: np.sum((p - np.array(center)) ** 2, axis=1) <= radius**2


def between(lower, upper):
    return lambda p: np.all((p >= lower) & (p <= upper), axis=1)


def in_ell(p):
    return between(0, 2)(p) & ~np.all(p > 1, axis=1)


def and_(*formulas):
    return lambda p: np.all([each(p) for each in formulas], axis=0)


def but(formula, other):
    return lambda p: formula(p) & ~other(p)


@dataclasses.dataclass
class Case:
    """A region with its formula, its measure and those of the pieces of its boundary, and the accuracies of both:
    of sums over points of the region, and over points of the boundary.
    """

    region: AbstractRegion
    formula: Callable
    measure: float
    pieces: dict[str, float]
    inside: float = 1e-12
    around: float = 1e-12


_ELLIPSE = 9.688448220547675
"""The circumference of the ellipse with the half axes 2 and 1: 8 E(3/4)."""

_BALLS = 4 * np.pi / 3

CASES = {
    "disk": Case(
        sngd.disk((0.5, -0.2), 0.7), within(0.7, (0.5, -0.2)), 0.49 * np.pi, {"boundary": 1.4 * np.pi}, around=1e-7
    ),
    "ellipse": Case(
        sngd.ellipse((0, 0), (2, 1), name="rim"), lambda p: within(1)(p / [2, 1]), 2 * np.pi, {"rim": _ELLIPSE}
    ),
    "ball": Case(sngd.ball(radius=2), within(2, (0, 0, 0)), 8 * _BALLS, {"boundary": 16 * np.pi}, around=0.03),
    "ellipsoid": Case(
        sngd.ellipsoid((0, 0, 1), (1, 1, 2)),
        lambda p: within(1, (0, 0, 0))((p - [0, 0, 1]) / [1, 1, 2]),
        2 * _BALLS,
        {"boundary": 2 * np.pi * (1 + 2 / math.sqrt(0.75) * math.asin(math.sqrt(0.75)))},
        around=0.03,
    ),
    "ring": Case(
        sngd.annulus((1, 0), (0.5, 1)),
        but(within(1, (1, 0)), within(0.5, (1, 0))),
        0.75 * np.pi,
        {"inner": np.pi, "outer": 2 * np.pi},
    ),
    "shell": Case(
        sngd.annulus((0, 0, 0), (0.5, 1), names=("core", "skin")),
        but(within(1, (0, 0, 0)), within(0.5, (0, 0, 0))),
        0.875 * _BALLS,
        {"core": np.pi, "skin": 4 * np.pi},
        around=0.01,
    ),
    "polygon": Case(sngd.polygon(ELL), in_ell, 3, {"boundary": 8}, inside=2e-3),
    "clockwise polygon": Case(
        sngd.polygon(ELL[::-1], names=["top", "upper notch", "lower notch", "right", "bottom", "left"]),
        in_ell,
        3,
        {"left": 2, "top": 1, "upper notch": 1, "lower notch": 1, "right": 1, "bottom": 2},
        inside=2e-3,
    ),
    "plate with a hole": Case(
        PLATE - sngd.disk((1, 0.5), 0.2, name="hole"),
        but(between(0, [2, 1]), within(0.2, (1, 0.5))),
        2 - 0.04 * np.pi,
        {"x lower": 1, "x upper": 1, "y lower": 2, "y upper": 2, "hole": 0.4 * np.pi},
        inside=2e-3,
    ),
    "hole that touches": Case(
        PLATE - sngd.disk((1, 0.2), 0.2, name="hole"),
        but(between(0, [2, 1]), within(0.2, (1, 0.2))),
        2 - 0.04 * np.pi,
        {"x lower": 1, "x upper": 1, "y lower": 2, "y upper": 2, "hole": 0.4 * np.pi},
        inside=2e-3,
        around=1e-3,
    ),
    "flush difference": Case(
        PLATE - sngd.box(x=(1, 2), y=(0.5, 1)),
        but(between(0, [2, 1]), between([1, 0.5], [2, 1])),
        1.5,
        # The edges of the notch are the lower faces of what was taken away.
        {"x lower": 1.5, "x upper": 0.5, "y lower": 3, "y upper": 1},
        inside=2e-3,
        around=1e-6,
    ),
    "flush union": Case(
        PLATE | sngd.box(x=(1, 3), y=(0, 1)),
        between(0, [3, 1]),
        3,
        {"x lower": 1, "x upper": 1, "y lower": 3, "y upper": 3},
        inside=2e-3,
        around=1e-6,
    ),
    "seam": Case(
        sngd.polygon([(0, 0), (1, 0), (0, 1)]) | sngd.polygon([(1, 1), (0, 1), (1, 0)]),
        between(0, 1),
        1,
        {"boundary": 4},
        inside=2e-3,
        around=1e-6,
    ),
    "quarter": Case(
        PLATE & sngd.disk(),
        and_(between(0, [2, 1]), within(1)),
        np.pi / 4,
        {"x lower": 1, "y lower": 1, "boundary": np.pi / 2},
        inside=2e-3,
        around=1e-5,
    ),
    "two holes": Case(
        PLATE - (sngd.disk((0.5, 0.5), 0.25) | sngd.disk((1.5, 0.5), 0.25)).named("holes"),
        but(between(0, [2, 1]), lambda p: within(0.25, (0.5, 0.5))(p) | within(0.25, (1.5, 0.5))(p)),
        2 - np.pi / 8,
        {"x lower": 1, "x upper": 1, "y lower": 2, "y upper": 2, "holes": np.pi},
        inside=2e-3,
        around=1e-6,
    ),
    "holes that overlap": Case(
        sngd.disk(radius=2, name="outer") - (sngd.disk((-0.5, 0), 1) | sngd.disk((0.5, 0), 1)),
        but(within(2), lambda p: within(1, (-0.5, 0))(p) | within(1, (0.5, 0))(p)),
        # The union of the holes: two circles less a lens of half angle pi / 3.
        4 * np.pi - 2 * np.pi + (2 * np.pi / 3 - math.sqrt(3) / 2),
        {"outer": 4 * np.pi, "boundary": 8 * np.pi / 3},
        inside=5e-3,
        around=1e-6,
    ),
    "island": Case(
        (sngd.disk(name="shore") - sngd.disk(radius=0.5, name="lake")) | sngd.disk(radius=0.25, name="island"),
        lambda p: but(within(1), within(0.5))(p) | within(0.25)(p),
        np.pi * (1 - 1 / 4 + 1 / 16),
        {"shore": 2 * np.pi, "lake": np.pi, "island": np.pi / 2},
        inside=5e-3,
        around=1e-6,
    ),
    "cube with a cavity": Case(
        sngd.box(x=(0, 1), y=(0, 1), z=(0, 1)) - sngd.ball((0.5, 0.5, 0.5), 0.25, name="cavity"),
        but(between(0, 1), within(0.25, (0.5, 0.5, 0.5))),
        1 - _BALLS / 64,
        {**{f"{axis} {side}": 1 for axis in "xyz" for side in ("lower", "upper")}, "cavity": np.pi / 4},
        inside=5e-3,
        around=0.02,
    ),
    "named": Case(
        (PLATE - sngd.disk((1, 0.5), 0.2)).named("wall"),
        but(between(0, [2, 1]), within(0.2, (1, 0.5))),
        2 - 0.04 * np.pi,
        {"wall": 6 + 0.4 * np.pi},
        inside=2e-3,
    ),
    "implicit": Case(CIRCLE, within(1), np.pi, {"boundary": 2 * np.pi}, inside=5e-3, around=0.03),
    "implicit in space": Case(SPHERE, within(1, (0, 0, 0)), _BALLS, {"boundary": 4 * np.pi}, inside=0.01, around=0.05),
    "cylinder": Case(
        sngd.extrude(sngd.disk(), z=(0, 2)),
        lambda p: within(1)(p[:, :2]) & (p[:, 2] >= 0) & (p[:, 2] <= 2),
        2 * np.pi,
        {"boundary": 4 * np.pi, "z lower": np.pi, "z upper": np.pi},
        inside=2e-3,
        around=1e-3,
    ),
    "prism": Case(
        sngd.extrude(sngd.polygon(ELL), z=(0, 1)),
        lambda p: in_ell(p[:, :2]) & (p[:, 2] >= 0) & (p[:, 2] <= 1),
        3,
        {"boundary": 8, "z lower": 3, "z upper": 3},
        inside=5e-3,
        around=5e-3,
    ),
    "disk in time": Case(
        sngd.space_time(sngd.disk(), t=(0, 2)),
        lambda p: within(1)(p[:, 1:]) & (p[:, 0] >= 0) & (p[:, 0] <= 2),
        2 * np.pi,
        {"boundary": 4 * np.pi},
        inside=2e-3,
    ),
    "bent": Case(
        sngd.box(x=(0, 1), y=(0, 1)).mapped(lambda p: (p[0], p[1] + p[0] ** 2)),
        lambda p: between(0, 1)(p - np.stack([0 * p[:, 0], p[:, 0] ** 2], axis=1)),
        1,
        # The length of a parabola.
        {
            "x lower": 1,
            "x upper": 1,
            "y lower": math.sqrt(5) / 2 + math.asinh(2) / 4,
            "y upper": math.sqrt(5) / 2 + math.asinh(2) / 4,
        },
        inside=2e-3,
    ),
    "growing disk": Case(
        sngd.space_time(sngd.disk(), t=(0, 1)).mapped(lambda p: (p[0], (1 + p[0]) * p[1], (1 + p[0]) * p[2])),
        lambda p: within(1)(p[:, 1:] / (1 + p[:, :1])) & (p[:, 0] >= 0) & (p[:, 0] <= 1),
        np.pi * 7 / 3,
        # A cone between the radii 1 and 2, of slope 1.
        {"boundary": 3 * np.pi * math.sqrt(2)},
        inside=5e-3,
    ),
    "regions": Case(
        sngd.regions(core=sngd.disk(radius=0.5), shell=sngd.annulus((0, 0), (0.5, 1))),
        within(1),
        np.pi,
        {"outer": 2 * np.pi},
        inside=5e-3,
    ),
    "layers": Case(
        sngd.layers("y", copper=(0, 1), steel=(1, 3), x=(0, 2)),
        between(0, [2, 3]),
        6,
        {"x lower": 3, "x upper": 3, "y lower": 2, "y upper": 2},
        inside=2e-3,
        around=1e-6,
    ),
}
EACH = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def total(case, value, count=2000, seed=0):
    """The sum of a function of points and normals over the boundary."""
    parts = [piece.spread(count, seed) for piece in case.region.boundary]
    return sum(part.weights @ value(part.points, part.normals) for part in parts)


@EACH
def test_points_are_inside_and_integrate_polynomials(case):
    found, other = case.region.spread(4096), case.region.spread(4096, 1)
    assert len(found.weights) == pytest.approx(4096, rel=0.2)
    assert np.all(case.formula(found.points))
    assert np.all(found.normals == 0)
    assert np.all(found.weights > 0)
    assert found.weights.sum() == pytest.approx(case.measure, rel=max(case.inside, 2e-3 if case.inside > 1e-9 else 0))
    assert case.region.measure == pytest.approx(case.measure, rel=case.inside)
    assert np.mean(np.any(found.points[:50] != other.points[:50], axis=1)) > 0.9
    # Moments by an integral over the boundary, of another set of points: div (x_i^2 e_i / 2) = x_i.
    if case.region.time_axis is None:
        for axis in range(case.region.dimension):
            moment = total(case, lambda p, n, axis=axis: p[:, axis] ** 2 / 2 * n[:, axis])
            size = case.measure * float(np.max(np.abs(case.region.extent)))
            assert found.weights @ found.points[:, axis] == pytest.approx(
                moment, abs=size * max(case.inside, case.around)
            )


@EACH
def test_membership_is_that_of_the_formula(case):
    lower, upper = case.region.extent
    points = np.random.default_rng(0).uniform(lower - 0.1, upper + 0.1, (4000, case.region.dimension))
    np.testing.assert_array_equal(case.region.contains(points), case.formula(points))
    # Enlarged, a region has the points it had, and made smaller it has no others.
    assert np.all(case.region.contains(points, 0.05) >= case.region.contains(points))
    assert np.all(case.region.contains(points, -0.05) <= case.region.contains(points))
    assert np.sum(case.region.contains(points, 0.05)) > np.sum(case.region.contains(points, -0.05))


@EACH
def test_pieces_have_their_measures_and_outward_unit_normals(case):
    step = 1e-6
    assert {piece.name for piece in case.region.boundary} == set(case.pieces)
    for name, measure in case.pieces.items():
        parts = [piece for piece in case.region.boundary if piece.name == name]
        assert sum(part.measure for part in parts) == pytest.approx(measure, rel=case.around), name
        for part in parts:
            found, other = part.spread(500), part.spread(500, 1)
            assert np.linalg.norm(found.normals, axis=1) == pytest.approx(1, abs=1e-12)
            assert np.all(found.weights > 0)
            assert np.mean(case.formula(found.points - step * found.normals)) > 0.98
            assert np.mean(case.formula(found.points + step * found.normals)) < 0.02
            assert np.all(np.linalg.norm(found.points[:3, None] - other.points[None], axis=2).min(axis=1) > 1e-9)


@EACH
def test_normals_close_around_the_region(case):
    size = total(case, lambda p, n: np.ones(len(p)))
    space = [case.region.index(axis) for axis in case.region.space_axes]
    if case.region.time_axis is None:
        assert total(case, lambda p, n: n) == pytest.approx(np.zeros(len(space)), abs=max(case.around, 1e-10) * size)
        volume = total(case, lambda p, n: np.sum(p * n, axis=1)) / len(space)
        assert volume == pytest.approx(case.measure, rel=max(case.around, 1e-6))
    else:
        assert total(case, lambda p, n: n)[space] == pytest.approx(0, abs=1e-9 * size)


@EACH
def test_validation_and_refinement_take_other_points(case):
    problem = sngd.Problem(case.region, [sngd.Interior(lambda u, x: u(x)), sngd.Dirichlet(0.0)])
    problem = problem.with_points(100)
    for change, ratio in ((lambda p: p.staggered(), 1.0), (lambda p: p.refined(), 1.5)):
        other = with_other_points(problem, change)
        for mine, theirs in zip(problem.conditions, other.conditions, strict=True):
            before, after = problem.collocation(mine), other.collocation(theirs)
            least = ratio ** ((case.region.dimension - 1) / case.region.dimension) if mine.faces(case.region) else ratio
            assert len(after.weights) > 0.85 * least * len(before.weights)
            if ratio > 1:
                continue
            distances = np.linalg.norm(before.points[:20, None] - after.points[None], axis=2).min(axis=1)
            assert np.mean(distances > 1e-9) > 0.7


def test_part_of_a_region_in_a_cell():
    region, cell = CASES["plate with a hole"].region, sngd.box(x=(0.5, 1), y=(0, 0.5))
    part = region.part(cell)
    found = part.spread(2000)
    area = 0.25 - 0.01 * np.pi
    assert found.weights.sum() == pytest.approx(area, rel=2e-2)
    assert np.all(cell.contains(found.points) & region.contains(found.points))
    lengths = {piece.name: piece.spread(2000).weights.sum() for piece in part.pieces}
    assert lengths["y lower"] == pytest.approx(0.5, rel=1e-9)
    assert lengths["hole"] == pytest.approx(0.1 * np.pi, rel=1e-6)
    assert sngd.box(x=(0, 1), y=(0, 1)).part(sngd.box(x=(2, 3), y=(0, 1))) is None
    far = CASES["disk"].region.piece("boundary").part(cell.part(sngd.box(x=(0.5, 0.6), y=(0, 0.1))))
    assert far is None or not len(far.spread(100).weights)


def test_part_of_a_region_in_time():
    region, cell = CASES["disk in time"].region, sngd.space_time(t=(0.5, 1), x=(-1, 1), y=(-1, 1))
    part = region.part(cell)
    assert part.spread(4000).weights.sum() == pytest.approx(np.pi / 2, rel=1e-2)
    (wall,) = part.pieces
    assert wall.spread(1000).weights.sum() == pytest.approx(np.pi, rel=1e-9)
    assert region.initial.part(cell) is None
    moved = region.initial.part(cell, start=0.5)
    assert np.all(moved.spread(100).points[:, 0] == 0.5)
    assert moved.spread(1000).weights.sum() == pytest.approx(np.pi, rel=0.03)


def test_faces_pieces_and_parts_of_them():
    plate = CASES["plate with a hole"].region
    assert plate.face("x", "lower").spread(100).points[:, 0].tolist() == [0.0] * len(
        plate.face("x", "lower").spread(100).weights
    )
    assert [face.name for face in plate.faces("y")] == ["y lower", "y upper"]
    assert [face.name for face in plate.faces()] == ["x lower", "x upper", "y lower", "y upper"]
    inlet = plate.face("x", "lower").where(lambda x: x[1] < 0.25, "inlet")
    assert inlet.name == "inlet"
    assert inlet.measure == pytest.approx(0.25, rel=1e-9)
    assert inlet.spread(200).points[:, 1].max() < 0.25
    right = sngd.disk().piece("boundary").where(lambda x: x[0] > 0)
    assert right.measure == pytest.approx(np.pi, rel=1e-9)
    assert sngd.box(x=(0, 1), y=(0, 2)).face("x", "upper").where(lambda x: x[1] > 1.5).measure == pytest.approx(0.5)
    # An edge of the notch has the name of the face of what was taken away.
    both = CASES["flush difference"].region.piece("x lower")
    assert sorted({round(x, 12) for x in both.spread(50).points[:, 0].tolist()}) == [0.0, 1.0]
    assert both.where(lambda x: x[0] > 0.5).measure == pytest.approx(0.5, rel=1e-6)


def test_edges_of_a_clockwise_polygon_keep_their_names():
    region = CASES["clockwise polygon"].region
    for name, axis, position in (("left", 0, 0), ("top", 1, 2), ("upper notch", 0, 1), ("lower notch", 1, 1)):
        assert np.all(region.piece(name).spread(50).points[:, axis] == position)


def test_a_single_point():
    point = PLATE.point(0.5, 0.25, name="pin")
    assert point.name == "pin"
    found = point.spread(100)
    assert (found.points.tolist(), found.normals.tolist(), found.weights.tolist()) == (
        [[0.5, 0.25]],
        [[0.0, 0.0]],
        [1.0],
    )
    assert sngd.disk().point(0.6, 0.8).spread(1).points.tolist() == [[0.6, 0.8]]


def on_unit_circle(angles, radius=1.0):
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


ANGLES = np.sort(np.random.default_rng(0).uniform(0, np.pi / 2, 30))
SPHERICAL = np.random.default_rng(1).normal(size=(27, 3))
SPHERICAL /= np.linalg.norm(SPHERICAL, axis=1, keepdims=True)
CURVED = {
    "disk": (sngd.disk(), on_unit_circle(ANGLES), lambda p: p),
    "ring": (sngd.annulus().named("boundary"), on_unit_circle(ANGLES, 0.5), lambda p: -2 * p),
    "quarter": (PLATE & sngd.disk(), on_unit_circle(ANGLES), lambda p: p),
    "hole": (sngd.box(x=(-2, 2), y=(-2, 2)) - sngd.disk(), on_unit_circle(ANGLES), lambda p: -p),
    "implicit": (CIRCLE, on_unit_circle(ANGLES), lambda p: p),
    "ellipse": (
        sngd.disk().mapped(lambda p: (2 * p[0], p[1])),
        on_unit_circle(ANGLES) * [2, 1],
        lambda p: (p / [4, 1]) / np.linalg.norm(p / [4, 1], axis=1, keepdims=True),
    ),
    "ball": (
        sngd.ball((1, 1, 1)),
        np.concatenate([[[1, 1, 2], [1, 1, 0], [0, 1, 1]], 1 + SPHERICAL]),
        lambda p: p - 1,
    ),
    "in time": (
        sngd.space_time(sngd.disk(), t=(0, 1)),
        np.column_stack([np.linspace(0, 1, 30), on_unit_circle(ANGLES)]),
        lambda p: p * [0, 1, 1],
    ),
    "cylinder": (
        sngd.extrude(sngd.disk(), z=(0, 1)),
        np.column_stack([on_unit_circle(ANGLES), np.linspace(0, 1, 30)]),
        lambda p: p * [1, 1, 0],
    ),
}


@pytest.mark.parametrize(("region", "points", "normals"), CURVED.values(), ids=CURVED.keys())
def test_arrays_of_points_on_curved_pieces(region, points, normals):
    """They have the normals of the piece, and the points between them are on the piece too."""
    weights = np.arange(1.0, 31.0)
    condition = sngd.Neumann(0.0, on=region.piece("boundary"), quadrature=(points, weights))
    problem = sngd.Problem(region, condition)
    found = problem.collocation(condition)
    np.testing.assert_array_equal(found.points, points)
    np.testing.assert_array_equal(found.weights, weights)
    np.testing.assert_allclose(found.normals, normals(points), atol=1e-9)
    for change in (lambda p: p.staggered(), lambda p: p.refined()):
        other = with_other_points(problem, change)
        moved = other.collocation(other.conditions[0])
        np.testing.assert_allclose(moved.normals, normals(moved.points), atol=1e-9)
        assert moved.weights.sum() == pytest.approx(weights.sum())
        assert np.all(region.piece("boundary").holds(moved.points, 1e-9))
        if len(moved.weights) == 30:
            assert np.mean(np.any(moved.points != points, axis=1)) > 0.9


def test_arrays_do_not_hold_what_was_cut_away():
    """The right edge of the plate is cut by a notch, here and in products and images of it."""
    notched = PLATE - sngd.box(x=(1, 2), y=(0.5, 1))
    kept, away = [2.0, 0.25], [2.0, 0.75]
    for region, add in (
        (notched, lambda p: p),
        (notched.named("x upper"), lambda p: p),
        (sngd.space_time(notched, t=(0, 1)), lambda p: [0.5, *p]),
        (sngd.extrude(notched, z=(0, 1)), lambda p: [*p, 0.5]),
        (notched.mapped(lambda p: (3 * p[0], p[1])), lambda p: [3 * p[0], p[1]]),
    ):
        make = lambda point, region=region: sngd.Problem(
            region, sngd.Dirichlet(0.0, on=region.piece("x upper"), quadrature=([point], [1.0]))
        )
        make(add(kept))
        with pytest.raises(ValueError, match="lies on none of the pieces 'x upper'"):
            make(add(away))


class Rule:
    """Points of a user's, for boxes."""

    def rule(self, lower, upper):
        steps = (np.arange(9) + 0.5) / 9
        unit = np.stack(np.meshgrid(*[steps] * len(lower), indexing="ij"), axis=-1).reshape(-1, len(lower))
        return lower + (upper - lower) * unit, np.full(len(unit), np.prod(upper - lower) / len(unit))


RULES = [sngd.GaussLegendre(20), sngd.Sobol(512), sngd.Midpoint(20), sngd.UniformRandom(512), sngd.Spread(400), Rule()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize(
    "name", ["disk", "ball", "plate with a hole", "clockwise polygon", "bent", "layers", "implicit"]
)
def test_rules_on_regions_and_pieces(rule, name):
    case = CASES[name]
    problem = sngd.Problem(case.region, [sngd.Interior(lambda u, x: u(x))], quadrature=rule)
    # Points of a box that are not in the region are left out: the sum of the weights is rough.
    assert sum(problem.collocation(each).weights.sum() for each in problem.conditions) == pytest.approx(
        case.measure, rel=0.15
    )
    walls = sngd.Neumann(0.0)
    if name == "implicit" and not isinstance(rule, sngd.Spread):
        with pytest.raises(ValueError, match=r"is one for boxes, and the piece 'boundary' is no image of a box; give"):
            sngd.Problem(case.region, walls, quadrature=rule).collocation(walls)
        return
    problem = sngd.Problem(case.region, walls, quadrature=rule)
    for change in (lambda p: p, lambda p: p.staggered(), lambda p: p.refined()):
        other = with_other_points(problem, change)
        found = [other.collocation(each) for each in other.conditions]
        assert sum(each.weights.sum() for each in found) == pytest.approx(sum(case.pieces.values()), rel=0.05)
        assert np.concatenate([each.normals for each in found]) @ np.ones(case.region.dimension) == pytest.approx(
            np.concatenate([_true_normals(name, each.points) for each in found]) @ np.ones(case.region.dimension),
            abs=1e-6,
        )


def _true_normals(name, points):
    """By the steepest descent of membership: the direction from the nearest of many points of the boundary."""
    region, step = CASES[name].region, 1e-6
    every = [piece.nearest(points) for piece in region.boundary]
    distances = np.stack([np.linalg.norm(each.points - points, axis=1) for each in every])
    chosen = np.stack([each.normals for each in every])[np.argmin(distances, axis=0), np.arange(len(points))]
    assert np.mean(region.contains(points - step * chosen) & ~region.contains(points + step * chosen)) > 0.95
    return chosen


def shapes():
    """Shapes of random places and sizes, with their formulas."""
    numbers, sizes = st.floats(-1, 1), st.floats(0.5, 1)
    round_ = st.builds(
        lambda x, y, a, b: (sngd.ellipse((x, y), (a, b)), _in_ellipse(x, y, a, b)), numbers, numbers, sizes, sizes
    )
    square = st.builds(
        lambda x, y, a, b: (sngd.box(x=(x - a, x + a), y=(y - b, y + b)), between([x - a, y - b], [x + a, y + b])),
        numbers, numbers, sizes, sizes,
    )  # fmt: skip
    diamond = st.builds(
        lambda x, y, a: (
            sngd.polygon([(x - a, y), (x, y - a), (x + a, y), (x, y + a)]),
            lambda p: np.sum(np.abs(p - [x, y]), axis=1) <= a,
        ),
        numbers, numbers, sizes,
    )  # fmt: skip
    return st.one_of(round_, square, diamond)


def _in_ellipse(x, y, a, b):
    return lambda p: within(1)((p - [x, y]) / [a, b])


def combined(children):
    """A union, an intersection or a difference; the first of both where the combination is empty."""

    def combine(one, other, operation):
        (region, formula), (second, condition) = one, other
        try:
            match operation:
                case "|":
                    return region | second, lambda p: formula(p) | condition(p)
                case "&":
                    return region & second, lambda p: formula(p) & condition(p)
                case _:
                    return region - second, lambda p: formula(p) & ~condition(p)
        except ValueError as error:
            if "is empty" not in str(error):
                raise
            return one

    return st.builds(combine, children, children, st.sampled_from("|&-"))


@given(tree=st.recursive(shapes(), combined, max_leaves=5))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_random_trees_of_regions(tree):
    """Membership is the Boolean algebra of the formulas, and the boundary closes around the region.

    Pieces that are shorter than a four-hundredth of the curve that they are a part of may be missed.
    """
    region, formula = tree
    points = np.random.default_rng(0).uniform(-2, 2, (20000, 2))
    inside = formula(points)
    np.testing.assert_array_equal(region.contains(points), inside)
    parts = [piece.spread(1000) for piece in region.boundary]
    assert sum(each.weights @ each.normals for each in parts) == pytest.approx(np.zeros(2), abs=0.05)
    area = sum(each.weights @ np.sum(each.points * each.normals, axis=1) for each in parts) / 2
    assert area == pytest.approx(16 * np.mean(inside), abs=0.25)
    assert region.measure == pytest.approx(area, abs=0.1)


def test_boundaries_are_whole_whatever_is_subtracted():
    """A frame: what is subtracted is itself a combination, nested three times."""
    square = lambda half: sngd.box(x=(-half, half), y=(-half, half))
    region = square(4) - (square(3) - (square(2) - square(1)))
    lengths = [piece.measure for piece in region.boundary]
    assert sum(lengths) == pytest.approx(8 * (4 + 3 + 2 + 1), rel=1e-6)
    assert region.measure == pytest.approx(64 - 36 + 16 - 4, rel=2e-3)
    flipped = [piece.flipped().spread(100) for piece in region.boundary]
    for piece, other in zip(region.boundary, flipped, strict=True):
        np.testing.assert_array_equal(piece.spread(100).points, other.points)
        np.testing.assert_array_equal(piece.spread(100).normals, -other.normals)


def test_regions_of_a_domain():
    domain = CASES["regions"].region
    assert domain.region("core").measure == pytest.approx(np.pi / 4)
    (piece,) = domain.interface("core", "shell")
    found = piece.spread(500)
    np.testing.assert_allclose(found.normals, 2 * found.points, atol=1e-12)
    (back,) = domain.interface("shell", "core")
    np.testing.assert_allclose(back.spread(500).normals, -2 * back.spread(500).points, atol=1e-12)
    assert piece.measure == pytest.approx(np.pi)
    slab = CASES["layers"].region
    assert slab.axes == ("x", "y")
    (seam,) = slab.interface("copper", "steel")
    assert np.all(seam.spread(100).points[:, 1] == 1)
    np.testing.assert_array_equal(seam.spread(100).normals, np.tile([0.0, 1.0], (len(seam.spread(100).weights), 1)))
    in_time = sngd.space_time(slab, t=(0, 1))
    assert in_time.axes == ("t", "x", "y")
    assert list(in_time.named_regions) == ["copper", "steel"]
    (wall,) = in_time.interface("copper", "steel")
    assert wall.measure == pytest.approx(2, rel=1e-6)
    assert in_time.initial_of("steel").spread(100).weights.sum() == pytest.approx(4, rel=1e-6)
    evolving = sngd.layers("x", warm=(0, 1), cold=(1, 2), t=(0, 3))
    assert (evolving.axes, evolving.time_axis) == (("t", "x"), "t")


def test_images_of_images_and_products_of_differences():
    """Maps and products of what is cut keep the cuts."""
    notched = PLATE - sngd.box(x=(1, 2), y=(0.5, 1))
    turned = notched.mapped(lambda p: (-p[1], p[0])).mapped(lambda p: (2 * p[0], 2 * p[1]))
    assert turned.measure == pytest.approx(6, rel=2e-3)
    assert sum(piece.measure for piece in turned.boundary) == pytest.approx(12, rel=1e-6)
    assert sum(p.spread(500).weights @ p.spread(500).normals for p in turned.boundary) == pytest.approx(0, abs=1e-6)
    solid = sngd.extrude(notched, z=(0, 2))
    assert sum(piece.measure for piece in solid.boundary) == pytest.approx(2 * 1.5 + 2 * 6, rel=1e-2)
    drilled = solid - sngd.extrude(sngd.disk((0.5, 0.5), 0.25, name="hole"), z=(-1, 3))
    assert drilled.measure == pytest.approx(3 - np.pi / 8, rel=5e-3)
    assert drilled.piece("hole").measure == pytest.approx(np.pi, rel=0.05)
    assert drilled.piece("z upper").measure == pytest.approx(1.5 - np.pi / 16, rel=0.02)
    for one, other in itertools.combinations(drilled.boundary, 2):
        assert one.name != other.name or "x" in one.name or "y" in one.name
