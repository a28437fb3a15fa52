"""Figures of domains, and of functions on regions."""

import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd._history import History
from sngd.display import draw
from sngd.solver import Stopping

NUMBERS = np.array([1.0, 2.0])
HISTORY = History(np.arange(2), 10**-NUMBERS, np.full(2, np.nan), NUMBERS, NUMBERS, np.arange(2), NUMBERS)

EQUATION = sngd.Interior(lambda u, x: sngd.laplacian(u)(x))
SQUARE = sngd.box(x=(0, 2), y=(0, 2))
CORE = sngd.disk(radius=0.5, name="circle")
CORE_IN_REST = sngd.regions(core=CORE, rest=sngd.box(x=(-1, 1), y=(-1, 1)) - CORE)

REGIONS = {
    "box": SQUARE,
    "disk": sngd.disk(),
    "polygon": sngd.polygon([(0, 0), (2, 0), (1, 2)]),
    "difference": SQUARE - sngd.box(x=(1, 2), y=(1, 2)),
    "union": sngd.disk() | sngd.disk((1, 0), 0.5, name="other"),
    "implicit": sngd.implicit(lambda x: jnp.hypot(x[0], 2 * x[1]) - 1, x=(-2, 2), y=(-1, 1)),
    "regions": CORE_IN_REST,
    "layers": sngd.layers("x", inner=(0, 1), outer=(1, 3)),
    "interval": sngd.interval(x=(0, 1)),
    "time": sngd.interval(t=(0, 1)),
    "moving": sngd.space_time(t=(0, 1), x=(0, 1)).mapped(lambda p: (p[0], (1 + p[0]) * p[1])),
    "cylinder in time": sngd.space_time(sngd.disk(), t=(0, 1)),
    "layers in time": sngd.layers("x", inner=(0, 1), outer=(1, 3), t=(0, 1)),
    "ball": sngd.ball(),
    "pipe": sngd.extrude(sngd.annulus(), z=(0, 1)),
    "ball in time": sngd.space_time(sngd.ball(), t=(0, 1)),
    "five axes": sngd.box(a=(0, 1), b=(0, 1), c=(0, 1), d=(0, 1), e=(0, 1)),
}


def function(points):
    return np.sum(points**2, axis=1)


def drawn(name, **options):
    return draw(function, REGIONS[name], HISTORY, exact=lambda points: function(points) + 1e-3, **options)


def of_domain(domain, *conditions, **options):
    return sngd.plot(sngd.Problem(domain, [EQUATION, *conditions]), **options)


def entries(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def titles(figure):
    return [place.get_title() for place in figure.axes if place.get_title()]


@pytest.mark.parametrize("name", list(REGIONS))
def test_every_kind_of_domain_is_drawn_with_its_conditions(name):
    domain = REGIONS[name]
    initial = [] if domain.time_axis is None else [sngd.Initial(0.0)]
    sides = [sngd.Dirichlet(0.0)] if domain.space_axes else []
    figure = of_domain(domain, *initial, *sides)
    figure.canvas.draw()
    missing = [entry for entry in entries(figure) if "no condition" in entry]
    assert missing == {"regions": ["core and rest: no condition"]}.get(
        name, ["inner and outer: no condition"] if "layers" in name else []
    )
    assert entries(figure)[0].endswith("points, in the cut" if domain.dimension > 2 else "points")
    assert len([entry for entry in entries(figure) if ": initial" in entry]) == len(initial)


@pytest.mark.parametrize("name", REGIONS)
def test_functions_are_drawn_on_every_kind_of_region(name):
    figure = drawn(name)
    figure.canvas.draw()
    assert titles(figure)[-1] == "training"
    assert [title.split(",")[0] for title in titles(figure)][:1] == ["solution"]


def test_the_legend_says_what_holds_where_and_what_was_forgotten():
    plate = SQUARE - sngd.disk((1, 1), 0.3, name="hole")
    half = plate.piece("y upper").where(lambda x: x[0] < 1)
    robin = sngd.Robin(1.0, on=[plate.piece("x upper"), half], name="cooled")
    conditions = [
        sngd.Dirichlet(0.0, of="u", on=plate.piece("x lower")),
        robin,
        sngd.Neumann(0.0, on=plate.piece("x upper")),
    ]
    figure = of_domain(plate, *conditions, sngd.Dirichlet(1.0, on=plate.point(1.0, 0.1)), title="plate")
    found = entries(figure)
    assert figure.get_suptitle() == "plate"
    assert found[0] == "interior: 1,024 points"
    assert sorted(found[1:]) == [
        "hole: no condition",
        "point: dirichlet",
        "x lower: dirichlet of u",
        "x upper: cooled, neumann",
        "y lower: no condition",
        "y upper: cooled",
        "y upper: no condition",
    ]
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert {lines[each].get_color() for each in found if "no condition" in each} == {"#8A8A8A"}
    assert len({lines[each].get_color() for each in found[1:] if "no condition" not in each}) == 4
    covered, free = (lines[f"y upper: {each}"].get_xdata() for each in ("cooled", "no condition"))
    assert max(covered) == pytest.approx(1, abs=0.01)
    assert min(free) == pytest.approx(1, abs=0.01)


def test_curves_follow_the_boundary_and_arrows_point_outward():
    figure = of_domain(SQUARE - sngd.disk((1, 1), 0.3, name="hole"), sngd.Dirichlet(0.0))
    (place,) = figure.axes
    (hole,) = [line for line in place.lines if line.get_label().startswith("hole")]
    along = hole.get_xydata()
    np.testing.assert_allclose(np.linalg.norm(along - 1, axis=1), 0.3, rtol=1e-12)
    length = np.sum(np.linalg.norm(np.diff(along, axis=0), axis=1))
    assert length == pytest.approx(0.6 * np.pi, rel=1e-3)
    arrows = [each for each in place.collections if hasattr(each, "U")]
    assert 36 <= sum(len(each.U) for each in arrows) <= 44
    (inward,) = [each for each in arrows if len(each.U) and abs(np.hypot(*(each.XY[0] - 1)) - 0.3) < 1e-9]
    turned = np.sum((inward.XY - 1) * np.stack([inward.U, inward.V], axis=1), axis=1)
    assert np.all(turned < 0)


def test_named_regions_have_their_points_and_their_interface():
    figure = of_domain(CORE_IN_REST, sngd.Dirichlet(0.0), sngd.Interface("core", "rest"))
    found = entries(figure)
    assert [entry.split(":")[0] for entry in found[:2]] == ["core", "rest"]
    assert found[-1] == "core and rest: interface"
    (image,) = figure.axes[0].images
    tints = np.asarray(image.get_array())
    assert tints[120, 120].tolist() != tints[2, 2].tolist()
    assert of_domain(SQUARE - CORE, sngd.Dirichlet(0.0)).axes[0].images[0].get_array()[0, 0, 3] == 0.0


def test_periodic_readings_and_integrals_are_in_the_legend():
    line = sngd.interval(x=(0, 1))
    readings = sngd.Data(np.array([[0.2], [0.7]]), np.zeros(2))
    found = entries(of_domain(line, sngd.Periodic("x"), readings))
    assert found[1:] == ["x lower: periodic", "x upper: periodic", "data: 2 points"]
    flow = sngd.Integral(lambda u, x, normal: u(x), over=sngd.disk().pieces[0])
    assert "integral" in entries(of_domain(flow.over.region, flow))[1]
    energy = sngd.Problem(line, [EQUATION])
    natural = sngd.problem.Energy(line, lambda u, x: u(x) ** 2, lambda u, v, x: v(x))
    assert entries(sngd.plot(natural))[1:] == ["x lower: natural", "x upper: natural"]
    assert entries(sngd.plot(energy))[1:] == ["x lower: no condition", "x upper: no condition"]


def test_further_axes_are_left_out_with_a_note():
    figure = of_domain(REGIONS["five axes"], sngd.Dirichlet(0.0))
    assert figure.axes[0].get_title() == "axes a, b, c of 5"
    assert entries(figure)[-1] == "4 pieces: dirichlet (not drawn)"
    figure = of_domain(REGIONS["ball"], sngd.Dirichlet(0.0), axes=("z", "x"))
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_title()) == ("z", "axes z, x of 3")


def test_maps_are_empty_outside_of_the_region_and_end_at_its_boundary():
    figure = drawn("difference")
    assert titles(figure) == ["solution", "exact", "absolute error", "training"]
    place = figure.axes[0]
    values = place.images[0].get_array()
    rows, columns = values.shape
    x, y = np.meshgrid(np.linspace(0, 2, columns), np.linspace(0, 2, rows))
    outside = (x >= 1) & (y >= 1)
    np.testing.assert_array_equal(np.ma.getmaskarray(values), outside)
    np.testing.assert_allclose(values[~outside], (x**2 + y**2)[~outside], rtol=1e-12)
    np.testing.assert_allclose(figure.axes[2].images[0].get_array().compressed(), 1e-3, rtol=1e-9)
    assert place.get_aspect() == 1.0
    segments = np.array(place.collections[0].get_segments())
    assert np.sum(np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)) == pytest.approx(8, rel=1e-2)


def test_outlines_are_found_to_the_digits_of_the_bisection():
    segments = np.array(drawn("disk").axes[0].collections[0].get_segments())
    np.testing.assert_allclose(np.linalg.norm(segments, axis=2), 1, atol=1e-5)
    inner, outer = (np.array(each.get_segments()) for each in drawn("regions").axes[0].collections)
    assert np.sum(np.linalg.norm(np.diff(inner, axis=1), axis=2)) == pytest.approx(np.pi, rel=1e-3)
    assert np.sum(np.linalg.norm(np.diff(outer, axis=1), axis=2)) == pytest.approx(np.pi + 8, rel=1e-2)


def test_slices_are_held_at_the_middle_or_where_they_are_asked_for():
    assert titles(drawn("cylinder in time"))[0] == "solution, t = 0.5"
    figure = drawn("cylinder in time", at={"t": 0.25})
    values = figure.axes[0].images[0].get_array()
    assert titles(figure)[0] == "solution, t = 0.25"
    assert values.min() == pytest.approx(0.25**2, abs=1e-4)
    assert titles(drawn("cylinder in time", at={"x": 0.5}))[0] == "solution, x = 0.5"
    assert [each.split(", ")[1] for each in titles(drawn("ball"))[:3]] == ["z = 0", "y = 0", "x = 0"]
    assert titles(drawn("ball", at={"y": 0.5}))[:2] == ["solution, y = 0.5", "exact, y = 0.5"]
    curve = drawn("difference", axes="x", at={"y": 1.5}).axes[0].lines[0].get_ydata()
    assert np.isnan(curve).tolist() == (np.linspace(0, 2, 401) >= 1).tolist()
    held = draw(function, sngd.box(x=(0, 1), y=(0, 1), z=(0, 1)), HISTORY, at={"y": 1.0}).axes[0]
    assert (held.get_xlabel(), held.get_ylabel(), held.get_title()) == ("x", "z", "solution, y = 1")


def test_functions_that_jump_between_regions_have_a_curve_in_each():
    curves = drawn("layers").axes[0].lines
    assert [curve.get_xdata().max() for curve in curves] == pytest.approx([1, 3], abs=0.01)


@pytest.mark.parametrize("name", ["ball", "pipe", "ball in time"])
def test_values_on_the_boundary_have_the_colors_of_their_scale(name):
    figure = drawn(name, surface=True, axes=("x", "y"))
    assert titles(figure)[1] == "solution on the boundary"
    (hexagons,) = figure.axes[1].collections
    corners = np.asarray(hexagons._faces).reshape(-1, 6, 3)
    if name != "pipe":
        np.testing.assert_allclose(np.linalg.norm(corners.mean(axis=1), axis=1), 1, rtol=1e-9)
    areas = 1.5 * np.sqrt(3) * np.sum((corners[:, 0] - corners[:, 3]) ** 2 / 4, axis=1)
    exact = 3 * np.pi + 1.5 * np.pi if name == "pipe" else 4 * np.pi
    # The disk around a hexagon has 4.5 times the area that its point stands for.
    assert np.sum(areas) == pytest.approx(4.5 * exact * 1.5 * np.sqrt(3) / np.pi, rel=0.02)


def test_zero_errors_and_values_that_are_no_numbers_are_drawn():
    draw(function, REGIONS["disk"], HISTORY, exact=function).canvas.draw()
    draw(lambda points: np.full(len(points), np.nan), REGIONS["disk"], HISTORY).canvas.draw()


def test_bad_input_names_the_argument_the_value_and_the_way_out():
    with pytest.raises(TypeError, match=r"at is 0.5; give the values of axes by their names, like {'t': 0.5}"):
        drawn("cylinder in time", at=0.5)
    with pytest.raises(ValueError, match="at has 'z', which is not an axis of this domain; its axes are t, x, y"):
        drawn("cylinder in time", at={"z": 0.5})
    with pytest.raises(ValueError, match=r"at\['t'\] is 2; give one within the bounds of this axis, 0 to 1"):
        drawn("cylinder in time", at={"t": 2})
    with pytest.raises(TypeError, match=r"at\['t'\] is 'now'; it must be a number"):
        drawn("cylinder in time", at={"t": "now"})
    with pytest.raises(ValueError, match="at holds 'x', which axes names too"):
        drawn("disk", axes=("x", "y"), at={"x": 0.5})
    with pytest.raises(ValueError, match="at holds all axes, x; leave one out"):
        drawn("interval", at={"x": 0.5})
    with pytest.raises(ValueError, match="the slice at y = 2 is outside of the domain; give another one by at="):
        draw(function, SQUARE - sngd.box(x=(0, 2), y=(1.5, 2)), HISTORY, axes="x", at={"y": 2.0})
    with pytest.raises(ValueError, match="surface is True, and the axes of space of this domain are x; "):
        drawn("interval", surface=True)
    with pytest.raises(ValueError, match="surface is True, and axes names 'x' alone"):
        drawn("ball", surface=True, axes="x")
    with pytest.raises(ValueError, match="axes is 'x'; give two or three different axes of x, y"):
        of_domain(SQUARE, sngd.Dirichlet(0.0), axes="x")
    with pytest.raises(ValueError, match=r"at is {'x': 1}, which is for solutions; leave it out to draw a problem"):
        of_domain(SQUARE, sngd.Dirichlet(0.0), at={"x": 1})
    with pytest.raises(TypeError, match="solution is 1; give a solution that solve returns, or a problem"):
        sngd.plot(1)


def test_functions_of_named_regions_are_drawn_where_they_live(key, tmp_path):
    line = REGIONS["layers"]
    second = lambda u, x: sngd.partial(u, "x", "x")(x)
    exact = lambda x: jnp.where(x[0] < 1, x[0], x[0] + 1)
    flux = lambda u, v, x, n: sngd.partial(u, "x")(x) - sngd.partial(v, "x")(x)
    interface = sngd.Interface("inner", "outer", jump=-1.0, flux=flux)
    problem = sngd.Problem(line, [sngd.Interior(second), sngd.Dirichlet(exact), interface], exact=exact)
    solution = sngd.solve(problem, key=key, stopping=Stopping(iterations=5))
    inner, outer = (each.get_ydata() for each in sngd.plot(solution, tmp_path / "jump.png").axes[0].lines)
    assert (inner[-1] < 1.01, outer[0] > 1.99) == (True, True)
    assert (tmp_path / "jump.png").read_bytes().startswith(b"\x89PNG")
    (curve,) = sngd.plot(solution, of="u_outer").axes[0].lines
    assert (curve.get_xdata()[0], curve.get_xdata()[-1]) == (1, 3)
    np.testing.assert_allclose(curve.get_ydata(), curve.get_xdata() + 1, rtol=1e-6)
    with pytest.raises(ValueError, match="of is 'v'; the unknown functions are u, u_inner, u_outer"):
        sngd.plot(solution, of="v")
