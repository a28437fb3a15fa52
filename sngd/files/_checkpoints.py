"""A folder of checkpoints: archives by number, of which a damaged one is passed over."""

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
    """Where a run keeps what it needs to go on after it was killed, and how often.

    - `folder`: for files of this run alone; it is made if need be.
    - `seconds`: between two checkpoints: what a kill loses, at most, and the time of one step.
    - `keep`: how many of the last ones to keep.
    - `resume`: whether to go on from the last one in the folder that can be read; where there is none, because the run
      was killed before the first, it begins.

    Raises `TypeError` for arguments of another kind, and `ValueError` for seconds below zero, or none to keep.
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
    """The checkpoints of one run."""

    def __init__(self, options: Checkpoints):
        """Raises `ValueError` for a folder with checkpoints of a run that is not to be resumed."""
        self._options, self._folder = options, Path(options.folder)
        self._written = time.perf_counter()
        if self._files() and not options.resume:
            raise ValueError(
                f"checkpoints is {str(self._folder)!r}, which holds those of another run; give another folder, or go "
                "on with that run by resume=True"
            )

    @property
    def resumes(self) -> bool:
        """Whether there is one to go on from."""
        return self._options.resume and bool(self._files())

    @property
    def due(self) -> bool:
        """Whether it is time for the next one."""
        return time.perf_counter() - self._written >= self._options.seconds

    def write(self, number: int, header: Any, arrays: dict[str, np.ndarray]) -> None:
        """Write one, atomically, and delete the oldest. Where that fails, say so, and let the run go on."""
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
        """What `restore` makes of the last checkpoint that can be read.

        - `kind`: the dataclass of the header. `check`: raises `ValueError` for a header that is not of this run, which
          its first argument names.
        - `restore`: raises `KeyError`, `TypeError` or `ValueError` for one that is damaged.

        Raises `ValueError` where none can be read, and what `check` raises.
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
        """The last one first."""
        return sorted(self._folder.glob("[0-9]*.npz"), reverse=True)
