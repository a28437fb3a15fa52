"""A run's folder: result, history, picture and model."""

import contextlib
import csv
import dataclasses
import importlib.metadata
import json
import math
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock
import jax
import psutil

from sngd.train._archive import from_json, write_atomically
from sngd.train._files import save
from sngd.train._history import History
from sngd.train._plot import plot
from sngd.train._run import FROM_OUTSIDE
from sngd.train._solution import Solution

try:
    import resource
except ImportError:  # Windows has none.
    resource = None

# The files of a run, and the folder of its checkpoints.
SETTINGS, RESULT, CHECKPOINTS = "settings.json", "result.json", "checkpoints"
_HISTORY, _PICTURE, _MODEL, _LOCK = "history.csv", "solution.png", "solution.npz", ".lock"

_PACKAGES = ("sngd", "jax", "jaxlib", "equinox", "numpy", "scipy")


def prepare_folder(path: Path) -> None:
    """Make the folder, and check that it can be written, before any work is done.

    Raises `ValueError` where it cannot; then no folder is left of it.
    """
    _prepare(path)


def _prepare(path: Path) -> list[Path]:
    """Make the folder. Returns the folders that were missing, the innermost first."""
    made: list[Path] = []
    try:
        for folder in reversed([each for each in (path, *path.parents) if not each.exists()]):
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                made.insert(0, folder)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        _remove_empty(made)
        raise ValueError(
            f"out is {str(path)!r}, which cannot be written ({error.strerror}); give another folder"
        ) from error
    return made


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders, the innermost first, up to one that holds something."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


@contextlib.contextmanager
def run_folder(
    path: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    way_on: Callable[[Path], str | None] = lambda path: None,
) -> Iterator[None]:
    """Have a folder for one run alone, until the context ends, or the process.

    - `overwrite`: whether an earlier run in it may be deleted; `resume`: whether it is to go on.
    - `way_on`: the command that goes on with the run in a folder, if there is one, for a message.

    A context that ends before the run has written its settings leaves the folder as it was, with the earlier run; a
    folder that was missing is removed again. The lock file exists during the run only.

    Raises `ValueError` for a folder that cannot be written, that another process has, that holds a run already, or none
    that can go on.
    """
    if resume:
        _require_resumable(path)
    made = _prepare(path)
    try:
        with _lock(path):
            held = [] if resume else _held(path)
            if held and not overwrite:
                names = ", ".join(str(file.relative_to(path)) for file in held)
                command = way_on(path)
                force = "--force to overwrite it"
                ways_out = f"or {force}" if command is None else f"{force}, or go on with it by `{command}`"
                raise ValueError(
                    f"out is {str(path)!r}, which holds a run already ({names}); give another folder, {ways_out}"
                )
            with _aside(held, path):
                yield
    finally:
        _remove_empty(made)


@contextlib.contextmanager
def _aside(held: list[Path], path: Path) -> Iterator[None]:
    """Have these files out of the way, and delete them once the folder holds settings; put them back otherwise."""
    if not held:
        yield
        return
    with tempfile.TemporaryDirectory(prefix=".overwritten-", dir=path) as aside:
        moved = [(file, Path(aside) / str(number)) for number, file in enumerate(held)]
        for file, place in moved:
            file.rename(place)
        try:
            yield
        finally:
            if not (path / SETTINGS).exists():
                for file, place in moved:
                    place.replace(file)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Keep other processes out of the folder. Raises `ValueError` where one of them has it."""
    file = path / _LOCK
    try:
        lock = filelock.FileLock(file).acquire(blocking=False)
    except filelock.Timeout as error:
        raise ValueError(f"out is {str(path)!r}, where another run is going on; give another folder") from error
    with lock:
        try:
            yield
        finally:
            # While the lock is held: a process that has opened the file already sees that it is gone, and makes another
            # one. Windows deletes it on release.
            if sys.platform != "win32":
                file.unlink(missing_ok=True)


def _held(path: Path) -> list[Path]:
    """What a run has left in the folder."""
    files = [path / name for name in (SETTINGS, _HISTORY, _PICTURE, _MODEL, RESULT)]
    return [file for file in files if file.exists()] + sorted((path / CHECKPOINTS).glob("*.npz"))


def _require_resumable(path: Path) -> None:
    """Raises `ValueError` for a folder without a run, or with one that ended by itself."""
    if not (path / SETTINGS).exists():
        raise ValueError(f"out is {str(path)!r}, which holds no run ({SETTINGS}); there is nothing to resume")
    if not (path / RESULT).exists():
        return
    try:
        ended = from_json((path / RESULT).read_text(), dict[str, Any])["result"]
    except (KeyError, ValueError) as error:
        raise ValueError(f"out holds {RESULT}, which is not a result of this library ({error})") from error
    if ended not in [result.value for result in FROM_OUTSIDE]:
        raise ValueError(f"out is {str(path)!r}, where the run has ended ({ended}); there is nothing to resume")


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
        "stability": solution.stability,
        "loss": solution.loss,
        "validation_loss": solution.validation_loss,
        "rank": int(history.rank[-1]) if history.rank[-1] >= 0 else None,
        "result": solution.result.value,
        "result_summary": solution.result.summary,
        "result_detail": solution.detail,
        "device": f"{device.platform}: {device.device_kind}, {os.cpu_count()} CPU cores",
        "processor": processor(),
        "precision": "float64",
        "peak_bytes": peak_bytes(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }
    return {name: _finite_or_none(value) for name, value in summary.items()}


def write_folder(solution: Solution, path: Path, summary: dict[str, Any]) -> None:
    """Write `result.json`, `history.csv`, `solution.png` and `solution.npz` into the folder, each one atomically.

    `result.json` comes last: where it is, everything else is. Raises `OSError` where one cannot be written.
    """
    save(solution, path / _MODEL)
    write_atomically(path / _HISTORY, lambda partial: _write_history(solution.history, partial))
    write_atomically(path / _PICTURE, lambda partial: plot(solution, partial))
    write_atomically(path / RESULT, lambda partial: partial.write_text(json.dumps(summary, indent=2) + "\n"))


def _write_history(history: History, path: Path) -> None:
    names = [field.name for field in dataclasses.fields(history)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(zip(*[getattr(history, name).tolist() for name in names], strict=True))


def peak_bytes() -> int:
    """The largest resident memory of this process so far; where the system does not tell, the present one."""
    if resource is None:
        memory = psutil.Process().memory_info()
        return getattr(memory, "peak_wset", memory.rss)
    # Linux reports kibibytes, macOS bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def processor() -> str:
    """The name of this machine's processor: Linux's, elsewhere what Python knows."""
    listed = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":", 1)[1].strip() for line in listed.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _finite_or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
