"""Solids inside of triangles, regions of the plane made of triangles, and the files that hold such."""

import contextlib
import functools
import importlib.util
import io
import itertools
import random
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import meshio
import numpy as np
import pytest
from scipy.spatial import Delaunay

import sngd
from benchmarks.reliability import MESH_FILES, mutated, outcome, read_surface, ring, spoiled_numbers

TORUS = ring(48, 24)
SOURCE = np.random.default_rng(0)


def icosphere(divisions):
    """A unit sphere of triangles: an icosahedron whose triangles are divided into four, again and again."""
    long = (1 + 5**0.5) / 2
    corners = [(i, j * long, 0) for i in (-1, 1) for j in (-1, 1)]
    vertices = np.array([np.roll(corner, shift) for shift in range(3) for corner in corners], dtype=float)
    distances = np.linalg.norm(vertices[:, None] - vertices, axis=2)
    near = np.isclose(distances, 2.0)
    found = [
        (i, j, k) for i in range(12) for j in range(i) for k in range(j) if near[i, j] and near[j, k] and near[i, k]
    ]
    triangles = np.array([t if np.linalg.det(vertices[list(t)]) > 0 else t[::-1] for t in found])
    vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
    for _ in range(divisions):
        corners = vertices[triangles]
        middles = (corners + np.roll(corners, -1, axis=1)) / 2
        middles /= np.linalg.norm(middles, axis=2, keepdims=True)
        parts = [np.stack([corners[:, at], middles[:, at], middles[:, at - 1]], axis=1) for at in range(3)]
        soup = np.concatenate([*parts, middles]).round(12)
        vertices, triangles = np.unique(soup.reshape(-1, 3), axis=0, return_inverse=True)
        triangles = triangles.reshape(-1, 3)
    return vertices, triangles


def plane():
    """A disk with a hole, by the triangles of Delaunay between its points."""
    region = sngd.annulus(radii=(0.4, 1.0))
    edges = [piece.spread(600).points for piece in region.pieces]
    points = np.concatenate([region.spread(300).points, *edges])
    triangles = Delaunay(points).simplices
    return points, triangles[region.contains(points[triangles].mean(axis=1), -1e-3)]


def changed(array, row, value):
    """A copy with another row."""
    copy = array.copy()
    copy[row] = value
    return copy


def refusal(*arguments, **options):
    with pytest.raises((TypeError, ValueError)) as caught:
        sngd.mesh(*arguments, **options)
    return str(caught.value)


def test_the_volume_and_the_area_are_those_of_the_surface():
    for divisions in (2, 3):
        vertices, triangles = icosphere(divisions)
        solid = sngd.mesh(vertices, triangles)
        a, b, c = np.moveaxis(vertices[triangles], 1, 0)
        assert np.isclose(solid.measure, np.sum(np.linalg.det(np.stack([a, b, c], axis=1))) / 6, rtol=1e-13)
        areas = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
        assert np.isclose(solid.piece("boundary").measure, np.sum(areas), rtol=1e-13)
        assert abs(solid.measure / (4 / 3 * np.pi) - 1) < 0.7 / 4**divisions
    shifted = sngd.mesh(vertices + np.array([1e3, -1e3, 10]), triangles)
    assert np.isclose(shifted.measure, solid.measure, rtol=1e-9)


def test_points_are_inside_where_the_exact_function_is_negative():
    solid = sngd.mesh(*TORUS)
    points = SOURCE.uniform(-1.6, 1.6, (20_000, 3)) * [1, 1, 0.4]
    level = np.hypot(np.hypot(points[:, 0], points[:, 1]) - 1, points[:, 2]) - 0.4
    for margin in (0.0, 0.07, -0.07):
        away = np.abs(level - margin) > 0.012
        assert np.array_equal(solid.contains(points, margin)[away], level[away] < margin)


def test_rays_through_vertices_and_edges_are_counted_once():
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
    squares = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    cube = sngd.mesh(corners, np.array([(a, b, c) for a, *rest in squares for b, c in itertools.pairwise(rest)]))
    assert np.isclose(cube.measure, 1)
    grid = np.stack(np.meshgrid(*[np.linspace(-0.25, 1.25, 13)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    inside, on = np.all((grid > 0) & (grid < 1), axis=1), np.any((grid == 0) | (grid == 1), axis=1)
    assert np.array_equal(cube.contains(grid)[~on], inside[~on])
    # The surface belongs to the region that is larger by a margin, and not to the one that is smaller.
    surface = on & np.all((grid >= 0) & (grid <= 1), axis=1)
    assert cube.contains(grid, 1e-9)[surface].all()
    assert not cube.contains(grid, -1e-9)[surface].any()


def test_points_of_the_boundary_lie_on_it_with_outward_normals():
    solid = sngd.mesh(*TORUS)
    piece = solid.piece("boundary")
    for seed in (0, 1):
        found = piece.spread(3000, seed)
        assert np.allclose(np.linalg.norm(found.normals, axis=1), 1, atol=1e-14)
        assert np.all(solid.contains(found.points - 1e-6 * found.normals))
        assert not np.any(solid.contains(found.points + 1e-6 * found.normals))
        # The divergence theorem: constants, and the volume.
        assert np.all(np.abs(found.weights @ found.normals) < 0.02 * piece.measure)
        volume = found.weights @ np.sum(found.points * found.normals, axis=1) / 3
        assert np.isclose(volume, solid.measure, rtol=5e-3)
    again = piece.nearest(found.points)
    assert np.max(np.abs(again.points - found.points)) < 1e-14
    shifted = piece.nearest(found.points + 1e-3 * found.normals)
    distances = np.linalg.norm(shifted.points - found.points - 1e-3 * found.normals, axis=1)
    assert np.all(distances <= 1e-3 * (1 + 1e-12))


def test_nearest_points_are_those_of_all_triangles():
    vertices, triangles = icosphere(1)
    piece = sngd.mesh(vertices, triangles).piece("boundary")
    points = SOURCE.uniform(-1.5, 1.5, (50, 3))
    weights = SOURCE.dirichlet(np.ones(3), 4000)
    dense = np.einsum("sk,mkd->msd", weights, vertices[triangles]).reshape(-1, 3)
    expected = [np.min(np.linalg.norm(dense - point, axis=1)) for point in points]
    found = np.linalg.norm(piece.nearest(points).points - points, axis=1)
    assert np.all(found <= np.array(expected) + 1e-12)
    assert np.all(found > np.array(expected) - 0.02)


def test_a_hundred_thousand_points_take_a_second():
    solid = sngd.mesh(*ring(72, 36))
    solid.spread(10)
    points = SOURCE.uniform(-1.4, 1.4, (100_000, 3))
    for act in (lambda: solid.contains(points), lambda: solid.spread(100_000)):
        start = time.process_time()
        act()
        # Twice the time, as other tests run at the same time.
        assert time.process_time() - start < 2.0
    assert len(solid.spread(100_000).weights) == 100_000


def test_triangles_of_groups_are_pieces():
    vertices, triangles = TORUS
    top = np.flatnonzero(vertices[triangles].mean(axis=1)[:, 2] > 0.2)
    solid = sngd.mesh(vertices, triangles, groups={"top": top}, name="rest", axes=("a", "b", "c"))
    assert [piece.name for piece in solid.pieces] == ["top", "rest"]
    assert solid.axes == ("a", "b", "c")
    assert np.all(solid.piece("top").spread(2000).points[:, 2] > 0.1)
    whole = sngd.mesh(*TORUS).piece("boundary").measure
    assert np.isclose(sum(piece.measure for piece in solid.pieces), whole, rtol=1e-12)
    for groups, said in (
        ({"top": [0, 99_999]}, "holds 99999"),
        ({"top": [0], "low": [0]}, r"groups\['low'\] holds triangle 0"),
        ({"top": [0.5]}, "give the numbers of its triangles"),
        (["top"], "give numbers of triangles by names"),
    ):
        with pytest.raises((TypeError, ValueError), match=said):
            sngd.mesh(vertices, triangles, groups=groups)


def test_parts_and_holes():
    vertices, triangles = icosphere(2)
    two = sngd.mesh(np.concatenate([vertices, vertices + 3]), np.concatenate([triangles, triangles + len(vertices)]))
    shell = sngd.mesh(
        np.concatenate([vertices, vertices / 2]), np.concatenate([triangles, triangles[:, ::-1] + len(vertices)])
    )
    one = sngd.mesh(vertices, triangles)
    assert np.isclose(two.measure, 2 * one.measure)
    assert np.isclose(shell.measure, 7 / 8 * one.measure)
    assert shell.contains(np.array([[0.0, 0, 0], [0.7, 0, 0], [1.2, 0, 0]])).tolist() == [False, True, False]
    cut = one - sngd.ball(radius=0.5, name="hole")
    assert np.isclose(cut.measure, one.measure - np.pi / 6, rtol=5e-3)
    assert {piece.name for piece in cut.pieces} == {"boundary", "hole"}


def test_a_region_of_the_plane():
    points, triangles = plane()
    turned = np.where(SOURCE.random(len(triangles))[:, None] < 0.5, triangles[:, ::-1], triangles)
    region = sngd.mesh(points, turned)
    a, b, c = np.moveaxis(points[triangles], 1, 0)
    areas = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    assert np.isclose(region.measure, np.sum(areas), rtol=1e-13)
    tested = SOURCE.uniform(-1.1, 1.1, (20_000, 2))
    radius = np.linalg.norm(tested, axis=1)
    away = (np.abs(radius - 1) > 0.01) & (np.abs(radius - 0.4) > 0.01)
    assert np.array_equal(region.contains(tested)[away], ((radius < 1) & (radius > 0.4))[away])
    hole = region.piece("boundary").where(lambda x: x[0] ** 2 + x[1] ** 2 < 0.5, "hole")
    found = hole.spread(2000)
    assert np.all(np.sum(found.points * found.normals, axis=1) < -0.39)
    assert np.isclose(hole.measure, 0.8 * np.pi, rtol=1e-2)
    assert "name a part" in refusal(points, triangles, groups={"hole": [0]})
    assert "overlap at the edge" in refusal(points, np.concatenate([triangles, triangles[:1]]))


BAD_ARRAYS = (
    (lambda v, t: ([1.0, 2.0], t), "vertices has the shape (2,)"),
    (lambda v, t: (v.astype(complex), t), "vertices has the dtype complex128; give an array of numbers"),
    (lambda v, t: ("torus", t), "vertices has the dtype <U5"),
    (lambda v, t: (changed(v, 7, np.nan), t), "vertices is not finite in row 7"),
    (lambda v, t: (v * 1e60, t), "coordinates are at most 1e+50"),
    (lambda v, t: (np.zeros_like(v), t), "they are not all the same"),
    (lambda v, t: (v, t[:, :2]), "triangles has the shape (2304, 2)"),
    (lambda v, t: (v, t.astype(float)), "triangles has the dtype float64; give an array of integers"),
    (lambda v, t: (v, t + 5), "and the vertices have the numbers 0 to 1151"),
    (lambda v, t: (v, t - 1), "triangles holds [-1, "),
    (
        lambda v, t: (v, np.concatenate([t, [[0, 1, 1]]])),
        "triangles have no area, 1 of 2,305, for instance that of row 2304",
    ),
    (lambda v, t: (v, t[1:]), "belongs to the triangle of row"),
    (lambda v, t: (v, np.concatenate([t, t[5:6]])), "triangles 5, 1156 and 2304 meet at the edge"),
    (lambda v, t: (v, t[:, ::-1]), "give triangles[:, ::-1]"),
    (lambda v, t: (v, changed(t, 9, t[9, ::-1])), "triangles are flipped, 1 of 2,304, for instance that of row 9"),
    (lambda v, t: (np.concatenate([v, v + 5]), np.concatenate([t, t[:, ::-1] + len(v)])), "turn inwards"),
    (
        lambda v, t: (np.concatenate([v, v + np.array([0.5, 0, 0.1])]), np.concatenate([t, t + len(v)])),
        "cross or cover each other",
    ),
)


@pytest.mark.parametrize(("change", "said"), BAD_ARRAYS)
def test_arrays_that_enclose_no_solid_are_refused(change, said):
    assert said in refusal(*change(*TORUS))


def test_two_bodies_of_which_one_turns_inwards_name_a_triangle_of_it():
    vertices, triangles = icosphere(1)
    inwards = triangles[:, ::-1] + len(vertices)
    message = refusal(np.concatenate([vertices, vertices / 2 + 3]), np.concatenate([triangles, inwards]))
    assert "turn inwards in a part of the surface, for instance that of row 80" in message


def written(folder, kind, vertices, triangles):
    ending, options = MESH_FILES[kind]
    path = folder / f"surface.{ending}"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        meshio.write(path, meshio.Mesh(vertices, [("triangle", triangles)]), **options)
    return path


@pytest.mark.parametrize("kind", MESH_FILES)
def test_files_hold_the_same_solid(kind, tmp_path):
    path = written(tmp_path, kind, *TORUS)
    found = sngd.read_mesh(path, name="skin", axes=("a", "b", "c"))
    assert np.isclose(found.measure, sngd.mesh(*TORUS).measure, rtol=1e-6)
    assert found.axes == ("a", "b", "c")
    assert [piece.name for piece in found.pieces] == ["skin"]


def test_files_of_tetrahedra_quadrilaterals_and_planes(tmp_path):
    points = np.concatenate([icosphere(1)[0], [[0.0, 0, 0]]])
    tetrahedra = Delaunay(points).simplices
    tetrahedra[::2] = tetrahedra[::2, [1, 0, 2, 3]]
    meshio.write(tmp_path / "ball.vtk", meshio.Mesh(points, [("tetra", tetrahedra)]))
    volumes = np.abs(np.linalg.det(points[tetrahedra][:, 1:] - points[tetrahedra][:, :1])) / 6
    assert np.isclose(sngd.read_mesh(tmp_path / "ball.vtk").measure, np.sum(volumes), rtol=1e-12)
    flat, triangles = plane()
    raised = np.concatenate([flat, np.full((len(flat), 1), 2.0)], axis=1)
    meshio.write(tmp_path / "plane.vtk", meshio.Mesh(raised, [("triangle", triangles)]))
    region = sngd.read_mesh(tmp_path / "plane.vtk")
    assert region.dimension == 2
    assert np.isclose(region.measure, sngd.mesh(flat, triangles).measure)
    square = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1/1 2/2 -2 -1\n"
    (tmp_path / "square.obj").write_text(square)
    assert np.isclose(sngd.read_mesh(tmp_path / "square.obj").measure, 1.0)


BAD_STL = {
    b"solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 warm\n": "line 4 holds 'warm', which is no number",
    b"solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0\n": "line 4 has 2 coordinates of a vertex; give three",
    b"solid a\nfacet normal 0 0 1\nvertex 0 0 1\n": "line 3 begins with 'vertex', not with 'outer'",
    b"solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 1\n": "ends in line 4 without 'endsolid', so it is cut off",
    b"solid a\nendsolid a\n": "holds no triangles",
    bytes(84): "holds no triangles",
    bytes(100): "and has 100 bytes, where a binary one with 0 triangles has 84",
    b"PK": "it does not begin with 'solid'",
    b"": "which is empty; give a file with a surface",
}


@pytest.mark.parametrize("content", BAD_STL)
def test_files_without_a_surface_are_refused(content, tmp_path):
    path = tmp_path / "surface.stl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"path .*surface\.stl'") as caught:
        sngd.read_mesh(path)
    assert BAD_STL[content] in str(caught.value)


def test_paths_that_are_no_meshes_are_refused(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"none\.stl', which does not exist"):
        sngd.read_mesh(tmp_path / "none.stl")
    with pytest.raises(TypeError, match="path is 3; give the path of a file"):
        sngd.read_mesh(3)
    with pytest.raises(ValueError, match="which is not a file"):
        sngd.read_mesh(tmp_path)
    (tmp_path / "solid.step").write_text("ISO-10303-21;")
    with pytest.raises(ValueError, match=r"give a file whose name ends in \.stl, \.obj, \.msh, \.ply, \.vtk or \.vtu"):
        sngd.read_mesh(tmp_path / "solid.step")
    # The file has no blocks on the disk.
    with (tmp_path / "large.stl").open("wb") as file:
        file.truncate(2**30)
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda path: pytest.fail("the file is read"))
    with pytest.raises(ValueError, match="a file of 1,073,741,824 bytes; at most 268,435,456 are read"):
        sngd.read_mesh(tmp_path / "large.stl")


def test_meshio_is_needed_for_some_files_alone(tmp_path, monkeypatch):
    paths = [written(tmp_path, kind, *TORUS) for kind in ("VTK", "STL")]
    monkeypatch.setitem(sys.modules, "meshio.vtk", None)
    with pytest.raises(
        ImportError, match=r'install it by pip install "sngd\[mesh\]", or give an STL, OBJ or Gmsh file'
    ):
        sngd.read_mesh(paths[0])
    assert sngd.read_mesh(paths[1]).measure > 0


@pytest.mark.parametrize("kind", MESH_FILES)
def test_damaged_files_are_read_or_refused(kind, tmp_path):
    path = written(tmp_path, kind, *ring(6, 4))
    content, source, refused = path.read_bytes(), random.Random(0), 0
    for at in range(30):
        damaged = (mutated, spoiled_numbers)[at % 2](content, source)
        said = outcome(functools.partial(read_surface, path), damaged)
        assert said in ("read", "refused")
        refused += said == "refused"
    assert refused > 20


def test_a_problem_in_a_solid_of_triangles():
    """The example of a solid from an STL file, with fewer triangles."""
    path = Path(__file__).parent.parent / "examples" / "regions" / "solid.py"
    spec = importlib.util.spec_from_file_location("solid", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    region = sngd.mesh(*example.ring(36, 18))
    solution = sngd.solve(example.problem(region), tolerance=1e-8, key=jax.random.key(0))
    assert solution.result is sngd.Result.TOLERANCE_REACHED
    assert solution.relative_l2(example.exact) < 1e-8


def test_a_normal_derivative_on_a_part_of_a_plane_mesh():
    exact = lambda x: jnp.exp(x[0]) * jnp.sin(2 * x[1])
    region = sngd.mesh(*plane())
    is_hole = lambda x: x[0] ** 2 + x[1] ** 2 < 0.5
    boundary = region.piece("boundary")
    conditions = [
        sngd.Interior(lambda u, x: sngd.laplacian(u)(x) + 3 * exact(x)),
        sngd.Boundary(
            lambda u, x, normal: sngd.directional(u, normal)(x) - jnp.dot(jax.grad(exact)(x), normal),
            on=boundary.where(is_hole, "hole"),
        ),
        sngd.Dirichlet(exact, on=boundary.where(lambda x: not is_hole(x), "outer")),
    ]
    solution = sngd.solve(sngd.Problem(region, conditions), tolerance=1e-9, key=jax.random.key(0))
    assert solution.relative_l2(exact) < 1e-9
