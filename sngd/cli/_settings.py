"""What makes a run of the command line, as it is written into its folder, and how to go on with it."""

import dataclasses
import math
import shlex
import zipfile
from pathlib import Path
from typing import Any

from sngd.files import CHECKPOINTS, RESULT, SETTINGS, from_json
from sngd.solver import AUTO, DEFAULT_NETWORK, Result, Stopping


@dataclasses.dataclass(frozen=True)
class Settings:
    """What makes a run: together with its problem, all that decides how it goes."""

    optimizer: str = AUTO
    """Damped, preconditioned, residual-space, engd-w, two-pass, single-pass, engd, gd, adam, bfgs, l-bfgs; or auto."""
    network: str = DEFAULT_NETWORK
    """A1, A2, A3, depth x width as in 3x24, or all the widths as in 2-64-64-1."""
    seed: int = 0
    """For the network's initial parameters and the sketches."""
    iterations: int | None = None
    """The most iterations; left out, 1000, and a run that meets this limit ends with a status of its own."""
    seconds: float = math.inf
    """The most seconds, compilation included."""
    restarts: int = 2
    """How often a run that led nowhere starts again; 0 keeps the parameters of a network that a file assigns."""
    memory: str | None = None
    """The most memory, as predicted, for instance 4GB; by default what the machine has."""
    devices: int = 1
    """How many devices divide the points between them."""
    points: int | None = None
    """Gauss-Legendre points an axis; by default the problem's own, or as many as suit the network."""
    error_every: int = 10
    """Iterations between two measurements of the error, where there is an exact solution."""
    checkpoint_every: float = 60.0
    """Seconds between two checkpoints, from which a killed run goes on."""


@dataclasses.dataclass(frozen=True)
class Saved:
    """What `settings.json` holds.

    - `problem`: the name of the problem, where it is one of the library; `file`: of the user's file, where it is not.
      The file is named in messages only: nothing that a folder names is executed.
    """

    problem: str | None
    settings: Settings
    file: str | None = None


def read_settings(folder: Path) -> Saved:
    """The settings of the run in a folder. Raises `ValueError` where they cannot be read."""
    try:
        return from_json((folder / SETTINGS).read_text(), Saved)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"folder is {str(folder)!r}, whose {SETTINGS} cannot be read ({error}); give the folder of a run"
        ) from error


def way_on(folder: Path) -> str | None:
    """The command that goes on with the run in a folder; `None` where none does."""
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
    """The command that goes on with a run.

    - `more`: the part of the budget that is to be larger than that of the run.
    """
    if saved.problem is not None:
        return _command(["sngd", "resume", str(folder)], more or {})
    changed = {name: value for name, value in vars(saved.settings).items() if value != getattr(Settings(), name)}
    words = ["sngd", "solve", saved.file or "FILE", "--resume", "--out", str(folder)]
    return _command(words, changed | (more or {}))


def _more(settings: Settings, ended: str | None) -> dict[str, Any]:
    """Twice of what the run ran out of."""
    if ended in (Result.ITERATIONS_EXHAUSTED.value, Result.LIMIT_REACHED.value):
        return {"iterations": max(1, 2 * Stopping(settings.iterations).most_iterations)}
    return {"seconds": 2 * settings.seconds} if ended == Result.SECONDS_EXHAUSTED.value else {}


def _command(words: list[str], options: dict[str, Any]) -> str:
    pairs = [(f"--{name.replace('_', '-')}", str(value)) for name, value in options.items()]
    return shlex.join([*words, *(word for pair in pairs for word in pair)])


def _may_resume(ended: str) -> bool:
    """Whether a run with this result may go on."""
    return ended in [result.value for result in Result if result.may_resume]
