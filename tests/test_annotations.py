"""The annotations of the package hold while it runs."""

import os
import subprocess
import sys
from pathlib import Path

RUNS = Path(__file__).parent / "checked_runs.py"

# An integer stands for a floating-point number, as type checkers take it.
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"


def test_small_runs_through_every_folder_keep_to_the_annotations():
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=2"
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", str(RUNS)]
    command.append(f"--jaxtyping-packages=sngd,{CHECKER}")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
