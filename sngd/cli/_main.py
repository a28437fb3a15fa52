"""The commands `run`, `solve`, `resume` and `list`."""

import dataclasses
import importlib.metadata
import json
import logging
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro
from rich.console import Console
from rich.table import Table

from sngd import library
from sngd.cli._cache import keep_compiled_code
from sngd.cli._memory import return_freed_memory
from sngd.cli._output import write_folder
from sngd.cli._settings import Saved, Settings, command_to_resume, read_settings, way_on
from sngd.cli._user_file import UserError, blamed, read_problem
from sngd.files import CHECKPOINTS, SETTINGS, run_folder, write_atomically
from sngd.geometry import GaussLegendre
from sngd.problem import AbstractProblem
from sngd.solver import (
    AUTO,
    OPTIMIZERS,
    Callback,
    Checkpoints,
    Record,
    Snapshot,
    Solution,
    Stopping,
    find_optimizer,
    solve,
    summarize,
)

_UNITS = {"": 1e0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


@dataclasses.dataclass(frozen=True)
class _Options(Settings):
    """The options that the commands `run` and `solve` share."""

    out: Path | None = None
    """The folder for result.json, history.csv, solution.png and the model. By default it is a new folder under runs."""
    force: bool = False
    """Overwrite the run that the folder holds."""
    resume: bool = False
    """Continue the run that the folder holds from its last checkpoint. Give the same options as at its start."""
    json: bool = False
    """Print result.json, and nothing else, to standard output."""


@dataclasses.dataclass(frozen=True)
class Run(_Options):
    """Solve a problem of the library."""

    problem: tyro.conf.Positional[str] = dataclasses.field(kw_only=True)
    """The name of a problem. The command `sngd list` prints all names."""


@dataclasses.dataclass(frozen=True)
class Solve(_Options):
    """Solve the problem that a Python file defines. The command executes the file, so run only files that you trust."""

    file: tyro.conf.Positional[Path] = dataclasses.field(kw_only=True)
    """A Python file that assigns a Problem or an Energy to `problem`. It may assign a network to `network`."""


@dataclasses.dataclass(frozen=True)
class Resume:
    """Continue a run that was interrupted, was killed, or used up its iterations or seconds.

    The command executes no code from the folder.
    """

    folder: tyro.conf.Positional[Path]
    """The folder of the run."""
    iterations: int | None = None
    """The largest number of iterations, including those before. By default it is the number of the original command."""
    seconds: float | None = None
    """The largest time in seconds, including the time before. By default it is the time of the original command."""
    json: bool = False
    """Print result.json, and nothing else, to standard output."""


@dataclasses.dataclass(frozen=True)
class List:
    """List the problems, optimizers and networks that have names."""


Command = (
    Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Solve, tyro.conf.subcommand("solve")]
    | Annotated[Resume, tyro.conf.subcommand("resume")]
    | Annotated[List, tyro.conf.subcommand("list")]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status.

    The status is 0 for success, that of `Result.exit_status` for other ends of a run, 2 for arguments that cannot be
    used, and 130 for Ctrl-C.

    - `arguments`: the words after `sngd`. By default they are those of the process.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if list(arguments) == ["--version"]:
        print(f"sngd {importlib.metadata.version('sngd')}")
        return 0
    command = tyro.cli(Command, prog="sngd", args=arguments, config=(tyro.conf.OmitSubcommandPrefixes,))
    jax.config.update("jax_enable_x64", True)
    keep_compiled_code()
    return_freed_memory()
    # A batch system ends a job by the signal SIGTERM. The run then ends as after Ctrl-C and keeps its results.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        match command:
            case Run():
                return _run(command)
            case Solve():
                return _solve(command)
            case Resume():
                return _resume(command)
            case _:
                return _list()
    except (TypeError, ValueError, UserError) as error:
        print(f"sngd: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"sngd: error: {error.filename or 'a file'} cannot be written ({error.strerror})", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("sngd: interrupted; what the folder holds already is kept", file=sys.stderr)
        return 130


def _run(options: Run) -> int:
    problem = library.find_problem(options.problem)
    return _train(problem, library.find_network(options.network), options.network, options)


def _solve(options: Solve) -> int:
    try:
        problem, network = read_problem(options.file)
        if network is None:
            return _train(problem, library.find_network(options.network), options.network, options)
        return _train(problem, network, type(network).__name__, options)
    except Exception as error:
        found = blamed(error, options.file)
        if found is None:
            raise
        raise found from error


def _resume(command: Resume) -> int:
    saved = read_settings(command.folder)
    if saved.problem is None:
        raise ValueError(
            f"folder {str(command.folder)!r} holds a run of a file of yours, which a folder cannot make this library "
            f"execute; go on by `{command_to_resume(command.folder, saved)}`"
        )
    budget = {name: getattr(command, name) for name in ("iterations", "seconds") if getattr(command, name) is not None}
    settings = vars(saved.settings) | budget
    return _run(Run(problem=saved.problem, out=command.folder, resume=True, json=command.json, **settings))


def _train(problem: AbstractProblem, network: Callable | str, label: str, options: Run | Solve) -> int:
    if options.optimizer != AUTO:
        find_optimizer(options.optimizer)
    stopping = Stopping(iterations=options.iterations, seconds=options.seconds, restarts=options.restarts)
    memory = None if options.memory is None else _bytes(options.memory)
    if options.points is not None:
        problem = dataclasses.replace(problem, quadrature=GaussLegendre(options.points))
    folder = options.out or Path("runs") / f"{problem.name}-{options.optimizer}-{label}-seed{options.seed}"
    checkpoints = Checkpoints(folder / CHECKPOINTS, seconds=options.checkpoint_every, resume=options.resume)
    if not options.json:
        # The log shows the plan before the run, on standard error.
        logging.basicConfig(format="%(message)s")
        logging.getLogger("sngd").setLevel(logging.INFO)
    with run_folder(folder, overwrite=options.force, resume=options.resume, way_on=way_on):
        solution = solve(
            problem,
            network,
            key=jax.random.key(options.seed),
            tolerance=options.tolerance,
            optimizer=options.optimizer,
            stopping=stopping,
            callbacks=_settings_writer(options, folder),
            progress=not options.json,
            error_every=options.error_every,
            memory=memory,
            devices=options.devices,
            checkpoints=checkpoints,
        )
        summary = summarize(solution, network=label, seed=options.seed)
        if options.json:
            print(json.dumps(summary, indent=2))
        else:
            _print_result(solution, summary)
        write_folder(solution, folder, summary)
    if not options.json:
        print(f"Written to {folder}")
    return solution.result.exit_status


def _settings_writer(options: Run | Solve, folder: Path) -> Callback:
    """A callback that writes `settings.json` at iteration 0.

    The file is not written earlier, so that arguments that cannot be used leave no folder behind.
    """
    settings = Settings(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Settings)})
    if isinstance(options, Run):
        saved = Saved(options.problem, settings)
    else:
        saved = Saved(None, settings, str(options.file.resolve()))
    text = json.dumps(dataclasses.asdict(saved), indent=2) + "\n"

    def write(snapshot: Snapshot, record: Record) -> None:
        if record.iteration == 0:
            write_atomically(folder / SETTINGS, lambda partial: partial.write_text(text))

    return write


def _bytes(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kMGT]?)B", text)
    if match is None:
        raise ValueError(f"memory is {text!r}; give a number with a unit, for instance 4GB or 500MB")
    return float(match[1]) * _UNITS[match[2]]


def _print_result(solution: Solution, summary: dict[str, Any]) -> None:
    table = Table(title=f"{summary['problem']}: {summary['result']}", show_header=False)
    for name in ("optimizer", "network", "parameters", "rows", "seed", "iterations", "rank"):
        table.add_row(name, str(summary[name]))
    for name, unit in (("seconds", " s"), ("compile_seconds", " s")):
        table.add_row(name.replace("_", " "), f"{summary[name]:.1f}{unit}")
    table.add_row("loss", f"{solution.loss:.3e}")
    for name, found in summary["constants"].items():
        table.add_row(name, found["text"])
    if summary["error_estimate"] is not None:
        table.add_row("error estimate", f"{summary['error_estimate']:.1e}")
    if summary["relative_l2"] is not None:
        table.add_row("relative L2 error", f"{summary['relative_l2']:.3e}")
    console = Console()
    console.print(table)
    detail = [solution.detail] if solution.detail else []
    console.print(solution.result.summary, *detail, *[f"- {cause}" for cause in solution.result.causes], sep="\n")


def _list() -> int:
    table = Table("kind", "name", "what it is")
    for name, make in library.PROBLEMS.items():
        table.add_row("problem", name, (make.__doc__ or "").split(":")[0].split("\n")[0])
    for name in OPTIMIZERS:
        table.add_row("optimizer", name, find_optimizer(name).description)
    for name, architecture in library.NETWORKS.items():
        table.add_row("network", name, f"{architecture} (hidden layers x width)")
    Console().print(
        table, "Any other depth x width is a network too, and so are all the widths, as in 2-64-64-1.", sep="\n"
    )
    return 0
