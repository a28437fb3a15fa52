"""The command `python -m reproduction`: the paper's tables, figures and claims beside our numbers."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import jax
import tyro
from rich.console import Console
from rich.measure import Measurement

import reproduction
from reproduction import Table
from sngd.files import prepare_folder

_Numbers = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class _Folder:
    out: Path = Path("results/paper")
    """The folder of the finished cells, into which tables, figures and the report are written too."""


@dataclasses.dataclass(frozen=True)
class Run(_Folder):
    """Run the cells (problem x network x optimizer x seed) that are not finished.

    The command may be interrupted and started again at any time.
    """

    table: _Numbers = ()
    """Run only the cells that these tables need."""
    figure: _Numbers = ()
    """Run only the cells that these figures need."""
    cell: str = ""
    """Run only the cells whose names contain this text, such as poisson-4x20-two-pass-seed0."""
    budget: Literal["quick", "cpu", "hours", "paper"] = "cpu"
    """quick: a minute for each cell. cpu: five or ten minutes, in one case fifty. hours: until SNGD no longer improves,
    and one hour for the other optimizers. paper: the paper's iterations."""
    seeds: int = 5
    """The number of seeds, counted from 0. It is at most 3 for the network A2 and 1 for A3."""
    workers: int = 1
    """The number of cells that run at the same time and share the cores."""


@dataclasses.dataclass(frozen=True)
class Tables(_Folder):
    """Print tables with our numbers beside the paper's, and write them as Markdown."""

    numbers: tyro.conf.Positional[_Numbers] = ()
    """Numbers from 1 to 6. By default, all tables and the order of the optimizers."""


@dataclasses.dataclass(frozen=True)
class Figure(_Folder):
    """Draw figures of the paper from our runs."""

    numbers: tyro.conf.Positional[_Numbers] = ()
    """Numbers from 1 to 5. By default, all figures."""


@dataclasses.dataclass(frozen=True)
class Theory(_Folder):
    """Check by computation what the paper claims without an experiment, and write the checks as Markdown."""


@dataclasses.dataclass(frozen=True)
class Report(_Folder):
    """Write what the paper claims, what we find and why it differs as one page of HTML that needs no other file.

    Tables, figures and theory follow on the page. The claims, the tables and the theory are written as Markdown too.
    """


Command = (
    Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Tables, tyro.conf.subcommand("table")]
    | Annotated[Figure, tyro.conf.subcommand("figure")]
    | Annotated[Theory, tyro.conf.subcommand("theory")]
    | Annotated[Report, tyro.conf.subcommand("report")]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return the exit status.

    The status is 0 for success, 1 if a cell failed, 2 for arguments that cannot be used, and 130 for Ctrl-C.
    """
    command = tyro.cli(Command, prog="python -m reproduction", args=arguments)
    jax.config.update("jax_enable_x64", True)
    try:
        return _run(command)
    except (LookupError, TypeError, ValueError) as error:
        print(f"reproduction: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"reproduction: error: {error.filename or 'a file'} ({error.strerror})", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("reproduction: interrupted; finished runs are kept", file=sys.stderr)
        return 130


def _run(command: Command) -> int:
    if isinstance(command, Run) and command.seeds < 1:
        raise ValueError(f"seeds is {command.seeds}; it must be at least 1")
    prepare_folder(command.out)
    match command:
        case Run(table=tables, figure=figures):
            cells = reproduction.select_cells(command.seeds, tables=tables, figures=figures, only=command.cell)
            report = Console(stderr=True, soft_wrap=True).print
            failed = reproduction.reproduce(cells, command.budget, command.out, report, workers=command.workers)
            return 1 if failed else 0
        case Tables():
            _print_tables(reproduction.write_tables(command.out, command.numbers))
        case Figure():
            print(*reproduction.write_figures(command.out, command.numbers), sep="\n")
        case Theory():
            _print_tables([reproduction.write_theory(command.out)])
        case Report():
            print(*(f"Written to {path}" for path in reproduction.write_report(command.out)), sep="\n")
    return 0


def _print_tables(tables: Sequence[Table]) -> None:
    """Print tables, formatted for a terminal, or as Markdown into a file or a pipe."""
    console = Console()
    for table in tables:
        if console.is_terminal:
            text = table.terminal()
            # Numbers are not cut off, even if the lines become wider than the terminal.
            least = Measurement.get(console, console.options.update(max_width=sys.maxsize), text).minimum
            Console(width=max(console.width, least)).print(text)
        else:
            print(table.markdown())


if __name__ == "__main__":
    sys.exit(main())
