"""What steers a run: policies as plain functions, and in runs that they decide."""

import dataclasses
import functools
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.library import bvp, poisson
from sngd.linearize import make_objective
from sngd.solver import (
    Counters,
    Diagnosis,
    Iterate,
    Nonmonotone,
    Policies,
    Record,
    Refine,
    Result,
    Run,
    RunState,
    Stopping,
)


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


def test_a_run_that_may_not_take_more_points_goes_on_with_those_it_has(key):
    """It gives up at the rounding floor, or after nonmonotone steps, and not for want of points."""
    bounds = []

    class Noted(Nonmonotone):
        def bound(self, state):
            bounds.append(super().bound(state))
            return bounds[-1]

        def gives_up(self, run, state):
            return len([bound for bound in bounds if bound is not None]) == 2

    few = dataclasses.replace(bvp(), quadrature=sngd.GaussLegendre(4))
    options = {"stopping": Stopping(60, refinements=0), "policies": Policies(nonmonotone=Noted())}
    solution = sngd.solve(few, "2x8", key=key, **options)
    assert solution.result is Result.UNRESOLVED
    assert len(solution.history) > 10


def test_a_nonmonotone_step_is_no_stagnation():
    """By the loss now, far above that before; by the lowest since, it has fallen."""

    def ending(losses):
        records = [Record(index, loss, seconds=float(index)) for index, loss in enumerate(losses)]
        return Stopping(patience=3).ending(records, 0.0)

    assert ending([1.0, 0.5, 0.1, 0.9, 1.0]) is None
    assert ending([1.0, 0.5, 0.499, 0.9, 0.499, 0.498]) is Result.STAGNATED


def test_a_run_whose_finer_points_do_not_fit_ends_with_what_it_has(key):
    wanted = []

    class TooMany(Refine):
        def points(self, problem):
            wanted.append(problem)
            return dataclasses.replace(problem, quadrature=sngd.GaussLegendre(1500))

    few = dataclasses.replace(poisson(), quadrature=sngd.GaussLegendre(4))
    options = {"stopping": Stopping(iterations=150), "policies": Policies(refine=TooMany()), "memory": 4e9}
    solution = sngd.solve(few, "2x20", key=key, **options)
    assert len(wanted) == 1
    assert solution.result is Result.UNRESOLVED
    assert solution.rows == make_objective(few, solution.network)[0].rows


def test_a_run_restarts_and_refines_no_more_once_half_of_its_seconds_are_predicted_to_be_used():
    state = RunState(*2 * (Iterate(jnp.ones(3), None, 0),), Counters(predicted_seconds=6.0), (Record(0, 1.0),))
    run = SimpleNamespace(is_late=functools.partial(Run.is_late, SimpleNamespace(stopping=Stopping(seconds=10.0))))
    run.stopping = Stopping(seconds=10.0)
    assert not Refine().may(run, state)
    assert Refine().may(run, state.counting(predicted_seconds=4.0))
    assert not Refine().may(run, state.counting(predicted_seconds=4.0, round=2))


def nonmonotone_states(gaps, initial=1.0):
    """The policy and the states that lead through these optimality gaps."""
    policy, iterate = Nonmonotone(), Iterate(jnp.ones(3), None, 0)
    state = RunState(iterate, iterate, Counters(initial_gap=initial), (Record(0, 1.0),), stall=policy.begin(gaps[0]))
    states = [state]
    for gap in gaps[1:]:
        stall = policy.observe(states[-1].stall, gap, no_step=False)
        states.append(dataclasses.replace(states[-1], stall=stall))
    return policy, states


def test_nonmonotone_steps_climb_higher_after_each_failure():
    policy, states = nonmonotone_states([1.0, 0.5, 1e-3, 1e-6, 1e-6], initial=100.0)
    assert all(policy.bound(state) is None for state in states)
    state = dataclasses.replace(states[-1], stall=policy.observe(states[-1].stall, 0.99e-6, no_step=False))
    heights = []
    for _ in range(5):
        bound, stall = policy.bound(state)
        heights.append(bound)
        # No step, so that the next one may climb at once.
        state = dataclasses.replace(state, stall=policy.observe(stall, 1.0, no_step=True))
    np.testing.assert_allclose(heights[0], 100 * 0.99e-8 ** (1 / 16), rtol=1e-12)
    assert np.all(np.diff(heights) > 0)
    assert heights[-1] < 100
    assert state.stall.attempts == 5
    # A gap more than a hundred times lower is a success.
    state = dataclasses.replace(state, stall=policy.observe(state.stall, 1e-9, no_step=True))
    bound, stall = policy.bound(state)
    assert stall.attempts == 1
    np.testing.assert_allclose(bound, 100 * 1e-11 ** (1 / 16), rtol=1e-12)


@pytest.mark.parametrize(("error", "attempts"), [(1e-1, 5), (1e-8, 30)])
def test_nonmonotone_steps_are_given_up_sooner_far_from_the_solution(error, attempts):
    policy, states = nonmonotone_states([1.0, 0.5, 0.5, 0.5, 0.5])
    diagnosis = Diagnosis(0.5, 0.5, 1e-30, error, optimality_gap=0.5, noise=1e-30)
    run = SimpleNamespace(diagnose=lambda *_: diagnosis, policies=Policies())
    for made in (attempts - 1, attempts):
        stall = dataclasses.replace(states[-1].stall, attempts=made)
        assert policy.gives_up(run, dataclasses.replace(states[-1], stall=stall)) == (made == attempts)


@pytest.mark.parametrize(("gap", "ends"), [(1e-31, True), (1e-20, False)])
def test_a_slow_step_ends_a_run_below_rounding_alone(gap, ends):
    policy, states = nonmonotone_states([1.0, gap, 0.9 * gap])
    diagnosis = Diagnosis(gap, gap, 1e-30, 1e-9, optimality_gap=0.9 * gap, noise=1e-30)
    run = SimpleNamespace(diagnose=lambda *_: diagnosis, policies=Policies())
    assert policy.gives_up(run, states[-1]) == ends


@pytest.mark.parametrize("settings", [{"window": 12}, {"rest": 3}, {"window": 1, "rest": 1, "fruitless": 5}], ids=str)
def test_other_windows_tell_a_stall_from_as_many_gaps(settings):
    """A gap that falls by a tenth a step halves in seven steps: a stall for windows that are shorter."""
    policy = Nonmonotone(**settings)
    history = policy.begin(1.0)
    for step in range(1, 20):
        history = policy.observe(history, 0.9**step, no_step=False)
        assert policy.stalls(history) == (policy.window < 7 and step >= max(policy.window, 1))
