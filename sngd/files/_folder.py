"""The folder of a run: made, locked, and kept from being overwritten by accident."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock

from sngd._results import Result
from sngd.files._archive import from_json

# The files of a run, and the folder of its checkpoints.
SETTINGS, RESULT, CHECKPOINTS = "settings.json", "result.json", "checkpoints"
HISTORY, PICTURE, MODEL = "history.csv", "solution.png", "solution.npz"
_LOCK = ".lock"


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
    files = [path / name for name in (SETTINGS, HISTORY, PICTURE, MODEL, RESULT)]
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
    if ended not in [result.value for result in Result if result.may_resume]:
        raise ValueError(f"out is {str(path)!r}, where the run has ended ({ended}); there is nothing to resume")
