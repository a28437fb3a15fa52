"""A folder of checkpoints: numbered archives. Reading skips damaged ones."""

import dataclasses
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from sngd._arguments import require_integer, require_number, shown
from sngd.files._archive import read_archive, write_archive

_WHAT = "a checkpoint"
_LOG = logging.getLogger("sngd")

Header = TypeVar("Header")
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """Where and how often a run writes checkpoints, from which it can continue after it was killed.

    - `folder`: a folder for the files of this run alone. It is made if it does not exist.
    - `seconds`: the time between two checkpoints. A run that is killed loses at most this time and that of one step.
    - `keep`: the number of checkpoints that are kept. Older ones are deleted.
    - `resume`: whether the run continues from the last checkpoint in the folder that can be read. If the folder holds
      no checkpoint, the run starts from its beginning.

    Raises `TypeError` for an argument of another type. Raises `ValueError` if `seconds` is negative or `keep` is below
    one.
    """

    folder: Path | str
    seconds: float = 60.0
    keep: int = 3
    resume: bool = False

    def __post_init__(self):
        if not isinstance(self.folder, str | os.PathLike):
            raise TypeError(f"folder is {shown(self.folder)}; give the path of a folder")
        require_number("seconds", self.seconds)
        require_integer("keep", self.keep, least=1)
        if not self.seconds >= 0:
            raise ValueError(f"seconds is {self.seconds}; the time between two checkpoints must not be negative")


class CheckpointFolder:
    """The checkpoints of one run in a folder."""

    def __init__(self, options: Checkpoints):
        """Raises `ValueError` if the folder holds checkpoints and `options.resume` is `False`."""
        self._options, self._folder = options, Path(options.folder)
        self._written = time.perf_counter()
        if self._files() and not options.resume:
            raise ValueError(
                f"checkpoints is {str(self._folder)!r}, which holds those of another run; give another folder, or go "
                "on with that run by resume=True"
            )

    @property
    def resumes(self) -> bool:
        """Whether the run is to be resumed and the folder holds a checkpoint."""
        return self._options.resume and bool(self._files())

    @property
    def due(self) -> bool:
        """Whether the time for the next checkpoint has come."""
        return time.perf_counter() - self._written >= self._options.seconds

    def write(self, number: int, header: Any, arrays: dict[str, np.ndarray]) -> None:
        """Write a checkpoint, atomically, and delete the oldest ones.

        If the checkpoint cannot be written, a warning is logged and no error is raised, so that the run continues.

        - `number`: the number in the name of the file, which orders the checkpoints.
        - `header`, `arrays`: as in `write_archive`.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_archive(self._folder / f"{number:08d}.npz", header, arrays)
        except OSError as error:
            _LOG.warning("no checkpoint was written to %s: %s", self._folder, error.strerror)
        self._written = time.perf_counter()
        for old in self._files()[self._options.keep :]:
            old.unlink(missing_ok=True)

    def read(
        self,
        kind: type[Header],
        check: Callable[[str, Header], None],
        restore: Callable[[Header, dict[str, np.ndarray]], T],
    ) -> T:
        """The result of `restore` for the last checkpoint that can be read.

        - `kind`: the dataclass of the header.
        - `check`: a function of the path and the header. It raises `ValueError` for the header of another run.
        - `restore`: a function of the header and the arrays. It raises `KeyError`, `TypeError` or `ValueError` for a
          checkpoint that is damaged.

        Damaged checkpoints are skipped with a warning. Raises `ValueError` if no checkpoint can be read. Raises any
        exception of `check`.
        """
        for path in self._files():
            try:
                header, arrays = read_archive(path, kind, _WHAT)
            except (OSError, ValueError) as error:
                _LOG.warning("passed over a checkpoint: %s", error)
                continue
            check(str(path), header)
            try:
                return restore(header, arrays)
            except (KeyError, TypeError, ValueError) as error:
                _LOG.warning("passed over a checkpoint: path %r is not %s: %s", str(path), _WHAT, error)
        raise ValueError(f"checkpoints is {str(self._folder)!r}, where none can be read; start the run anew")

    def _files(self) -> list[Path]:
        """The paths of all checkpoints, the last one first."""
        return sorted(self._folder.glob("[0-9]*.npz"), reverse=True)
