"""`sngd paper`: the paper's tables, figures and claims beside our numbers."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console
from rich.measure import Measurement

from sngd.train import prepare_folder

if TYPE_CHECKING:
    from sngd.paper import Table

_Numbers = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class _Folder:
    out: Path = Path("results/paper")
    """Folder of the finished cells, and for what is made of them."""


@dataclasses.dataclass(frozen=True)
class PaperRun(_Folder):
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
class PaperTable(_Folder):
    """Print tables with our numbers beside the paper's, and write them as Markdown."""

    numbers: tyro.conf.Positional[_Numbers] = ()
    """1 to 6; all of them, and the order of the optimizers, if left out."""


@dataclasses.dataclass(frozen=True)
class PaperFigure(_Folder):
    """Draw figures of the paper from our runs."""

    numbers: tyro.conf.Positional[_Numbers] = ()
    """1 to 5; all of them if left out."""


@dataclasses.dataclass(frozen=True)
class PaperTheory(_Folder):
    """Compute what the paper claims without an experiment, and write it as Markdown."""


@dataclasses.dataclass(frozen=True)
class PaperReport(_Folder):
    """Write all of it as one page of HTML that opens without a network."""


PaperCommand = (
    Annotated[PaperRun, tyro.conf.subcommand("run")]
    | Annotated[PaperTable, tyro.conf.subcommand("table")]
    | Annotated[PaperFigure, tyro.conf.subcommand("figure")]
    | Annotated[PaperTheory, tyro.conf.subcommand("theory")]
    | Annotated[PaperReport, tyro.conf.subcommand("report")]
)


@dataclasses.dataclass(frozen=True)
class Paper:
    """Reproduce the paper: run its cells, make its tables and figures, check its theory, report."""

    command: PaperCommand


def run_paper(options: Paper) -> int:
    """Run a command of `sngd paper`. Returns the exit status: 1 where a cell failed."""
    from sngd import paper  # noqa: PLC0415 - imports matplotlib, a second that the other commands do without

    command = options.command
    if isinstance(command, PaperRun) and command.seeds < 1:
        raise ValueError(f"seeds is {command.seeds}; it must be at least 1")
    prepare_folder(command.out)
    match command:
        case PaperRun():
            cells = paper.select_cells(command.seeds, tables=command.table, figures=command.figure, only=command.cell)
            report = Console(stderr=True, soft_wrap=True).print
            failed = paper.reproduce(cells, command.budget, command.out, report, workers=command.workers)
            return 1 if failed else 0
        case PaperTable():
            _print_tables(paper.write_tables(command.out, command.numbers))
        case PaperFigure():
            print(*paper.write_figures(command.out, command.numbers), sep="\n")
        case PaperTheory():
            _print_tables([paper.write_theory(command.out)])
        case PaperReport():
            print(f"Written to {paper.write_report(command.out)}")
    return 0


def _print_tables(tables: "Sequence[Table]") -> None:
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
