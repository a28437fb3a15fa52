"""The table of problems: its summary of runs, which runs it makes, and collocation beside it."""

import numpy as np
import pytest

from benchmarks.__main__ import main as main_of_all
from benchmarks.collocation import EQUATIONS, collocate
from benchmarks.rows import ROWS
from benchmarks.table import Case, Options, cases, exact_values, main, measure, summarize, tabulate

BY_NAME = {row.name: row for row in ROWS}


def fake(error, estimate, seconds=1.0, result="tolerance reached"):
    return {
        "relative_l2": error,
        "error_estimate": estimate,
        "seconds": seconds,
        "compile_seconds": 0.5,
        "least_squares_seconds": 0.1,
        "result": result,
        "optimizer": "least squares on 64 sin features, uniform weights up to (4, 2)",
    }


RUNS = {
    # The bar is 1e-12 and 20 seconds are allowed, of which half as many again are no failure.
    "poisson-seed0": fake(5e-13, 4e-13, seconds=29.0),
    "poisson-seed1": fake(2e-15, 1e-17),
    "poisson-collocation": {"relative_l2": 1e-15, "seconds": 0.25},
    # The bar is 1e-12 and 15 seconds are allowed. A problem whose name begins with that of another is one of its own.
    "poisson-a-seed0": fake(1e-13, 1e-13, seconds=23.0),
    "poisson-a-draw1": fake(2e-12, 1e-13, result="stagnated"),
    # The bar is 1e-9: a false claim, a run without an estimate, and one that raised an exception.
    "lorenz-seed0": fake(1e-6, 1e-10),
    "lorenz-seed1": fake(1e-10, None),
    "lorenz-seed2": {"relative_l2": None, "seconds": 2.0, "result": "raised ValueError('no')"},
}


def test_runs_are_summarized():
    summary = summarize(RUNS)
    assert (summary.rows, summary.reached) == (3, 1)
    assert (summary.runs, summary.covered) == (7, 5)
    assert (summary.clear, summary.good) == (5, 1)
    assert "Rows reached: 1 of 3." in str(summary)
    assert "1 of 5 (20 %)" in str(summary)
    assert "5 of 7 (71 %)" in str(summary)
    assert "0 of 0." in str(summarize({}))


def test_rows_are_tabulated():
    poisson, poisson_a, lorenz = tabulate(RUNS).splitlines()[2:5]
    assert poisson == (
        "| poisson | 1e-12 | 5.0e-13 | 2.5e-13 | 0.005 to 0.8 | 15.0 s (20 s) | 2/2 | tolerance reached "
        "| 64 sin, uniform (4, 2) | 145.0 | **1.0e-15, 0.25 s** |"
    )
    assert "| 0/2 | tolerance reached 1, stagnated 1 |" in poisson_a
    assert poisson_a.endswith("| 115.0 | - |")
    assert "| inf | 1.0e-06 | 0.0001 to inf | 1.0 s (60 s) | 1/3 |" in lorenz


def test_long_rows_take_fewer_seeds_and_keep_their_parameters():
    seeds = lambda options, name: [case.seed for case in cases(options) if case.row.name == name]
    assert seeds(Options(), "poisson") == list(range(10))
    assert seeds(Options(), "transport") == list(range(5))
    assert seeds(Options(blind=True), "transport") == seeds(Options(quick=True), "poisson") == [0]
    moved = list(cases(Options(moved=2)))
    assert {case.row.name for case in moved} == {row.name for row in ROWS if row.parameters and row.seconds <= 60}
    assert [case.name for case in moved if case.row.name == "beam"] == ["beam-draw0", "beam-draw1"]
    assert all(case.changes.keys() == case.row.parameters.keys() for case in moved)
    assert {case.row.name for case in cases(Options(only="poisson"))} == {"poisson"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "nonsense"], "only is 'nonsense', and there is no row of such a name"),
        (["--seeds", "0"], "seeds is 0 and moved is 0"),
        (["--quick", "--blind"], "quick and blind are given; give one of them"),
    ],
)
def test_bad_options_are_refused(options, message, tmp_path, capsys):
    assert main([*options, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_the_table_is_a_measurement_and_collocation_is_none(capsys):
    assert main_of_all(["nonsense"]) == 2
    known = capsys.readouterr().err.split(", ")
    assert "table" in known
    assert "collocation" not in known


def test_a_run_is_measured_and_one_that_raises_is_a_failed_one(monkeypatch):
    monkeypatch.setattr("benchmarks.table.rate", lambda: 1.0)
    row = BY_NAME["poisson"]
    found = measure(Case(row, 0, blind=True))
    assert found["relative_l2"] <= row.bar
    assert found["result"] == "tolerance reached"
    assert found["seconds"] >= found["compile_seconds"] > 0
    assert found["least_squares_seconds"] > 0
    # A run without an exact solution cannot know when it reached what.
    assert found["seconds_to_1e-04"] is None
    monkeypatch.setattr("sngd.solve", lambda *given, **options: 1 / 0)
    failed = measure(Case(row, 0))
    assert (failed["relative_l2"], failed["result"]) == (None, "raised ZeroDivisionError('division by zero')")


@pytest.mark.parametrize(
    ("name", "error"), [("poisson-a", 1e-12), ("heat-a", 1e-12), ("boundary-layer-robin", 1e-12), ("biharmonic", 1e-11)]
)
def test_collocation_solves_linear_rows_with_their_parameters_and_with_others(name, error):
    row = BY_NAME[name]
    points = row.grid()[::7]
    for changes in ({}, row.moved(np.random.default_rng(0))):
        found = collocate(EQUATIONS[name](**{**row.parameters, **changes}), points, row.bar / 10)
        exact = exact_values(row.problem(**changes).exact_solution, points)
        assert np.max(row.errors(found.values, exact)) < error
    assert EQUATIONS.keys() < BY_NAME.keys()
