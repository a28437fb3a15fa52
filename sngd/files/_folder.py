"""The folder of a run: how it is made, locked and protected from being overwritten by accident."""

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
    """Make the folder, if it does not exist, and check that files can be written into it.

    Raises `ValueError` if not. Then no new folder is left behind.
    """
    _prepare(path)


def _prepare(path: Path) -> list[Path]:
    """Make the folder, and return the folders that did not exist, the innermost first."""
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
    """Remove folders, the innermost first, up to the first one that is not empty."""
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
    """A context in which one process alone uses the folder of a run. The lock ends with the context or the process.

    - `overwrite`: whether an earlier run in the folder may be deleted.
    - `resume`: whether an earlier run in the folder is to be continued.
    - `way_on`: a function that returns the command that continues the run in a folder, or `None`. Messages show the
      command.

    If the context ends before the run has written its settings, the folder with the earlier run is restored, and a new
    folder is removed. The lock file exists only during the context.

    Raises `ValueError` in each of these cases:

    - The folder cannot be written.
    - Another process uses the folder.
    - The folder holds an earlier run, and neither `overwrite` nor `resume` is set.
    - `resume` is set, and the folder holds no run that can be continued.
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
    """A context in which the files `held` are moved into a hidden folder.

    At its end they are deleted if the folder holds new settings, and moved back otherwise.
    """
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
    """A context in which other processes cannot lock the folder. Raises `ValueError` if one has locked it."""
    file = path / _LOCK
    try:
        lock = filelock.FileLock(file).acquire(blocking=False)
    except filelock.Timeout as error:
        raise ValueError(f"out is {str(path)!r}, where another run is going on; give another folder") from error
    with lock:
        try:
            yield
        finally:
            # The file is deleted while the lock is held. A process that has opened the file already sees that it is
            # gone, and makes another one. On Windows the file is deleted on release.
            if sys.platform != "win32":
                file.unlink(missing_ok=True)


def _held(path: Path) -> list[Path]:
    """The files of a run that exist in the folder."""
    files = [path / name for name in (SETTINGS, HISTORY, PICTURE, MODEL, RESULT)]
    return [file for file in files if file.exists()] + sorted((path / CHECKPOINTS).glob("*.npz"))


def _require_resumable(path: Path) -> None:
    """Raises `ValueError` for a folder without a run, and for a run whose result does not allow it to continue."""
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
