"""Conditions: exact solutions leave no residual, wrong ones leave the right one."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.library import PAPER_PROBLEMS, find_problem
from sngd.linearize import make_objective


class Exact(eqx.Module):
    """A known solution with one parameter to train, which multiplies it."""

    function: object
    factor: jax.Array

    def __init__(self, function):
        self.function = function
        self.factor = jnp.ones(())

    def __call__(self, x):
        return self.factor * self.function(x)


@pytest.mark.parametrize("name", [name for name in PAPER_PROBLEMS if name != "bvp-energy"])
def test_exact_solutions_of_the_library_leave_no_residual(name):
    problem = find_problem(name)
    objective, theta = make_objective(problem, Exact(problem.exact))
    assert np.max(np.abs(objective.residual(theta))) < 1e-12
    assert objective.value(1.1 * theta) > 1e-3


def test_the_energy_is_stationary_at_the_exact_solution_and_its_metric_is_the_second_variation():
    problem = find_problem("bvp-energy")
    objective, theta = make_objective(problem, Exact(problem.exact))
    np.testing.assert_allclose(jax.jit(jax.grad(objective.value))(theta), 0.0, atol=1e-12)
    gramian = eqx.filter_jit(objective.linearize)(theta).factor.gramian_matmul(jnp.eye(1))
    np.testing.assert_allclose(gramian, jax.jit(jax.hessian(objective.value))(theta), rtol=1e-12)


def u(x):
    return jnp.exp(x[0]) * jnp.sin(x[1])


DOMAIN = sngd.box(x=(0, 1), y=(0, 2))
NORMAL_DERIVATIVES = {  # written by hand, face by face
    ("x", "lower"): lambda x: -u(x),
    ("x", "upper"): u,
    ("y", "lower"): lambda x: -jnp.exp(x[0]) * jnp.cos(x[1]),
    ("y", "upper"): lambda x: jnp.exp(x[0]) * jnp.cos(x[1]),
}


@pytest.mark.parametrize(("axis", "side"), NORMAL_DERIVATIVES)
def test_neumann_and_robin_use_the_outward_normal(axis, side):
    slope, on = NORMAL_DERIVATIVES[axis, side], (DOMAIN.face(axis, side),)
    conditions = [
        sngd.Dirichlet(u, on=on),
        sngd.Neumann(slope, on=on),
        sngd.Robin(2.0, lambda x: 2 * u(x) + slope(x), on=on),
        sngd.Boundary(lambda u, x, normal: sngd.gradient(u)(x) @ normal - slope(x), on=on),
    ]
    objective, theta = make_objective(sngd.Problem(DOMAIN, conditions), Exact(u))
    assert objective.rows == 4 * 20
    assert np.max(np.abs(objective.residual(theta))) < 1e-13
    # A normal of the wrong sign would leave twice the normal derivative.
    neumann = sngd.Neumann(lambda x: -slope(x), on=on)
    flipped = sngd.Problem(DOMAIN, [neumann], quadrature=sngd.GaussLegendre(20))
    objective, theta = make_objective(flipped, Exact(u))
    collocation = flipped.collocation(flipped.conditions[0])
    expected = 2 * jax.vmap(slope)(jnp.asarray(collocation.points)) * np.sqrt(collocation.weights)
    np.testing.assert_allclose(objective.residual(theta), expected, rtol=1e-12)


def test_initial_velocity_and_periodic_slopes():
    domain = sngd.space_time(t=(0, 1), x=(0, 2 * np.pi))
    conditions = [
        sngd.Initial(lambda x: jnp.sin(x[1])),
        sngd.Initial(lambda x: -2 * jnp.cos(x[1]), derivative=1),
        sngd.Periodic("x", derivatives=(0, 1, 2)),
    ]
    problem = sngd.Problem(domain, conditions)
    objective, theta = make_objective(problem, Exact(lambda x: jnp.sin(x[1] - 2 * x[0])))
    assert objective.rows == 20 + 20 + 3 * 20
    assert np.max(np.abs(objective.residual(theta))) < 1e-13
    objective, theta = make_objective(problem, Exact(lambda x: x[1]))
    periodic = objective.factor_terms[2].values(objective.trial, theta).reshape(-1, 3)
    scales = np.asarray(objective.factor_terms[2].scales)
    np.testing.assert_allclose(periodic, np.outer(scales, [2 * np.pi, 0, 0]), atol=1e-12)


def test_a_system_of_two_equations_has_two_rows_a_point():
    domain = sngd.interval(x=(0, 1))

    def equations(x, v, u):
        return sngd.partial(u, "x")(x) - v(x), sngd.partial(v, "x")(x) + u(x)

    left = (domain.face("x", "lower"),)
    conditions = [sngd.Interior(equations), sngd.Dirichlet(1.0, on=left, of="v"), sngd.Dirichlet(0.0, on=left)]
    problem = sngd.Problem(domain, conditions, unknowns=["u", "v"])
    objective, theta = make_objective(problem, Exact(lambda x: jnp.stack([jnp.sin(x[0]), jnp.cos(x[0])])))
    assert objective.rows == 2 * 64 + 1 + 2
    # The last condition wrongly asks for zero of both components at x = 0, where the second one is one.
    expected = np.zeros(objective.rows)
    expected[-1] = 1.0
    np.testing.assert_allclose(objective.residual(theta), expected, atol=1e-13)


def test_weights_multiply_a_condition_in_the_loss():
    def loss(weight):
        # The Laplacian of this function vanishes, so the boundary is all of the loss.
        conditions = [sngd.Dirichlet(1.0, weight=weight), sngd.Interior(lambda u, x: sngd.laplacian(u)(x))]
        objective, theta = make_objective(sngd.Problem(DOMAIN, conditions), Exact(u))
        return objective.value(theta)

    np.testing.assert_allclose(loss(3.0), 3 * loss(1.0), rtol=1e-12)


def pair(x):
    """A pair of functions with the period `2 pi` in the last coordinate."""
    return jnp.stack([jnp.sin(x[-1]), jnp.cos(2 * x[-1])])


def residual_of(problem, function):
    objective, theta = make_objective(problem, Exact(function))
    term = objective.factor_terms[-1]
    return np.asarray(term.values(objective.trial, theta)).reshape(len(term.scales), -1) / term.scales[:, None]


def test_periodic_systems_have_one_row_for_each_output_and_derivative():
    domain = sngd.space_time(t=(0, 1), x=(0, 2 * np.pi))
    condition = sngd.Periodic("x", derivatives=(0, 1))
    problem = sngd.Problem(domain, condition, unknowns=["u", "v"], quadrature=sngd.GaussLegendre(3))
    assert np.abs(residual_of(problem, pair)).max() < 1e-13
    # A line and a parabola, with the jumps of their values and then of their slopes.
    jumps = residual_of(problem, lambda x: jnp.stack([x[1], x[1] ** 2]))
    np.testing.assert_allclose(jumps, [[2 * np.pi, 4 * np.pi**2, 0, 4 * np.pi]] * 3, atol=1e-12)


def test_several_unknowns_take_one_number_or_one_each():
    line = sngd.interval(x=(0, 1))
    left, three = line.face("x", "lower"), lambda x: jnp.stack([x[0], 1 + 2 * x[0], 3 + 5 * x[0]])
    for condition, expected in [
        (sngd.Dirichlet(lambda x: jnp.array([5.0, 7.0]), on=left, of=("u", "w")), [-5, -4]),
        (sngd.Dirichlet(5.0, on=left, of=["w", "v"]), [-2, -4]),
        (sngd.Neumann([1.0, 2.0], on=left, of=("u", "w")), [-2, -7]),
        (sngd.Robin([2.0, 3.0], 1.0, on=left, of=("v", "w")), [2 - 2 - 1, 9 - 5 - 1]),
        (sngd.Robin(2.0, on=left), [-1, 0, 1]),
    ]:
        problem = sngd.Problem(line, condition, unknowns=["u", "v", "w"])
        np.testing.assert_allclose(residual_of(problem, three), [expected], atol=1e-13)


@pytest.mark.parametrize("of", [("u", "w"), ("u", "u"), (), (0,), "uv", -1])
def test_unknowns_that_do_not_exist_are_refused(of):
    problem = sngd.Problem(sngd.interval(x=(0, 1)), sngd.Dirichlet(0.0, of=of), unknowns=["u", "v"])
    with pytest.raises(ValueError, match="give the name of one of the unknown functions u, v, or several names"):
        residual_of(problem, pair)


@pytest.mark.parametrize("domain", [sngd.interval(t=(0, 2)), sngd.space_time(t=(0, 2))])
def test_ordinary_differential_equations_have_initial_and_final_conditions(domain):
    def system(t):
        return jnp.stack([jnp.exp(t[0]), jnp.cos(3 * t[0])])

    initial = sngd.Initial(lambda x: jnp.array([1.0, 1.0]))
    slopes = sngd.Initial([1.0, 0.5], derivative=1)
    final = sngd.Dirichlet(lambda x: jnp.exp(x[0]), on=domain.face("t", "upper"), of="u")
    for condition, expected in [(initial, [0, 0]), (slopes, [0, -0.5]), (final, [0])]:
        problem = sngd.Problem(domain, condition, unknowns=["u", "v"])
        np.testing.assert_allclose(residual_of(problem, system), [expected], atol=1e-13)


@pytest.mark.parametrize(
    ("on", "sides"),
    [
        (DOMAIN.face("y", "upper"), [("y", "upper")]),
        ([DOMAIN.face("x", "lower"), DOMAIN.face("y", "upper")], [("x", "lower"), ("y", "upper")]),
        ("lower", [("x", "lower"), ("y", "lower")]),
        ("upper", [("x", "upper"), ("y", "upper")]),
    ],
)
def test_faces_are_named_by_one_by_several_or_by_a_side(on, sides):
    faces = sngd.Dirichlet(0.0, on=on).faces(DOMAIN)
    assert [(face.axis, face.side) for face in faces] == sides


def test_sides_are_those_of_space():
    domain = sngd.space_time(t=(0, 1), x=(0, 1))
    assert sngd.Neumann(0.0, on="upper").faces(domain) == (domain.face("x", "upper"),)


DATA = {
    "dirichlet": lambda value: sngd.Dirichlet(value),
    "neumann": lambda value: sngd.Neumann(value),
    "robin": lambda value: sngd.Robin(1.0, value),
    "coefficient": lambda value: sngd.Robin(value, name="coefficient"),
    "initial": lambda value: sngd.Initial(value),
    "interior": lambda value: sngd.Interior(lambda u, x: u(x), value),
    "boundary": lambda value: sngd.Boundary(lambda u, x, normal: u(x), value),
}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("value", [lambda x: x, lambda x: x[:1], [1.0, 2.0], np.ones((1, 1))])
def test_data_are_not_broadcast(name, value):
    domain = sngd.space_time(t=(0, 1), x=(0, 1))
    with pytest.raises(
        ValueError, match=rf"of {name} has shape \(.*\) at one point, .* has shape \(\); give one number"
    ):
        make_objective(sngd.Problem(domain, DATA[name](value)), Exact(lambda x: x[0] * x[1]))


def test_data_of_a_system_are_one_number_or_one_for_each_unknown():
    line = sngd.interval(x=(0, 1))
    for value, expected in [(1.0, [-1, 0]), (lambda x: jnp.array([1.0, 2.0]), [-1, -1])]:
        problem = sngd.Problem(line, sngd.Dirichlet(value, on="lower"), unknowns=["u", "v"])
        np.testing.assert_allclose(residual_of(problem, pair), [expected], atol=1e-13)
    problem = sngd.Problem(line, sngd.Dirichlet(lambda x: jnp.ones(3)), unknowns=["u", "v"])
    with pytest.raises(ValueError, match=r"and u, v has shape \(2,\); give one number, or an array of shape \(2,\)"):
        residual_of(problem, pair)


def test_residuals_of_derivatives_that_vanish_use_u():
    """The second derivative of a linear network depends on no parameter."""
    equation = sngd.Interior(lambda u, x: sngd.partial(u, "x", "x")(x))
    objective, theta = make_objective(sngd.Problem(DOMAIN, equation), Exact(lambda x: x[0]))
    np.testing.assert_array_equal(objective.residual(theta), 0.0)


def test_an_energy_without_derivatives_has_no_natural_boundary_condition():
    line = sngd.interval(x=(0, 1))
    energy = sngd.Energy(line, lambda v, x: v(x) ** 2 / 2 - v(x), lambda v, w, x: w(x))
    objective, theta = make_objective(energy, Exact(lambda x: 1.0))
    np.testing.assert_allclose(objective.residual(theta), 0.0, atol=1e-13)
    # A density that does not use `u` is a mistake.
    with pytest.raises(ValueError, match="the residual of density does not use u"):
        make_objective(sngd.Energy(line, lambda v, x: x[0], lambda v, w, x: w(x)), Exact(lambda x: 1.0))
