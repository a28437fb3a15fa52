"""The linearization against finite differences, dense algebra and itself in chunks."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.library import PAPER_PROBLEMS, bvp_energy, find_problem
from sngd.linearize import ChunkedFactor, DenseFactor, EnergyObjective, LayeredFactor, Limits, make_objective
from sngd.networks import make_network
from sngd.sketch import gaussian, khatri_rao

# Coarse rules keep the sweep fast; the chunks divide none of the counts.
RULES = {1: sngd.GaussLegendre(23), 2: sngd.GaussLegendre(9)}


def objective_of(name, key, **limits):
    problem = find_problem(name)
    problem = dataclasses.replace(problem, quadrature=RULES[problem.domain.dimension])
    network = make_network("2x12", problem.domain.bounds, key=key)
    return make_objective(problem, network, Limits(**limits))


@eqx.filter_jit
def factor_of(objective, theta):
    """Compiled: one operation after the other compiles each."""
    return objective.factor(theta)


def shapes_of(objective, theta):
    """The factor without its numbers, for which nothing is compiled."""
    return eqx.filter_eval_shape(objective.factor, theta)


@pytest.fixture(params=PAPER_PROBLEMS)
def name(request):
    return request.param


@eqx.filter_jit
def products(objective, theta, columns, images):
    """Everything a factor can do, and the gradient, compiled at once."""
    linearization = objective.linearize(theta)
    factor = linearization.factor
    found = {
        "gradient": linearization.gradient,
        "matmul": factor.matmul(columns),
        "rmatmul": factor.rmatmul(images),
        "gramian_matmul": factor.gramian_matmul(columns),
        "gramian_compress": factor.gramian_compress(columns),
        "kernel": factor.kernel(),
    }
    if isinstance(factor, LayeredFactor):
        # It has ways of its own for a single column.
        found["matmul of one column"] = factor.matmul(columns[:, :1])
        found["rmatmul of one column"] = factor.rmatmul(images[:, :1])
    return found


@eqx.filter_jit
def jacobian_by_forward_mode(objective, theta):
    """The factor of the Gramian, a column at a time and without any of the code under test but its functions."""
    start = objective.trial.field(theta)

    def rows(t, term):
        field = objective.trial.field(t)
        at = lambda x, n, s, values: s * jnp.ravel(term.function(start, field, x, n, values))
        return jax.vmap(at)(term.points, term.normals, term.scales, term.tabulated).ravel()

    return jnp.concatenate([jax.jacfwd(rows)(theta, term) for term in objective.factor_terms])


@pytest.fixture
def small_blocks(monkeypatch):
    """Outer products form blocks of three of the twelve rows of a weight matrix, or fewer."""
    monkeypatch.setattr("sngd.linearize._column_blocks._CPU_BYTES", 3 * 12 * 8 * 100)


@pytest.mark.usefixtures("small_blocks")
def test_products_equal_dense_algebra_stored_in_chunks_of_any_size_and_in_layers(name, key):
    """Eq. (7): `G @ Y` is `J.T @ (J @ Y)` to 1e-12, and so is everything else, with `J` by forward mode."""
    stored, theta = objective_of(name, key)
    jacobian = np.asarray(jacobian_by_forward_mode(stored, theta))
    assert jacobian.shape == (stored.rows, len(theta)) == shapes_of(stored, theta).shape
    columns = np.asarray(jax.random.normal(key, (len(theta), 5)))
    images = np.asarray(jax.random.normal(key, (stored.rows, 5)))
    expected = {
        "gradient": jax.jit(jax.grad(stored.value))(theta),
        "matmul": jacobian @ columns,
        "rmatmul": jacobian.T @ images,
        "gramian_matmul": jacobian.T @ (jacobian @ columns),
        "gramian_compress": (jacobian @ columns).T @ (jacobian @ columns),
        "kernel": jacobian @ jacobian.T,
        "matmul of one column": jacobian @ columns[:, :1],
        "rmatmul of one column": jacobian.T @ images[:, :1],
    }
    assert isinstance(shapes_of(stored, theta), DenseFactor)
    # Blocks of points are blocks of points, whatever the equation: two problems are enough, with one point a block too.
    counts = {"bvp": (1, 4), "bvp-energy": (4,)}.get(name, ())
    block = lambda points: {"dense_bytes": 0, "chunk_bytes": points * 16 * len(theta)}
    chunked = [objective_of(name, key, layered=False, **block(points))[0] for points in counts]
    layered = objective_of(name, key, **block(4))[0]
    assert all(isinstance(shapes_of(each, theta), ChunkedFactor) for each in chunked)
    assert isinstance(shapes_of(layered, theta), LayeredFactor)
    for objective in (stored, *chunked, layered):
        for product, value in products(objective, theta, jnp.asarray(columns), jnp.asarray(images)).items():
            scale = np.abs(expected[product]).max()
            np.testing.assert_allclose(value, expected[product], rtol=0, atol=1e-12 * scale, err_msg=product)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("test_matrix", [gaussian, khatri_rao])
@pytest.mark.parametrize("passes", ["two_pass", "single_pass"])
def test_outer_products_have_the_eigenpairs_of_the_stored_gramian(passes, test_matrix, key):
    """A sketch wider than the rank to 1e-7 of the largest eigenvalue has the eigenvalues above it to all digits."""
    stored, theta = objective_of("heat", key)
    layered = objective_of("heat", key, dense_bytes=0)[0]
    matrix = np.asarray(factor_of(stored, theta).matrix)
    values = np.linalg.svd(matrix, compute_uv=False) ** 2
    columns = 100

    @eqx.filter_jit
    def decomposed(objective, theta):
        return getattr(objective.factor(theta), passes)(test_matrix, key, columns)

    known = values > 1e-7 * values[0]
    assert known.sum() < columns / 2
    for objective in (stored, layered):
        low_rank = decomposed(objective, theta)
        vectors = np.asarray(low_rank.eigenvectors)
        np.testing.assert_allclose(low_rank.eigenvalues[: known.sum()], values[known], rtol=1e-5)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(vectors.shape[1]), rtol=0, atol=1e-14)
        left = matrix.T @ (matrix @ vectors) - vectors * np.asarray(low_rank.eigenvalues)
        assert np.linalg.norm(left, 2) < 1e-11 * values[0]


def test_jacobian_agrees_with_finite_differences_in_a_direction(name, key):
    objective, theta = objective_of(name, key)
    linearization = eqx.filter_jit(objective.linearize)(theta)
    direction = jax.random.normal(key, theta.shape) / np.sqrt(len(theta))
    step = 1e-6
    if linearization.residual is not None:
        values, expected = objective.residual, linearization.factor.matmul(direction[:, None])[:, 0]
    else:
        values, expected = objective.value, linearization.gradient @ direction
    values = eqx.filter_jit(values)
    difference = (values(theta + step * direction) - values(theta - step * direction)) / (2 * step)
    np.testing.assert_allclose(difference, expected, rtol=0, atol=1e-7 * np.abs(expected).max())


def test_a_sketch_of_outer_products_is_a_product_with_its_test_matrix(key):
    objective, theta = objective_of("heat", key, dense_bytes=0)
    factor = factor_of(objective, theta)
    sketch, columns = eqx.filter_jit(factor.sketch)(gaussian, key, 40, shared=8)
    assert sketch.shape[1] == 64, "groups of eight by eight"
    dense = np.asarray(jax.jit(jax.vmap(columns.matmul, in_axes=1, out_axes=1))(jnp.eye(64)))
    assert dense.shape == (len(theta), 64)
    product = eqx.filter_jit(factor.matmul)(jnp.asarray(dense))
    np.testing.assert_allclose(sketch, product, atol=1e-12 * np.abs(sketch).max())
    vector = jax.random.normal(key, (len(theta),))
    np.testing.assert_allclose(eqx.filter_jit(columns.rmatmul)(vector), dense.T @ np.asarray(vector), atol=1e-12)

    # It keeps norms on average: here within five standard deviations, of which the largest is 3 / sqrt(groups).
    @eqx.filter_jit
    def squared_norm_by_many(factor):
        return jnp.sum(factor.sketch(gaussian, key, 80_000, shared=8)[1].rmatmul(vector) ** 2)

    ratio = float(squared_norm_by_many(factor) / jnp.sum(vector**2))
    assert abs(ratio - 1) < 5 * 3 / (80_000 / 64) ** 0.5


def test_values_with_the_fewest_products(key):
    objective, theta = objective_of("heat", key, dense_bytes=0)
    term, field = objective.factor_terms[0], objective.trial.field(theta)
    # Derivatives written one by one have the network itself, and some of its derivatives, in common.
    ways = [lambda way=way: term.values_of(field, way) for way in (False, True)]
    written, fewest = (str(jax.make_jaxpr(way)()).count("dot_general") for way in ways)
    assert fewest < written
    np.testing.assert_allclose(*(jax.jit(way)() for way in ways), rtol=0, atol=1e-13)


class Unusual(eqx.Module):
    """A user's network: one weight enters twice and transposed, one from the right, one squared, one as a scale."""

    tied: jax.Array
    right: jax.Array
    squared: jax.Array
    scale: jax.Array

    def __call__(self, x):
        hidden = jnp.tanh(self.tied @ jnp.tile(x, 8))
        hidden = jnp.sin(jnp.concatenate([hidden, jnp.ones(4)]) @ self.right) * self.scale
        hidden = jnp.sin(self.tied.T @ hidden) + self.squared**2 @ hidden
        return jnp.sum(hidden)


def test_a_sketch_with_two_columns_a_row_has_the_singular_values_of_the_factor_within_a_factor_of_three(key):
    stored, theta = objective_of("heat", key)
    layered, _ = objective_of("heat", key, dense_bytes=0)
    values = np.linalg.svd(factor_of(stored, theta).matrix, compute_uv=False)
    sketch, _ = eqx.filter_jit(factor_of(layered, theta).sketch)(gaussian, key, 2 * stored.rows, shared=8)
    found = np.linalg.svd(sketch, compute_uv=False)
    known = values > 1e-12 * values[0]
    assert np.all(np.maximum(found / values, values / found)[known] < 3)


class TwoParts(eqx.Module):
    """A network of two outputs, of which the second one has a matrix of its own."""

    first: jax.Array
    second: jax.Array
    shift: jax.Array

    def __call__(self, x):
        return jnp.stack([jnp.sum(jnp.sin(self.first @ x + self.shift)), jnp.sum(jnp.sin(self.second @ x))])


def test_conditions_that_do_not_depend_on_a_matrix(key):
    square = sngd.box(**dict.fromkeys("abcdefgh", (0, 1)))
    conditions = [sngd.Interior(lambda u, x: u(x)), sngd.Dirichlet(lambda x: jnp.ones(2))]
    problem = sngd.Problem(square, conditions, unknowns=["u", "v"], quadrature=sngd.Sobol(4))
    network = TwoParts(*jax.random.normal(key, (2, 16, 8)), jnp.ones(16))
    (layered, theta), (stored, _) = (make_objective(problem, network, Limits(size)) for size in (0, 2**30))
    factor, matrix = factor_of(layered, theta), np.asarray(factor_of(stored, theta).matrix)
    assert layered.linear == {0, 1}

    @eqx.filter_jit
    def found(factor):
        sketch, columns = factor.sketch(gaussian, key, 64, shared=4)
        dense = jax.vmap(columns.matmul, 1, 1)(jnp.eye(64))
        return sketch, dense, factor.kernel(), factor.rmatmul(jnp.asarray(matrix))

    sketch, dense, kernel, product = found(factor)
    np.testing.assert_allclose(sketch, matrix @ dense, atol=1e-12)
    np.testing.assert_allclose(kernel, matrix @ matrix.T, atol=1e-12)
    np.testing.assert_allclose(product, matrix.T @ matrix, atol=1e-12)


def test_outer_products_of_a_network_that_is_not_ours(key):
    """The factor of a network whose weights enter in every way, against the stored one."""
    keys = jax.random.split(key, 4)
    shapes = ((12, 16), (16, 12), (16, 12), (12,))
    network = Unusual(*(0.4 * jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)))
    problem = dataclasses.replace(find_problem("heat"), quadrature=RULES[2])
    stored, theta = make_objective(problem, network)
    layered, _ = make_objective(problem, network, Limits(dense_bytes=0))
    factor = factor_of(layered, theta)
    assert isinstance(factor, LayeredFactor)
    assert layered.linear == {0, 1}, "the squared weight and the scale are stored"
    expected = np.asarray(factor_of(stored, theta).matrix)
    columns = jax.random.normal(key, (len(theta), 3))
    product, kernel = eqx.filter_jit(lambda factor: (factor.matmul(columns), factor.kernel()))(factor)
    np.testing.assert_allclose(product, expected @ np.asarray(columns), atol=1e-12 * np.abs(expected).max() * 20)
    np.testing.assert_allclose(kernel, expected @ expected.T, rtol=0, atol=1e-13 * np.abs(expected @ expected.T).max())
    np.testing.assert_allclose(factor.values, eqx.filter_jit(stored.residual)(theta), rtol=0, atol=1e-12)


def test_a_plain_function_with_parameters_is_a_network(key):
    def quadratic(parameters, x):
        return parameters["a"] * x[0] ** 2 + parameters["b"]

    network = jax.tree_util.Partial(quadratic, {"a": jnp.array(2.0), "b": jnp.array(1.0)})
    problem = sngd.Problem(sngd.interval(x=(0, 1)), [sngd.Interior(lambda u, x: sngd.partial(u, "x", "x")(x) - 6)])
    solution = sngd.solve(problem, network, key=key, stopping=sngd.Stopping(iterations=3))
    np.testing.assert_allclose(solution(np.array([[2.0]])), 3 * 4 + 1, rtol=1e-10)


def energy_at(problem, key, architecture="2x10"):
    objective, theta = make_objective(problem, make_network(architecture, problem.domain.bounds, key=key))
    assert isinstance(objective, EnergyObjective)
    return objective, theta


def test_the_gradient_by_parts_is_that_of_the_energy(key):
    """The two differ by the error of the quadrature alone, which is at rounding for a network of low frequency."""
    objective, theta = energy_at(bvp_energy(), key)
    plain = jax.jit(jax.grad(objective.value))(theta)
    np.testing.assert_allclose(
        eqx.filter_jit(objective.gradient)(theta), plain, rtol=0, atol=1e-10 * np.abs(plain).max()
    )


def test_the_gradient_by_parts_in_two_dimensions_with_two_outputs(key):
    """A density with a coefficient, a coupling and natural boundary conditions."""
    square = sngd.box(x=(0, 1), y=(0, 2))

    def density(u, x):
        return (1 + x[0]) * jnp.sum(sngd.gradient(u)(x) ** 2) / 2 + u(x)[0] * u(x)[1] ** 2 - x[1] * u(x)[1]

    metric = lambda u, v, x: sngd.gradient(v)(x).ravel()
    problem = sngd.Energy(square, density, metric, unknowns=["u", "v"], quadrature=sngd.GaussLegendre(20))
    objective, theta = make_objective(problem, make_network("2x6", square.bounds, 2, key=key))
    plain = jax.jit(jax.grad(objective.value))(theta)
    np.testing.assert_allclose(
        eqx.filter_jit(objective.gradient)(theta), plain, rtol=0, atol=1e-10 * np.abs(plain).max()
    )


def test_a_small_change_of_an_energy_keeps_its_digits(key):
    """Against the first-order expansion, beside a constant that leaves the difference of two energies no digit."""
    problem = bvp_energy()
    shifted = dataclasses.replace(problem, density=lambda u, x: problem.density(u, x) + 1e6)
    (objective, theta), (with_constant, _) = energy_at(problem, key), energy_at(shifted, key)
    direction = jax.random.normal(key, theta.shape)
    value, change = eqx.filter_jit(objective.value), eqx.filter_jit(with_constant.change)
    small, near = 1e-13, theta + 1e-3 * direction
    expected = small * float(eqx.filter_jit(objective.gradient)(theta) @ direction)
    assert abs(expected) < 1e-17 * abs(eqx.filter_jit(with_constant.value)(theta))
    np.testing.assert_allclose(change(theta, theta + small * direction), expected, rtol=1e-2)
    np.testing.assert_allclose(change(theta, near), value(near) - value(theta), rtol=1e-9)


def test_a_density_of_second_order_is_refused(key):
    line = sngd.interval(x=(0, 1))
    bending = lambda u, x: sngd.partial(u, "x", "x")(x) ** 2 / 2
    problem = sngd.Energy(line, bending, lambda u, v, x: sngd.partial(v, "x", "x")(x))
    with pytest.raises(ValueError, match="density depends on second derivatives of u"):
        make_objective(problem, make_network("1x5", line.bounds, key=key))


def test_wide_networks_keep_outer_products_though_the_factor_could_be_stored():
    problem = find_problem("poisson")
    for architecture, storage in (("2x128", "kept as outer products"), ("4x20", "stored")):
        network = make_network(architecture, problem.domain.bounds, key=jax.random.key(0))
        assert make_objective(problem, network)[0].storage == storage


def test_some_points_have_the_rows_that_they_had_among_all(key):
    problem = find_problem("heat")
    objective, theta = make_objective(problem, make_network("2x8", problem.domain.bounds, key=key))
    some = objective.on_some_points(60, key)
    assert 50 < some.rows <= 60
    assert len(some.factor_terms) == len(objective.factor_terms)
    assert all(term.rows > 0 for term in some.factor_terms)
    found, among = (np.asarray(eqx.filter_jit(seen.residual)(theta)) for seen in (some, objective))
    nearest = np.argmin(np.abs(found[:, None] - among), axis=1)
    np.testing.assert_allclose(found, among[nearest], rtol=1e-12)
    assert len(set(nearest)) == some.rows
