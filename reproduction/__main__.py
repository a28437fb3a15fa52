"""`python -m reproduction`: the paper's tables, figures and claims beside our numbers."""

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
    """Folder of the finished cells, and for what is made of them."""


@dataclasses.dataclass(frozen=True)
class Run(_Folder):
    """Run the cells (problem x network x optimizer x seed) that are not finished; interrupt and go on at will."""

    table: _Numbers = ()
    """Only what these tables need."""
    figure: _Numbers = ()
    """Only what these figures need."""
    cell: str = ""
    """Only cells whose names contain this, such as poisson-4x20-two-pass-seed0."""
    budget: Literal["quick", "cpu", "paper"] = "cpu"
    """Quick: a minute a cell. Cpu: five minutes or ten, in one case fifty. Paper: the paper's iterations."""
    seeds: int = 5
    """Seeds 0 to this, less one; at most 3 for the network A2, 1 for A3."""
    workers: int = 1
    """Cells at a time, sharing the cores."""


@dataclasses.dataclass(frozen=True)
class Tables(_Folder):
    """Print tables with our numbers beside the paper's, and write them as Markdown."""

    numbers: tyro.conf.Positional[_Numbers] = ()
    """1 to 6; all of them, and the order of the optimizers, if left out."""


@dataclasses.dataclass(frozen=True)
class Figure(_Folder):
    """Draw figures of the paper from our runs."""

    numbers: tyro.conf.Positional[_Numbers] = ()
    """1 to 5; all of them if left out."""


@dataclasses.dataclass(frozen=True)
class Theory(_Folder):
    """Compute what the paper claims without an experiment, and write it as Markdown."""


@dataclasses.dataclass(frozen=True)
class Report(_Folder):
    """Write all of it as one page of HTML that opens without a network."""


Command = (
    Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Tables, tyro.conf.subcommand("table")]
    | Annotated[Figure, tyro.conf.subcommand("figure")]
    | Annotated[Theory, tyro.conf.subcommand("theory")]
    | Annotated[Report, tyro.conf.subcommand("report")]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 1 where a cell failed, 2 for bad input, 130 for Ctrl-C."""
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
            print(f"Written to {reproduction.write_report(command.out)}")
    return 0


def _print_tables(tables: Sequence[Table]) -> None:
    """As tables on a terminal, as Markdown into a file or a pipe."""
    console = Console()
    for table in tables:
        if console.is_terminal:
            text = table.terminal()
            # A line that is wider than the terminal can be read; a number that is cut off cannot.
            least = Measurement.get(console, console.options.update(max_width=sys.maxsize), text).minimum
            Console(width=max(console.width, least)).print(text)
        else:
            print(table.markdown())


if __name__ == "__main__":
    sys.exit(main())
