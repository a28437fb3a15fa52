"""The windows of a march on disk, so that a run that was killed goes on after the last one of them, bit for bit."""

import dataclasses
import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np

from sngd.features import Marcher, Window, arrays_of
from sngd.files import CheckpointFolder, Checkpoints
from sngd.problem import Problem

_FORMAT = "sngd-windows-2"

# The folder of these checkpoints in that of the run, whose training has checkpoints of its own.
_FOLDER = "windows"

_PACKAGES = ("sngd", "jax", "numpy", "scipy")


@dataclasses.dataclass(frozen=True)
class _Header:
    """What determines the windows of a run, beside its equations, which are code. `windows`: the number of them."""

    format: str
    versions: dict[str, str]
    problem: str
    bounds: tuple[tuple[float, float], ...]
    parameters: dict[str, Any]
    seed: tuple[int, ...]
    goal: float
    setting: str
    windows: int


class WindowCheckpoints:
    """The checkpoints of a march."""

    def __init__(self, options: Checkpoints, problem: Problem, seed: tuple[int, ...], goal: float, setting: str):
        """Raises `ValueError` for a folder with checkpoints of a run that is not to be resumed."""
        self._folder = CheckpointFolder(dataclasses.replace(options, folder=Path(options.folder) / _FOLDER))
        bounds = tuple((float(low), float(high)) for low, high in problem.domain.bounds)
        parameters = {name: np.asarray(value).tolist() for name, value in problem.parameters.items()}
        versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
        self._header = _Header(_FORMAT, versions, problem.name, bounds, parameters, seed, goal, setting, 0)

    def write(self, windows: list[Window]) -> None:
        """Write one, if it is time for it."""
        if self._folder.due:
            header = dataclasses.replace(self._header, windows=len(windows))
            arrays = [arrays_of(window) for window in windows]
            named = {f"{at}_{name}": values for at, each in enumerate(arrays) for name, values in each.items()}
            self._folder.write(len(windows), header, named)

    def read(self, marcher: Marcher) -> list[Window]:
        """The windows of the last checkpoint that can be read, or none.

        Raises `ValueError` for a checkpoint of another run, with the differences named.
        """
        if not self._folder.resumes:
            return []

        def restore(header: _Header, arrays: dict[str, np.ndarray]) -> list[Window]:
            windows: list[Window] = []
            for at in range(header.windows):
                prefix = f"{at}_"
                own = {name.removeprefix(prefix): each for name, each in arrays.items() if name.startswith(prefix)}
                windows.append(marcher.restored(own, windows))
            return windows

        return self._folder.read(_Header, self._require_same_run, restore)

    def _require_same_run(self, path: str, header: _Header) -> None:
        mine = dataclasses.asdict(dataclasses.replace(self._header, windows=header.windows))
        theirs = dataclasses.asdict(header)
        different = [
            f"{name} is {mine[name]} here and {theirs[name]} there" for name in mine if mine[name] != theirs[name]
        ]
        if different:
            raise ValueError(f"the checkpoint {path!r} is of another run: {'; '.join(different)}")
