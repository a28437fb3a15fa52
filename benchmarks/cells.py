"""Cells of a measurement: each one kept as soon as it is done, and never run twice."""

import csv
import datetime
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sngd.files import write_atomically
from sngd.solver import Result

# Longer than any budget, so that a run that does not end shows as one.
_PATIENCE = 1200

# Steps that compile something, in most runs.
_COMPILING = 2

# Entries of a history that are kept, at most.
_KEPT = 200


class Cells:
    """Results by name in one JSON file, written atomically after each.

    - `path`: the file; what it holds already is not run again.
    - `report`: called with a line of text after every cell.
    """

    def __init__(self, path: Path, report: Callable[[str], None]):
        self._path, self._report = path, report
        self.results: dict[str, dict[str, Any]] = _read(path) if path.exists() else {}

    def run(self, name: str, make: Callable[[], dict[str, Any]]) -> None:
        """The result of `make`, kept under `name`, unless it is there. Raises `KeyboardInterrupt` for one that was."""
        if name in self.results:
            return
        made = make()
        if made.get("result") == Result.INTERRUPTED.value:
            raise KeyboardInterrupt
        self.results[name] = made = made | {"date": datetime.date.today().isoformat()}
        text = json.dumps(self.results, indent=1, sort_keys=True) + "\n"
        write_atomically(self._path, lambda partial: partial.write_text(text))
        error = made["relative_l2"]
        self._report(f"{name}: {'no number' if error is None else f'{error:.1e}'} in {made['seconds']:.0f} s")


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"out holds {path.name}, which is not JSON ({error}); move it away or give another") from error


def print_table(measure: Callable[[], str]) -> int:
    """Print the table that a measurement returns. Returns the exit status: 2 for bad input, 130 for Ctrl-C."""
    try:
        print(measure())
    except ValueError as error:
        print(f"benchmarks: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("benchmarks: interrupted; finished runs are kept", file=sys.stderr)
        return 130
    return 0


def run_command(arguments: Sequence[str], *, history: bool = False) -> dict[str, Any]:
    """What `sngd` with these arguments, `run` or `solve` first, writes into `result.json`.

    With `step_seconds`, the median of the steps after the first two, or the last where there are no more, and its
    `history`, seconds and errors, thinned.

    A process of its own, without the compilation cache of the command line, so that it compiles all it needs and is not
    in the way of the next.
    """
    environment = os.environ | {"SNGD_CACHE": "off"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sngd.cli", *arguments, "--out", folder]
        ended = subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=_PATIENCE,
            env=environment,
        )
        if not (Path(folder) / "result.json").exists():
            raise ValueError(f"sngd {' '.join(arguments)} left no result: {ended.stderr.strip()[-500:]}")
        summary = json.loads((Path(folder) / "result.json").read_text())
        with (Path(folder) / "history.csv").open() as file:
            rows = [(float(row["seconds"]), float(row["error"])) for row in csv.DictReader(file)]
    summary["step_seconds"] = _step_seconds(rows)
    if history:
        summary["history"] = _history(rows)
    return summary


def _step_seconds(rows: Sequence[tuple[float, float]]) -> float | None:
    steps = [after - before for (before, _), (after, _) in itertools.pairwise(rows)]
    return statistics.median(steps[_COMPILING:] or steps[-1:]) if steps else None


def _history(rows: Sequence[tuple[float, float]]) -> dict[str, list[float]]:
    measured = [row for row in rows if math.isfinite(row[1])]
    stride = max(1, math.ceil(len(measured) / _KEPT))
    # From the back, so that the last entry is among them.
    kept = measured[::-stride][::-1]
    return {"seconds": [round(seconds, 3) for seconds, _ in kept], "error": [error for _, error in kept]}
