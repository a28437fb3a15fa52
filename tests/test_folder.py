"""A run's folder: for one run alone, and as it was where a run is refused."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sngd.cli import main
from sngd.files import run_folder

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


USER_FILE = """
import sngd
equation = sngd.Interior(lambda u, x: sngd.partial(u, "x", "x")(x) + u(x) - 1)
problem = sngd.Problem(sngd.interval(x=(0, 1)), [equation, sngd.Dirichlet(0.0)])
"""


def advised(said):
    """The command that a message advises to go on with, or `None`."""
    found = re.search(r"go on (?:with it )?by `sngd (.*)`", said)
    return None if found is None else shlex.split(found[1])


@pytest.mark.parametrize("of_a_file", [False, True])
@pytest.mark.parametrize("again", ["the same", "resume"])
def test_the_command_that_a_refusal_advises_goes_on_with_the_run(of_a_file, again, tmp_path, capsys):
    """With the options that the run began with, and a larger budget where that was spent."""
    (tmp_path / "my problem.py").write_text(USER_FILE)
    out = str(tmp_path / "a run")
    begin = ["solve", str(tmp_path / "my problem.py")] if of_a_file else ["run", "bvp"]
    begin += ["--network", "1x4", "--seed", "2", "--iterations", "2", "--out", out]
    assert main(begin) == 0
    capsys.readouterr()
    status = main(begin if again == "the same" else ["resume", out])
    command = advised(capsys.readouterr().err)
    if again == "resume" and not of_a_file:
        assert (status, command) == (0, None)
        return
    assert status == 2
    assert main(command) == 0
    result = json.loads((tmp_path / "a run" / "result.json").read_text())
    assert (result["network"], result["seed"]) == ("1x4", 2)
    assert result["iterations"] == (4 if again == "the same" else 2)


def test_no_command_is_advised_where_none_goes_on(tmp_path, capsys):
    """A run that has ended by itself, settings that cannot be read, checkpoints that are all damaged."""
    begin = ["run", "bvp", "--network", "1x4", "--iterations", "1", "--out", str(tmp_path)]
    assert main(begin) == 0
    result = (tmp_path / "result.json").read_text()

    def advice():
        capsys.readouterr()
        assert main(begin) == 2
        said = capsys.readouterr().err
        assert "or --force to overwrite it" in said or "--force to overwrite it, or go on" in said
        return advised(said)

    assert advice() is not None
    (tmp_path / "result.json").write_text(result.replace("iterations exhausted", "stagnated"))
    assert advice() is None
    (tmp_path / "result.json").write_text(result)
    for checkpoint in (tmp_path / "checkpoints").iterdir():
        checkpoint.write_bytes(checkpoint.read_bytes()[:-300])
    assert advice() is None
    (tmp_path / "settings.json").write_text("{")
    assert advice() is None
