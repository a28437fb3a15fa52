"""Whole runs: every method on every problem, endings, reproducibility, compilation, files."""

import dataclasses
import json
import signal
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.cli._output import write_folder
from sngd.library import bvp, bvp_energy, heat, poisson, transport
from sngd.networks import make_network
from sngd.solver import Result, Stopping, summarize

# Coarse rules and small networks keep the sweep fast. The boundary value problem has a deeper one: on small ones
# the full steps of its cubic term get stuck for some seeds.
COARSE = sngd.GaussLegendre(10)
CASES = {
    "heat": (dataclasses.replace(heat(), quadrature=COARSE), "2x20"),
    "poisson": (dataclasses.replace(poisson(), quadrature=COARSE), "2x20"),
    "bvp": (bvp(), "3x14"),
    "bvp-energy": (bvp_energy(), "3x14"),
    "transport": (dataclasses.replace(transport(speed=2.0), quadrature=COARSE), "2x20"),
}


@pytest.mark.parametrize("optimizer", ["damped", "two-pass", "single-pass", "engd"])
@pytest.mark.parametrize("name", CASES)
def test_natural_gradients_solve_every_problem(name, optimizer, key):
    problem, network = CASES[name]
    stopping = Stopping(iterations=50) if name == "bvp-energy" else Stopping(iterations=150, loss=1e-10)
    solution = sngd.solve(problem, network, key=key, optimizer=optimizer, stopping=stopping)
    assert solution.relative_l2() < 1e-4
    # The error that the run reports is the one that its solution has at other points too.
    lower, upper = problem.domain.lower, problem.domain.upper
    points = np.random.default_rng(0).uniform(lower, upper, (500, problem.domain.dimension))
    exact = np.array(jax.vmap(problem.exact)(jnp.asarray(points)))
    assert np.linalg.norm(solution(points) - exact) < 2e-4 * np.linalg.norm(exact)


@pytest.mark.parametrize("name", CASES)
def test_gradient_descent_only_ever_falls(name, key):
    problem, *_ = CASES[name]
    solution = sngd.solve(problem, "1x8", key=key, optimizer="gd", stopping=Stopping(iterations=15))
    assert np.all(np.diff(solution.history.loss) <= 0)
    assert solution.loss < solution.history.loss[0]


@pytest.fixture(scope="module")
def solution():
    return sngd.solve(bvp(), "2x10", key=jax.random.key(1), stopping=Stopping(iterations=10))


def test_the_same_key_gives_the_same_run_and_another_key_another(solution):
    again = sngd.solve(bvp(), "2x10", key=jax.random.key(1), stopping=Stopping(iterations=10))
    other = sngd.solve(bvp(), "2x10", key=jax.random.key(2), stopping=Stopping(iterations=10))
    np.testing.assert_array_equal(solution.history.loss, again.history.loss)
    assert not np.array_equal(solution.history.loss, other.history.loss)


def test_nothing_is_compiled_again(key):
    problem = bvp()
    first = sngd.solve(problem, "2x11", key=key, stopping=Stopping(iterations=25))
    longer = sngd.solve(problem, "2x11", key=key, stopping=Stopping(iterations=40))
    assert first.compilations > 0
    assert np.array_equal(first.history.loss, longer.history.loss[: len(first.history)])
    assert longer.compilations <= 1  # a sketch size that the first run did not reach
    assert 0.1 < first.compile_seconds < first.seconds
    assert longer.compile_seconds < 0.5 * first.compile_seconds


def test_history_is_what_happened(solution):
    history = solution.history
    assert list(history.iteration) == list(range(11))
    assert np.all(np.diff(history.seconds) > 0)
    # The same loss by another compiled function: alike but for rounding errors of the residual.
    np.testing.assert_allclose(history.loss[-1], solution.loss, rtol=1e-9)
    assert solution.loss < history.loss[0]
    assert np.isfinite(history.error[::10]).all()
    assert np.isnan(history.error[1:10]).all()
    np.testing.assert_allclose(history.error[-1], solution.relative_l2(), rtol=1e-9)
    assert history.rank[0] == -1
    assert np.all(history.rank[1:] > 0)


def test_solutions_are_evaluated_in_chunks(solution):
    points = np.linspace(-1, 1, 10_001)[:, None]
    direct = jax.vmap(solution.network)(jnp.asarray(points))
    np.testing.assert_allclose(solution(points), direct, rtol=0, atol=1e-14)
    assert solution(points[:0]).shape == (0,)
    with pytest.raises(ValueError, match=r"points have shape \(3, 2\)"):
        solution(np.zeros((3, 2)))


@pytest.mark.parametrize(
    ("optimizer", "stopping", "result"),
    [
        ("damped", Stopping(iterations=0), Result.ITERATIONS_EXHAUSTED),
        ("damped", Stopping(iterations=3), Result.ITERATIONS_EXHAUSTED),
        ("damped", Stopping(seconds=0.0), Result.SECONDS_EXHAUSTED),
        ("damped", Stopping(loss=1e-6), Result.TARGET_REACHED),
        # Gradient descent falls by little from some point on, and never to rounding.
        ("gd", Stopping(patience=5), Result.STAGNATED),
    ],
)
def test_every_ending_has_its_name(optimizer, stopping, result):
    # A key from which so small a network converges; from others it gets stuck (docs/choices.md).
    solution = sngd.solve(bvp(), "2x10", key=jax.random.key(3), optimizer=optimizer, stopping=stopping)
    assert solution.result is result
    if result is Result.TARGET_REACHED:
        assert solution.loss <= 1e-6 < solution.history.loss[-2]


def interrupts(times):
    for _ in range(times):
        signal.raise_signal(signal.SIGINT)


def raises():
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("interrupt", "iteration"),
    [(raises, 4), (partial(interrupts, 1), 0), (partial(interrupts, 1), 4), (partial(interrupts, 2), 4)],
)
def test_an_interrupt_keeps_what_was_reached(interrupt, iteration, key, control_c):
    solution = sngd.solve(bvp(), "2x10", key=key, callbacks=[at(iteration, interrupt)])
    assert solution.result is Result.INTERRUPTED
    assert solution.result.exit_status == 130
    assert len(solution.history) == iteration + 1
    np.testing.assert_allclose(solution.relative_l2(), _error_of(solution), rtol=1e-12)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_users_own_is_left_alone(key, control_c):
    noted = []
    signal.signal(signal.SIGINT, lambda *_: noted.append(True))
    callbacks = [at(1, partial(interrupts, 2))]
    solution = sngd.solve(bvp(), "2x10", key=key, stopping=Stopping(iterations=3), callbacks=callbacks)
    assert solution.result is Result.ITERATIONS_EXHAUSTED
    assert len(noted) == 2


def at(iteration, function):
    """A callback that calls `function` after that iteration."""
    return lambda state, record: function() if record.iteration == iteration else None


def _error_of(solution):
    points = solution.problem.domain.grid(1001)
    exact = np.array(jax.vmap(solution.problem.exact)(jnp.asarray(points)))
    return np.linalg.norm(solution(points) - exact) / np.linalg.norm(exact)


def test_a_loss_that_overflows_ends_the_run_before_it_spoils_the_parameters(key):
    network = make_network("1x8", ((-1.0, 1.0),), key=key)
    equation = sngd.Interior(lambda u, x: jnp.exp(400 * u(x)) - 2)
    optimizer = sngd.solver.Optimizer(sngd.descent.GradientDescent(scale=1e3), sngd.search.FixedStep(1.0))
    problem = sngd.Problem(sngd.interval(x=(-1, 1)), [equation])
    small = jax.tree.map(lambda leaf: 1e-3 * leaf, network)
    solution = sngd.solve(problem, small, key=key, optimizer=optimizer)
    assert solution.result is Result.NON_FINITE
    assert np.all(np.isfinite(solution(np.linspace(-1, 1, 5)[:, None])))


@pytest.mark.parametrize("problem", [poisson(), bvp_energy()], ids=["poisson", "bvp-energy"])
def test_a_folder_holds_result_history_picture_and_model(problem, tmp_path, key):
    solution = sngd.solve(problem, "1x8", key=key, stopping=Stopping(iterations=2))
    summary = summarize(solution, network="1x8", seed=0)
    write_folder(solution, tmp_path, summary)
    names = {"result.json", "history.csv", "solution.png", "solution.npz"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert json.loads((tmp_path / "result.json").read_text()) == summary
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0].startswith("iteration,loss,error")
    assert len(lines) == 4
    assert (tmp_path / "solution.png").read_bytes().startswith(b"\x89PNG")


def test_systems_and_problems_without_exact_solution_are_drawn(tmp_path, key):
    domain = sngd.box(x=(0, 1), y=(0, 1), z=(0, 1))
    problem = sngd.Problem(domain, [sngd.Dirichlet(1.0)], unknowns=["u", "v"], quadrature=sngd.GaussLegendre(4))
    solution = sngd.solve(problem, "1x8", key=key, stopping=Stopping(iterations=2))
    assert solution(np.zeros((3, 3))).shape == (3, 2)
    sngd.plot(solution, tmp_path / "picture.png", of="v")
    assert (tmp_path / "picture.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="exact is missing"):
        solution.relative_l2()


@pytest.mark.parametrize(("name", "error"), [("bvp", 1e-13), ("bvp-energy", 1e-12)])
def test_a_run_without_options_reaches_rounding(name, error, key):
    solution = sngd.solve(CASES[name][0], key=key)
    assert solution.result is Result.FLOOR_REACHED
    assert solution.relative_l2() < error
    assert solution.relative_l2() < 10 * solution.error_estimate


def test_the_best_network_on_the_way_is_returned(key):
    solution = sngd.solve(bvp(), "2x10", key=key, stopping=Stopping(iterations=60))
    # Two compiled functions evaluate the loss, which is at rounding: they share two digits.
    np.testing.assert_allclose(solution.loss, np.min(solution.history.loss), rtol=1e-2)
