"""The command `python -m reproduction theory`: it checks the claims that the paper makes without an experiment.

Each claim is compared with a computed number.
"""

import dataclasses
import functools
import statistics
from collections.abc import Sequence

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from reproduction.appendix import (
    finite_element_mass,
    finite_element_stiffness,
    hats_from_relu,
    relu_mass,
    relu_stiffness,
    second_difference,
)
from reproduction.measured import Results, rounded
from reproduction.spectrum import gramian_eigenvalues
from reproduction.table import Table
from sngd.descent import ENGD, SNGD
from sngd.geometry import GaussLegendre, interval
from sngd.library import PAPER_PROBLEMS, find_problem
from sngd.linearize import make_objective
from sngd.networks import MLP
from sngd.problem import AbstractProblem, Interior, Problem
from sngd.sketch import LowRank, gaussian, two_pass
from sngd.solver import Optimizer, Stopping, solve

_PRECISION = float(np.finfo(float).eps)

# The number of iterations of training after which a Gramian is examined.
_ITERATIONS = 30


@dataclasses.dataclass(frozen=True)
class Check:
    """The check of one claim.

    - `source`: where the claim stands in the paper.
    - `claim`: the claim in words.
    - `computed`: the computed numbers in words.
    - `holds`: whether the numbers confirm the claim.
    """

    source: str
    claim: str
    computed: str
    holds: bool


def check_theory(results: Results) -> list[Check]:
    """All checks, which take a few minutes.

    - `results`: finished cells, for the claim that compares ranks after training.
    """
    return [
        analytic_decay(),
        relu_decay(),
        bound_on_gramian(),
        collapse_of_bound(),
        floor_of_sketch(),
        *low_rank(),
        *ranks_after_training(results),
        tolerance_of_energy(),
        gradient_descent_by_modes(),
        natural_gradient_in_one_step(),
        condition_of_finite_elements(),
        condition_of_relu(),
        change_of_basis(),
        stiffness_of_relu(),
        stiffness_as_printed(),
    ]


def tabulate_checks(checks: Sequence[Check]) -> Table:
    """The checks as the rows of a table."""
    rows = tuple(
        (check.source, check.claim, check.computed, "confirmed" if check.holds else "refuted") for check in checks
    )
    return Table("Claims that are computed", ("where", "the paper says", "computed", "verdict"), rows)


def analytic_decay() -> Check:
    """Lemma 3.1: the eigenvalues of the kernel of a layer of sine units in one dimension, fitted by an exponential."""
    values = _one_layer_spectrum()
    # The eigenvalues that are kept are squares of singular values well above their rounding errors.
    kept = values[values > (1e3 * _PRECISION) ** 2 * values[0]]
    index = np.arange(len(kept))
    slope, correlation = _fit(index, np.log(kept))
    text = f"eigenvalue k falls like exp({slope:.2f} k), correlation {correlation:.3f}, over {len(kept)} eigenvalues"
    return Check("Lemma 3.1", "exponential decay for analytic activations in one dimension", text, correlation < -0.97)


def relu_decay() -> Check:
    """Section 3: the eigenvalues of the kernel of ReLU units in one dimension, fitted by a power."""
    values = np.linalg.eigvalsh(relu_mass(800))[::-1]
    index = np.arange(4, 101)
    slope, _ = _fit(np.log(index), np.log(values[index - 1]))
    return Check("section 3", "eigenvalue j falls like j^-4 for ReLU", f"like j^{slope:.2f}", abs(slope + 4) < 0.1)


def _one_layer_spectrum() -> np.ndarray:
    """The eigenvalues of the Gramian of a network of one layer of sine units that fits data on an interval."""
    problem = Problem(interval(x=(-1, 1)), [Interior(lambda u, x: u(x))], quadrature=GaussLegendre(200))
    network = MLP((1, 100, 1), problem.domain.bounds, key=jax.random.key(0), frequencies=(8.0,))
    values = gramian_eigenvalues(*make_objective(problem, network))
    assert values is not None
    return values


def _fit(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The slope of a least-squares line, and the correlation coefficient."""
    return float(np.polyfit(x, y, 1)[0]), float(np.corrcoef(x, y)[0, 1])


_RANKS, _OVERSAMPLING, _KEYS = (20, 40, 60, 80), 10, 10


def bound_on_gramian() -> Check:
    """Eq. (8): the bound for the Gramian of the heat equation with network A1, after some training."""
    gramian, values = _trained_gramian()
    ratios = [_mean_sketch_error(gramian, rank) / _bound(values, rank) for rank in _RANKS]
    shown = ", ".join(f"{ratio:.2f} for r = {rank}" for rank, ratio in zip(_RANKS, ratios, strict=True))
    text = f"mean error over {_KEYS} sketches, p = {_OVERSAMPLING}, over the bound: {shown}"
    return Check("eq. (8)", "the bound on the mean error of a sketch", text, max(ratios) <= 1)


def collapse_of_bound() -> Check:
    """Eq. (9): the norm of the eigenvalues that a sketch leaves out is about the first one of them."""
    _, values = _trained_gramian()
    tails = [float(np.sqrt(np.sum(values[rank:] ** 2)) / values[rank]) for rank in _RANKS]
    shown = ", ".join(f"{tail:.1f} for r = {rank}" for rank, tail in zip(_RANKS, tails, strict=True))
    return Check("eq. (9)", "the tail is about its first eigenvalue", f"tail over that: {shown}", max(tails) < 10)


def floor_of_sketch() -> Check:
    """Eq. (9): the error of a sketch that leaves out only eigenvalues below 1e-16."""
    gramian, values = _trained_gramian()
    rank = int(np.sum(values > 1e-16))
    error = _mean_sketch_error(gramian, min(rank, len(gramian) - _OVERSAMPLING))
    text = f"{error:.0e} for r = {rank}, which is {error / values[0]:.0e} of the largest eigenvalue, {values[0]:.0f}"
    return Check("eq. (9)", "the error of the sketch is at most about 1e-16", text, error < 1e-15)


@functools.cache
def _trained_gramian() -> tuple[np.ndarray, np.ndarray]:
    solution = solve(
        find_problem("heat"),
        "1x65",
        key=jax.random.key(0),
        optimizer="two-pass",
        stopping=Stopping(_ITERATIONS, refinements=0),
        error_every=_ITERATIONS,
    )
    objective, theta = make_objective(solution.problem, solution.network)
    matrix = np.asarray(eqx.filter_jit(objective.residual_jacobian)(theta))
    values = gramian_eigenvalues(objective, theta)
    assert values is not None
    return matrix.T @ matrix, values


def _mean_sketch_error(gramian: np.ndarray, rank: int) -> float:
    errors = []
    for seed in range(_KEYS):
        sketch = _sketched(gramian, jax.random.key(seed), rank + _OVERSAMPLING)
        vectors = np.asarray(sketch.eigenvectors)
        errors.append(np.linalg.norm(gramian - (vectors * np.asarray(sketch.eigenvalues)) @ vectors.T, 2))
    return float(np.mean(errors))


@functools.partial(jax.jit, static_argnames="columns")
def _sketched(gramian: Array, key: PRNGKeyArray, columns: int) -> LowRank:
    return two_pass(lambda block: gramian @ block, gaussian(key, len(gramian), columns, float))


def _bound(values: np.ndarray, rank: int) -> float:
    """The right-hand side of eq. (8)."""
    tail = np.sqrt(np.sum(values[rank:] ** 2))
    columns = rank + _OVERSAMPLING
    spread = np.e * np.sqrt(columns) / _OVERSAMPLING
    return float((1 + np.sqrt(rank / (_OVERSAMPLING - 1))) * values[rank] + spread * tail)


def low_rank(names: Sequence[str] = PAPER_PROBLEMS) -> list[Check]:
    """Section 3: the number of eigenvalues of the Gramian above rounding errors after some training, by problem."""
    checks = []
    for name in names:
        solution = solve(
            find_problem(name),
            "4x20",
            key=jax.random.key(0),
            optimizer="two-pass",
            stopping=Stopping(_ITERATIONS, refinements=0),
            error_every=_ITERATIONS,
        )
        values = gramian_eigenvalues(*make_objective(solution.problem, solution.network))
        assert values is not None
        rank = int(np.sum(values > _PRECISION * values[0]))
        slope, correlation = _fit(np.arange(rank), np.log(values[:rank]))
        text = (
            f"{name}: {rank:,} of {solution.parameters:,} eigenvalues above the machine precision times the first; "
            f"they fall like exp(-k / {rounded(-1 / slope)}), correlation {correlation:.3f}"
        )
        claim = "the Gramian is of low rank (less than half of the parameters)"
        checks.append(Check("section 3", claim, text, rank < solution.parameters / 2))
    return checks


def ranks_after_training(results: Results) -> list[Check]:
    """Section 4.1: the ranks at the end of finished cells, for two-pass SNGD and for ENGD."""
    checks = []
    for source, problem in (("sections 4.1, 5.2", "poisson"), ("sections 4.1, 5.4", "transport")):
        ranks = {}
        for optimizer in ("two-pass", "engd"):
            prefix = f"{problem}-4x20-{optimizer}-seed"
            ranks[optimizer] = [found["gramian_rank"] for name, found in results.items() if name.startswith(prefix)]
        if all(ranks.values()):
            means = {optimizer: float(np.mean(found)) for optimizer, found in ranks.items()}
            counts = " and ".join(str(len(found)) for found in ranks.values())
            text = f"{problem}: {means['two-pass']:.0f} against {means['engd']:.0f}, means of {counts} runs"
            claim = "after training the rank is higher under SNGD than under ENGD"
            checks.append(Check(source, claim, text, means["two-pass"] > means["engd"]))
    return checks


def tolerance_of_energy(seeds: int = 3, network: str = "4x20") -> Check:
    """Section 5.3: SNGD against ENGD on the boundary value problem in energy form.

    SNGD runs with the truncation tolerance of the library, and with a smaller one.
    """
    # All runs have the same problem, so that each descent is compiled once.
    problem = find_problem("bvp-energy")
    descents = (ENGD(), SNGD(), SNGD(tolerance=1e-13))
    engd, table, lower = (_median_error(problem, network, descent, seeds) for descent in descents)
    text = (
        f"medians of {seeds} seeds: {lower:.1e} where SNGD cuts eigenvalues at 1e-13 of the largest, {table:.1e} at "
        f"1e-12 as in table 5, {engd:.1e} under ENGD"
    )
    claim = "SNGD is more accurate than ENGD (here with a truncation tolerance below that of table 5)"
    return Check("section 5.3", claim, text, lower < engd)


def _median_error(problem: AbstractProblem, network: str, descent: ENGD | SNGD, seeds: int) -> float:
    """The median over the seeds of the relative L2 error, at the end of runs of at most 300 iterations."""
    solutions = [
        solve(
            problem,
            network,
            key=jax.random.key(seed),
            optimizer=Optimizer(descent),
            stopping=Stopping(300, refinements=0, restarts=0),
            error_every=300,
        )
        for seed in range(seeds)
    ]
    return statistics.median(solution.relative_l2() for solution in solutions)


def gradient_descent_by_modes(intervals: int = 32, steps: int = 50) -> Check:
    """Appendix A: gradient descent with the step size `1 / lambda_max` on the energy `(U, M2 U) / 2`.

    It is compared with the contraction of each eigenvector of `M2`.
    """
    matrix = relu_mass(intervals)
    values, modes = np.linalg.eigh(matrix)
    start = np.random.default_rng(0).standard_normal(intervals)
    point = start.copy()
    for _ in range(steps):
        point = point - matrix @ point / values[-1]
    expected = modes @ ((1 - values / values[-1]) ** steps * (modes.T @ start))
    difference = float(np.linalg.norm(point - expected) / np.linalg.norm(start))
    left = float(abs(modes[:, 0] @ point) / abs(modes[:, 0] @ start))
    text = (
        f"iterates agree with the modes' contraction to {difference:.0e}; of the flattest mode {left:.6f} is left "
        f"after {steps} steps"
    )
    return Check("appendix A", "modes of small eigenvalues converge slowly", text, difference < 1e-12 and left > 0.99)


def natural_gradient_in_one_step(intervals: int = 32) -> Check:
    """Appendix A: one full natural gradient step on quadratic energies with the matrices `M1`, `M2` and `K2`."""
    start = np.random.default_rng(0).standard_normal(intervals)
    left = []
    for matrix in (finite_element_mass(intervals), relu_mass(intervals), relu_stiffness(intervals)):
        point = start - np.linalg.pinv(matrix, rcond=_PRECISION, hermitian=True) @ (matrix @ start)
        left.append(float(np.linalg.norm(point) / np.linalg.norm(start)))
    text = f"left after one step: {left[0]:.0e} (M1), {left[1]:.0e} (M2), {left[2]:.0e} (K2)"
    return Check("appendix A", "the exact natural gradient converges in one step", text, max(left) < 1e-8)


def condition_of_finite_elements() -> Check:
    """Appendix B: the condition number of `M1`, for the inner hats and with the half hat at 1."""
    sizes = (8, 32, 128, 512)
    masses = [finite_element_mass(size) for size in sizes]
    inside = [float(np.linalg.cond(mass[:-1, :-1])) for mass in masses]
    shown = ", ".join(f"{value:.4f} for N = {size}" for size, value in zip(sizes, inside, strict=True))
    text = f"without the half hat at 1: {shown}; with it {np.linalg.cond(masses[-1]):.4f} for N = {sizes[-1]}"
    return Check("appendix B", "kappa(M1) = 3, in the limit of large N", text, abs(inside[-1] - 3) < 0.01)


def condition_of_relu() -> Check:
    """Appendix B: the exponent with which the condition number of `M2` grows with `N`."""
    sizes = np.array([16, 32, 64, 128, 256])
    conditions = [float(np.linalg.cond(relu_mass(size))) for size in sizes]
    slope, _ = _fit(np.log(sizes[1:]), np.log(conditions[1:]))
    return Check("appendix B", "kappa(M2) = O(N^4)", f"grows like N^{slope:.2f}", abs(slope - 4) < 0.1)


def change_of_basis(intervals: int = 64) -> Check:
    """Appendix B: `M1` and `K1` from `M2` and `K2`, by the second differences that turn ReLU units into hats."""
    change = hats_from_relu(intervals)
    pairs = (
        (finite_element_mass(intervals), relu_mass(intervals)),
        (finite_element_stiffness(intervals), relu_stiffness(intervals)),
    )
    differences = [
        float(np.max(np.abs(change @ relu @ change.T - hats)) / np.max(np.abs(hats))) for hats, relu in pairs
    ]
    text = f"relative difference {differences[0]:.0e} (mass), {differences[1]:.0e} (stiffness), with S = D2 / h"
    claim = "M1 = D2 M2 D2 and K1 = D2 K2 D2 up to boundary rows and powers of h"
    return Check("appendix B", claim, text, max(differences) < 1e-9)


def stiffness_of_relu(intervals: int = 64) -> Check:
    """Appendix B: the relation `K2 = -h D2^-1`, with the last row of `D2` as the formula for inner rows gives it."""
    expected = -2 / intervals * np.linalg.inv(second_difference(intervals))
    difference = float(np.max(np.abs(relu_stiffness(intervals) - expected)))
    text = f"K2 + (2/N) D2^-1 = {difference:.0e}, with the last row c_(N-2) - 2 c_(N-1)"
    return Check("appendix B", "K2 is a multiple of -D2^-1", text, difference < 1e-10)


def stiffness_as_printed(intervals: int = 64) -> Check:
    """Appendix B: the relation of `K2` and `D2`, with the factor and the last row that the paper prints."""
    expected = -intervals / 2 * np.linalg.inv(second_difference(intervals, as_printed=True))
    difference = float(np.max(np.abs(relu_stiffness(intervals) - expected)))
    text = (
        f"difference {difference:.0e}: the factor is 2/N (two powers of h were dropped), the last row's sign is wrong"
    )
    claim = "K2 = -(N/2) D2^-1 with the last row 2 c_(N-1) - c_(N-2)"
    return Check("appendix B", claim, text, difference < 1e-10)
