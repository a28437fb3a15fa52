"""Problems on boxes that are shifted and stretched: residuals, points and data are those of the original problem."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from benchmarks.mapped import AffineMap, mapped
from benchmarks.rows import ROWS
from sngd.features import Conditions
from sngd.library import bvp_energy
from sngd.problem import Field, euler_lagrange

D = sngd.partial


def waves(problem):
    """A smooth function of the original coordinates, with as many components as the problem has."""
    scale, phases = 1 / problem.domain.half_sides, jnp.arange(problem.outputs)
    values = lambda x: jnp.cos(jnp.sum(scale * (x - problem.domain.center)) + phases) / 2 + 0.75
    return (lambda x: values(x)[0]) if problem.outputs == 1 else values


def residuals(problem, condition, function):
    """The residual at all points of a condition, for a function of a point."""
    found = problem.collocation(condition)
    field = Field(function, problem.domain, problem.parameters, problem.components)
    traced = condition.traced
    rows = []
    for at in range(len(found.points)):
        values = {name: array[at] for name, array in found.tabulated.items()}
        given = dataclasses.replace(traced, **values) if values else traced
        rows.append(np.ravel(given.residual(field, jnp.asarray(found.points[at]), jnp.asarray(found.normals[at]))))
    return found, np.array(rows)


def heated(**others):
    """An equation with a parameter, data of all kinds, and each kind of condition, whose rules have few points."""
    domain = sngd.space_time(t=(1, 3), x=(-2, 4))
    numpy_data = lambda x: np.interp(float(x[0]), [1.0, 3.0], [2.0, 5.0])
    conditions = [
        sngd.Interior(lambda u, x, nu: D(u, "t")(x) - nu * D(u, "x", "x")(x) + x[0] * u(x) ** 2, numpy_data),
        sngd.Initial(lambda x: jnp.sin(x[1])),
        sngd.Initial(0.5, derivative=1, weight=3.0),
        sngd.Neumann(numpy_data, on="lower"),
        sngd.Robin(numpy_data, lambda x: x[0] ** 2, on=domain.face("x", "upper")),
        sngd.Boundary(lambda u, x, normal: normal @ sngd.gradient(u)(x)[None].repeat(2) + x[1], on="upper"),
        sngd.Data(np.array([[1.5, 0.0], [2.5, 3.0]]), np.array([1.0, 2.0]), noise=0.1),
        sngd.Data(np.array([[2.0, 1.0]]), np.array([1.0]), operator=lambda u, x, nu: nu * D(u, "x")(x) * x[1], noise=0),
    ]
    return sngd.Problem(domain, conditions, parameters={"nu": 0.3}, quadrature=sngd.GaussLegendre(3), **others)


@pytest.mark.parametrize(
    "problem",
    [heated(), *(row.problem() for row in ROWS if row.name in ("kdv-soliton", "kovasznay", "wave-a", "biharmonic"))],
    ids=lambda problem: problem.name,
)
def test_residuals_of_mapped_problems_are_those_of_the_original(problem):
    problem = dataclasses.replace(problem, quadrature=sngd.GaussLegendre(3))
    by = AffineMap.random(problem.domain, np.random.default_rng(5))
    moved, function = mapped(problem, by), waves(problem)
    for before, after in zip(problem.conditions, moved.conditions, strict=True):
        there, wanted = residuals(problem, before, function)
        here, found = residuals(moved, after, lambda y: function(by.back(y)))
        np.testing.assert_allclose(here.points, by.forward(there.points), rtol=1e-12)
        np.testing.assert_array_equal(here.normals, there.normals)
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
        if before.faces(problem.domain) is None and not before.is_of_readings:
            np.testing.assert_allclose(here.weights, np.prod(by.stretch) * there.weights, rtol=1e-12)
    assert moved.exact is None


def test_residuals_of_mapped_problems_read_the_unknown_at_their_own_points():
    problem = mapped(ROWS[0].problem(), AffineMap.random(ROWS[0].problem().domain, np.random.default_rng(1)))
    conditions = Conditions.of(problem, "sin")
    assert conditions.are_pointwise
    assert set(conditions.pointwise[0].orders) == {(1, 0), (0, 2)}


def test_functions_of_an_energy_and_of_some_axes_are_mapped():
    energy = bvp_energy()
    by = AffineMap(energy.domain, (1.7,), (-3.0,))
    moved, function = mapped(energy, by), lambda x: jnp.exp(x[0] / 3)
    at, there = jnp.array([0.4]), Field(function, energy.domain)
    here = Field(lambda y: function(by.back(y)), moved.domain)
    place = jnp.asarray(by.forward(at))
    np.testing.assert_allclose(moved.density(here, place), energy.density(there, at), rtol=1e-12)
    np.testing.assert_allclose(moved.metric(here, here, place), energy.metric(there, there, at), rtol=1e-12)
    # The residual of Euler and Lagrange is that of the original coordinates.
    found, wanted = euler_lagrange(moved.density, here, place), euler_lagrange(energy.density, there, at)
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_a_mapped_problem_is_solved():
    row = next(row for row in ROWS if row.name == "transport")
    by = AffineMap.random(row.problem().domain, np.random.default_rng(2))
    solution = sngd.solve(mapped(row.problem(), by), key=jax.random.key(0), tolerance=row.bar / 2)
    points = row.grid()
    errors = row.errors(solution(by.forward(points)), np.asarray(jax.vmap(row.problem().exact)(points)))
    assert np.max(errors) <= row.bar


def test_maps_shift_and_stretch():
    domain = sngd.space_time(t=(0, 1), x=(-10, 10))
    by = AffineMap.random(domain, np.random.default_rng(3))
    assert by.image.axes == domain.axes
    assert by.image.time_axis == "t"
    stretched = by.image.half_sides / domain.half_sides
    assert np.all((stretched > 0.5) & (stretched < 2))
    assert np.all(np.abs(by.image.extent[0] - domain.extent[0]) <= 2 * by.image.half_sides)
    np.testing.assert_allclose(by.back(by.forward(domain.grid(3))), domain.grid(3), atol=1e-12)
    points, weights = by.quadrature(([[0.5, 0.0]], [2.0]))
    np.testing.assert_allclose(points, by.forward(np.array([[0.5, 0.0]])))
    np.testing.assert_allclose(weights, 2.0 * np.prod(by.stretch))
    with pytest.raises(ValueError, match="by is a map from"):
        mapped(ROWS[1].problem(), by)
