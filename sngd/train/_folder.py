"""A run's folder: result, history, picture and model."""

import csv
import dataclasses
import importlib.metadata
import json
import math
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from sngd.train._files import save
from sngd.train._history import History
from sngd.train._plot import plot
from sngd.train._solution import Solution

_PACKAGES = ("sngd", "jax", "jaxlib", "equinox", "numpy", "scipy")


def prepare_folder(path: Path) -> None:
    """Make the folder, and check that it can be written, before any work is done.

    Raises `ValueError` where it cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ValueError(
            f"out is {str(path)!r}, which cannot be written ({error.strerror}); give another folder"
        ) from error


def summarize(solution: Solution, **settings: Any) -> dict[str, Any]:
    """What `result.json` holds: the outcome, the `settings` that led to it, and where it was computed.

    Numbers that are not known or not finite are `None`, so that the text is valid JSON.
    """
    history, device = solution.history, jax.devices()[0]
    error = None if solution.problem.exact is None else solution.relative_l2()
    summary = {
        "problem": solution.problem.name,
        "optimizer": solution.optimizer,
        **settings,
        "parameters": solution.parameters,
        "rows": solution.rows,
        "iterations": int(history.iteration[-1]),
        "seconds": round(solution.seconds, 3),
        "compile_seconds": round(solution.compile_seconds, 3),
        "relative_l2": error,
        "error_estimate": solution.error_estimate,
        "loss": solution.loss,
        "validation_loss": solution.validation_loss,
        "rank": int(history.rank[-1]) if history.rank[-1] >= 0 else None,
        "result": solution.result.value,
        "result_summary": solution.result.summary,
        "device": f"{device.platform}: {device.device_kind}, {os.cpu_count()} CPU cores",
        "precision": "float64",
        "peak_bytes": _peak_bytes(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }
    return {name: _finite_or_none(value) for name, value in summary.items()}


def write_folder(solution: Solution, path: Path, summary: dict[str, Any]) -> None:
    """Write `result.json`, `history.csv`, `solution.png` and `solution.npz` into the folder, each one atomically.

    `result.json` comes last: where it is, everything else is.
    """
    save(solution, path / "solution.npz")
    write_atomically(path / "history.csv", lambda partial: _write_history(solution.history, partial))
    write_atomically(path / "solution.png", lambda partial: plot(solution, partial))
    write_atomically(path / "result.json", lambda partial: partial.write_text(json.dumps(summary, indent=2) + "\n"))


def _write_history(history: History, path: Path) -> None:
    names = [field.name for field in dataclasses.fields(history)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(zip(*[getattr(history, name).tolist() for name in names], strict=True))


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` write a file beside `path`, then put it in its place: there is never half a file."""
    partial = path.with_name(f".partial-{path.name}")
    write(partial)
    os.replace(partial, path)


def _peak_bytes() -> int:
    """The largest resident memory of this process so far. Linux reports kibibytes, macOS bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _finite_or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
