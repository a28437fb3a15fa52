"""Differential operators against derivatives written by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd

DOMAIN = sngd.space_time(t=(0, 1), x=(0, 2), y=(-1, 1))
POINT = jnp.array([0.3, 1.1, -0.4])


def wave(x):
    return jnp.exp(-x[0]) * jnp.sin(2 * x[1]) * x[2] ** 3


FIELD = sngd.Field(wave, DOMAIN)
T, X, Y = POINT
DECAY, SINE, COSINE = jnp.exp(-T), jnp.sin(2 * X), jnp.cos(2 * X)


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        (("t",), -DECAY * SINE * Y**3),
        (("x", "x"), -4 * DECAY * SINE * Y**3),
        (("t", "y"), -3 * DECAY * SINE * Y**2),
        (("y", "y", "y"), 6 * DECAY * SINE),
        (("x", "x", "x", "x"), 16 * DECAY * SINE * Y**3),
    ],
)
def test_partial_derivatives(axes, expected):
    np.testing.assert_allclose(sngd.partial(FIELD, *axes)(POINT), expected, rtol=1e-13)


def test_gradient_and_laplacian_leave_out_time():
    gradient = [2 * DECAY * COSINE * Y**3, 3 * DECAY * SINE * Y**2]
    np.testing.assert_allclose(sngd.gradient(FIELD)(POINT), gradient, rtol=1e-13)
    laplacian = DECAY * SINE * (-4 * Y**3 + 6 * Y)
    np.testing.assert_allclose(sngd.laplacian(FIELD)(POINT), laplacian, rtol=1e-13)


def test_divergence_of_a_flux_with_variable_coefficient():
    def coefficient(x):
        return 1 + x[1] ** 2

    flux = FIELD.like(lambda x: coefficient(x) * sngd.gradient(FIELD)(x))
    expected = coefficient(POINT) * sngd.laplacian(FIELD)(POINT) + 2 * X * sngd.partial(FIELD, "x")(POINT)
    np.testing.assert_allclose(sngd.divergence(flux)(POINT), expected, rtol=1e-13)


def test_directional_derivative_along_a_vector_and_a_vector_field():
    along = np.array([1.0, -2.0, 0.5])
    expected = jax.grad(wave)(POINT) @ along
    np.testing.assert_allclose(sngd.directional(FIELD, along)(POINT), expected, rtol=1e-13)
    np.testing.assert_allclose(sngd.directional(FIELD, lambda x: along)(POINT), expected, rtol=1e-13)


def test_operators_act_on_every_component_of_a_system():
    system = FIELD.like(lambda x: jnp.stack([wave(x), wave(x) ** 2]))
    np.testing.assert_allclose(sngd.laplacian(system)(POINT)[0], sngd.laplacian(FIELD)(POINT), rtol=1e-13)
    assert sngd.gradient(system)(POINT).shape == (2, 2)


def test_derivatives_of_a_residual_share_their_lower_orders():
    """`u_t - u_xx + u` costs about the four Taylor components that it needs, not eight evaluations."""
    domain = sngd.space_time(t=(0, 1), x=(0, 1))
    network = sngd.networks.make_network("4x64", domain.bounds, key=jax.random.key(0))
    field = sngd.Field(network, domain)

    def residual(x):
        return sngd.partial(field, "t")(x) - sngd.partial(field, "x", "x")(x) + field(x)

    def flops(function):
        return jax.jit(jax.vmap(function)).lower(jnp.ones((64, 2))).compile().cost_analysis()["flops"]

    assert flops(residual) < 5 * flops(network)


@pytest.mark.parametrize("axes", [(), ("z",), ("x", "xx")])
def test_unknown_or_missing_axes_are_named(axes):
    with pytest.raises(ValueError, match=r"at least one axis|axes are t, x, y"):
        sngd.partial(FIELD, *axes)(POINT)


@pytest.mark.parametrize("point", [POINT[0], POINT[:2], jnp.stack([POINT, POINT]), 0.3])
def test_fields_take_one_point_and_do_not_broadcast(point):
    with pytest.raises(ValueError, match=r"a point of this domain has shape \(3,\), with one coordinate for each"):
        FIELD(point)
    with pytest.raises(ValueError, match="u is evaluated at a point of shape"):
        sngd.partial(FIELD, "x")(point)


def test_points_may_be_lists_and_many_points_are_mapped_over():
    np.testing.assert_array_equal(FIELD([T, 1.1, -0.4]), FIELD(POINT))
    np.testing.assert_array_equal(jax.vmap(FIELD)(jnp.stack([POINT, POINT])), [FIELD(POINT)] * 2)


@pytest.mark.parametrize("direction", [1.0, [1.0], np.ones(2), np.ones((1, 3)), lambda x: x[0]])
def test_directions_of_another_shape_are_refused(direction):
    with pytest.raises(ValueError, match=r"direction has shape .*; it must be a vector of shape \(3,\)"):
        sngd.directional(FIELD, direction)(POINT)


@pytest.mark.parametrize("operator", [sngd.gradient, sngd.laplacian, sngd.divergence])
@pytest.mark.parametrize("domain", [sngd.interval(t=(0, 1)), sngd.space_time(t=(0, 1))])
def test_operators_in_space_need_a_space_axis(operator, domain):
    with pytest.raises(ValueError, match=r"its only axis t is time. Write partial\(u, \"t\"\)"):
        operator(sngd.Field(lambda x: x[0], domain))
