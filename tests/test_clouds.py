"""Regions that are known by points and normals alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd

RING = sngd.annulus(radii=(0.4, 1.0))
CORNER = sngd.polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])


def arrays(region, count, seed=0):
    """Points, boundary points, normals, and the name of the piece of each boundary point."""
    found = [piece.spread(count, seed) for piece in region.pieces]
    names = [piece.name for piece, each in zip(region.pieces, found, strict=True) for _ in each.weights]
    points, normals = (np.concatenate([getattr(each, name) for each in found]) for name in ("points", "normals"))
    return region.spread(count, seed).points, points, normals, names


POINTS, BOUNDARY, NORMALS, NAMES = arrays(RING, 2000)


def changed(array, row, value):
    """A copy with another row."""
    copy = array.copy()
    copy[row] = value
    return copy


def rows(array):
    return {tuple(row) for row in array.tolist()}


def test_points_are_those_that_were_given():
    region = sngd.cloud(POINTS, BOUNDARY, NORMALS, names=NAMES)
    fits, others = region.spread(10**6, 0), region.spread(10**6, 1)
    assert rows(fits.points) | rows(others.points) == rows(POINTS)
    assert not rows(fits.points) & rows(others.points)
    assert len(others.points) == round(len(POINTS) / 4)
    assert rows(region.spread(100, 4).points) <= rows(fits.points)
    assert len(region.spread(100, 1).points) == 100
    for piece in region.pieces:
        given = BOUNDARY[np.array(NAMES) == piece.name]
        ours, theirs = piece.spread(10**6, 2), piece.spread(10**6, 3)
        assert rows(ours.points) | rows(theirs.points) == rows(given)
        assert not rows(ours.points) & rows(theirs.points)
        assert np.allclose(np.abs(np.sum(ours.points * ours.normals, axis=1)), np.linalg.norm(ours.points, axis=1))


def test_thinned_points_are_spread_evenly():
    region = sngd.cloud(*arrays(sngd.box(x=(0, 1), y=(0, 1)) - sngd.disk(radius=0.1), 4000)[:3])
    found = region.spread(400).points
    counts = np.histogram2d(*found.T, bins=4, range=[[0, 1], [0, 1]])[0]
    assert np.max(np.abs(counts - 25)) <= 10


@pytest.mark.parametrize("region", [RING, sngd.ball() - sngd.ball(radius=0.4), CORNER])
def test_measures_are_estimated(region):
    points, boundary, normals, _ = arrays(region, 3000)
    cloud = sngd.cloud(points, boundary, normals)
    assert np.isclose(cloud.measure, region.measure, rtol=0.01)
    area = sum(np.sum(piece.spread(3000).weights) for piece in region.pieces)
    # Gauss rules along curves are denser at their ends.
    assert np.isclose(cloud.piece("boundary").measure, area, rtol=0.1)


def test_weights_are_kept():
    weights = np.linspace(1, 2, len(POINTS))
    region = sngd.cloud(POINTS, BOUNDARY, NORMALS, weights=weights, boundary_weights=np.ones(len(BOUNDARY)))
    assert region.measure == np.sum(weights)
    assert np.isclose(np.sum(region.spread(500).weights), np.sum(weights))
    assert np.isclose(np.sum(region.piece("boundary").spread(500).weights), len(BOUNDARY))


@pytest.mark.parametrize("region", [RING, CORNER])
def test_other_points_are_inside_by_the_nearest_boundary_point(region):
    cloud = sngd.cloud(*arrays(region, 4000)[:3])
    lower, upper = region.extent
    tested = lower - 0.1 + (upper - lower + 0.2) * np.random.default_rng(1).random((5000, 2))
    away = region.contains(tested, 0.02) == region.contains(tested, -0.02)
    assert np.array_equal(cloud.contains(tested)[away], region.contains(tested)[away])


BAD = (
    ({"points": POINTS[:4]}, "points holds 4 points; give at least 16"),
    ({"points": POINTS[:, 0]}, "points has the shape (2066,)"),
    ({"boundary": BOUNDARY[:, [0, 1, 1]]}, "give (m, 2), as the points have"),
    ({"points": changed(POINTS, 3, np.inf)}, "points is not finite in row 3"),
    ({"points": POINTS * 1j}, "points has the dtype complex128"),
    ({"normals": NORMALS[1:]}, "normals has 298 rows; give one for each of the 299 boundary points"),
    ({"normals": 2 * NORMALS}, "in row 0, of length 2; give unit normals"),
    ({"normals": changed(NORMALS, 5, 0)}, "normals holds [0.0, 0.0] in row 5, of length 0"),
    ({"normals": -NORMALS}, "normals point inwards in 299 of 299 rows"),
    ({"normals": changed(NORMALS, 9, -NORMALS[9])}, "inwards in 1 of 299 rows, for instance row 9"),
    ({"boundary": changed(BOUNDARY, 7, 30)}, "boundary holds [30.0, 30.0] in row 7, which is"),
    ({"points": changed(POINTS, 8, 9)}, "points holds [9.0, 9.0] in row 8, outside of the box around"),
    ({"points": POINTS * [1, 0]}, "points have the same coordinate 1 all"),
    ({"names": ["a"]}, "names holds 1 names; give one for each of the 299 boundary points"),
    ({"names": "outer"}, "give a text for each boundary point"),
    ({"name": 3}, "name is 3; it must be a text"),
    ({"weights": np.ones(3)}, "weights has the shape (3,); give one for each point, shape (2066,)"),
    ({"boundary_weights": -np.ones(len(BOUNDARY))}, "weights of the argument boundary_weights must be positive"),
    ({"axes": ("x",)}, "axes is ('x',); give 2 different names"),
)


@pytest.mark.parametrize(("change", "said"), BAD)
def test_clouds_that_are_no_regions_are_refused(change, said):
    given = {"points": POINTS, "boundary": BOUNDARY, "normals": NORMALS} | change
    with pytest.raises((TypeError, ValueError)) as caught:
        sngd.cloud(**given)
    assert said in str(caught.value)


SLOT = sngd.box(x=(0, 2), y=(0, 1)) - sngd.box(x=(0.5, 1.5), y=(0.48, 0.52))


def test_narrow_and_reentrant_parts_are_not_taken_for_normals_that_point_inwards():
    sngd.cloud(*arrays(SLOT, 200)[:3])
    points, boundary, normals, _ = arrays(SLOT, 1000)
    for row in range(0, len(normals), 23):
        with pytest.raises(ValueError, match=f"for instance row {row}, "):
            sngd.cloud(points, boundary, changed(normals, row, -normals[row]))


def test_a_problem_on_points():
    exact = lambda x: jnp.exp(x[0]) * jnp.sin(2 * x[1])
    region = sngd.cloud(POINTS, BOUNDARY, NORMALS, names=NAMES)
    conditions = [
        sngd.Interior(lambda u, x: sngd.laplacian(u)(x) + 3 * exact(x)),
        sngd.Boundary(
            lambda u, x, normal: sngd.directional(u, normal)(x) - jnp.dot(jax.grad(exact)(x), normal),
            on=region.piece("inner"),
        ),
        sngd.Dirichlet(exact, on=region.piece("outer")),
    ]
    solution = sngd.solve(sngd.Problem(region, conditions), tolerance=1e-9, key=jax.random.key(0))
    assert solution.result is sngd.Result.TOLERANCE_REACHED
    assert solution.relative_l2(exact) < 1e-9
