"""Unknown functions of a number, against closed forms."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.problem import values_of

KEY = jax.random.key(0)
LINE = sngd.interval(t=(0, 1))
TIMES = np.linspace(0, 1, 30)[:, None]
UNKNOWNS = [sngd.Unknown("u"), sngd.Law("b", between=(0.3, 1.1), terms=3)]


def decay(noise, deviation=0.0):
    """`u' = -b(u)` with the law `b(u) = u` and so `u = exp(-t)`, from readings of `u`."""
    equation = sngd.Interior(lambda u, b, x: sngd.partial(u, "t")(x) + b(u(x)))
    values = np.exp(-TIMES[:, 0]) + deviation * np.random.default_rng(0).normal(size=30)
    return sngd.Problem(LINE, [equation, sngd.Initial(1.0), sngd.Data(TIMES, values, noise=noise)], unknowns=UNKNOWNS)


@pytest.fixture(scope="module")
def solution():
    return sngd.solve(decay(0.0), key=KEY, tolerance=1e-9)


def test_a_law_from_exact_readings(solution):
    numbers = np.linspace(0.4, 1.0, 7)
    assert solution["b"](numbers) == pytest.approx(numbers, abs=1e-8)
    assert solution["b"].standard_deviation(numbers).tolist() == [0.0] * 7
    assert list(solution.constants) == ["b[0]", "b[1]", "b[2]"]
    assert "b: a law between 0.3 and 1.1" in str(solution)
    assert "b[0]" not in str(solution)


def test_a_law_is_saved_and_loaded(solution, tmp_path):
    sngd.save(solution, tmp_path / "law.sngd")
    loaded = sngd.load(tmp_path / "law.sngd", decay(0.0))
    assert loaded["b"](np.array([0.5])) == solution["b"](np.array([0.5]))
    other = [sngd.Law("b", between=(0.3, 1.2), terms=3) if each.name.startswith("b") else each for each in UNKNOWNS]
    with pytest.raises(ValueError, match=r"holds a solution of another problem: .* of a law between 0\.3 and 1\.1"):
        sngd.load(tmp_path / "law.sngd", dataclasses.replace(decay(0.0), unknowns=other))


def test_the_band_of_a_law_is_that_of_its_coefficients():
    # The readings of exp(-t) tell the coefficients by their derivatives, here by differences of the exact flow.
    def flow(coefficients):
        law = values_of(problem.constants, jnp.array(coefficients))["b"]
        step = lambda u, _: (u - 1e-3 * law(u - 0.5e-3 * law(u)), u)
        return np.asarray(jax.lax.scan(step, jnp.array(1.0), length=1001)[1])

    problem = decay(0.01, 0.01)
    found = sngd.solve(problem, key=KEY)
    best = found["b"].coefficients
    shifts = [(flow(best + 1e-4 * unit) - flow(best - 1e-4 * unit)) / 2e-4 for unit in np.eye(3)]
    slopes = np.stack([np.interp(TIMES[:, 0], np.linspace(0, 1, 1001), shift) for shift in shifts], axis=1)
    covariance = np.linalg.inv(slopes.T @ slopes) * 0.01**2
    numbers = np.array([0.4, 0.7, 1.0])
    polynomials = found["b"].law.polynomials(numbers)
    expected = np.sqrt(np.diag(polynomials @ covariance @ polynomials.T))
    assert found["b"].standard_deviation(numbers) == pytest.approx(expected, rel=0.02)
    assert np.all(np.abs(found["b"](numbers) - numbers) < 4 * expected)


def test_the_series_of_a_law_and_its_derivatives():
    law = sngd.Law("b", between=(-1.0, 3.0), start=2.0, terms=6)
    coefficients = np.random.default_rng(0).normal(size=6)
    made = values_of(law.coefficients, jnp.array(coefficients / 2.0))["b"]
    series = np.polynomial.Chebyshev(coefficients, domain=[-1, 3])
    numbers = np.linspace(-1, 3, 9)
    assert jax.vmap(made)(numbers) == pytest.approx(series(numbers), rel=1e-12)
    assert jax.vmap(jax.grad(jax.grad(made)))(numbers) == pytest.approx(series.deriv(2)(numbers), rel=1e-10)
    assert law.coefficients[0].start == 2.0


def test_laws_are_unknowns_like_others():
    problem = decay(0.0)
    assert [law.name for law in problem.laws] == ["b"]
    assert problem.functions == ("u",)
    assert len(problem.constants) == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sngd.Law("b", between=1.0), "between of the law b is 1.0; give the lowest and the largest argument"),
        (lambda: sngd.Law("b", between=(1.0, 0.0)), "between of the law b is (1.0, 0.0); the ends must be finite and"),
        (lambda: sngd.Law("b", between=(0.0, "a")), "an end of between of the law b is 'a'; it must be a number"),
        (lambda: sngd.Law("b", between=(0, 1), terms=0), "terms of the law b is 0; it must be at least 1"),
        (lambda: sngd.Law("b", between=(0, 1), start=np.inf), "start of the law b is inf; it must be finite"),
        (lambda: sngd.Law("x", between=(0, 1)), "name of a law is 'x', which residuals have for something else"),
        (lambda: sngd.Problem(LINE, [sngd.Initial(1.0)], unknowns=["b", LAW]), "unknowns holds the name 'b' twice"),
        (
            lambda: sngd.Problem(LINE, [sngd.Initial(1.0)], unknowns=["u", LAW]),
            "unknowns holds the law b, and no",
        ),
    ],
)
def test_laws_that_cannot_be_used(make, message):
    with pytest.raises((TypeError, ValueError)) as raised:
        make()
    assert message in str(raised.value)


LAW = sngd.Law("b", between=(0, 1))


def test_a_found_law_is_asked_within_its_range(solution):
    with pytest.raises(ValueError, match=r"numbers holds 2\.0; the law b is known between 0\.3 and 1\.1"):
        solution["b"](np.array([2.0]))
    with pytest.raises(ValueError, match=r"numbers have shape \(\); the law b takes numbers of shape \(n,\)"):
        solution["b"](0.5)


def test_a_law_that_is_open_has_no_band():
    equation = sngd.Interior(lambda u, b, k, x: sngd.partial(u, "t")(x) + k * b(u(x)))
    data = sngd.Data(TIMES, np.exp(-TIMES[:, 0]), noise=1e-4)
    unknowns = ["u", sngd.Law("b", between=(0.3, 1.1), terms=2), sngd.Constant("k", start=0.5)]
    found = sngd.solve(sngd.Problem(LINE, [equation, sngd.Initial(1.0), data], unknowns=unknowns), key=KEY)
    assert found.result is sngd.Result.UNDETERMINED
    assert np.isinf(found["b"].standard_deviation(np.array([0.5]))).all()
