"""Every row of docs/errors.md: the input it states ends in the message it states, and leaves nothing behind."""

import contextlib
import functools
import io
import json
import os
import re
import shlex
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from benchmarks.__main__ import main as benchmarks_main
from reproduction.__main__ import main as reproduction_main
from sngd import descent, networks, search, solver
from sngd.cli import main
from sngd.library import bvp

TEXT = (Path(__file__).parent.parent / "docs" / "errors.md").read_text()


def rows_of(table):
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()[2:]]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in cells]


IN_PYTHON, ON_THE_COMMAND_LINE, IN_FILES = map(rows_of, re.findall(r"(?:^\|.*\n)+", TEXT, re.MULTILINE))
SQUARE = sngd.box(x=(0, 1), y=(0, 1))


def solve(*conditions, domain=SQUARE, network="1x4", **options):
    return sngd.solve(sngd.Problem(domain, conditions), network, key=jax.random.key(0), **options)


@functools.cache
def saved():
    """The file of a solution, in a folder that the process leaves behind in its temporary files."""
    path = Path(tempfile.mkdtemp()) / "solution.npz"
    sngd.save(solve(EQUATION, stopping=sngd.Stopping(iterations=0)), path)
    return path


EQUATION = sngd.Interior(lambda u, x: sngd.laplacian(u)(x))
VIBRATION = sngd.Interior(lambda u, x, E: -sngd.laplacian(u)(x) - E * u(x))


def pairs(*conditions, count=3, constant=None, **options):
    unknowns = ["u", constant or sngd.Constant("E")]
    return sngd.eigenpairs(sngd.Problem(SQUARE, conditions, unknowns=unknowns), count, key=jax.random.key(0), **options)


NAMES = {
    **{name: getattr(module, name) for module in (descent, search, solver, networks) for name in module.__all__},
    "sngd": sngd,
    "np": np,
    "jnp": jnp,
    "square": SQUARE,
    "tetrahedron": np.array([[0, 1, 2], [1, 0, 3], [2, 1, 3], [0, 2, 3]]),
    "disk": sngd.disk(),
    "plate": SQUARE - sngd.disk((0.5, 0.5), 0.2, name="hole"),
    "slab": sngd.layers("y", lower=(0, 1), upper=(1, 2), x=(0, 1)),
    "apart": sngd.regions(left=sngd.disk(), right=sngd.disk((3, 0), 1)),
    "key": jax.random.key(0),
    "solve": solve,
    "equation": EQUATION,
    "vibration": VIBRATION,
    "pairs": pairs,
    "saved": saved,
    "jax": jax,
    "Partial": jax.tree_util.Partial,
}


def code(cell):
    return re.fullmatch(r"`(.*)`", cell)[1]


def assert_says(message, stated):
    assert re.fullmatch(re.escape(stated).replace("…", ".*"), message), message


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the rows on the command line take for granted."""
    monkeypatch.chdir(tmp_path)
    Path("empty.py").write_text("")
    Path("broken.py").write_text("third = 1 / 0\n")
    for name, problem in (("taken", "bvp"), ("ended", "bvp"), ("mine", None)):
        Path(name).mkdir()
        Path(name, "settings.json").write_text(json.dumps({"problem": problem, "settings": {}}))
    Path("ended", "result.json").write_text(json.dumps({"result": "stagnated"}))
    return tmp_path


def error_of(command):
    """What a command says; that it fails as bad input does, and prints nothing else."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        assert run(command) == 2
    assert not output.getvalue()
    return re.sub("^(sngd|benchmarks|reproduction): error: ", "", errors.getvalue().strip()).replace("\n", "<br>")


def run(command):
    words = shlex.split(command)
    if words[0] == "sngd":
        return main(words[1:])
    return {"benchmarks": benchmarks_main, "reproduction": reproduction_main}[words[2]](words[3:])


def test_the_tables_are_complete():
    assert (len(IN_PYTHON), len(ON_THE_COMMAND_LINE), len(IN_FILES)) == (309, 24, 30)


@pytest.mark.parametrize(("source", "stated"), IN_PYTHON)
def test_in_python(source, stated):
    with pytest.raises((TypeError, ValueError)) as caught:
        eval(code(source), dict(NAMES))
    assert_says(str(caught.value), stated)


@pytest.mark.parametrize(("command", "stated"), ON_THE_COMMAND_LINE)
def test_on_the_command_line(command, stated, folder):
    before = {path for path in folder.rglob("*") if path.is_file()}
    assert_says(error_of(code(command)), stated)
    left = {path for path in folder.rglob("*") if path.is_file()}
    assert left <= before


@pytest.mark.parametrize(("path", "content", "reader", "stated"), IN_FILES)
def test_in_files(path, content, reader, stated, folder):
    file = Path(code(path))
    os.makedirs(file.parent, exist_ok=True)
    file.write_text("" if content == "nothing" else code(content).replace("<br>", "\n"))
    if code(reader).startswith(("sngd ", "python -m ")):
        assert_says(error_of(code(reader)), stated)
        return
    with pytest.raises((FileNotFoundError, TypeError, ValueError)) as caught:
        eval(code(reader), {"sngd": sngd, "problem": bvp()})
    assert_says(str(caught.value), stated)
