"""Eigenvalues and eigenfunctions, against closed forms and roots of transcendental equations."""

import dataclasses
import functools
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.features import Conditions, EigenChooser, FeatureChoice, compared

KEY = jax.random.key(0)
EXAMPLES = Path(__file__).parent.parent / "examples" / "eigen"
LINE = sngd.interval(x=(0, 1))
ENDS = sngd.Dirichlet(0.0)
UNKNOWNS = ["u", sngd.Constant("E")]
SQUARE = sngd.Unknown("u", trial=lambda v, x: x[0] * v**2)
STRING = sngd.Interior(lambda u, x, E: -sngd.laplacian(u)(x) - E * u(x))


def problem_of(*conditions, domain=LINE, unknowns=UNKNOWNS, **options):
    return sngd.Problem(domain, list(conditions), unknowns=unknowns, **options)


def rule_of(axes):
    """Gauss-Legendre points of the unit interval or square, and their weights."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    grids = np.meshgrid(*[(nodes + 1) / 2] * axes, indexing="ij")
    products = functools.reduce(np.multiply.outer, [weights / 2] * axes)
    return np.stack([grid.ravel() for grid in grids], axis=1), products.ravel()


@functools.cache
def solved(name):
    found = runpy.run_path(str(EXAMPLES / f"{name}.py"))
    pairs = sngd.eigenpairs(found["problem"], found["COUNT"], near=found.get("NEAR"), key=KEY)
    return found, pairs


@pytest.mark.parametrize("name", ["string", "oscillator", "membrane", "robin", "mathieu"])
def test_the_lowest_pairs_of_an_example(name):
    found, pairs = solved(name)
    exact, count = found["VALUES"], found["COUNT"]
    assert pairs.result is sngd.Result.FLOOR_REACHED
    assert pairs.missing == ()
    assert pairs.values.shape == pairs.error_estimates.shape == (count,)
    assert pairs.values == pytest.approx(exact[:count], rel=1e-10)
    assert np.all(np.abs(pairs.values / exact[:count] - 1) <= 10 * pairs.error_estimates + 1e-13)
    if "function" not in found:
        return
    points = found["problem"].domain.grid({1: 201, 2: 31}[found["problem"].domain.dimension])
    known = [
        jax.vmap(functools.partial(found["function"], number))(jnp.asarray(points)) for number in range(len(exact))
    ]
    known = np.stack([np.asarray(each).ravel() for each in known], axis=1)
    for solution, value in zip(pairs, exact, strict=False):
        basis = np.linalg.qr(known[:, np.abs(exact - value) < 1e-9 * value])[0]
        values = solution(points).ravel()
        assert np.linalg.norm(values - basis @ (basis.T @ values)) <= 1e-10 * np.linalg.norm(values)


def test_functions_are_orthonormal_and_their_signs_are_the_same_for_every_key():
    found, pairs = solved("membrane")
    points, weights = rule_of(2)
    values = np.stack([solution(points) for solution in pairs], axis=1)
    assert values.T @ (weights[:, None] * values) == pytest.approx(np.eye(5), abs=1e-10)
    found, pairs = solved("string")
    points, _ = rule_of(1)
    other = sngd.eigenpairs(found["problem"], 5, key=jax.random.key(1))
    for number, (first, second) in enumerate(zip(pairs, other, strict=True)):
        assert first(points) == pytest.approx(np.sqrt(2) * np.sin((number + 1) * np.pi * points[:, 0]), abs=1e-11)
        assert second(points) == pytest.approx(first(points), abs=1e-11)


def test_a_pair_is_a_solution(tmp_path):
    _, pairs = solved("string")
    first = pairs[0]
    points = np.linspace(0, 1, 7)[:, None]
    assert isinstance(first, sngd.Solution)
    assert [len(pairs), len(pairs[1:3])] == [5, 2]
    assert first.constants["E"].value == pairs.values[0]
    assert first.constants["E"].standard_error == 0.0
    assert first.error_estimate < 1e-10
    assert np.max(np.abs(first.error(points))) < 1e-10
    assert max(each.root_mean_square for each in first.residuals()) < 1e-9
    slopes = np.sqrt(2) * np.pi * np.cos(np.pi * points[:, 0])
    assert sngd.partial(first["u"], "x")(points) == pytest.approx(slopes, abs=1e-9)
    assert str(pairs).splitlines()[0] == "Eigenpairs: rounding floor reached"
    assert f"{pairs.values[4]:.15g}" in str(pairs)
    sngd.save(first, tmp_path / "first.npz")
    loaded = sngd.load(tmp_path / "first.npz", first.problem)
    assert loaded(points).tolist() == first(points).tolist()
    assert loaded.constants == first.constants
    figure = sngd.plot(first, tmp_path / "first.png")
    assert figure.axes


def test_the_value_zero_is_measured_against_the_spread():
    found, pairs = solved("rod")
    assert pairs.values == pytest.approx(found["VALUES"], rel=1e-10, abs=1e-10)
    assert pairs.error_estimates[0] < 1e-12
    assert pairs[0](np.array([[0.1], [0.7]])) == pytest.approx([1.0, 1.0], abs=1e-11)


def test_values_near_a_number_are_sorted_by_their_distances():
    pairs = sngd.eigenpairs(problem_of(STRING, ENDS), 3, near=100.0, key=KEY, tolerance=1e-8)
    assert pairs.result is sngd.Result.TOLERANCE_REACHED
    assert pairs.values == pytest.approx(np.pi**2 * np.array([9, 16, 4]), rel=1e-8)


def test_values_below_the_first_shift_and_a_weight():
    """The lowest value is the thousandth below zero, and `-u'' = E u / (1 + x)^2` has closed forms."""
    shifted = sngd.Interior(lambda u, x, E: -sngd.laplacian(u)(x) - 1000 * u(x) - E * u(x))
    weighted = sngd.Interior(lambda u, x, E: -sngd.laplacian(u)(x) - E * u(x) / (1 + x[0]) ** 2)
    numbers = np.arange(1, 4)
    # The start of the constant makes no difference.
    unknowns = ["u", sngd.Constant("E", start=-13.0)]
    pairs = sngd.eigenpairs(problem_of(shifted, ENDS, unknowns=unknowns), 3, key=KEY, tolerance=1e-9)
    assert pairs.values == pytest.approx((np.pi * numbers) ** 2 - 1000, rel=1e-9)
    assert max(each.root_mean_square for each in pairs[2].residuals()) < 1e-4
    values = sngd.eigenpairs(problem_of(weighted, ENDS), 3, key=KEY, tolerance=1e-9).values
    assert values == pytest.approx((np.pi * numbers / np.log(2)) ** 2 + 0.25, rel=1e-9)


def test_an_eigenvalue_in_a_boundary_condition():
    sides = sngd.Boundary(lambda u, x, normal, E: sngd.directional(u, normal)(x) - E * u(x))
    problem = problem_of(sngd.Interior(lambda u, x: sngd.laplacian(u)(x)), sides)
    assert sngd.eigenpairs(problem, 2, key=KEY).values == pytest.approx([0.0, 2.0], abs=1e-12)
    with pytest.raises(ValueError, match="count is 5, and the problem has 2 eigenvalues; ask for at most 2"):
        sngd.eigenpairs(problem, 5, key=KEY)


def test_nearly_equal_values_are_told_apart():
    """Two wells far apart: the lowest values of each symmetry are 1e-8 apart, and so are the functions' estimates."""
    equation = sngd.Interior(lambda u, x, E: -sngd.laplacian(u)(x) / 2 + (x[0] ** 2 - 9) ** 2 / 2.5 * u(x) - E * u(x))
    pairs = sngd.eigenpairs(problem_of(equation, ENDS, domain=sngd.interval(x=(-6, 6))), 6, key=KEY)
    assert pairs.result is sngd.Result.FLOOR_REACHED
    gap = pairs.values[5] / pairs.values[4] - 1
    assert 1e-9 < gap < 1e-8
    # The function with the larger value is odd.
    points = np.linspace(2, 4, 5)[:, None]
    assert pairs[5](-points) == pytest.approx(-pairs[5](points), abs=1e-5)
    assert 1e-9 < pairs[5].error_estimate < 1e-4


def without_one(found):
    """The pairs without one of the two with the second value. A complex function would stand for both."""
    columns = np.delete(found.ritz.columns, 1, axis=1)
    columns[:, 1] = np.real(columns[:, 1])
    ritz = dataclasses.replace(found.ritz, values=np.delete(found.ritz.values, 1), columns=columns)
    return dataclasses.replace(found, ritz=ritz)


def test_trial_functions_that_meet_the_boundary_conditions():
    hard = sngd.Unknown("u", trial=lambda v, x: x[0] * (1 - x[0]) * v)
    pairs = sngd.eigenpairs(problem_of(STRING, unknowns=[hard, sngd.Constant("E")]), 3, key=KEY)
    assert pairs.values == pytest.approx((np.arange(1, 4) * np.pi) ** 2, rel=1e-10)
    points, _ = rule_of(1)
    for number, solution in enumerate(pairs):
        assert solution(points) == pytest.approx(np.sqrt(2) * np.sin((number + 1) * np.pi * points[:, 0]), abs=1e-10)


def test_the_first_frequency_of_an_l_shape_with_singular_functions():
    found = runpy.run_path(str(EXAMPLES.parent / "regions" / "l_shape_eigenvalue.py"))
    pairs = sngd.eigenpairs(found["problem"], 1, key=KEY, tolerance=1e-5)
    assert pairs.result is sngd.Result.TOLERANCE_REACHED
    assert pairs.values == pytest.approx(found["VALUES"], rel=1e-6)
    # The integral of the square of the function is one.
    rule = found["problem"].domain.spread(2**14)
    assert rule.weights @ pairs[0](rule.points) ** 2 == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("withheld", ["first", "second"])
def test_a_value_that_only_one_of_two_computations_has_is_named(withheld):
    """One of the two functions of the double value of the square is withheld from one of the computations."""
    problem = solved("membrane")[0]["problem"]
    conditions = Conditions.of(problem, "sin")
    chooser = EigenChooser(FeatureChoice(), conditions, (0,), lambda line: None, count=5, near=None)
    candidate = chooser.candidate(sngd.Features((4.0, 4.0), 256))
    first, second = chooser.found(candidate), chooser.again(candidate.features)
    assert compared(first, second, candidate.features, None).missing == ()
    if withheld == "first":
        first = without_one(first)
    else:
        second = without_one(second)
    missing = compared(first, second, candidate.features, None).missing
    assert missing == pytest.approx([5 * np.pi**2], rel=1e-4)


def test_features_that_are_too_few_are_reported():
    policies = sngd.solver.Policies(features=FeatureChoice(columns=24, largest=24))
    pairs = sngd.eigenpairs(problem_of(STRING, ENDS), 5, key=KEY, policies=policies)
    exact = (np.pi * np.arange(1, 6)) ** 2
    assert pairs.result is sngd.Result.STAGNATED
    assert "estimated error" in pairs.detail
    assert np.max(np.abs(pairs.values / exact - 1)) <= 10 * np.max(pairs.error_estimates)


@pytest.mark.parametrize(
    ("conditions", "options", "message"),
    [
        ((STRING, sngd.Dirichlet(1.0, name="end")), {}, "the data of end are not zero"),
        ((sngd.Interior(lambda u, x, E: u(x) ** 2 - E * u(x)), ENDS), {}, "interior is not linear in the unknown"),
        ((sngd.Interior(lambda u, x, E: -sngd.laplacian(u)(x) - E**2 * u(x)),), {}, "interior is not affine in E"),
        ((sngd.Interior(lambda u, x: u(x)),), {"unknowns": ["u"]}, "holds 0 constants"),
        ((STRING,), {"unknowns": ["u", sngd.Constant("E", lower=0.0)]}, "the constant E has bounds or a prior"),
        ((STRING, sngd.Data([[0.5]], [1.0])), {}, "holds the readings data"),
        ((STRING,), {"unknowns": [SQUARE, sngd.Constant("E")]}, "interior is not linear in the unknown"),
        ((sngd.Interior(lambda u, x, E: sngd.laplacian(u)(x) - E * u(x)), ENDS), {}, "towards minus infinity"),
        (
            (
                sngd.Interior(lambda u, x, E: -sngd.laplacian(u)(x) + sngd.partial(u, "x")(x) - E * u(x)),
                sngd.Periodic("x", derivatives=(0, 1)),
            ),
            {},
            "complex eigenvalue",
        ),
    ],
)
def test_problems_of_another_form(conditions, options, message):
    with pytest.raises(ValueError, match=message):
        sngd.eigenpairs(problem_of(*conditions, **options), 3, key=KEY)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"count": 0}, ValueError, "count is 0; it must be at least 1"),
        ({"count": 1.5}, TypeError, "count is 1.5; it must be an integer"),
        ({"near": np.inf}, ValueError, "near is inf; it must be finite"),
        ({"tolerance": -1.0}, ValueError, "tolerance is -1.0; it must be a positive number"),
        ({"key": 0}, TypeError, "key is 0; give a key of JAX"),
        ({"problem": sngd.library.bvp_energy()}, TypeError, "eigenpairs needs a Problem"),
    ],
)
def test_bad_arguments(options, error, message):
    given = {"problem": problem_of(STRING, ENDS), "count": 3, "key": KEY} | options
    with pytest.raises(error, match=message):
        sngd.eigenpairs(**given)


@pytest.mark.parametrize("phase", [np.pi])
def test_bloch_waves_of_a_free_particle(phase):
    """Complex functions; at the edge of the zone in pairs of equal energies."""
    equation = sngd.Interior(lambda psi, x, E: -sngd.laplacian(psi)(x) / 2 - E * psi(x))
    ends = sngd.Periodic("x", (0, 1), factor=np.exp(1j * phase))
    unknowns = [sngd.Unknown("psi", complex=True), sngd.Constant("E")]
    pairs = sngd.eigenpairs(problem_of(equation, ends, unknowns=unknowns), 4, key=KEY)
    expected = np.sort((phase + 2 * np.pi * np.arange(-3, 4)) ** 2 / 2)[:4]
    assert pairs.values == pytest.approx(expected, rel=1e-11)
    points, weights = rule_of(1)
    functions = np.stack([solution(points) for solution in pairs])
    assert (functions * weights) @ functions.conj().T == pytest.approx(np.eye(4), abs=1e-11)


def test_more_periodic_functions_than_slow_features():
    equation = sngd.Interior(lambda u, x, E: -sngd.laplacian(u)(x) - E * u(x))
    pairs = sngd.eigenpairs(problem_of(equation, sngd.Periodic("x", (0, 1))), 9, key=KEY, tolerance=1e-8)
    expected = (2 * np.pi * np.repeat(np.arange(5), [1, 2, 2, 2, 2])) ** 2
    assert pairs.values == pytest.approx(expected, abs=1e-6)
