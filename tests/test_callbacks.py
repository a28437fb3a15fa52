"""Callbacks: what they see, and what is left of a run that one of them ends."""

import jax
import numpy as np
import pytest

import sngd
from sngd.library import bvp
from sngd.solver import Checkpoints, Result, Stopping

BVP = bvp()


def run(callback, iterations=6, **options):
    options = {"key": jax.random.key(0), "stopping": Stopping(iterations=iterations), **options}
    return sngd.solve(BVP, "1x6", callbacks=callback, **options)


class PrunedError(Exception):
    """As a library that searches for good settings raises to end a run early."""


def raising(error, iteration):
    def callback(state, record):
        if record.iteration == iteration:
            raise error

    return callback


@pytest.mark.parametrize("iteration", [0, 3])
def test_the_exception_of_a_callback_keeps_the_solution(iteration, tmp_path):
    """It is the callback's own exception that arrives, with the solution that a run of so many iterations reaches."""
    expected = run([], iteration)
    with pytest.raises(PrunedError) as caught:
        run(raising(PrunedError("enough"), iteration), checkpoints=Checkpoints(tmp_path))
    solution = caught.value.solution
    assert solution.result is Result.INTERRUPTED
    np.testing.assert_array_equal(solution.history.loss, expected.history.loss)
    np.testing.assert_array_equal(solution.network.weights[0], expected.network.weights[0])
    (note,) = caught.value.__notes__
    assert f"ended the run at iteration {iteration}. The solution that was reached is the attribute `solution`" in note
    resumed = run([], checkpoints=Checkpoints(tmp_path, resume=True))
    np.testing.assert_array_equal(resumed.history.loss, run([]).history.loss)


def test_a_callback_that_interrupts_at_once_ends_the_run_with_its_start():
    assert run(raising(KeyboardInterrupt, 0)).result is Result.INTERRUPTED


def test_every_record_is_reported_once_also_over_a_resumption(tmp_path):
    seen = []
    note = lambda state, record: seen.append((record.iteration, record.loss))
    run(note, 3, checkpoints=Checkpoints(tmp_path))
    whole = run(note, 6, checkpoints=Checkpoints(tmp_path, resume=True))
    assert seen == list(zip(whole.history.iteration.tolist(), whole.history.loss.tolist(), strict=True))
