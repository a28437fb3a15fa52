"""Problems on regions, solved and compared with their exact solutions."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.cli import main
from sngd.linearize import make_objective
from sngd.solver import Checkpoints, Result, Stopping

KEY = jax.random.key(0)
PLATE = sngd.box(x=(0, 2), y=(0, 1))
HOLED = PLATE - sngd.disk((1, 0.5), 0.2, name="hole")
ELL = sngd.polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])


def features(domain, count=80, width=2.0):
    return sngd.Features((width,) * domain.dimension, count)


def wave(x):
    """Harmonic in the plane, and in space with a linear function of the last axis."""
    return jnp.exp(x[0]) * jnp.sin(x[1]) + (x[2] if len(x) == 3 else 0)


def laplace(domain, walls=None, exact=wave, **options):
    conditions = [sngd.Interior(lambda u, x: sngd.laplacian(u)(x)), *(walls or [sngd.Dirichlet(exact)])]
    return sngd.Problem(domain, conditions, exact=exact, **options)


def heat(domain):
    """Cooling along both axes of space."""
    exact = lambda x: jnp.exp(-x[0] / 2) * jnp.sin((x[1] + x[2]) / 2)

    def equation(u, x):
        return sngd.partial(u, "t")(x) - sngd.partial(u, "x", "x")(x) - sngd.partial(u, "y", "y")(x)

    conditions = [sngd.Interior(equation), sngd.Initial(exact), sngd.Dirichlet(exact)]
    return sngd.Problem(domain, conditions, exact=exact)


HARMONIC = {
    "disk": (sngd.disk(), 80, 1e-6),
    "ellipse": (sngd.ellipse((0, 0), (1, 0.5)), 80, 1e-6),
    "ring": (sngd.annulus(), 80, 1e-6),
    "polygon": (ELL, 80, 1e-4),
    "hole": (HOLED, 80, 1e-4),
    "holes": (PLATE - (sngd.disk((0.5, 0.5), 0.25) | sngd.disk((0.9, 0.5), 0.25)), 80, 1e-4),
    "flush": (PLATE - sngd.box(x=(1, 2), y=(0.5, 1)), 80, 1e-4),
    "union": (PLATE | sngd.disk((2, 0.5), 0.5), 80, 1e-4),
    "part of a disk": (sngd.disk() & sngd.box(x=(0, 2), y=(0, 2)), 80, 1e-5),
    "implicit": (sngd.implicit(lambda x: x @ x - 1, x=(-1.2, 1.2), y=(-1.2, 1.2)), 80, 1e-5),
    "bent": (sngd.box(x=(0, 1), y=(0, 1)).mapped(lambda p: (p[0], p[1] + p[0] ** 2)), 80, 1e-5),
    "ball": (sngd.ball(), 150, 1e-3),
    "ellipsoid": (sngd.ellipsoid((0, 0, 0), (1, 0.5, 0.5)), 150, 1e-3),
    "cylinder": (sngd.extrude(sngd.disk(), z=(0, 1)), 150, 1e-3),
}


@pytest.mark.parametrize(("domain", "count", "tolerance"), HARMONIC.values(), ids=HARMONIC.keys())
def test_laplace_on_each_kind_of_region(domain, count, tolerance):
    solution = sngd.solve(laplace(domain), features(domain, count), key=KEY)
    assert solution.relative_l2() < tolerance
    # The estimate is not much smaller than the error.
    assert solution.relative_l2() < 3 * solution.error_estimate


DISK_IN_TIME = sngd.space_time(sngd.disk(), t=(0, 1))
EVOLUTIONS = {
    "disk": DISK_IN_TIME,
    "growing disk": DISK_IN_TIME.mapped(lambda p: (p[0], (1 + p[0] / 2) * p[1], (1 + p[0] / 2) * p[2])),
    "plate with a hole": sngd.space_time(HOLED, t=(0, 1)),
}


@pytest.mark.parametrize("domain", EVOLUTIONS.values(), ids=EVOLUTIONS.keys())
def test_heat_on_regions(domain):
    solution = sngd.solve(heat(domain), features(domain, 150, 1.5), key=KEY)
    assert solution.relative_l2() < 1e-3
    at_start = domain.initial.spread(50).points
    assert np.all(at_start[:, 0] == 0)
    assert solution(at_start) == pytest.approx(np.sin((at_start[:, 1] + at_start[:, 2]) / 2), abs=1e-3)


def test_normal_derivatives_on_curves():
    """Neumann and Robin conditions on a ring, whose normals point out of it on both circles."""
    ring = sngd.annulus((0, 0), (0.5, 1))
    slope = jax.grad(wave)
    inner, outer = ring.piece("inner"), ring.piece("outer")
    walls = [
        sngd.Neumann(lambda x: -slope(x) @ x / 0.5, on=inner),
        sngd.Robin(2.0, lambda x: 2 * wave(x) + slope(x) @ x, on=outer),
    ]
    assert sngd.solve(laplace(ring, walls), features(ring), key=KEY).relative_l2() < 1e-5


def test_different_conditions_on_parts_of_a_piece():
    disk = sngd.disk()
    rim = disk.piece("boundary")
    walls = [
        sngd.Dirichlet(wave, on=rim.where(lambda x: x[0] > 0)),
        sngd.Neumann(lambda x: jax.grad(wave)(x) @ x, on=rim.where(lambda x: x[0] <= 0)),
    ]
    assert sngd.solve(laplace(disk, walls), features(disk), key=KEY).relative_l2() < 1e-5


def test_a_hole_in_a_periodic_channel():
    exact = lambda x: jnp.sin(jnp.pi * x[0]) * jnp.exp(x[1])
    equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x), lambda x: (1 - jnp.pi**2) * exact(x))
    walls = [sngd.Dirichlet(exact, on=HOLED.faces("y")), sngd.Dirichlet(exact, on=HOLED.piece("hole"))]
    problem = sngd.Problem(HOLED, [equation, *walls, sngd.Periodic("x")], exact=exact)
    assert sngd.solve(problem, features(HOLED, 120), key=KEY).relative_l2() < 1e-6


def test_a_system_on_a_region():
    """Stokes' equations around a hole: a stream of no divergence with a linear pressure."""

    def equation(u, v, p, x):
        forces = [sngd.laplacian(u)(x) - sngd.partial(p, "x")(x), sngd.laplacian(v)(x) - sngd.partial(p, "y")(x)]
        return [*forces, sngd.partial(u, "x")(x) + sngd.partial(v, "y")(x)]

    exact = lambda x: jnp.stack([x[1] ** 2 - x[1], 0 * x[0], 2 * x[0]])
    velocity = lambda x: exact(x)[:2]
    conditions = [
        sngd.Interior(equation),
        sngd.Dirichlet(velocity, of=("u", "v")),
        sngd.Dirichlet(0.0, on=HOLED.point(0.0, 0.0), of="p"),
    ]
    problem = sngd.Problem(HOLED, conditions, unknowns=["u", "v", "p"], exact=exact)
    solution = sngd.solve(problem, features(HOLED, 120), key=KEY)
    assert solution.relative_l2() < 1e-5
    assert solution["p"]([[0.0, 0.0]]) == pytest.approx([0.0], abs=1e-5)


def test_an_integral_or_a_point_fixes_a_constant():
    """The source 4 and the slope 2 at the rim leave a constant open."""
    disk = sngd.disk()
    source, slope = sngd.Interior(lambda u, x: sngd.laplacian(u)(x), 4.0), sngd.Neumann(2.0)
    for last in (
        sngd.Integral(lambda u, x: u(x)),
        sngd.Integral(lambda u, x, normal: (normal @ normal) * u(x), np.pi, over=disk.piece("boundary")),
        sngd.Dirichlet(-0.5, on=disk.point(0.0, 0.0)),
    ):
        problem = sngd.Problem(disk, [source, slope, last], exact=lambda x: x @ x - 0.5)
        assert sngd.solve(problem, features(disk, 60), key=KEY).relative_l2() < 1e-5, last


def test_an_unknown_constant_on_a_piece():
    """The value on the inner circle of a ring is found from the flux through it."""
    ring = sngd.annulus((0, 0), (0.5, 1))
    inner = ring.piece("inner")
    conditions = [
        sngd.Interior(lambda u, x: sngd.laplacian(u)(x)),
        sngd.Dirichlet(0.0, on=ring.piece("outer")),
        sngd.Boundary(lambda u, x, c: u(x) - c, on=inner),
        sngd.Integral(lambda u, x, normal: sngd.directional(u, normal)(x), -2 * np.pi, over=inner),
    ]
    problem = sngd.Problem(
        ring, conditions, unknowns=["u", sngd.Constant("c", 0.0)], exact=lambda x: jnp.log(x @ x) / 2
    )
    solution = sngd.solve(problem, features(ring, 160, 3.0), key=KEY)
    assert solution.constants["c"].value == pytest.approx(np.log(0.5), abs=1e-3)
    assert solution.relative_l2() < 1e-3


def test_readings_in_a_region():
    """The source is found from readings inside of the disk."""
    disk = sngd.disk()
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (6, 2))
    readings = sngd.Data(points, np.sum(points**2, axis=1), noise=0.0)
    equation = sngd.Interior(lambda u, x, f: sngd.laplacian(u)(x) - f)
    problem = sngd.Problem(disk, [equation, sngd.Dirichlet(1.0), readings], unknowns=["u", sngd.Constant("f")])
    assert sngd.solve(problem, features(disk), key=KEY).constants["f"].value == pytest.approx(4, abs=1e-4)
    outside = sngd.Data([[2.0, 0.0]], [0.0])
    with pytest.raises(ValueError, match="outside"):
        sngd.solve(sngd.Problem(disk, [equation, outside], unknowns=["u", sngd.Constant("f")]), key=KEY)


def test_equations_on_parts_of_a_region():
    """A source in a part of a line: u'' = 2 on the right half, and 0 on the left one."""
    line = sngd.box(x=(-1, 1))
    exact = lambda x: jnp.where(x[0] > 0, x[0] ** 2, 0.0)
    halves = sngd.regions(left=sngd.box(x=(-1, 0)), right=sngd.box(x=(0, 1)))
    curvature = lambda u, x: sngd.laplacian(u)(x)
    conditions = [
        sngd.Interior(curvature, on="left"),
        sngd.Interior(curvature, 2.0, on="right"),
        sngd.Interface("left", "right", flux=lambda u, v, x, n: sngd.directional(u, n)(x) - sngd.directional(v, n)(x)),
        sngd.Dirichlet(exact),
    ]
    solution = sngd.solve(sngd.Problem(halves, conditions, exact=exact), features(line, 12, 1.0), key=KEY)
    assert solution.relative_l2() < 1e-6
    smooth = sngd.Problem(line, [sngd.Interior(curvature, 2.0, on=sngd.box(x=(0, 1))), sngd.Dirichlet(1.0)])
    found = sngd.solve(dataclasses.replace(smooth, exact=lambda x: x[0] ** 2), features(line, 12, 1.0), key=KEY)
    assert found.relative_l2(on=sngd.box(x=(0, 1))) < 1e-6


DISKS = sngd.regions(core=sngd.disk(radius=0.5), shell=sngd.annulus((0, 0), (0.5, 1)))


def of_two_materials(x):
    """r^2 inside, where the material conducts four times as well as outside."""
    square = x @ x
    # Outside a + b log(r) + r^2: the flux at r = 1/2 is 4 there, and the values match.
    return jnp.where(square < 0.25, square, 1.5 * (jnp.log(square) / 2 - jnp.log(0.5)) + square)


def flux(u, v, x, n):
    return 4 * sngd.directional(u, n)(x) - sngd.directional(v, n)(x)


def two_materials(**options):
    conditions = [
        sngd.Interior(lambda u, x: sngd.laplacian(u)(x), 4.0),
        sngd.Interface("core", "shell", flux=flux),
        sngd.Dirichlet(of_two_materials),
    ]
    return sngd.Problem(DISKS, conditions, exact=of_two_materials, **options)


@pytest.fixture(scope="module")
def layered():
    return sngd.solve(two_materials(), features(DISKS, 150, 3.0), key=KEY)


def test_two_materials(layered, tmp_path):
    assert layered.relative_l2() < 1e-3
    assert layered.relative_l2(on="core") < 1e-3
    assert layered.relative_l2(on="shell") < 1e-3
    points = np.random.default_rng(0).uniform(-0.7, 0.7, (200, 2))
    exact = np.array([of_two_materials(point) for point in points])
    assert layered(points) == pytest.approx(exact, abs=1e-3)
    assert layered["u"](points) == pytest.approx(layered(points), abs=1e-15)
    inside = np.sum(points**2, axis=1) < 0.25
    assert layered["u_core"](points[inside]) == pytest.approx(layered(points[inside]), abs=1e-15)
    assert layered["u_shell"](points[~inside]) == pytest.approx(layered(points[~inside]), abs=1e-15)
    sngd.save(layered, tmp_path / "layered.npz")
    loaded = sngd.load(tmp_path / "layered.npz", two_materials())
    np.testing.assert_array_equal(loaded(points), layered(points))


def test_derivatives_are_those_of_the_region(layered):
    points = DISKS.region("core").spread(40).points
    assert sngd.partial(layered, "x")(points) == pytest.approx(2 * points[:, 0], abs=0.02)
    outside = DISKS.region("shell").spread(100).points
    square = np.sum(outside**2, axis=1)
    slope = outside[:, 0] * (1.5 / square + 2)
    assert sngd.partial(layered, "x")(outside) == pytest.approx(slope, abs=0.05)
    assert sngd.laplacian(layered)(points) == pytest.approx(4, abs=0.2)


def test_a_jump_at_an_interface():
    slab = sngd.layers("x", left=(0, 1), right=(1, 3))
    conditions = [
        sngd.Interior(lambda u, x: sngd.laplacian(u)(x)),
        sngd.Interface("left", "right", jump=2.0, flux=lambda u, v, x, n: sngd.directional(u, n)(x) - 1.0),
        sngd.Dirichlet(lambda x: x[0]),
    ]
    problem = sngd.Problem(slab, conditions, exact=lambda x: jnp.where(x[0] <= 1, x[0], (x[0] - 1) * 2 - 1))
    solution = sngd.solve(problem, sngd.Features((1.0,), 10), key=KEY)
    assert solution([[1.0 - 1e-9], [1.0 + 1e-9], [3.0]]) == pytest.approx([1.0, -1.0, 3.0], abs=1e-6)
    assert solution.relative_l2() < 1e-6


def test_different_unknowns_in_two_regions():
    """A heat flow on the left drives a reaction of two functions on the right."""
    slab = sngd.layers("x", rod=(0, 1), tank=(1, 2))
    second = lambda f: lambda x: sngd.partial(f, "x", "x")(x)
    conditions = [
        sngd.Interior(lambda u, x: second(u)(x), on="rod"),
        sngd.Interior(lambda v, w, x: [second(v)(x), sngd.partial(w, "x")(x) - v(x)], on="tank"),
        sngd.Dirichlet(0.0, on=slab.piece("x lower")),
        sngd.Dirichlet(2.0, on=slab.piece("x upper"), of="v"),
        sngd.Interface(
            "rod",
            "tank",
            jump=None,
            flux=lambda u, v, x, n: [
                u(x) - v.named("v")(x),
                sngd.directional(u, n)(x) - sngd.directional(v.named("v"), n)(x),
                v.named("w")(x) - 0.5,
            ],
        ),
    ]
    unknowns = [sngd.Unknown("u", on="rod"), sngd.Unknown("v", on="tank"), sngd.Unknown("w", on="tank")]
    solution = sngd.solve(sngd.Problem(slab, conditions, unknowns=unknowns), sngd.Features((1.0,), 12), key=KEY)
    points = np.array([[1.25], [1.75]])
    assert solution["u"](points - 1) == pytest.approx(points[:, 0] - 1, abs=1e-6)
    assert solution["v"](points) == pytest.approx(points[:, 0], abs=1e-6)
    assert solution["w"](points) == pytest.approx(points[:, 0] ** 2 / 2, abs=1e-6)


def test_complex_waves_in_layers():
    """Helmholtz' equation through an interface, against the coefficients of reflection and transmission."""
    slab, one, two = sngd.layers("x", air=(-1, 0), glass=(0, 1)), 2.0, 3.0
    reflected, passed = (one - two) / (one + two), 2 * one / (one + two)
    incoming = lambda x: jnp.exp(1j * one * x[0]) + reflected * jnp.exp(-1j * one * x[0])
    exact = lambda x: jnp.where(x[0] < 0, incoming(x), passed * jnp.exp(1j * two * x[0]))
    helmholtz = lambda k: lambda u, x: sngd.partial(u, "x", "x")(x) + k**2 * u(x)
    conditions = [
        sngd.Interior(helmholtz(one), on="air"),
        sngd.Interior(helmholtz(two), on="glass"),
        sngd.Interface("air", "glass", flux=lambda u, v, x, n: sngd.directional(u, n)(x) - sngd.directional(v, n)(x)),
        sngd.Dirichlet(lambda x: incoming(x), on=slab.piece("x lower")),
        sngd.Boundary(lambda u, x, normal: sngd.directional(u, normal)(x) - 1j * two * u(x), on=slab.piece("x upper")),
    ]
    problem = sngd.Problem(slab, conditions, unknowns=[sngd.Unknown("u", complex=True)], exact=exact)
    solution = sngd.solve(problem, sngd.Features((4.0,), 24), key=KEY)
    assert solution.relative_l2() < 1e-6
    assert solution.relative_l2(on="glass") < 1e-6
    assert np.iscomplexobj(solution([[0.5]]))


def test_layers_in_time():
    """Heat in two layers, the second of which conducts four times as well."""
    slab = sngd.space_time(sngd.layers("x", slow=(0, 1), fast=(1, 2)), t=(0, 0.5))
    exact = lambda x: jnp.where(x[1] < 1, 4 * (x[1] - 1), x[1] - 1) + 0 * x[0]
    rate = lambda k: lambda u, x: sngd.partial(u, "t")(x) - k * sngd.partial(u, "x", "x")(x)
    conditions = [
        sngd.Interior(rate(1.0), on="slow"),
        sngd.Interior(rate(4.0), on="fast"),
        sngd.Interface(
            "slow", "fast", flux=lambda u, v, x, n: sngd.directional(u, n)(x) - 4 * sngd.directional(v, n)(x)
        ),
        sngd.Initial(exact),
        sngd.Dirichlet(exact),
    ]
    problem = sngd.Problem(slab, conditions, exact=exact)
    solution = sngd.solve(problem, sngd.Features((1.0, 1.0), 60), key=KEY)
    assert solution.relative_l2(on="slow") < 1e-4
    assert solution.relative_l2(on="fast") < 1e-4


@pytest.mark.parametrize(("sides", "angle"), [("value", jnp.sin), ("slope", jnp.cos)])
def test_singular_functions_at_a_corner(sides, angle):
    """The L-shape with its corner: r^(2/3) times the sine or the cosine, beside a smooth function."""
    corner = np.array([1.0, 1.0])

    def exact(x):
        offset = x - corner
        # The angle from the upper side of the corner, by that from the middle of the opening.
        middle = jnp.array([[-1.0, -1.0], [1.0, -1.0]]) @ offset
        phi = jnp.arctan2(middle[1], middle[0]) + 3 * jnp.pi / 4
        return (offset @ offset) ** (1 / 3) * angle(2 * phi / 3) + wave(x)

    trial = sngd.corners(ELL, sides=sides)
    assert [each.at for each in trial.corners] == [(1.0, 1.0)]
    assert trial.corners[0].opening == pytest.approx(1.5 * np.pi, abs=1e-9)
    problem = laplace(ELL, exact=exact, unknowns=[sngd.Unknown("u", trial=trial)])
    solution = sngd.solve(problem, features(ELL, 100), key=KEY)
    smooth = sngd.solve(laplace(ELL, exact=exact), features(ELL, 100), key=KEY)
    assert solution.relative_l2() < 1e-4 < 1e-3 < smooth.relative_l2()


def test_readings_in_two_regions():
    """Each reading is one of the function that lives where it was taken; the source in the core is found."""
    points = np.concatenate([DISKS.region(name).spread(60).points[::20] for name in ("core", "shell")])
    readings = sngd.Data(points, np.array([of_two_materials(point) for point in points]), noise=0.0)
    conditions = [
        sngd.Interior(lambda u, x, f: sngd.laplacian(u)(x) - f, on="core"),
        sngd.Interior(lambda u, x: sngd.laplacian(u)(x), 4.0, on="shell"),
        sngd.Interface("core", "shell", flux=flux),
        sngd.Dirichlet(of_two_materials),
        readings,
    ]
    problem = sngd.Problem(DISKS, conditions, unknowns=["u", sngd.Constant("f")])
    assert [part.within for part in problem.conditions][-2:] == ["core", "shell"]
    assert sum(part.weight for part in problem.conditions[-2:]) == pytest.approx(1)
    solution = sngd.solve(problem, features(DISKS, 150, 3.0), key=KEY)
    assert solution.constants["f"].value == pytest.approx(4, abs=0.05)


def test_readings_that_are_correlated_across_regions_are_refused():
    slab = sngd.layers("x", left=(0, 1), right=(1, 2))
    readings = lambda noise: sngd.Data([[0.5], [1.5]], [0.0, 0.0], noise=noise)
    equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x))
    assert len(sngd.Problem(slab, [equation, readings(np.diag([1.0, 2.0]))]).conditions) == 4
    with pytest.raises(ValueError, match="correlates readings in the region 'left' with others"):
        sngd.Problem(slab, [equation, readings([[1.0, 0.5], [0.5, 1.0]])])


def test_images_of_named_regions_keep_their_names():
    slab = sngd.layers("x", left=(0, 1), right=(1, 2)).mapped(lambda p: (2 * p[0],))
    assert list(slab.named_regions) == ["left", "right"]
    (seam,) = slab.interface("left", "right")
    assert seam.spread(10).points == pytest.approx(np.array([[2.0]]), abs=1e-9)
    conditions = [
        sngd.Interior(lambda u, x: sngd.laplacian(u)(x)),
        sngd.Interface(
            "left", "right", flux=lambda u, v, x, n: 2 * sngd.directional(u, n)(x) - sngd.directional(v, n)(x)
        ),
        sngd.Dirichlet(lambda x: x[0]),
    ]
    exact = lambda x: jnp.where(x[0] < 2, x[0] * 2 / 3, 4 / 3 + (x[0] - 2) * 4 / 3)
    solution = sngd.solve(sngd.Problem(slab, conditions, exact=exact), sngd.Features((1.0,), 10), key=KEY)
    assert solution.relative_l2() < 1e-6


def test_eigenvalues_of_a_disk():
    """Squares of the zeros of the Bessel functions J0 and J1, the second of them twice."""
    equation = sngd.Interior(lambda u, x, E: -sngd.laplacian(u)(x) - E * u(x))
    problem = sngd.Problem(sngd.disk(), [equation, sngd.Dirichlet(0.0)], unknowns=["u", sngd.Constant("E")])
    found = sngd.eigenpairs(problem, 3, key=KEY)
    assert found.values == pytest.approx([5.783185962946785, 14.681970642123893, 14.681970642123893], rel=1e-9)


def test_a_network_is_trained_on_a_region():
    solution = sngd.solve(laplace(sngd.disk()), "1x20", key=KEY, stopping=Stopping(iterations=30))
    assert solution.relative_l2() < 1e-4
    assert len(solution.history) > 10


def test_a_network_is_trained_on_two_regions():
    solution = sngd.solve(two_materials(), "1x20", key=KEY, stopping=Stopping(iterations=25), error_every=25)
    assert solution.relative_l2() < 0.1
    assert solution.history.error[-1] == pytest.approx(solution.relative_l2(), rel=1e-6)


FEW = laplace(sngd.disk(), quadrature=sngd.Spread(12))


class KilledError(BaseException):
    """Ends a run where it stands."""


def trained_on_few(folder=None, kill=None, resume=False):
    """A run that passes through its points, starts again once, and takes more of them once."""

    def callback(state, record):
        if record.iteration == kill:
            raise KilledError

    checkpoints = None if folder is None else Checkpoints(folder, seconds=0, resume=resume)
    stopping = Stopping(50, refinements=1, restarts=1)
    return sngd.solve(FEW, "2x10", key=KEY, stopping=stopping, callbacks=[callback], checkpoints=checkpoints)


@pytest.fixture(scope="module")
def refined():
    return trained_on_few()


def test_a_network_that_fits_its_points_only_is_seen_and_refined(refined):
    assert refined.rows > make_objective(FEW, refined.network)[0].rows
    assert len(np.flatnonzero(np.isnan(refined.history.gradient_norm))) == 2
    assert refined.validation_loss > 0


def test_a_killed_run_on_a_region_that_refines_goes_on_bit_for_bit(refined, tmp_path):
    starts = np.flatnonzero(np.isnan(refined.history.gradient_norm))
    with pytest.raises(KilledError):
        trained_on_few(tmp_path, kill=int(refined.history.iteration[starts[1]]) + 2)
    resumed = trained_on_few(tmp_path, resume=True)
    assert (resumed.result, resumed.loss, resumed.rows) == (refined.result, refined.loss, refined.rows)
    for mine, theirs in zip(jax.tree.leaves(resumed.network), jax.tree.leaves(refined.network), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("domain", [sngd.disk(), sngd.implicit(lambda x: x @ x - 1, x=(-2, 2), y=(-2, 2))])
def test_arrays_of_few_points_are_checked_between(domain):
    """A network passes through the points that are given, and is wrong between them."""
    inside = domain.spread(10).points
    around = np.concatenate([piece.spread(1).points[:2] for piece in domain.boundary])
    problem = laplace(
        domain, quadrature=(inside, np.ones(len(inside))), boundary_quadrature=(around, np.ones(len(around)))
    )
    few = {"refinements": 0, "restarts": 0}
    solution = sngd.solve(problem, "2x12", key=KEY, stopping=Stopping(60, **few))
    assert solution.result is Result.UNRESOLVED
    assert solution.validation_loss > 1e3 * solution.loss


def test_a_file_with_a_region_on_the_command_line(tmp_path, capsys):
    (tmp_path / "plate.py").write_text(
        "import jax.numpy as jnp\nimport sngd\n"
        "plate = sngd.box(x=(0, 2), y=(0, 1)) - sngd.disk((1, 0.5), 0.2, name='hole')\n"
        "exact = lambda x: jnp.exp(x[0]) * jnp.sin(x[1])\n"
        "laplace = sngd.Interior(lambda u, x: sngd.laplacian(u)(x))\n"
        "problem = sngd.Problem(plate, [laplace, sngd.Dirichlet(exact)], exact=exact)\n"
    )
    out = tmp_path / "out"
    arguments = ["solve", str(tmp_path / "plate.py"), "--network", "1x8", "--iterations", "3", "--out", str(out)]
    assert main(arguments) == 0
    assert "iterations exhausted" in capsys.readouterr().out
    assert json.loads((out / "result.json").read_text())["relative_l2"] > 0
