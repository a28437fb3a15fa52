"""Measurements: cells that are kept, and what stands in their way."""

import dataclasses
import json

import pytest

from benchmarks.__main__ import main
from benchmarks.cells import Cells, run_command
from benchmarks.globalization import _WAYS, tabulate
from benchmarks.scale import scale
from benchmarks.step import Case, count, step
from sngd.library import PAPER_PROBLEMS


def test_finished_cells_are_kept_and_not_run_again(tmp_path):
    path, lines = tmp_path / "cells.json", []
    made = {"relative_l2": 1e-9, "seconds": 2.0}
    Cells(path, lines.append).run("one", lambda: made)
    again = Cells(path, lines.append)
    again.run("one", lambda: pytest.fail("a finished cell ran again"))
    assert json.loads(path.read_text())["one"].items() >= made.items()
    assert lines == ["one: 1.0e-09 in 2 s"]
    assert [file.name for file in tmp_path.iterdir()] == ["cells.json"]


def test_what_is_not_json_is_refused_and_left_alone(tmp_path, capsys):
    path = tmp_path / "precision.json"
    path.write_text("{half")
    assert main(["precision", "--quick", "--out", str(tmp_path)]) == 2
    assert "out holds precision.json, which is not JSON" in capsys.readouterr().err
    assert path.read_text() == "{half"


def test_no_seeds_are_refused(tmp_path, capsys):
    assert main(["precision", "--seeds", "0", "--out", str(tmp_path)]) == 2
    assert "seeds is 0; it must be at least 1" in capsys.readouterr().err


def test_ways_of_choosing_a_step_weigh_the_boundary_and_leave_energies_to_others():
    for name, weight in (
        ("damped, boundary times 100, nonmonotone", 100),
        ("damped, boundary over 100, nonmonotone", 0.01),
    ):
        conditions = _WAYS[name].problem("heat").conditions
        assert [condition.weight for condition in conditions] == [1, *(weight,) * (len(conditions) - 1)]
    assert [name for name in PAPER_PROBLEMS if not _WAYS["damped, geodesic, nonmonotone"].suits(name)] == ["bvp-energy"]
    assert all(_WAYS["damped, boldest, nonmonotone"].suits(name) for name in PAPER_PROBLEMS)


def test_ways_are_tabulated_by_their_median_and_largest_error():
    found = {
        f"heat, damped, boldest, seed {seed}": {"relative_l2": 10.0**-seed, "seconds": seed} for seed in (8, 9, 12)
    }
    table = tabulate(found).splitlines()
    assert "| damped, boldest | 1e-09 (1e-08), 9 s, 3 | - | - | - | - |" in table
    assert "| damped, boldest, nonmonotone | - | - | - | - | - |" in table


def test_a_run_that_fails_says_why():
    with pytest.raises(ValueError, match="left no result: sngd: error: problem is 'nonsense'"):
        run_command(["run", "nonsense"])


def test_scale_tabulates_what_ran_and_what_does_not_fit(tmp_path, monkeypatch):
    """With runs made up: seconds that are proportional to the parameters have the exponent one."""

    def run(arguments, *, history=False):
        network = arguments[arguments.index("--network") + 1]
        parameters = {"A1": 261, "4x20": 1341, "A2": 5301, "5x160": 103_681, "A3": 1_085_761}.get(network, 10_000_000)
        if "engd" in arguments and network == "A3":
            raise ValueError("sngd run left no result: engd, more than memory = 25.0 GB; take fewer points")
        points = int(arguments[arguments.index("--points") + 1])
        made = {
            "network": network,
            "parameters": parameters,
            "rows": points * (points + 3),
            "optimizer": arguments[arguments.index("--optimizer") + 1],
            "seed": 0,
            "relative_l2": 1e-9,
        }
        took = None if points > 100 or made["optimizer"] == "damped" else 1e-6 * parameters
        made |= {"seconds": 50.0, "step_seconds": took, "peak_bytes": 2 * 10**9}
        return made | {"history": {"seconds": [10.0, 40.0], "error": [1e-7, 1.9e-9]}} if history else made

    monkeypatch.setattr("benchmarks.scale.run_command", run)

    def steps(step):
        made = {"columns": step.columns, "relative_l2": None, "seconds": 1.0, "step_seconds": 1e-3 * step.columns**2}
        return made | {"peak_bytes": 10**9, "predicted_step_seconds": 1.0, "predicted_bytes": 9e9}

    monkeypatch.setattr("benchmarks.scale.measure_columns", steps)
    monkeypatch.setattr(
        "benchmarks.scale.predicted", lambda step: {"predicted_step_seconds": 1.0, "predicted_bytes": 9e9}
    )
    table = scale([0], tmp_path / "scale.json", lambda line: None)
    assert "| A3 | 1,085,761 | 868 | residual-space | 0 | 1.0e-09 | 50 s | 40 s | 40 s | - | 1.1 s | 2.00 GB |" in table
    assert "| A3 | does not fit (9 GB) | 1.09 s, 2.00 GB |" in table
    assert "| no step in 50 s, 2.00 GB |" in table
    assert "| parameters | residual-space | 103,681 | 10,000,000 | 1.00, " in table
    assert "| columns | two-pass | 200 | 800 | 2.00, 0.00 | 0.00, 0.00 |" in table
    assert (tmp_path / "scale.png").stat().st_size > 10_000


def test_steps_are_counted_as_the_page_counts_them_and_tabulated_beside_their_floor(tmp_path, monkeypatch):
    """With times made up: a step that takes twice the time of its operations."""
    case = Case("heat", "A3", 40, 256, "two-pass")
    n, p, columns = 1720, 1_085_761, 256
    operations = count(case, n, p)
    total = sum(sum(part.values()) for part in operations.values())
    assert total == pytest.approx(
        6 * 4 * n * p + 6 * n * p * columns + 4 * p * columns**2 + 2 * n * columns**2 + 4 * columns**3 + 18 * 8 * n * p
    )
    single = count(dataclasses.replace(case, passes="single-pass"), n, p)
    assert single["direction"]["core"] == 0

    def measured(case):
        seconds = {"linearize": 0.1, "direction": 2 * total / 1e11 - 0.1, "search": 1.0, "step": 2 * total / 1e11}
        made = {"rows": n, "parameters": p, "rate": 1e11, "operations": operations, "part_seconds": seconds}
        made |= {"compile_seconds": 4.0, "peak_bytes": 3e9, "predicted_bytes": 3.5e9}
        return made | {"seconds": 1.0, "relative_l2": None}

    monkeypatch.setattr("benchmarks.step._apart", measured)
    table = step([0], tmp_path / "step.json", lambda line: None, only=case.name)
    assert "| A3 | 1,720 | 256 | two-pass | 100 ms (448 ms) |" in table
    assert "| 2.00 | 100 | 4 s | 3.00 GB | 3.50 GB |" in table
    # The order of the columns is that of the header, in a file that is read again too.
    assert step([0], tmp_path / "step.json", lambda line: None, only="nothing") == table
