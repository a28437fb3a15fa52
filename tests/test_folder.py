"""A run's folder: for one run alone, and as it was where a run is refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sngd.cli import main
from sngd.train import run_folder

REFUSED = ["run", "bvp", "--network", "4y20"]


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_refused_run_leaves_no_folder(tmp_path):
    assert main([*REFUSED, "--out", str(tmp_path / "one" / "two")]) == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mine", [{}, {"notes.txt": "mine"}])
def test_a_refused_run_leaves_a_folder_that_existed_as_it_was(mine, tmp_path):
    for name, text in mine.items():
        (tmp_path / name).write_text(text)
    assert main([*REFUSED, "--out", str(tmp_path)]) == 2
    assert {path.name for path in tmp_path.iterdir()} == set(mine)


@pytest.mark.parametrize("force", [True, False])
def test_a_refused_run_leaves_the_earlier_one(force, tmp_path):
    assert main(["run", "bvp", "--network", "1x6", "--iterations", "1", "--out", str(tmp_path)]) == 0
    before = contents(tmp_path)
    assert any(path.parent.name == "checkpoints" for path in before)
    assert main([*REFUSED, "--out", str(tmp_path), *["--force"] * force]) == 2
    assert contents(tmp_path) == before


def test_a_folder_is_free_again_after_its_run_and_after_a_process_that_was_killed(tmp_path):
    (tmp_path / ".lock").write_text("")
    for _ in range(2):
        with run_folder(tmp_path):
            assert (tmp_path / ".lock").exists()
            with pytest.raises(ValueError, match="where another run is going on"), run_folder(tmp_path):
                pass
            assert (tmp_path / ".lock").exists(), "the lock is that of the first"
    assert not list(tmp_path.iterdir())


PORTABLE = """
import os, sys
import psutil  # on Linux it imports resource itself

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in ("fcntl", "resource"):
            raise ModuleNotFoundError(name)

sys.modules.pop("resource", None)
sys.modules.pop("fcntl", None)
sys.meta_path.insert(0, Blocked())
del os.sysconf, os.sched_getaffinity
from sngd.cli import main
assert not {"fcntl", "resource"} & set(sys.modules)
command = ["run", "bvp", "--network", "1x4", "--iterations", "2", "--json", "--out", sys.argv[1]]
assert main(command) == 0
assert main(command) == 2
"""


def test_a_system_without_fcntl_and_resource_solves(tmp_path):
    """As on Windows; a process of its own, since the modules are imported here already."""
    finished = subprocess.run([sys.executable, "-c", PORTABLE, str(tmp_path)], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert "which holds a run already" in finished.stderr
    result = json.loads(finished.stdout)
    assert result["iterations"] == 2
    assert 1e7 < result["peak_bytes"] < 1e11
    assert not (Path(tmp_path) / ".lock").exists()
