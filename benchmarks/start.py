"""Seconds from the start of a process to an error of 1e-10 on Poisson's equation, and where they go.

    python -m benchmarks start

`sngd run poisson` without options, but for the seed and errors measured every step; one process a seed. Then the same
once more, each finding in JAX's compilation cache what an earlier run compiled.
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


def measure(seed: int, cache: str | None = None) -> dict[str, float | int]:
    """Seconds of one run, part by part; with a folder for compiled functions, or without."""
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    if cache:
        environment |= {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        command = [sys.executable, "-m", "sngd.cli", "run", "poisson", "--seed", str(seed), "--out", str(folder)]
        started = time.time()
        subprocess.run([*command, "--error-every", "1"], capture_output=True, check=True, env=environment)
        # The settings are written once the run stands at its start.
        at_start = (folder / "settings.json").stat().st_mtime - started
        compiling = json.loads((folder / "result.json").read_text())["compile_seconds"]
        with (folder / "history.csv").open() as file:
            rows = [(float(row["seconds"]), float(row["error"])) for row in csv.DictReader(file)]
    seconds = [after for after, _ in rows]
    reached = next(index for index, (_, error) in enumerate(rows) if error <= TARGET)
    return {
        "seed": seed,
        "total": at_start - seconds[0] + seconds[reached],
        "imports": at_start - seconds[0],
        "before the first step": seconds[0],
        "first step": seconds[1] - seconds[0],
        "other steps": seconds[reached] - seconds[1],
        "steps": reached,
        "compilation, of the whole run": compiling,
    }


def summarized(runs: list[dict[str, float | int]]) -> dict[str, object]:
    """The runs, with the median of every part."""
    medians = {name: statistics.median(run[name] for run in runs) for name in runs[0] if name != "seed"}
    rounded = [{name: round(value, 2) for name, value in figures.items()} for figures in (medians, *runs)]
    return {"medians": rounded[0], "runs": rounded[1:]}


def main() -> None:
    compiling = [measure(seed) for seed in SEEDS]
    with tempfile.TemporaryDirectory() as cache:
        for seed in SEEDS:
            measure(seed, cache)
        compiled = [measure(seed, cache) for seed in SEEDS]
    figures = {"problem": "poisson", "target": TARGET}
    write("start", figures | summarized(compiling) | {"compiled before": summarized(compiled)})


if __name__ == "__main__":
    main()
