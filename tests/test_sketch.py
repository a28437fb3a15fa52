"""Sketches of matrices with a prescribed spectrum, against dense eigendecompositions and the bound of eq. (8)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from sngd.linearize import DenseFactor
from sngd.sketch import (
    EMBEDDING,
    GramianProducts,
    dense,
    dense_svd,
    gaussian,
    khatri_rao,
    preconditioned_svd,
    range_finder_svd,
    single_pass,
    single_pass_by_factor,
    two_pass,
    two_pass_by_factor,
)
from sngd.sketch._lapack import orthonormal_basis

SIZE = 300
METHODS = {"two-pass": two_pass, "single-pass": single_pass}


def matrix_with(eigenvalues, seed=0):
    basis, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(eigenvalues),) * 2))
    return (basis * eigenvalues) @ basis.T


@functools.partial(jax.jit, static_argnames=("method", "columns"))
def low_rank_of(method, matrix, columns, seed):
    test_matrix = gaussian(jax.random.key(seed), len(matrix), columns, float)
    return method(lambda block: matrix @ block, test_matrix)


def sketched(method, matrix, columns, seed):
    low_rank = low_rank_of(method, matrix, columns, seed)
    vectors = np.asarray(low_rank.eigenvectors)
    return low_rank, (vectors * np.asarray(low_rank.eigenvalues)) @ vectors.T


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize(("rank", "oversampling"), [(20, 10), (40, 20), (80, 30)])
def test_average_error_is_within_the_bound_of_equation_8(method, rank, oversampling):
    eigenvalues = np.exp(-np.arange(SIZE) / 8.0)
    matrix = matrix_with(eigenvalues)
    # The basis of a single pass has three quarters of the columns.
    columns = rank + oversampling if method is two_pass else -(-4 * (rank + oversampling) // 3)
    errors = [np.linalg.norm(matrix - sketched(method, matrix, columns, seed)[1], 2) for seed in range(10)]
    tail = np.sqrt(np.sum(eigenvalues[rank:] ** 2))
    factor = np.e * np.sqrt(rank + oversampling) / oversampling
    bound = (1 + np.sqrt(rank / (oversampling - 1))) * eigenvalues[rank] + factor * tail
    assert np.mean(errors) <= bound
    # No approximation of the rank of the basis beats the spectrum.
    assert min(errors) >= 0.99 * eigenvalues[rank + oversampling]


@pytest.mark.parametrize(("rank", "oversampling"), [(20, 10), (40, 20), (80, 30)])
def test_average_error_of_the_factor_is_one_square_root_further(rank, oversampling):
    """Eq. (8) for the factor (Halko, Martinsson and Tropp, theorem 10.6): its tail has the singular values, not their
    squares, so what the sketch leaves of the Gramian's eigenvalues it leaves of their roots.
    """
    rows = 200
    values = np.exp(-np.arange(rows) / 8.0)
    rng = np.random.default_rng(1)
    left, _ = np.linalg.qr(rng.standard_normal((rows, rows)))
    right, _ = np.linalg.qr(rng.standard_normal((SIZE, rows)))
    factor = (left * values) @ right.T
    columns, errors = rank + oversampling, []

    @jax.jit
    def decomposed(seed):
        test_matrix = gaussian(jax.random.key(seed), rows, columns, float)
        return range_finder_svd(lambda block: factor @ block, lambda block: factor.T @ block, test_matrix)

    for seed in range(10):
        svd = decomposed(seed)
        approximation = (svd.left * svd.singular_values) @ (svd.basis @ svd.rotation).T
        errors.append(np.linalg.norm(factor - approximation, 2))
        np.testing.assert_allclose(svd.singular_values[: rank // 2], values[: rank // 2], rtol=1e-2)
    tail = np.sqrt(np.sum(values[rank:] ** 2))
    bound = (1 + np.sqrt(rank / (oversampling - 1))) * values[rank] + np.e * np.sqrt(columns) / oversampling * tail
    assert np.mean(errors) <= bound
    assert min(errors) >= 0.99 * values[columns]


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_exact_to_rounding_where_the_sketch_exceeds_the_rank(method):
    eigenvalues = np.concatenate([np.geomspace(1, 1e-6, 40), np.zeros(SIZE - 40)])
    matrix = matrix_with(eigenvalues)
    for seed in range(5):
        low_rank, approximation = sketched(method, matrix, 60, seed)
        assert np.linalg.norm(matrix - approximation, 2) < (1e-14 if method is two_pass else 1e-13)
        np.testing.assert_allclose(low_rank.eigenvalues[:40], eigenvalues[:40], rtol=0, atol=1e-13)
        assert int(low_rank.rank(1e-10)) == 40


def test_single_pass_degrades_gracefully():
    """Its error stays within a small factor of two-pass with the same basis, at every size, down to rounding."""
    matrix = matrix_with(np.exp(-np.arange(SIZE) / 6.0))
    for columns in (30, 60, 90, 150, 210):
        one, two = [
            np.mean([np.linalg.norm(matrix - sketched(method, matrix, count, seed)[1], 2) for seed in range(5)])
            for method, count in ((single_pass, columns * 4 // 3), (two_pass, columns))
        ]
        assert two < one < 10 * max(two, 1e-15)


def test_least_squares_core_is_better_than_the_inverse_of_algorithm_1():
    """The core of Algorithm 1 as printed, `Q^T A inv(Q^T M)`, loses digits that the overdetermined fit keeps."""
    matrix = matrix_with(1e3 * np.exp(-np.arange(SIZE) / 3.0))

    def as_printed(seed):
        test_matrix = np.asarray(gaussian(jax.random.key(seed), SIZE, 250, float))
        sketch = matrix @ test_matrix
        basis, _ = np.linalg.qr(sketch)
        core = basis.T @ sketch @ np.linalg.inv(basis.T @ test_matrix)
        return np.linalg.norm(matrix - basis @ (core + core.T) / 2 @ basis.T, 2)

    ours = [np.linalg.norm(matrix - sketched(single_pass, matrix, 250, seed)[1], 2) for seed in range(10)]
    printed = [as_printed(seed) for seed in range(10)]
    assert np.median(ours) < np.median(printed) / 5


def test_compressing_through_the_factor_gives_the_same_core():
    factor = np.random.default_rng(0).standard_normal((50, SIZE)) * np.geomspace(1, 1e-3, 50)[:, None]
    test_matrix = gaussian(jax.random.key(0), SIZE, 60, float)

    def compress(basis):
        return (factor @ basis).T @ (factor @ basis)

    plain = two_pass(lambda block: factor.T @ (factor @ block), test_matrix)
    factored = two_pass(lambda block: factor.T @ (factor @ block), test_matrix, compress)
    np.testing.assert_allclose(plain.eigenvalues, factored.eigenvalues, atol=1e-12 * float(plain.eigenvalues[0]))


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_pseudoinverse_against_numpy(method):
    eigenvalues = np.concatenate([np.geomspace(10, 1e-3, 30), np.full(SIZE - 30, 1e-13)])
    matrix = matrix_with(eigenvalues)
    vector = np.random.default_rng(1).standard_normal(SIZE)
    low_rank, _ = sketched(method, matrix, 80, seed=3)
    expected = np.linalg.pinv(matrix, rcond=1e-8, hermitian=True) @ vector
    np.testing.assert_allclose(low_rank.pinv_matmul(jnp.asarray(vector), 1e-8), expected, rtol=0, atol=1e-7)


def test_a_zero_operator_has_no_directions():
    low_rank = two_pass(jnp.zeros_like, gaussian(jax.random.key(0), 20, 5, float))
    assert int(low_rank.rank(1e-10)) == 0
    np.testing.assert_array_equal(low_rank.pinv_matmul(jnp.ones(20), 1e-10), np.zeros(20))


SPECTRA = {
    "exp(-k/8)": np.exp(-np.arange(120) / 8),
    "exp(-k/3)": np.exp(-np.arange(120) / 3),
    "exp(-k)": np.exp(-np.arange(120.0)),
    "algebraic": 1 / (1.0 + np.arange(120)) ** 2,
    "constant": np.ones(120),
    "steps": 10.0 ** (-3.0 * (np.arange(120) // 20)),
    "of low rank": np.r_[np.geomspace(1, 1e-10, 30), np.zeros(90)],
}


def factor_with(values, columns=700, seed=0):
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.standard_normal((size, len(values))))[0] for size in (len(values), columns))
    return jnp.asarray((left * values) @ right.T)


def decomposed_by_factor(method, factor, test_matrix, embedding):
    def products(rows, *, image):
        basis = factor.T @ rows
        return GramianProducts(basis, basis.T @ basis, factor @ basis if image else None)

    return method(factor @ test_matrix, factor @ embedding, products)


by_factor = jax.jit(decomposed_by_factor, static_argnames="method")


@pytest.mark.parametrize("values", SPECTRA.values(), ids=SPECTRA)
def test_the_basis_from_products_is_orthonormal_and_has_the_range_of_householders(values):
    """It is orthonormal to 1e-14. What it leaves of the factor is what a basis by Householder's QR leaves, down to
    rounding errors of the factor itself, which are far below those of the Gramian.
    """
    factor, columns = factor_with(values), 64
    test_matrix = gaussian(jax.random.key(1), 700, columns, float)
    embedding = gaussian(jax.random.key(2), 700, EMBEDDING * columns, float)
    rows, _ = np.linalg.qr(factor @ test_matrix)
    reference, _ = np.linalg.qr(factor.T @ rows)
    left = np.linalg.norm(factor - (factor @ reference) @ reference.T, 2)
    for method in (two_pass_by_factor, single_pass_by_factor):
        low_rank = by_factor(method, factor, test_matrix, embedding)
        basis = np.asarray(low_rank.eigenvectors)
        np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), rtol=0, atol=1e-14)
        if method is two_pass_by_factor:
            assert np.linalg.norm(factor - (factor @ basis) @ basis.T, 2) <= 1.5 * left + 2e-15
            expected = np.linalg.eigvalsh((factor @ reference).T @ (factor @ reference))[::-1]
            np.testing.assert_allclose(low_rank.eigenvalues, expected, rtol=0, atol=2e-15)


@pytest.mark.parametrize("method", [two_pass_by_factor, single_pass_by_factor])
def test_a_cholesky_decomposition_that_fails_is_replaced_by_eigenvectors(method, monkeypatch):
    factor, columns = factor_with(SPECTRA["exp(-k)"]), 64
    test_matrix = gaussian(jax.random.key(1), 700, columns, float)
    embedding = gaussian(jax.random.key(2), 700, EMBEDDING * columns, float)
    plain = by_factor(method, factor, test_matrix, embedding)
    with monkeypatch.context() as patched:
        patched.setattr(jnp.linalg, "cholesky", failing(jnp.linalg.cholesky))
        # A function of its own, which is traced with the decomposition that fails.
        fails = jax.jit(lambda *arguments: decomposed_by_factor(method, *arguments))
        without = fails(factor, test_matrix, embedding)
    np.testing.assert_allclose(without.eigenvalues[:15], plain.eigenvalues[:15], rtol=0, atol=1e-14)
    # An embedding of as many columns as the basis conditions badly, which costs digits but no directions.
    badly = by_factor(method, factor, test_matrix, embedding[:, :columns])
    # Columns that are zero in the test matrix have no directions. The others are as they were.
    half = by_factor(method, factor, test_matrix.at[:, 20:32].set(0), embedding)
    for other, orthonormal in ((without, 1e-12), (badly, 1e-8), (half, 1e-12)):
        vectors = np.asarray(other.eigenvectors)
        inner = vectors.T @ vectors
        np.testing.assert_allclose(inner, np.diag(np.round(np.diag(inner))), rtol=0, atol=orthonormal)
        assert np.linalg.norm(factor.T @ factor - (vectors * np.asarray(other.eigenvalues)) @ vectors.T, 2) < 1e-10


@pytest.mark.parametrize("method", [two_pass_by_factor, single_pass_by_factor])
def test_a_factor_that_is_zero_has_no_directions(method):
    zeros = jnp.zeros((30, 200))
    low_rank = by_factor(method, zeros, jnp.ones((200, 8)), jnp.ones((200, 32)))
    np.testing.assert_array_equal(low_rank.eigenvalues, 0)
    np.testing.assert_array_equal(low_rank.pinv_matmul(jnp.ones(200), 1e-10), 0)


@pytest.mark.parametrize("rows", [1, 7, 400, 1341])
def test_columns_of_outer_products_have_rank_one_and_variance_one(rows):
    drawn = np.asarray(khatri_rao(jax.random.key(0), rows, 4000, float))
    assert drawn.shape == (rows, 4000)
    # The mean of 4,000 squares of a product of two normal numbers, whose variance is eight.
    np.testing.assert_allclose(np.mean(drawn**2, axis=1), 1, atol=5 * np.sqrt(8 / 4000))
    correlation = np.corrcoef(drawn) if rows > 1 else np.ones((1, 1))
    assert np.abs(correlation - np.eye(rows)).max() < (6 * np.sqrt(3 / 4000) if rows < 1000 else 0.3)
    width = int(np.ceil(np.sqrt(rows)))
    whole = drawn[: rows // width * width, 0].reshape(-1, width)
    assert np.linalg.matrix_rank(whole) == 1


def failing(decompose):
    """The decomposition as it looks where LAPACK did not converge."""

    def fail(matrix):
        return jax.tree.map(lambda part: jnp.full_like(part, jnp.nan), decompose(matrix))

    return fail


@pytest.mark.parametrize("values", [np.exp(-np.arange(60.0)), np.r_[np.ones(30), np.zeros(30)]])
def test_decompositions_that_do_not_converge_are_made_by_another_algorithm(values, monkeypatch):
    monkeypatch.setattr(jnp.linalg, "svd", failing(jnp.linalg.svd))
    monkeypatch.setattr(jnp.linalg, "eigh", failing(jnp.linalg.eigh))
    rng = np.random.default_rng(2)
    left, right = (np.linalg.qr(rng.standard_normal((60, 60)))[0] for _ in range(2))
    factor = (left * values) @ right.T
    svd = dense_svd(factor)
    vectors = svd.basis @ svd.rotation
    np.testing.assert_allclose((svd.left * svd.singular_values) @ vectors.T, factor, atol=1e-14)
    np.testing.assert_allclose(svd.singular_values, values, atol=1e-14)

    gramian = (left * values) @ left.T
    low_rank = dense(lambda block: gramian @ block, 60, float)
    vectors = low_rank.eigenvectors
    np.testing.assert_allclose((vectors * low_rank.eigenvalues) @ vectors.T, gramian, atol=1e-14)
    np.testing.assert_allclose(low_rank.eigenvalues, scipy.linalg.eigvalsh(gramian)[::-1], atol=1e-14)


def test_what_is_not_finite_is_not_decomposed_twice():
    svd = dense_svd(jnp.full((5, 5), jnp.nan))
    assert not np.any(np.isfinite(svd.singular_values))


@pytest.mark.parametrize("rows", [100, 2049, 65_536, 70_001])
def test_the_basis_of_a_tall_matrix_is_orthonormal_and_spans_it(rows, key):
    """By blocks and in one, for columns that fall over twelve orders of magnitude."""
    matrix = jax.random.normal(key, (rows, 20)) @ jnp.diag(jnp.geomspace(1, 1e-12, 20))
    basis = orthonormal_basis(matrix)
    np.testing.assert_allclose(basis.T @ basis, np.eye(20), atol=1e-13)
    np.testing.assert_allclose(basis @ (basis.T @ matrix), matrix, atol=1e-13)


def test_preconditioned_iterations_solve_with_the_factor_itself():
    """Singular values down to 1e-12, and a sketch of its columns: the damped updates are those of dense algebra."""
    rng = np.random.default_rng(3)
    left, right = (np.linalg.qr(rng.standard_normal((size, 60)))[0] for size in (60, 900))
    values = np.geomspace(1, 1e-12, 60)
    factor, solution = (left * values) @ right.T, rng.standard_normal(60)
    sketch = factor @ rng.standard_normal((900, 240)) / 240**0.5
    svd = preconditioned_svd(jnp.asarray(sketch), DenseFactor(jnp.asarray(factor)))
    bold = svd.resolution * svd.singular_values[0] / 1e-12
    for root in (1e-2, 1e-5, 1e-8, 1e-12):
        kept = values**2 / (values**2 + root**2)
        found = svd.damped(svd.left_rmatmul(jnp.asarray(left @ (values * solution))), bold * 1e-12 / root)
        np.testing.assert_allclose(found, right @ (kept * solution), atol=2e-3 * np.linalg.norm(kept * solution))
    assert not np.any(svd.damped(jnp.ones(60), jnp.asarray(0.0)))

    # Repeated for what is left, they solve for all directions: no digits are lost to a square.
    total = np.zeros(900)
    for _ in range(10):
        total += svd.damped(svd.left_rmatmul(jnp.asarray(left @ (values * solution) - factor @ total)), bold)
    kept = 1 - (1 - values**2 / (values**2 + 1e-24)) ** 10
    np.testing.assert_allclose(right.T @ total, kept * solution, atol=2e-3 * np.abs(solution).max())
    np.testing.assert_allclose(factor @ total, left @ (values * solution), atol=1e-6)


def test_preconditioned_iterations_know_products_with_the_right_singular_vectors():
    rng = np.random.default_rng(4)
    left, right = (np.linalg.qr(rng.standard_normal((size, 40)))[0] for size in (40, 300))
    factor = (left * np.geomspace(1, 1e-4, 40)) @ right.T
    svd = preconditioned_svd(jnp.asarray(factor @ np.eye(300)), DenseFactor(jnp.asarray(factor)))
    coefficients, vector = rng.standard_normal(40), rng.standard_normal(300)
    expected = np.linalg.pinv(factor) @ (svd.left @ (svd.singular_values * coefficients))
    np.testing.assert_allclose(svd.right_matmul(jnp.asarray(coefficients)), expected, atol=1e-2)
    expected = svd.singular_values * (svd.left.T @ (np.linalg.pinv(factor).T @ vector))
    np.testing.assert_allclose(svd.right_rmatmul(jnp.asarray(vector)), expected, atol=1e-2)
