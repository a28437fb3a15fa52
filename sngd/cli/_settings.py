"""The settings of a run of the command line, as its folder holds them, and the command that continues the run."""

import dataclasses
import math
import shlex
import zipfile
from pathlib import Path
from typing import Any

from sngd.files import CHECKPOINTS, RESULT, SETTINGS, from_json
from sngd.solver import AUTO, Result, Stopping


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a run. Together with the problem they determine the run."""

    optimizer: str = AUTO
    """Auto, damped, preconditioned, residual-space, engd-w, two-pass, single-pass, engd, gd, adam, bfgs or l-bfgs."""
    network: str = AUTO
    """Auto, A1, A2, A3, depth x width as in 3x24, or all the widths as in 2-64-64-1."""
    tolerance: float | None = None
    """The estimated relative L2 error that ends the run. Without it, the run goes on to the rounding errors."""
    seed: int = 0
    """The seed of the initial parameters of the network and of the sketches."""
    iterations: int | None = None
    """The largest number of iterations. Without it, the limit is 1000 and has an exit status of its own."""
    seconds: float = math.inf
    """The largest time of the run in seconds, including compilation."""
    restarts: int = 2
    """How often a run without success starts again. 0 also keeps the parameters of a network that a file assigns."""
    memory: str | None = None
    """The largest predicted memory, for instance 4GB. By default it is the memory of the machine."""
    devices: int = 1
    """The number of devices between which the points are divided."""
    points: int | None = None
    """Gauss-Legendre points along each axis. By default they are the problem's points, or suit the network."""
    error_every: int = 10
    """The number of iterations between two measurements of the error, if the exact solution is known."""
    checkpoint_every: float = 60.0
    """The number of seconds between two checkpoints. A killed run continues from its last checkpoint."""


@dataclasses.dataclass(frozen=True)
class Saved:
    """The content of `settings.json`.

    - `problem`: the name of a problem of the library. It is `None` for a problem of a user's file.
    - `settings`: the settings of the run.
    - `file`: the path of the user's file, or `None`. It appears in messages only: the library executes no file that a
      folder names.
    """

    problem: str | None
    settings: Settings
    file: str | None = None


def read_settings(folder: Path) -> Saved:
    """The settings of the run in a folder. Raises `ValueError` if they cannot be read."""
    try:
        return from_json((folder / SETTINGS).read_text(), Saved)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"folder is {str(folder)!r}, whose {SETTINGS} cannot be read ({error}); give the folder of a run"
        ) from error


def way_on(folder: Path) -> str | None:
    """The command that continues the run in a folder. It is `None` if the run cannot be continued."""
    result = folder / RESULT
    try:
        saved = read_settings(folder)
        # A run that was killed has no result.
        ended = from_json(result.read_text(), dict[str, Any]).get("result") if result.exists() else None
    except ValueError:
        return None
    if ended is not None and not _may_resume(ended):
        return None
    checkpoints = list((folder / CHECKPOINTS).glob("[0-9]*.npz"))
    if checkpoints and not any(map(zipfile.is_zipfile, checkpoints)):
        return None
    return command_to_resume(folder, saved, _more(saved.settings, ended))


def command_to_resume(folder: Path, saved: Saved, more: dict[str, Any] | None = None) -> str:
    """The command that continues a run.

    - `folder`: the folder of the run.
    - `saved`: the settings of the run.
    - `more`: settings of the budget that replace those of the run, by their names.
    """
    if saved.problem is not None:
        return _command(["sngd", "resume", str(folder)], more or {})
    changed = {name: value for name, value in vars(saved.settings).items() if value != getattr(Settings(), name)}
    words = ["sngd", "solve", saved.file or "FILE", "--resume", "--out", str(folder)]
    return _command(words, changed | (more or {}))


def _more(settings: Settings, ended: str | None) -> dict[str, Any]:
    """Twice the iterations or the seconds, whichever the run used up."""
    if ended in (Result.ITERATIONS_EXHAUSTED.value, Result.LIMIT_REACHED.value):
        return {"iterations": max(1, 2 * Stopping(settings.iterations).most_iterations)}
    return {"seconds": 2 * settings.seconds} if ended == Result.SECONDS_EXHAUSTED.value else {}


def _command(words: list[str], options: dict[str, Any]) -> str:
    pairs = [(f"--{name.replace('_', '-')}", str(value)) for name, value in options.items()]
    return shlex.join([*words, *(word for pair in pairs for word in pair)])


def _may_resume(ended: str) -> bool:
    """Whether a run with this result can be continued."""
    return ended in [result.value for result in Result if result.may_resume]
