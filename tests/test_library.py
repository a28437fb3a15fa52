"""The library's networks, as the paper states them, and its problems, whose exact solutions leave no residual."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from benchmarks.references import SECOND_METHODS, difference
from benchmarks.rows import ROWS
from sngd.library import NETWORKS, PAPER_PROBLEMS, PROBLEMS, find_network, find_problem
from sngd.linearize import make_objective
from sngd.networks import MLP, make_network, widths_of


@pytest.mark.parametrize(
    ("name", "problem", "parameters"),
    [
        ("A1", "heat", 261),
        ("A2", "heat", 5_301),
        ("A3", "heat", 1_085_761),
        ("4x20", "poisson", 1_341),
        ("4x20", "transport", 1_341),
        ("4x20", "bvp", 1_321),
        ("2-64-64-1", "heat", 4_417),
    ],
)
def test_parameter_counts(name, problem, parameters):
    problem = find_problem(problem)
    widths = widths_of(find_network(name), problem.domain.dimension, problem.outputs)
    assert sum((fan_in + 1) * fan_out for fan_in, fan_out in itertools.pairwise(widths)) == parameters


def test_a_million_parameters_are_not_stored_as_a_dense_factor():
    problem = find_problem("heat")
    objective, theta = make_objective(
        problem, make_network(find_network("A3"), problem.domain.bounds, key=jax.random.key(0))
    )
    assert len(theta) == 1_085_761
    assert objective.chunk is not None
    assert 8 * objective.chunk * len(theta) <= 2**28


def test_scales_bound_the_initial_parameters_and_inputs_are_scaled_to_the_box():
    bounds = ((0.0, 4.0), (-1.0, 1.0))
    network = MLP((2, 30, 30, 1), bounds, key=jax.random.key(0), gain=2.0, bias=0.25)
    bound = 2 * np.sqrt(6 / 60)
    assert 0.95 * bound < np.abs(network.weights[1]).max() <= bound
    assert 0.2 < np.abs(network.biases[0]).max() <= 0.25
    assert network.biases[-1] == 0
    unscaled = MLP((2, 30, 30, 1), ((-1.0, 1.0), (-1.0, 1.0)), key=jax.random.key(0), gain=2.0, bias=0.25)
    np.testing.assert_allclose(network(jnp.array([3.0, 0.5])), unscaled(jnp.array([0.5, 0.5])), rtol=1e-14)


def test_every_name_of_the_paper_is_an_architecture():
    for name in NETWORKS:
        assert widths_of(find_network(name), 2, 1)


# Random points of a condition, in the interior or on each face.
POINTS = 8

BY_NAME = {row.name: row for row in ROWS}


def random_points(problem, condition, generator):
    """Points where the condition holds, with the outward normals there."""
    faces = condition.faces(problem.domain)
    places = (problem.domain,) if faces is None else faces
    points, normals = [], []
    for place in places:
        lower, upper = place.extent
        points.append(place.embed(lower + (upper - lower) * generator.random((POINTS, len(lower)))))
        normals.append(np.tile(np.zeros(len(lower)) if faces is None else place.normal, (POINTS, 1)))
    return np.concatenate(points), np.concatenate(normals)


def largest_residuals(problem, generator):
    """The largest residual of each condition, at the exact solution and at a wrong one: shape `(conditions, 2)`.

    The wrong one is larger by half, and by one, and stretched along each axis in another way.
    """
    lower, upper = problem.domain.extent
    center, stretching = 0.6 * lower + 0.4 * upper, 0.1 / np.arange(1, len(lower) + 1)

    def field(wrong):
        def values(x):
            return (1 + wrong / 2) * problem.exact_solution(x + wrong * stretching * (center - x)) + wrong

        return sngd.Field(values, problem.domain, problem.parameters, problem.components)

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(0, None))
    def largest(wrong, points):
        residuals = [
            jax.vmap(functools.partial(condition.residual, field(wrong)))(*there)
            for condition, there in zip(problem.conditions, points, strict=True)
        ]
        return jnp.stack([jnp.max(jnp.abs(values)) for values in residuals])

    points = [random_points(problem, condition, generator) for condition in problem.conditions]
    return np.asarray(largest(jnp.array([0.0, 1.0]), points)).T


@pytest.mark.parametrize("name", [name for name in PROBLEMS if name != "bvp-energy"])
def test_exact_solutions_leave_no_residual(name):
    leaves_no_residual(BY_NAME[name].problem())


# The first row of each factory: the others move no parameter that it does not.
@pytest.mark.parametrize("name", {row.factory.func: row.name for row in reversed(ROWS) if row.parameters}.values())
def test_neither_do_they_with_other_parameters(name):
    row = BY_NAME[name]
    leaves_no_residual(row.problem(**row.moved(np.random.default_rng(0))))


def leaves_no_residual(problem):
    exact, wrong = largest_residuals(problem, np.random.default_rng(1)).T
    assert np.all(wrong > 1e-7)
    np.testing.assert_array_less(exact, 1e-9 * wrong)


@pytest.mark.parametrize("name", SECOND_METHODS)
def test_solutions_without_a_closed_form_agree_with_a_second_method(name):
    row, generator = BY_NAME[name], np.random.default_rng(0)
    points = row.grid()
    points = points[generator.choice(len(points), 100)]
    for changes in ({}, row.moved(generator)):
        assert difference(row, changes, points) < row.bar / 10


def test_rows_are_the_problems_of_the_library():
    assert [row.name for row in ROWS] == list(PROBLEMS)
    assert list(PROBLEMS)[: len(PAPER_PROBLEMS)] == list(PAPER_PROBLEMS)
    for row in ROWS:
        problem, of_library = row.problem(), PROBLEMS[row.name]()
        assert problem.domain == of_library.domain
        assert problem.name == of_library.name
        assert problem.exact is not None
        assert of_library.exact is not None
        values = jax.eval_shape(problem.exact, jnp.array(problem.domain.lower))
        assert values.shape == ((problem.outputs,) if problem.outputs > 1 else ())
        # Rows that fix an argument, which is in the name there.
        if row.factory.keywords:
            point = 0.4 * jnp.array(problem.domain.lower) + 0.6 * jnp.array(problem.domain.upper)
            np.testing.assert_array_equal(problem.exact(point), of_library.exact(point))
        factors = np.array(
            [value / row.parameters[name] for name, value in row.moved(np.random.default_rng(0)).items()]
        )
        assert np.all((factors > 0.7) & (factors < 1.4))
        assert len(set(factors)) == len(factors)


def test_grids_of_rows_and_their_errors():
    shapes = {"beam": (1001, 1), "heat": (101**2, 2), "taylor-green": (41**3, 3), "poisson-5d-b": (2**15, 5)}
    for name, shape in shapes.items():
        assert BY_NAME[name].grid().shape == shape
    exact = np.stack([np.full(4, 2.0), np.full(4, 3.0), np.array([1.0, -1.0, 3.0, -3.0])], axis=1)
    values = exact + np.array([0.2, 0.0, 7.0])
    np.testing.assert_allclose(BY_NAME["kovasznay"].errors(values, exact), [0.1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(BY_NAME["heat"].errors(1.5 * exact[:, 0], exact[:, 0]), [0.5])
    with pytest.raises(ValueError, match=r"values have shape \(4, 1\) and exact has \(4,\); they must be equal"):
        BY_NAME["heat"].errors(exact[:, :1], exact[:, 0])


def test_a_name_that_is_almost_right_is_answered_by_near_ones():
    with pytest.raises(
        ValueError, match=r"problem is 'burgers'; it must be a name that `sngd list` prints, such as bur"
    ):
        find_problem("burgers")
