"""The files that the command line writes into the folder of a run."""

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

from sngd._history import History
from sngd.files import HISTORY, MODEL, PICTURE, RESULT, write_atomically
from sngd.solver import Solution, plot, save


def write_folder(solution: Solution, path: Path, summary: dict[str, Any]) -> None:
    """Write `result.json`, `history.csv`, `solution.png` and `solution.npz` into the folder `path`, each atomically.

    `result.json` is written last, so a folder with this file has all others. Raises `OSError` if a file cannot be
    written.

    - `summary`: the content of `result.json`.
    """
    save(solution, path / MODEL)
    write_atomically(path / HISTORY, lambda partial: _write_history(solution.history, partial))
    write_atomically(path / PICTURE, lambda partial: plot(solution, partial))
    write_atomically(path / RESULT, lambda partial: partial.write_text(json.dumps(summary, indent=2) + "\n"))


def _write_history(history: History, path: Path) -> None:
    names = [field.name for field in dataclasses.fields(history)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(zip(*[getattr(history, name).tolist() for name in names], strict=True))
