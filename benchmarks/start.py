"""Seconds from the start of a process to an error of 1e-10 on Poisson's equation, and where they go.

    python -m benchmarks start

`sngd run poisson` without options, but for the seed and errors measured every step; one process a seed, each with an
empty compilation cache. Then the same once more, each finding in its cache what an earlier run compiled.
"""

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import write

SEEDS = range(5)
TARGET = 1e-10


def measure(seed: int, cache: str) -> dict[str, float | int]:
    """Seconds of one run, part by part.

    - `cache`: the folder for the caches of the user, in which the command line keeps compiled functions.
    """
    # A cache of JAX that the user has chosen would take the place of that of the command line.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    environment |= {"XDG_CACHE_HOME": cache}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        command = [sys.executable, "-m", "sngd.cli", "run", "poisson", "--seed", str(seed), "--out", str(folder)]
        started = time.time()
        subprocess.run([*command, "--error-every", "1"], capture_output=True, check=True, env=environment)
        whole = time.time() - started
        # The settings are written after the first error was measured.
        at_first = (folder / "settings.json").stat().st_mtime - started
        result = json.loads((folder / "result.json").read_text())
        with (folder / "history.csv").open() as file:
            rows = [(float(row["seconds"]), float(row["error"])) for row in csv.DictReader(file)]
    to_target = next(seconds for seconds, error in rows if error <= TARGET)
    before = at_first - rows[0][0]
    return {
        "seed": seed,
        "total": before + to_target,
        "before the run": before,
        "the run": to_target,
        "compilation, of the whole run": result["compile_seconds"],
        "the whole process, with its files": whole,
        "error": result["relative_l2"],
    }


def summarized(runs: list[dict[str, float | int]]) -> dict[str, object]:
    """The runs, with the median and the largest of every part."""
    names = [name for name in runs[0] if name != "seed"]
    medians = {name: statistics.median(run[name] for run in runs) for name in names}
    largest = {name: max(run[name] for run in runs) for name in names}
    rounded = [
        {name: float(f"{value:.3g}") for name, value in figures.items()} for figures in (medians, largest, *runs)
    ]
    return {"medians": rounded[0], "largest": rounded[1], "runs": rounded[2:]}


def main() -> None:
    compiling = []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as cache:
            compiling.append(measure(seed, cache))
    with tempfile.TemporaryDirectory() as cache:
        for seed in SEEDS:
            measure(seed, cache)
        compiled = [measure(seed, cache) for seed in SEEDS]
    figures = {"problem": "poisson", "target": TARGET}
    write("start", figures | summarized(compiling) | {"compiled before": summarized(compiled)})


if __name__ == "__main__":
    main()
