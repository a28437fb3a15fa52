"""The command line: what it prints, what it writes, how it refuses."""

import json
import os
import signal
import stat
import subprocess
import sys
import time

import pytest

import sngd
from sngd.cli import main
from sngd.solver import Result

FIELDS = {
    "problem",
    "optimizer",
    "network",
    "parameters",
    "rows",
    "seed",
    "iterations",
    "seconds",
    "compile_seconds",
    "relative_l2",
    "loss",
    "rank",
    "result",
    "device",
    "processor",
    "precision",
    "versions",
}

USER_FILE = """
import jax.numpy as jnp
import sngd

line = sngd.interval(x=(0, 1))
oscillator = sngd.Interior(lambda u, x: sngd.partial(u, "x", "x")(x) + u(x))
ends = sngd.Dirichlet(lambda x: jnp.sin(x[0]))
problem = sngd.Problem(line, [oscillator, ends], exact=lambda x: jnp.sin(x[0]), name="oscillator")
"""


def test_a_tolerance_is_reached_without_a_network(tmp_path, capsys):
    command = ["run", "bvp", "--tolerance", "1e-9", "--out", str(tmp_path / "run"), "--json"]
    assert main(command) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["result"] == "tolerance reached"
    assert summary["relative_l2"] < 1e-9
    assert summary["error_estimate"] <= 1e-9
    assert summary["choices"]["call"] == "sngd.solve(problem, tolerance=1e-09, key=key)"
    assert main(["run", "bvp", "--tolerance", "0", "--out", str(tmp_path / "other")]) == 2
    assert "tolerance is 0.0" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_json_is_the_result_file_and_all_of_standard_output(tmp_path, capsys):
    out = tmp_path / "with a space" / "run"
    status = main(["run", "bvp", "--network", "1x8", "--iterations", "5", "--seed", "3", "--out", str(out), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert status == 0
    assert printed == json.loads((out / "result.json").read_text())
    assert printed.keys() >= FIELDS
    assert (printed["iterations"], printed["seed"], printed["parameters"]) == (5, 3, 25)
    assert (printed["result"], printed["precision"]) == ("iterations exhausted", "float64")
    written = {"settings.json", "result.json", "history.csv", "solution.png", "solution.npz", "checkpoints"}
    assert {path.name for path in out.iterdir()} == written


def test_the_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sngd {sngd.__version__}\n"


def test_the_table_shows_the_same_numbers(tmp_path, capsys):
    assert (
        main(["run", "bvp", "--optimizer", "gd", "--network", "1-4-1", "--iterations", "2", "--out", str(tmp_path)])
        == 0
    )
    result = json.loads((tmp_path / "result.json").read_text())
    printed = capsys.readouterr().out
    assert f"{result['loss']:.3e}" in printed
    assert f"{result['relative_l2']:.3e}" in printed
    assert result["rank"] is None


def test_a_factor_that_does_not_fit_is_kept_as_outer_products(tmp_path, caplog):
    """The factor would take 0.3 GB, more than an eighth of what is allowed: the run goes on with iterations."""
    arguments = ["run", "heat", "--network", "3x200", "--points", "20", "--memory", "1.5GB", "--iterations", "15"]
    main([*arguments, "--out", str(tmp_path)])
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["optimizer"], result["parameters"], result["rows"]) == ("preconditioned", 81_201, 460)
    assert "preconditioned, factor of 460 rows and 81,201 parameters kept as outer products: about" in caplog.text
    assert result["relative_l2"] < 1e-5


def test_a_file_of_the_user_is_solved(tmp_path, capsys):
    (tmp_path / "my_problem.py").write_text(USER_FILE)
    out = tmp_path / "out"
    assert main(["solve", str(tmp_path / "my_problem.py"), "--network", "1x10", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["relative_l2"] < 1e-7


def test_a_result_without_a_solution_has_its_own_exit_status(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(USER_FILE.replace("exact=lambda x: jnp.sin", "exact=lambda x: jnp.cos"))
    out = tmp_path / "out"
    status = main(["solve", str(tmp_path / "mine.py"), "--network", "1x10", "--out", str(out), "--json"])
    result = Result(json.loads(capsys.readouterr().out)["result"])
    assert result is Result.CONTRADICTED
    assert status == result.exit_status != 0


def test_list_names_everything_that_run_takes(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for name in ("heat", "poisson", "bvp", "bvp-energy", "transport", "two-pass", "single-pass", "engd", "gd", "A3"):
        assert name in printed


def test_a_run_does_not_wait_for_imports_that_it_does_not_need():
    code = "import sys, sngd.cli; print({'matplotlib', 'scipy.stats'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


FREED = """
import numpy as np
from sngd.cli._memory import return_freed_memory

def resident():
    return 4096 * int(open("/proc/self/statm").read().split()[1])

return_freed_memory()
for _ in range(3):
    np.ones(2**21)  # after the first one glibc would keep blocks of this size
before = resident()
blocks = [np.ones(2**21) for _ in range(20)]
del blocks[:-1]
print(resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="an option of glibc")
def test_freed_arrays_go_back_to_the_system():
    left = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True).stdout
    assert int(left) < 2 * 8 * 2**21, "19 of 20 arrays of 16 MiB were freed"


@pytest.mark.parametrize("while_it", ["compiles", "steps"])
def test_control_c_saves_what_was_reached(while_it, tmp_path, control_c):
    """A real process, a real signal: as soon as it has said its plan, or has written a checkpoint."""
    command = [sys.executable, "-m", "sngd.cli", "run", "poisson", "--network", "1x8", "--iterations", "1000000"]
    command += ["--optimizer", "adam", "--checkpoint-every", "0.2", "--out", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "adam" in process.stderr.readline()
    deadline = time.monotonic() + 120
    while while_it == "steps" and not list(tmp_path.glob("checkpoints/*[1-9].npz")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["result"] == "interrupted"
    assert (result["iterations"] > 0) == (while_it == "steps")
    assert "what it had reached is kept" in output
    assert "the run ends with the present step" in errors


def test_compiled_code_is_kept_where_nobody_else_writes(tmp_path):
    def listed(folder, **environment):
        variables = {**os.environ, "XDG_CACHE_HOME": str(folder), **environment}
        return subprocess.run(
            [sys.executable, "-m", "sngd.cli", "list"], env=variables, capture_output=True, check=True
        )

    mine, off, open_to_all = (tmp_path / name for name in ("mine", "off", "open"))
    listed(mine, SNGD_CACHE="on")
    listed(off, SNGD_CACHE="off")
    (open_to_all / "sngd").mkdir(parents=True)
    (open_to_all / "sngd").chmod(0o777)
    listed(open_to_all, SNGD_CACHE="on")
    (folder,) = (mine / "sngd").iterdir()
    assert [stat.S_IMODE(each.stat().st_mode) for each in (mine / "sngd", folder)] == [0o700, 0o700]
    assert not off.exists()
    assert not list((open_to_all / "sngd").iterdir())
