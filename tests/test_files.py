"""Files are data: whatever is in them, reading them ends in what was written, or in an error of ours."""

import json
import struct
import warnings
import zipfile

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reproduction import read_cells
from sngd.cli import main
from sngd.files import run_folder
from sngd.library import find_problem
from sngd.solver import Checkpoints, Stopping, load, save, solve

BVP = find_problem("bvp")
KEY = jax.random.key(0)


def run(**changes):
    return solve(BVP, "1x6", key=KEY, stopping=Stopping(iterations=3), **changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A saved solution, a checkpoint, and what a run's folder holds."""
    path = tmp_path_factory.mktemp("files")
    save(run(checkpoints=Checkpoints(path / "run" / "checkpoints", seconds=0, keep=1)), path / "solution.npz")
    assert main(["run", "bvp", "--network", "1x6", "--iterations", "2", "--out", str(path / "out")]) == 0
    return path


def damaged(data, content):
    """The content with one thing wrong with it: cut, overwritten, or repeated somewhere."""
    where = data.draw(st.integers(0, len(content) - 1))
    kind = data.draw(st.sampled_from(["cut", "overwrite", "insert"]))
    if kind == "cut":
        return content[:where]
    new = data.draw(st.binary(min_size=1, max_size=8))
    return content[:where] + new + content[where + (len(new) if kind == "overwrite" else 0) :]


READ = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refusal(read):
    """What a reader says of a file that it refuses, or nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read()
        except ValueError as error:
            return str(error)
    return None


@READ
@given(data=st.data())
def test_a_damaged_solution_is_read_or_refused(data, folder, tmp_path):
    path = tmp_path / "damaged.npz"
    path.write_bytes(damaged(data, (folder / "solution.npz").read_bytes()))
    said = refusal(lambda: load(path, BVP))
    assert said is None or str(path) in said


@settings(READ, max_examples=25)
@given(data=st.data())
def test_a_damaged_checkpoint_is_read_or_refused(data, folder, tmp_path):
    (checkpoint,) = (folder / "run" / "checkpoints").iterdir()
    path = tmp_path / checkpoint.name
    path.write_bytes(damaged(data, checkpoint.read_bytes()))
    said = refusal(lambda: run(checkpoints=Checkpoints(tmp_path, resume=True)))
    assert said is None or "checkpoint" in said
    path.unlink(missing_ok=True)


@settings(READ, max_examples=60)
@given(data=st.data())
def test_damaged_settings_are_read_or_refused(data, folder, tmp_path):
    (tmp_path / "settings.json").write_bytes(damaged(data, (folder / "out" / "settings.json").read_bytes()))
    # A budget of nothing: what is still read as settings is not trained.
    assert main(["resume", str(tmp_path), "--iterations", "-1"]) == 2


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"problem": 3}', '{"a": ' * 5000, "\0", '{"settings": {}}'])
def test_settings_of_something_else_are_refused(text, tmp_path, capsys):
    (tmp_path / "settings.json").write_text(text)
    assert main(["resume", str(tmp_path)]) == 2
    assert "give the folder of a run" in capsys.readouterr().err


def test_a_file_that_promises_more_than_it_holds_is_refused(folder, tmp_path):
    """A header of a terabyte, a compressed bomb, and arrays of objects, which would have to be executed."""
    path = tmp_path / "file.npz"
    header = {"descr": "<f8", "fortran_order": False, "shape": (2**37,)}
    with zipfile.ZipFile(path, "w") as archive, archive.open("parameters.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, header)
    with pytest.raises(ValueError, match="is not a saved solution"):
        load(path, BVP)
    np.savez_compressed(path, header=np.array("{}"), parameters=np.zeros(10**6))
    with pytest.raises(ValueError, match="it is compressed"):
        load(path, BVP)
    np.savez(path, header=np.array([print], dtype=object))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        load(path, BVP)


def test_offsets_below_zero_are_refused(folder, tmp_path):
    """The end of the file says where its directory begins; a thousand more puts the first array before the file."""
    content, path = bytearray((folder / "solution.npz").read_bytes()), tmp_path / "file.npz"
    (begin,) = struct.unpack("<L", content[-6:-2])
    content[-6:-2] = struct.pack("<L", begin + 1000)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a saved solution"):
        load(path, BVP)


def test_settings_with_a_file_of_the_users_are_not_executed(tmp_path, capsys):
    (tmp_path / "settings.json").write_text(json.dumps({"problem": None, "settings": {}}))
    (tmp_path / "my_problem.py").write_text("raise SystemExit('executed')")
    assert main(["resume", str(tmp_path)]) == 2
    assert "go on by `sngd solve FILE --resume" in capsys.readouterr().err


def test_a_cell_that_is_not_json_is_named(tmp_path):
    (tmp_path / "cell.json").write_text("{")
    with pytest.raises(ValueError, match=r"cell\.json, which is not JSON"):
        read_cells(tmp_path)


def test_a_folder_with_a_run_is_not_overwritten(folder, capsys):
    out = str(folder / "out")
    again = ["run", "bvp", "--network", "1x6", "--iterations", "1", "--out", out]
    before = (folder / "out" / "result.json").read_bytes()
    assert main(again) == 2
    assert "which holds a run already (settings.json, history.csv" in capsys.readouterr().err
    assert (folder / "out" / "result.json").read_bytes() == before
    assert main([*again, "--force"]) == 0
    assert json.loads((folder / "out" / "result.json").read_text())["iterations"] == 1


def test_two_runs_cannot_have_one_folder(tmp_path, capsys):
    with run_folder(tmp_path):
        assert main(["run", "bvp", "--out", str(tmp_path)]) == 2
    assert "where another run is going on; give another folder" in capsys.readouterr().err
