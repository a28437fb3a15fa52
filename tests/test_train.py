"""Whole runs: every method on every problem, endings, reproducibility, compilation, files."""

import dataclasses
import json
import signal
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.descent import FactorDescent
from sngd.display import plot
from sngd.library import bvp, bvp_energy, heat, poisson, transport
from sngd.linearize import LayeredFactor, make_objective
from sngd.networks import make_network
from sngd.search import FixedStep, GainRatio, Memory
from sngd.solver import Record, Result, Stopping, TrainState, summarize, take_step, write_folder
from sngd.solver._frequencies import _fastest
from sngd.solver._scales import in_last_digits, scales_of
from sngd.solver._valley import Valley
from sngd.solver._verdict import examine, finished, judge, objective_between

# Coarse rules and small networks keep the sweep fast. The boundary value problem has the paper's network: on smaller
# ones the full steps of its cubic term get stuck for some seeds.
COARSE = sngd.GaussLegendre(10)
CASES = {
    "heat": (dataclasses.replace(heat(), quadrature=COARSE), "2x20"),
    "poisson": (dataclasses.replace(poisson(), quadrature=COARSE), "2x20"),
    "bvp": (bvp(), "4x20"),
    "bvp-energy": (bvp_energy(), "4x20"),
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


@pytest.mark.parametrize(("step_size", "escaped", "points"), [(1e-16, False, 2), (1e-16, True, 1), (1e-13, False, 1)])
@pytest.mark.parametrize("name", ["bvp", "bvp-energy"])
def test_a_damped_step_takes_two_points_with_one_factor(name, step_size, escaped, points, key):
    """By dense algebra; where the first one is too bold, or too slow after an escape, only that."""
    (problem, _), energy = CASES[name], name == "bvp-energy"
    objective, theta = make_objective(problem, make_network("1x3", problem.domain.bounds, key=key))
    factor = np.asarray(eqx.filter_jit(objective.factor)(theta).matrix)
    ridge = (np.finfo(float).eps / step_size * np.linalg.norm(factor, 2)) ** 2 * np.eye(len(theta))
    expected = [theta]
    signal, value = map(eqx.filter_jit, (objective.gradient if energy else objective.residual, objective.value))
    for _ in range(points):
        place = expected[-1]
        slope = signal(place) if energy else factor.T @ signal(place)
        expected.append(place - np.linalg.solve(factor.T @ factor + ridge, slope))
    assert (value(expected[1]) < value(theta)) == (step_size == 1e-16)

    state = TrainState(theta, key, jnp.zeros((), int), Memory(escaped=jnp.asarray(escaped)))
    state, _ = take_step(objective, FactorDescent().prepare(*factor.shape), FixedStep(step_size), state)
    np.testing.assert_allclose(state.theta, expected[-1], rtol=0, atol=1e-6 * np.abs(expected[-1] - theta).max())


@pytest.mark.parametrize("name", ["bvp", "bvp-energy"])
def test_of_two_points_the_first_may_climb_and_is_reported(name, key):
    """Against points on the two curves; where the first one climbs to escape there is no second."""
    energy = name == "bvp-energy"
    objective, theta = make_objective(CASES[name][0], make_network("1x3", CASES[name][0].domain.bounds, key=key))
    state = TrainState(theta, key, jnp.zeros((), int), Memory())
    descent, search = FactorDescent().prepare(objective.rows, len(theta)), GainRatio().prepare(objective.rows, 1)
    value_of, signal = map(eqx.filter_jit, (objective.value, objective.gradient if energy else objective.residual))
    value = float(value_of(theta))
    curve = eqx.filter_jit(descent.step)(eqx.filter_jit(objective.linearize)(theta), key)

    def place(step_size):
        return theta + curve.update(step_size)

    two, report = take_step(objective, descent, search, state)
    one = place(report.step_size)
    assert value_of(two.theta) < value_of(one) < value
    assert report.rank == curve.rank(report.step_size)
    # The damping that is remembered is the second one's.
    moved = curve.moved(None, signal(one)) if energy else curve.moved(signal(one), None)
    second = one + moved.update(curve.damping(jnp.ones(())) / two.memory.damping)
    np.testing.assert_allclose(two.theta, second, rtol=0, atol=1e-9 * np.abs(second - one).max())

    # The energy of an escape is counted from that of the start.
    climb = 1e3 * abs(value)
    escaped, report = take_step(objective, descent, search, state, climb if energy else value + climb)
    np.testing.assert_allclose(escaped.theta, place(report.step_size), rtol=1e-9)
    assert escaped.memory.escaped
    assert value_of(escaped.theta) > value


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
    first = sngd.solve(problem, "2x10", key=key, stopping=Stopping(iterations=25))
    longer = sngd.solve(problem, "2x10", key=key, stopping=Stopping(iterations=40))
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
    problem = sngd.Problem(domain, [sngd.Dirichlet(1.0)], outputs=2, quadrature=sngd.GaussLegendre(4))
    solution = sngd.solve(problem, "1x8", key=key, stopping=Stopping(iterations=2))
    assert solution(np.zeros((3, 3))).shape == (3, 2)
    plot(solution, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="exact is missing"):
        solution.relative_l2()


@pytest.mark.parametrize(("name", "error"), [("bvp", 1e-13), ("bvp-energy", 1e-12)])
def test_a_run_without_options_reaches_rounding(name, error, key):
    solution = sngd.solve(CASES[name][0], key=key)
    assert solution.result is Result.FLOOR_REACHED
    assert solution.relative_l2() < error
    assert solution.relative_l2() < 10 * solution.error_estimate


@pytest.mark.parametrize("name", ["bvp", "bvp-energy"])
def test_the_floor_is_where_last_digits_change_the_solution_as_much(name, key):
    """Against the factor by dense algebra; far from the solution, a small excess of an energy says nothing."""
    problem, _ = CASES[name]
    objective, theta = make_objective(problem, make_network("2x10", problem.domain.bounds, key=key))
    state, scales = TrainState(theta, key, jnp.zeros((), int)), scales_of(problem, objective, theta)
    found = examine(problem, objective, objective_between(problem, objective, theta), scales, state, excess=1e-40)
    change = np.asarray(eqx.filter_jit(objective.factor)(theta).matrix) @ (in_last_digits(theta) - theta)
    # And a little more: the values have rounding errors of their own.
    assert 0.5 < found.noise / (change @ change / 2) < 10
    assert found.excess == (np.inf if name == "bvp-energy" else found.fitted)
    assert not finished(found)
    near = dataclasses.replace(found, excess=50 * found.noise)
    assert finished(near)
    assert judge(Result.STAGNATED, dataclasses.replace(near, error=1e-8, between=0.0), 1e-9) is Result.FLOOR_REACHED


def test_frequencies_follow_the_solution():
    """A wave of five half periods along `y` and one along `x` needs a network that oscillates faster along `y`."""
    square = sngd.box(x=(0, 1), y=(0, 1))
    exact = lambda x: jnp.sin(jnp.pi * x[0]) * jnp.sin(5 * jnp.pi * x[1])
    equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x) + 26 * jnp.pi**2 * exact(x))
    problem = sngd.Problem(square, [equation, sngd.Dirichlet(0.0)], exact=exact)
    solution = sngd.solve(problem, "2x20", key=jax.random.key(0), stopping=Stopping(iterations=0))
    along_x, along_y = np.abs(np.asarray(solution.network.weights[0])).max(axis=0)
    assert along_y > 1.5 * along_x


def test_frequencies_of_one_axis_are_found_over_flat_scores():
    """A wave on a circle that passes each point five times: only features that oscillate in time follow it."""
    problem, none = transport(), Stopping(iterations=0)
    solution = sngd.solve(problem, "1x60+periodic", key=jax.random.key(3), stopping=none)
    in_time = np.abs(np.asarray(solution.network.weights[0])).max(axis=0)[1]
    assert in_time > 10


def test_frequencies_of_a_wide_network_are_chosen_on_some_of_many_points(monkeypatch):
    """The rows of 45 x 45 points would make a kernel of three times as many entries as those that are drawn."""
    rows, kernel = [], LayeredFactor.kernel
    monkeypatch.setattr(LayeredFactor, "kernel", lambda self: rows.append(self.shape[0]) or kernel(self))
    exact = lambda x: jnp.sin(5 * jnp.pi * x[0]) * jnp.sin(5 * jnp.pi * x[1])
    equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x) + 50 * jnp.pi**2 * exact(x))
    square, points = sngd.box(x=(0, 1), y=(0, 1)), sngd.GaussLegendre(45)
    problem = sngd.Problem(square, [equation, sngd.Dirichlet(0.0)], quadrature=points)
    solution = sngd.solve(problem, "2x128", key=jax.random.key(0), stopping=Stopping(iterations=0))
    assert solution.rows == 45**2 + 4 * 45
    assert 1300 < max(rows) <= 1344
    slow = make_network("2x128", square.bounds, key=jax.random.key(0))
    fastest = [np.abs(np.asarray(network.weights[0])).max() for network in (solution.network, slow)]
    assert fastest[0] > 1.5 * fastest[1]


def test_of_frequencies_that_suit_a_wide_network_residual_space_takes_the_fastest(key, monkeypatch):
    """Several suit a smooth solution: the more they oscillate, the more singular values of the Jacobian are known."""
    # So small a network leaves about as much as the limit; well above it several frequencies suit for certain.
    monkeypatch.setattr("sngd.solver._frequencies._FLOOR", -6.0)
    problem = heat()

    def start(optimizer):
        return sngd.solve(problem, "3x96", key=key, optimizer=optimizer, stopping=Stopping(iterations=0)).network

    def rank(network):
        objective, theta = make_objective(problem, network)
        kernel = eqx.filter_jit(lambda theta: objective.factor(theta).kernel())(theta)
        values = np.sqrt(np.abs(np.linalg.eigvalsh(kernel)))
        return np.sum(values > 1e-8 * values.max())

    fast, slow, of_engd_w = map(start, ("residual-space", "preconditioned", "engd-w"))
    ratio = fast.weights[0] / slow.weights[0]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-12)
    assert ratio[0, 0] > 1.2
    assert rank(fast) > 1.2 * rank(slow)
    np.testing.assert_array_equal(of_engd_w.weights[0], slow.weights[0])


@pytest.mark.parametrize(
    ("good_up_to", "best", "expected"),
    [(1.0, 1.0, 1.0), (1.5, 1.0, 1.3), (2.0, 1.0, 1.69), (1e3, 40.0, 52.0)],
)
def test_faster_frequencies_are_taken_as_long_as_they_are_equally_good(good_up_to, best, expected):
    class Candidates:
        def score(self, frequencies):
            return -12.0 if max(frequencies) <= good_up_to else -5.0

    np.testing.assert_allclose(_fastest(Candidates(), (best, best)), (expected, expected), rtol=1e-12)


def test_a_run_that_fits_its_points_only_says_so_or_takes_more(key):
    """Four points an axis: the network passes through them and is wrong between; refined, still too few."""
    few = dataclasses.replace(poisson(), quadrature=sngd.GaussLegendre(4))
    solution = sngd.solve(few, "2x20", key=key, stopping=Stopping(iterations=150))
    rows = make_objective(few, solution.network)[0].rows
    assert solution.result is Result.UNRESOLVED or solution.rows > rows
    assert solution.validation_loss > 0
    if solution.result is Result.UNRESOLVED:
        assert solution.result.exit_status != 0


@pytest.mark.parametrize("restarts", [2, 0])
def test_parameters_that_fit_too_few_points_are_left_behind(restarts, key):
    """On finer points a run starts again where it may, and goes on from the parameters it has where it may not."""
    few = dataclasses.replace(poisson(), quadrature=sngd.GaussLegendre(4))
    solution = sngd.solve(few, "2x16", key=key, stopping=Stopping(60, restarts=restarts))
    starts = np.flatnonzero(np.isnan(solution.history.gradient_norm))
    assert len(starts) == 1 + restarts
    assert np.all(solution.history.loss[starts] > 1e-3 * solution.history.loss[0])
    assert solution.rows > make_objective(few, solution.network)[0].rows


def test_a_run_that_may_not_take_more_points_goes_on_with_those_it_has(key, monkeypatch):
    escapes, escaping = [], Valley.escaping
    monkeypatch.setattr("sngd.solver._driver.finished", lambda diagnosis: False)
    monkeypatch.setattr("sngd.solver._driver.below_rounding", lambda diagnosis: False)
    monkeypatch.setattr(Valley, "escaping", lambda valley: escapes.append(valley) or escaping(valley))
    few = dataclasses.replace(bvp(), quadrature=sngd.GaussLegendre(4))
    solution = sngd.solve(few, "2x8", key=key, stopping=Stopping(30, refinements=0))
    assert solution.result is Result.UNRESOLVED
    assert escapes


def test_an_escape_is_no_stagnation():
    """By the loss now, far above that before; by the lowest since, it has fallen."""

    def ending(losses):
        records = [Record(index, loss, seconds=float(index)) for index, loss in enumerate(losses)]
        return Stopping(patience=3).ending(records, 0.0)

    assert ending([1.0, 0.5, 0.1, 0.9, 1.0]) is None
    assert ending([1.0, 0.5, 0.499, 0.9, 0.499, 0.498]) is Result.STAGNATED


def test_a_run_whose_finer_points_do_not_fit_ends_with_what_it_has(key, monkeypatch):
    few = dataclasses.replace(poisson(), quadrature=sngd.GaussLegendre(4))
    plans = []

    def refuse(*arguments):
        plans.append(arguments)
        raise ValueError("too large")

    monkeypatch.setattr("sngd.solver._driver.make_plan", refuse)
    solution = sngd.solve(few, "2x20", key=key, stopping=Stopping(iterations=150))
    assert len(plans) == 1, "it wanted more points"
    assert solution.result is Result.UNRESOLVED
    assert solution.rows == make_objective(few, solution.network)[0].rows


def test_the_best_network_on_the_way_is_returned(key):
    solution = sngd.solve(bvp(), "2x10", key=key, stopping=Stopping(iterations=60))
    # Two compiled functions evaluate the loss, which is at rounding: they share two digits.
    np.testing.assert_allclose(solution.loss, np.min(solution.history.loss), rtol=1e-2)


def test_escapes_climb_higher_after_each_failure_and_keep_the_best():
    valley = Valley.at("start", 1.0)
    for number, excess in enumerate([0.5, 1e-3, 1e-6, 1e-6]):
        valley = valley.after(f"state {number}", excess, no_step=False)
        assert not valley.stuck
    valley = valley.after("fruitless", 0.99e-6, no_step=False)
    assert valley.stuck
    assert not valley.hopeless(wrong=True)
    heights = []
    for _ in range(5):
        valley = valley.escaping()
        heights.append(valley.ceiling(100.0))
    np.testing.assert_allclose(heights[0], 100 * 0.99e-8 ** (1 / 16), rtol=1e-12)
    assert np.all(np.diff(heights) > 0)
    assert heights[-1] < 100
    assert valley.hopeless(wrong=True)
    assert not valley.hopeless(wrong=False), "five failures are few for a run that is at the solution"
    for _ in range(25):
        valley = valley.escaping()
    assert valley.hopeless(wrong=False)
    assert not valley.stuck
    valley = valley.after("success", 1e-9, no_step=False)
    assert valley.best == "success"
    np.testing.assert_allclose(valley.escaping().ceiling(100.0), 100 * 1e-11 ** (1 / 16), rtol=1e-12)
