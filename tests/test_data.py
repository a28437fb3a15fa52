"""Data and exact solutions that JAX cannot trace: functions of NumPy and SciPy, and plain Python."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from scipy.interpolate import CubicSpline, RegularGridInterpolator

import sngd
from sngd.linearize import Limits, make_objective
from sngd.networks import make_network
from sngd.problem import with_other_points
from sngd.solver import Stopping

DOMAIN = sngd.space_time(t=(0, 1), x=(0, 2))
GRID = np.linspace(0, 2, 9)
SPLINE = CubicSpline(GRID, np.sin(GRID))
STEPS = Stopping(iterations=2, refinements=0, restarts=0)


def values(x):
    """With `float`, a branch and a spline."""
    return SPLINE(x[1]) + (math.exp(float(x[0])) if x[0] > 0.5 else 1.0)


def product(x, unknowns):
    """The product of each unknown with its derivative."""
    found = [sngd.partial(u, "x")(x) * u(x) for u in unknowns]
    return found[0] if len(found) == 1 else jnp.stack(found)


def problem_of(value, initial, coefficient, unknowns=("u",)):
    conditions = [
        sngd.Interior(lambda x, **unknowns: product(x, unknowns.values()), value),
        sngd.Initial(initial),
        sngd.Robin(coefficient, initial, on="lower"),
    ]
    return sngd.Problem(DOMAIN, conditions, quadrature=sngd.GaussLegendre(3), unknowns=unknowns)


NUMPY = problem_of(values, lambda x: np.sin(x[1]), lambda x: np.cosh(x).sum())
TRACED = problem_of(0.0, lambda x: jnp.sin(x[1]), lambda x: jnp.cosh(x).sum())


def objective_of(problem, architecture="1x4", limits=None, mesh=None):
    network = make_network(architecture, DOMAIN.bounds, problem.outputs, key=jax.random.key(0))
    return make_objective(problem, network, limits, mesh)


@eqx.filter_jit
def residual_and_product(objective, theta):
    return objective.residual(theta), objective.factor(theta).matmul(jnp.ones((len(theta), 1)))


@pytest.mark.parametrize(
    ("architecture", "limits"),
    [("1x4", Limits()), ("1x4", Limits(dense_bytes=0, chunk_bytes=2000)), ("2x8", Limits(dense_bytes=0))],
    ids=["stored, on a mesh", "in blocks", "as outer products"],
)
def test_residual_and_rows_are_those_of_traced_functions(architecture, limits):
    mesh = Mesh(np.array(jax.devices()[:1]), "rows") if limits == Limits() else None
    traced, theta = objective_of(TRACED, architecture, limits, mesh)
    tabulated, _ = objective_of(NUMPY, architecture, limits, mesh)
    expected, rows = residual_and_product(traced, theta)
    found, found_rows = residual_and_product(tabulated, theta)
    term = traced.factor_terms[0]
    source = np.array([values(point) for point in np.asarray(term.points)]) * np.asarray(term.scales)
    np.testing.assert_allclose(found, expected - np.pad(source, (0, len(expected) - len(source))), atol=1e-13)
    np.testing.assert_allclose(found_rows, rows, atol=1e-12)


def test_data_follow_the_points_that_are_drawn():
    objective, _ = objective_of(NUMPY)
    some = objective.on_some_points(12, jax.random.key(1))
    term = some.factor_terms[0]
    assert 0 < len(term.scales) < len(objective.factor_terms[0].scales)
    np.testing.assert_allclose(term.tabulated["value"], [values(point) for point in np.asarray(term.points)])


def test_data_of_a_system_have_its_shape():
    table = RegularGridInterpolator((GRID / 2, GRID), np.stack(np.meshgrid(GRID, GRID, indexing="ij"), axis=-1))
    problem = problem_of(0.0, lambda x: table(x)[0], 0.0, unknowns=("u", "v"))
    objective, theta = objective_of(problem)
    term = objective.factor_terms[1]
    found = np.asarray(term.values(objective.trial, theta)).reshape(-1, 2) / np.asarray(term.scales)[:, None]
    values_of_u = jax.vmap(objective.trial.field(theta))(term.points)
    np.testing.assert_allclose(found, values_of_u - np.asarray(term.points) * [2, 1], atol=1e-13)
    with pytest.raises(ValueError, match=r"value of initial has shape \(3,\) at one point, and u, v has shape \(2,\)"):
        objective_of(problem_of(0.0, lambda x: np.ones(3) * float(x[0]), 0.0, unknowns=("u", "v")))


@pytest.mark.parametrize("change", [lambda points: points.staggered(), lambda points: points.refined()])
def test_other_points_have_their_own_values(change):
    problem = with_other_points(NUMPY, change)
    for condition in problem.conditions:
        found = problem.collocation(condition)
        for name, table in found.tabulated.items():
            expected = [getattr(condition, name)(point) for point in found.points]
            np.testing.assert_array_equal(table, expected)
    assert [set(problem.collocation(part).tabulated) for part in problem.conditions] == [
        {"value"},
        {"value"},
        {"value", "coefficient"},
    ]


def test_exact_solutions_of_scipy_are_evaluated_point_by_point():
    line = sngd.interval(x=(0, 2))
    problem = sngd.Problem(line, sngd.Interior(lambda u, x: u(x) - jnp.sin(x[0])), exact=lambda x: SPLINE(x[0]))
    solution = sngd.solve(problem, "1x4", key=jax.random.key(0), stopping=STEPS)
    points = line.grid(1001)
    found, exact = solution(points), SPLINE(points[:, 0])
    expected = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    np.testing.assert_allclose([solution.relative_l2(), solution.history.error[-1]], expected, rtol=1e-12)
    np.testing.assert_allclose(
        solution.relative_l2(lambda x: float(np.sin(x[0]))), solution.relative_l2(lambda x: jnp.sin(x[0]))
    )


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (
            lambda x: np.interp(x[0], [0, 1]),
            TypeError,
            r"value of wall cannot be evaluated at the point \[.*\]: TypeError",
        ),
        (lambda x: str(float(x[0])), TypeError, "value of wall returns .*; it must return numbers"),
        (lambda x: np.ones(1 + int(x[0] > 0.5)), ValueError, "it must return the same shape everywhere"),
    ],
)
def test_functions_that_fail_are_named(value, error, message):
    problem = sngd.Problem(DOMAIN, sngd.Dirichlet(value, name="wall"))
    with pytest.raises(error, match=message):
        sngd.solve(problem, "1x4", key=jax.random.key(0), stopping=STEPS)


@pytest.mark.parametrize(
    "equation", [lambda u, x: u(x) - np.sin(x[0]), lambda u, x: np.sin(u(x)), lambda u, x: u(x) * float(x[0])]
)
def test_equations_of_numpy_are_refused_with_their_own_error_as_the_cause(equation):
    with pytest.raises(TypeError, match="the residual of balance uses NumPy, SciPy, float or if") as caught:
        objective_of(sngd.Problem(DOMAIN, sngd.Interior(equation, name="balance")))
    assert isinstance(caught.value.__cause__, jax.errors.JAXTypeError)
