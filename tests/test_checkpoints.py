"""Runs that are stopped and go on are the runs that were never stopped."""

import dataclasses
import errno
import importlib.metadata
import json
import logging
import os
import signal
import subprocess
import sys
import time
from typing import Any

import jax
import numpy as np
import pytest

import sngd
from sngd.cli import main
from sngd.descent import FactorDescent
from sngd.files import read_archive, write_archive
from sngd.geometry import GaussLegendre
from sngd.library import find_problem
from sngd.search import FixedStep, GainRatio, GridSearch
from sngd.solver import Checkpoints, Optimizer, Result, Stopping, solve

# One problem for all runs: its compiled functions are found again.
BVP = find_problem("bvp")
TRUNCATED = Optimizer(FactorDescent("truncated", tolerance=1e-6), GridSearch())
FIXED = Optimizer(FactorDescent("damped"), FixedStep(1e-8))
BISECTED = Optimizer(FactorDescent("damped"), GainRatio(bisect=True))


class KilledError(BaseException):
    """Ends a run where it stands, as a signal would that no process can catch: it is no `Exception`."""


def killed_at(iteration):
    def callback(state, record):
        if record.iteration == iteration:
            raise KilledError

    return callback


def run(folder=None, *, kill=None, resume=False, optimizer="damped", problem=None, seed=0, network="1x8", **stopping):
    return solve(
        problem or BVP,
        network,
        key=jax.random.key(seed),
        optimizer=optimizer,
        stopping=Stopping(**{"iterations": 9, "patience": 1000, **stopping}),
        callbacks=[] if kill is None else [killed_at(kill)],
        error_every=2,
        checkpoints=None if folder is None else Checkpoints(folder, seconds=0, resume=resume),
    )


def assert_same(one, other):
    assert one.result is other.result
    assert one.loss == other.loss
    for name, values in vars(one.history).items():
        if name != "seconds":
            np.testing.assert_array_equal(values, getattr(other.history, name))
    for mine, theirs in zip(jax.tree.leaves(one.network), jax.tree.leaves(other.network), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("optimizer", ["damped", "single-pass", "adam", "bfgs", "l-bfgs", TRUNCATED, FIXED, BISECTED])
def test_a_killed_run_goes_on_bit_for_bit(optimizer, tmp_path):
    with pytest.raises(KilledError):
        run(tmp_path, kill=4, optimizer=optimizer)
    with pytest.raises(KilledError):
        run(tmp_path, kill=7, resume=True, optimizer=optimizer)
    assert_same(run(tmp_path, resume=True, optimizer=optimizer), run(optimizer=optimizer))


def test_rounds_on_finer_points_go_on_bit_for_bit(tmp_path):
    """On four points the run fits its points only, and takes more of them, twice."""
    problem = dataclasses.replace(BVP, quadrature=GaussLegendre(4))
    settings = {"problem": problem, "iterations": 120, "network": "2x8"}
    whole = run(**settings)
    assert (whole.result, whole.rows) == (Result.UNRESOLVED, 11)
    for kill in (14, 25):
        with pytest.raises(KilledError):
            run(tmp_path / str(kill), kill=kill, **settings)
        assert_same(run(tmp_path / str(kill), resume=True, **settings), whole)


def test_constants_laws_and_complex_unknowns_go_on_bit_for_bit(tmp_path):
    """A constant and a law multiply a complex function, which is read at three points."""

    def equation(psi, x, k, b):
        return sngd.partial(psi, "x")(x) - 1j * k * psi(x) + b(x[0]) * psi(x)

    unknowns = [sngd.Unknown("psi", complex=True), sngd.Constant("k"), sngd.Law("b", (0, 1), start=0.1, terms=2)]
    data = sngd.Data([[0.3], [0.6], [0.9]], np.exp(2j * np.array([0.3, 0.6, 0.9])), noise=0.0)
    conditions = [sngd.Interior(equation), sngd.Dirichlet(1.0, on="lower"), data]
    problem = sngd.Problem(sngd.interval(x=(0, 1)), conditions, unknowns=unknowns)
    whole = run(problem=problem)
    with pytest.raises(KilledError):
        run(tmp_path, kill=5, problem=problem)
    resumed = run(tmp_path, resume=True, problem=problem)
    assert_same(resumed, whole)
    assert {name: each.value for name, each in resumed.constants.items()} == {
        name: each.value for name, each in whole.constants.items()
    }


def test_later_attempts_go_on_bit_for_bit(tmp_path):
    """Two values at one boundary: every attempt gets stuck between them."""
    walls = [sngd.Dirichlet(lambda x: 0.0), sngd.Dirichlet(lambda x: 1.0)]
    problem = sngd.Problem(sngd.interval(x=(0, 1)), [sngd.Interior(lambda u, x: sngd.laplacian(u)(x)), *walls])
    settings = {"problem": problem, "iterations": 300, "network": "1x6", "patience": 10}
    whole = run(**settings)
    starts = np.flatnonzero(np.isnan(whole.history.gradient_norm))
    assert len(starts) == 3
    with pytest.raises(KilledError):
        run(tmp_path, kill=int(whole.history.iteration[starts[1]]) + 3, **settings)
    assert_same(run(tmp_path, resume=True, **settings), whole)


def test_a_run_that_is_out_of_iterations_goes_on_with_more(tmp_path):
    short = run(tmp_path, iterations=4)
    assert short.result is Result.ITERATIONS_EXHAUSTED
    longer, whole = run(tmp_path, resume=True, iterations=8), run(iterations=8)
    assert longer.loss == whole.loss
    assert longer.seconds > 0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 1}, "key is"),
        ({"optimizer": "two-pass"}, "optimizer is"),
        ({"network": "1x9"}, "network is ((9, 1), (1, 9), (9,), (1,)) here and ((8, 1), (1, 8), (8,), (1,)) there"),
        ({"problem": find_problem("bvp-energy")}, "problem is bvp-energy here and bvp there"),
        ({"problem": dataclasses.replace(BVP, quadrature=GaussLegendre(9))}, "rows is 11 here and"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(changes, named, tmp_path):
    with pytest.raises(KilledError):
        run(tmp_path, kill=2)
    with pytest.raises(ValueError, match="is of another run") as caught:
        run(tmp_path, resume=True, **changes)
    assert named in str(caught.value)


def test_a_checkpoint_of_other_versions_is_refused(tmp_path, monkeypatch):
    with pytest.raises(KilledError):
        run(tmp_path, kill=2)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.0")
    with pytest.raises(ValueError, match=r"versions is .*'0.0'"):
        run(tmp_path, resume=True)


def test_a_checkpoint_of_another_format_is_refused(tmp_path):
    with pytest.raises(KilledError):
        run(tmp_path, kill=2)
    for path in tmp_path.glob("*.npz"):
        header, arrays = read_archive(path, dict[str, Any], "a checkpoint")
        write_archive(path, header | {"format": "sngd-checkpoint-1"}, arrays)
    with pytest.raises(ValueError, match="has format 'sngd-checkpoint-1', this version 'sngd-checkpoint-"):
        run(tmp_path, resume=True)


def test_a_new_run_does_not_overwrite_checkpoints(tmp_path):
    with pytest.raises(KilledError):
        run(tmp_path, kill=2)
    with pytest.raises(ValueError, match="holds those of another run; give another folder"):
        run(tmp_path)


def test_a_damaged_checkpoint_is_passed_over(tmp_path, caplog):
    with pytest.raises(KilledError):
        run(tmp_path, kill=6)
    last = max(tmp_path.glob("*.npz"))
    last.write_bytes(last.read_bytes()[:-500])
    with caplog.at_level(logging.WARNING, "sngd"):
        again = run(tmp_path, resume=True)
    assert "passed over a checkpoint" in caplog.text
    assert_same(again, run())


def test_where_no_checkpoint_can_be_read_the_run_is_refused(tmp_path):
    (tmp_path / "00000003.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match="where none can be read; start the run anew"):
        run(tmp_path, resume=True)


def test_a_full_disk_costs_a_checkpoint_and_not_the_run(tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with caplog.at_level(logging.WARNING, "sngd"):
        solution = run(tmp_path)
    assert "no checkpoint was written" in caplog.text
    assert "No space left on device" in caplog.text
    assert not list(tmp_path.iterdir())
    assert_same(solution, run())


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"seconds": -1.0}, "seconds is -1.0; the time between"), ({"keep": 0}, "keep is 0; it must be at least 1")],
)
def test_bad_settings_are_named(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        Checkpoints(tmp_path, **settings)


def test_only_the_last_checkpoints_are_kept(tmp_path):
    run(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"0000000{i}.npz" for i in (7, 8, 9)]


def test_a_process_that_is_killed_is_resumed_from_the_command_line(tmp_path, capsys):
    """A real process, real signals: SIGKILL as soon as there is a checkpoint; resumed; SIGTERM; resumed."""
    out = tmp_path / "out"
    begin = ["run", "bvp", "--network", "2x10", "--optimizer", "gd", "--iterations", "1000000", "--out", str(out)]
    assert started([*begin, "--checkpoint-every", "0.2"], out, signal.SIGKILL) == -signal.SIGKILL
    assert not (out / "result.json").exists()
    assert started(["resume", str(out)], out, signal.SIGTERM) == 130
    assert json.loads((out / "result.json").read_text())["result"] == "interrupted"
    assert main(["resume", str(out), "--iterations", "1"]) == 0
    assert "iterations exhausted" in capsys.readouterr().out


def started(arguments, out, sent):
    """The exit status of a process that gets a signal once it has written a checkpoint."""
    last = lambda: max((out / "checkpoints").glob("[0-9]*.npz"), default=None)
    before, deadline = last(), time.monotonic() + 120
    process = subprocess.Popen([sys.executable, "-m", "sngd.cli", *arguments], stdout=subprocess.DEVNULL)
    while last() == before and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(sent)
    return process.wait(60)
