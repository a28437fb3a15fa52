"""Errors in a user's own file: its lines come first, and no folder is left."""

import runpy

import numpy as np
import pytest

import sngd
from sngd.cli import main

HEAD = """import jax.numpy as jnp
import sngd

line = sngd.interval(x=(0, 1))
"""

CASES = {
    "line 5, in <module>: problem = sngd.Problem(line, [])\nValueError: conditions is empty; give at least one": """
problem = sngd.Problem(line, [])
""",
    "line 5, in <module>: numbers = 1 / 0\nZeroDivisionError: division by zero": """
numbers = 1 / 0
""",
    "line 5, in <module>: open('nowhere.csv')\nFileNotFoundError: [Errno 2] No such file": """
open('nowhere.csv')
""",
    "line 6: numbers = 1 +\nSyntaxError: invalid syntax": """
problem = sngd.Problem(line, [])
numbers = 1 +
""",
    "line 6, in slope: return u.nothing(x)\n{file}, line 9, in residual: return slope(u, x)\n": """
def slope(u, x):
    return u.nothing(x)

def residual(u, x):
    return slope(u, x)

problem = sngd.Problem(line, [sngd.Interior(residual)])
""",
}


@pytest.mark.parametrize("expected", CASES)
def test_an_error_in_a_users_file_begins_with_its_lines(expected, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(HEAD.rstrip("\n") + CASES[expected].rstrip() + "\n")
    assert main(["solve", "mine.py", "--network", "1x4"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("sngd: error: mine.py, " + expected.format(file="mine.py")), said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_what_a_residual_raises_is_said_after_its_line(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(HEAD + CASES[list(CASES)[-1]])
    assert main(["solve", str(tmp_path / "mine.py"), "--network", "1x4", "--out", str(tmp_path / "out")]) == 2
    assert "'Field' object has no attribute 'nothing'" in capsys.readouterr().err.splitlines()[-1]


NETWORK = """
from sngd.networks import MLP
import jax

equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x) + 800 * jnp.sin(9 * jnp.pi * x[0]))
problem = sngd.Problem(line, [equation, sngd.Dirichlet(0.0)])
network = MLP((1, 16, 1), line.bounds, key=jax.random.key(0))
"""


@pytest.mark.parametrize("restarts", [0, 2])
def test_the_parameters_of_a_network_in_a_file_are_kept_on_demand(restarts, tmp_path):
    (tmp_path / "mine.py").write_text(HEAD + NETWORK)
    out = tmp_path / "out"
    command = ["solve", str(tmp_path / "mine.py"), "--iterations", "0", "--restarts", str(restarts), "--out", str(out)]
    assert main(command) == 0
    names = runpy.run_path(str(tmp_path / "mine.py"))
    found = sngd.load(out / "solution.npz", names["problem"]).network
    assert np.array_equal(found.weights[0], names["network"].weights[0]) == (restarts == 0)
