"""Measurements: cells that are kept, and what stands in their way."""

import json

import pytest

from sngd.bench import Cells, run_command
from sngd.cli import main


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
    assert main(["bench", "precision", "--quick", "--out", str(tmp_path)]) == 2
    assert "out holds precision.json, which is not JSON" in capsys.readouterr().err
    assert path.read_text() == "{half"


def test_no_seeds_are_refused(tmp_path, capsys):
    assert main(["bench", "precision", "--seeds", "0", "--out", str(tmp_path)]) == 2
    assert "seeds is 0; it must be at least 1" in capsys.readouterr().err


def test_a_run_that_fails_says_why():
    with pytest.raises(ValueError, match="left no result: sngd: error: problem is 'nonsense'"):
        run_command(["run", "nonsense"])
