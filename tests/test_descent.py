"""Descents against dense algebra."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sngd.descent import (
    ENGD,
    SNGD,
    CurveReport,
    FactorDescent,
    GradientDescent,
    Preconditioned,
    ResidualSpace,
    SpaceState,
)
from sngd.descent._ladder import sketch_size_on_ladder
from sngd.geometry import GaussLegendre
from sngd.library import find_problem
from sngd.linearize import DenseFactor, Limits, Linearization, make_objective
from sngd.networks import make_network

ROWS, PARAMETERS = 80, 120
EPSILON = np.finfo(float).eps


def linearization(spectrum, seed=0):
    """A least-squares linearization whose factor has these singular values."""
    random = np.random.default_rng(seed)
    left, _ = np.linalg.qr(random.standard_normal((ROWS, len(spectrum))))
    right, _ = np.linalg.qr(random.standard_normal((PARAMETERS, len(spectrum))))
    factor = (left * spectrum) @ right.T
    residual = random.standard_normal(ROWS)
    return Linearization(
        jnp.asarray(residual @ residual / 2),
        DenseFactor(jnp.asarray(factor)),
        jnp.asarray(residual),
    )


def full_step(descent, at, seed=0, state=None):
    state = descent.init(*at.factor.shape) if state is None else state
    curve = eqx.filter_jit(descent.step)(at, state, jax.random.key(seed))
    return np.asarray(eqx.filter_jit(curve.update)(jnp.asarray(1.0))), curve


# The rounding errors of a single pass reach the cutoff that is the default: for two seeds of five one of them is kept.
NATURAL = {"two-pass": SNGD("two-pass"), "single-pass": SNGD("single-pass", tolerance=1e-14), "engd": ENGD()}
FACTOR = {"exact": FactorDescent("truncated"), "sketched": FactorDescent("truncated", sketch_size=40)}


@pytest.mark.parametrize("descent", [*NATURAL.values(), *FACTOR.values()], ids=[*NATURAL, *FACTOR])
def test_natural_gradients_solve_the_least_squares_problem(descent):
    """With the rank below the sketch, the full step is the minimum-norm least-squares solution, by NumPy's `lstsq`."""
    at = linearization(np.geomspace(1, 1e-3, 30))
    update, curve = full_step(descent, at)
    expected, *_ = np.linalg.lstsq(np.asarray(at.factor.matrix), -np.asarray(at.residual), rcond=1e-6)
    np.testing.assert_allclose(update, expected, rtol=0, atol=1e-7 * np.abs(expected).max())
    assert int(curve.rank(jnp.asarray(1.0))) == 30
    np.testing.assert_allclose(curve.gradient_norm, np.linalg.norm(at.gradient), rtol=1e-7)
    # The model predicts the reduction of the linear problem that the step really brings, and it is largest at t = 1.
    residual = np.asarray(at.residual)
    for t in (0.3, 1.0):
        moved = residual + np.asarray(at.factor.matrix) @ np.asarray(curve.update(jnp.asarray(t)))
        reduction = (residual @ residual - moved @ moved) / 2
        np.testing.assert_allclose(curve.predicted_reduction(jnp.asarray(t)), reduction, rtol=1e-8)


def test_gradient_descent_predicts_its_reduction():
    at = linearization(np.geomspace(1, 1e-3, 30))
    update, curve = full_step(GradientDescent(scale=0.5), at)
    np.testing.assert_allclose(update, -0.5 * np.asarray(at.gradient), rtol=1e-12)
    moved = at.residual + at.factor.matrix @ update
    reduction = float(at.value - moved @ moved / 2)
    np.testing.assert_allclose(curve.predicted_reduction(jnp.asarray(1.0)), reduction, rtol=1e-10)


@pytest.mark.parametrize("size", [None, 60])
def test_the_factor_keeps_the_digits_that_the_gramian_loses(size):
    """Singular values down to 1e-11: the factor solves for all directions, the Gramian for those above 1e-8 only."""
    spectrum = np.geomspace(1, 1e-11, 50)
    at = linearization(spectrum)
    matrix, residual = np.asarray(at.factor.matrix), np.asarray(at.residual)

    def left_over(descent):
        update, *_ = full_step(descent, at)
        return np.linalg.norm(np.linalg.svd(matrix, full_matrices=False)[0][:, :50].T @ (residual + matrix @ update))

    assert left_over(FactorDescent("truncated", sketch_size=size)) < 1e-3
    assert left_over(SNGD("two-pass", sketch_size=size or 80)) > 0.1


@pytest.mark.parametrize("t", [1e-12, 1e-6, 1e-2, 1.0])
def test_damped_updates_are_those_of_levenberg_and_marquardt(t):
    at = linearization(np.geomspace(1, 1e-3, ROWS))
    _, curve = full_step(FactorDescent("damped"), at)
    matrix, residual = np.asarray(at.factor.matrix), np.asarray(at.residual)
    root = np.finfo(float).eps / t * np.linalg.norm(matrix, 2)
    stacked = np.concatenate([matrix, root * np.eye(PARAMETERS)])
    expected, *_ = np.linalg.lstsq(stacked, -np.concatenate([residual, np.zeros(PARAMETERS)]), rcond=1e-13)
    update = np.asarray(curve.update(jnp.asarray(t)))
    np.testing.assert_allclose(update, expected, atol=1e-9 * np.linalg.norm(expected), rtol=0)
    moved = residual + matrix @ update
    reduction = (residual @ residual - moved @ moved) / 2
    np.testing.assert_allclose(curve.predicted_reduction(jnp.asarray(t)), reduction, rtol=1e-6, atol=1e-12)
    assert int(curve.rank(jnp.asarray(t))) == np.sum(np.linalg.svd(matrix, compute_uv=False) > root)


@pytest.mark.parametrize("uses_factor", [False, True])
def test_residual_space_takes_levenberg_marquardt_steps(uses_factor):
    """Against the normal equations, for dampings well above the rounding errors of either decomposition."""
    at = linearization(np.geomspace(1, 1e-3, 30))
    resolution = EPSILON if uses_factor else EPSILON**0.5
    _, curve = full_step(ResidualSpace(), at, state=SpaceState(uses_factor))
    factor, residual = np.asarray(at.factor.matrix), np.asarray(at.residual)
    for t in (resolution / 1e-2, resolution / 1e-4):
        damping = (resolution / t) ** 2 * np.linalg.norm(factor, 2) ** 2
        expected = -np.linalg.solve(factor.T @ factor + damping * np.eye(PARAMETERS), factor.T @ residual)
        np.testing.assert_allclose(curve.update(jnp.asarray(t)), expected, rtol=0, atol=1e-7 * np.linalg.norm(expected))


@pytest.mark.parametrize("t", [1e-12, 1e-8, 1e-2])
def test_preconditioned_steps_are_those_of_the_stored_factor(t, key):
    """Kept as outer products, where they are iterations, and stored, where they are exact."""
    problem = find_problem("heat")
    network = make_network("2x20", problem.domain.bounds, key=key)
    problem = dataclasses.replace(problem, quadrature=GaussLegendre(6))
    (layered, theta), (stored, _) = (make_objective(problem, network, Limits(size)) for size in (0, 2**30))
    at, at_layered = (eqx.filter_jit(objective.linearize)(theta) for objective in (stored, layered))
    _, expected = full_step(FactorDescent(), at)
    _, exact = full_step(Preconditioned(), at)
    _, curve = full_step(Preconditioned(), at_layered)
    t = jnp.asarray(t)
    assert np.array_equal(exact.update(t), expected.update(t))
    # The damping is in units of the first singular value, here that of a sketch.
    t_there = t * curve.svd.singular_values[0] / expected.svd.singular_values[0]
    update = eqx.filter_jit(curve.update)(t_there)
    np.testing.assert_allclose(update, expected.update(t), atol=5e-3 * np.linalg.norm(expected.update(t)), rtol=0)
    ratio = curve.predicted_reduction(t_there) / expected.predicted_reduction(t)
    assert 1 / 9 < ratio < 9
    np.testing.assert_allclose(curve.gradient_norm / expected.gradient_norm, 1, atol=0.9)


def test_preconditioned_iterations_need_outer_products(key):
    problem = find_problem("heat")
    network = make_network("2x20", problem.domain.bounds, key=key)
    objective, theta = make_objective(problem, network, Limits(0, layered=False))
    with pytest.raises(ValueError, match="this one's is recomputed in blocks"):
        full_step(Preconditioned(), objective.linearize(theta))
    with pytest.raises(ValueError, match=r"the residual has 5000 rows, .* at most 4096 rows"):
        Preconditioned().init(5000, 10_000)


def test_residual_space_turns_to_the_factor_where_the_kernel_ends():
    descent, resolved, at_its_limit = ResidualSpace(), CurveReport(150, 200), CurveReport(200, 200)
    kernel = descent.init(900, 1_085_761)
    assert descent.update(kernel, at_its_limit).uses_factor
    assert not descent.update(kernel, resolved).uses_factor
    assert descent.widen(kernel, resolved).uses_factor
    assert descent.update(kernel, CurveReport(150, 200, 0.1)).uses_factor
    assert not descent.update(descent.update(kernel, at_its_limit), CurveReport(400, 400)).uses_factor
    assert not ResidualSpace(adapts=False).update(kernel, at_its_limit).uses_factor
    assert not ResidualSpace(adapts=False).widen(kernel, at_its_limit).uses_factor


def test_no_damped_update_at_zero():
    _, curve = full_step(FactorDescent("damped"), linearization(np.geomspace(1, 1e-3, 30)))
    assert not np.any(curve.update(jnp.asarray(0.0)))


def test_the_sketch_of_the_factor_follows_its_rank():
    descent = FactorDescent(sketch_size=480)
    state = descent.init(10_000, 10_000)
    assert descent.update(state, CurveReport(320, 400)).size == 512
    for rank in (480, 0):
        assert descent.update(state, CurveReport(rank, 400)).size == 1024
    assert descent.widen(state, CurveReport(320, 400)).size == 1024
    in_full = FactorDescent().init(500, 10_000)
    assert in_full.size == 0
    assert FactorDescent().update(in_full, CurveReport(500, 500)) == in_full
    assert FactorDescent().init(5000, 10_000).size == 512


def test_truncation_drops_small_eigenvalues_only():
    spectrum = np.concatenate([np.geomspace(1, 1e-2, 20), np.full(20, 1e-5)])
    at = linearization(spectrum)
    update, curve = full_step(SNGD("two-pass", tolerance=1e-7), at)
    expected = -np.linalg.pinv(np.asarray(at.factor.matrix), rcond=1e-4) @ np.asarray(at.residual)
    np.testing.assert_allclose(update, expected, atol=1e-8 * np.abs(expected).max(), rtol=0)
    assert (int(curve.rank(jnp.asarray(1.0))), int(curve.numerical_rank)) == (20, 40)


def test_fresh_sketches_change_the_direction_only_by_rounding():
    at = linearization(np.geomspace(1, 1e-3, 30))
    one, other = [full_step(NATURAL["two-pass"], at, seed)[0] for seed in (0, 1)]
    assert not np.array_equal(one, other)
    np.testing.assert_allclose(one, other, atol=1e-8 * np.abs(one).max(), rtol=0)


def test_sketch_size_follows_algorithm_1():
    """After the first step the size is the rank plus a constant oversampling, rounded up on the ladder."""
    descent = SNGD(sketch_size=48)
    first = descent.update(descent.init(10_000, 10_000), CurveReport(20, 30))
    assert (first.oversampling, first.size) == (30, sketch_size_on_ladder(50, 10_000))
    second = descent.update(first, CurveReport(100, 500))
    assert (second.oversampling, second.size) == (30, sketch_size_on_ladder(130, 10_000))
    assert descent.update(descent.init(60, 10_000), CurveReport(50, 55)).size == 60


def test_the_ladder_is_short_and_never_too_low():
    sizes = {sketch_size_on_ladder(wanted, 10**9) for wanted in range(1, 1001)}
    assert len(sizes) == 21
    for wanted in (1, 32, 33, 46, 512, 513, 1000):
        assert wanted <= sketch_size_on_ladder(wanted, 10**9) <= max(32, np.ceil(1.2 * wanted))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FactorDescent("both"), "family is 'both'"),
        (lambda: FactorDescent(tolerance=1.0), "tolerance is 1.0"),
        (lambda: FactorDescent(sketch_size=81).init(ROWS, PARAMETERS), "sketch_size is 81, larger than"),
        (lambda: SNGD("one-pass"), "passes is 'one-pass'"),
        (lambda: SNGD(tolerance=-1e-3), "tolerance is -0.001"),
        (lambda: SNGD(sketch_size=0), "sketch_size is 0"),
        (lambda: SNGD(oversampling=-1), "oversampling is -1"),
        (lambda: ResidualSpace().init(10_000, 20_000), "has 10000 rows, .* at most 8192 rows"),
        (lambda: SNGD(sketch_size=81).init(ROWS, PARAMETERS), r"sketch_size is 81, larger than min\(n, p\) = 80"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
