"""`python -m benchmarks NAME`: measurements that back what the library claims, each one named."""

import dataclasses
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import tyro
from rich.console import Console

from benchmarks.balance import balance
from benchmarks.cells import print_table
from benchmarks.descents import descents
from benchmarks.globalization import globalization
from benchmarks.precision import precision
from benchmarks.scale import scale
from benchmarks.step import step
from benchmarks.tolerance import tolerance
from sngd.files import prepare_folder

MEASUREMENTS: dict[str, Callable[..., str]] = {
    "precision": precision,
    "descents": descents,
    "tolerance": tolerance,
    "globalization": globalization,
    "scale": scale,
    "step": step,
    "balance": balance,
}
"""Each takes seeds, the path of its JSON file, a report and a restriction, and returns a Markdown table."""

_FOLDER = Path(__file__).parent
_OTHERS = {"__init__", "__main__", "alternatives", "cells", "collocation", "machine", "mapped", "rows", *MEASUREMENTS}


@dataclasses.dataclass(frozen=True)
class Options:
    """Measure all seeds. An interrupted measurement goes on where it was."""

    seeds: int = 20
    """The seeds are 0 to this number less one."""
    quick: bool = False
    """Take one seed only."""
    only: str = ""
    """Restrict the measurement to runs whose names contain this text."""
    out: Path = Path("results")
    """The folder for the results, a table and a figure."""


def main(arguments: Sequence[str]) -> int:
    """Run the measurement that the first argument names. Returns the exit status: 2 for bad input, 130 for Ctrl-C."""
    scripts = sorted(file.stem for file in _FOLDER.glob("*.py") if file.stem not in _OTHERS)
    name, *rest = arguments or ("--help",)
    if name in scripts:
        sys.argv = [f"benchmarks {name}", *rest]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
        return 0
    if name not in MEASUREMENTS:
        known = ", ".join([*MEASUREMENTS, *scripts])
        print(f"benchmarks: give the name of a measurement, one of {known}, not {name!r}", file=sys.stderr)
        return 2
    options = tyro.cli(Options, prog=f"python -m benchmarks {name}", args=rest)
    return print_table(lambda: _measure(name, options))


def _measure(name: str, options: Options) -> str:
    """The table of one measurement, as Markdown; it is written beside its numbers."""
    if options.seeds < 1:
        raise ValueError(f"seeds is {options.seeds}; it must be at least 1")
    prepare_folder(options.out)
    seeds = range(1 if options.quick else options.seeds)
    report = Console(stderr=True).print
    table = MEASUREMENTS[name](seeds, options.out / f"{name}.json", report, options.only)
    (options.out / f"{name}.md").write_text(table + "\n")
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
