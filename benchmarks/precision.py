"""`python -m benchmarks precision`: the error that a run without options reaches, for every problem and seed."""

import dataclasses
import functools
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.cells import Cells, run_command
from sngd.solver import AUTO, DEFAULT_NETWORK


@dataclasses.dataclass(frozen=True)
class Row:
    """A problem with a network, and what is asked of it: errors for every seed and the median, and seconds.

    - `network`: as an option of the command line. `AUTO` leaves the choice of features or of a network to the library.
    """

    problem: str
    network: str
    every: float
    median: float
    seconds: float


ROWS = (
    Row("poisson", AUTO, 1e-12, 3e-14, 20),
    Row("heat", AUTO, 1e-12, 3e-14, 20),
    Row("bvp", AUTO, 1e-13, 5e-15, 10),
    Row("bvp-energy", AUTO, 1e-10, 1e-12, 30),
    Row("transport", AUTO, 1e-9, 1e-11, 180),
    Row("poisson", DEFAULT_NETWORK, 1e-12, 3e-14, 20),
    Row("heat", DEFAULT_NETWORK, 1e-12, 3e-14, 20),
    Row("bvp", DEFAULT_NETWORK, 1e-13, 5e-15, 10),
    Row("bvp-energy", DEFAULT_NETWORK, 1e-10, 1e-12, 30),
    Row("heat", "A1", 1e-7, 1e-8, 30),
    Row("transport", "1x330", 1e-4, 1e-6, 180),
    Row("transport", "1x330+periodic", 1e-9, 1e-11, 180),
)


def precision(seeds: Sequence[int], path: Path, report: Callable[[str], None], only: str = "") -> str:
    """Run what is missing in `path`, one process a run so that each compiles all it needs, and return the table.

    Results are kept after every run: an interrupted measurement goes on where it was. `only` restricts to rows whose
    problem or network contains it, or that it names in full: `transport-1x330` leaves out `transport-1x330+periodic`.
    """
    cells = Cells(path, report)
    for seed in seeds:
        for row in ROWS:
            if _named(row, only):
                arguments = ["run", row.problem, "--network", row.network, "--seed", str(seed)]
                arguments += ["--seconds", str(row.seconds)]
                cells.run(f"{row.problem}-{row.network}-seed{seed}", functools.partial(run_command, arguments))
    return tabulate(cells.results)


def _named(row: Row, only: str) -> bool:
    name = f"{row.problem}-{row.network}"
    return only == name if any(only == f"{other.problem}-{other.network}" for other in ROWS) else only in name


def tabulate(results: dict[str, dict]) -> str:
    """A Markdown table of the errors, with what was asked for beside each."""
    lines = [
        "| problem | network | seeds | worst error (asked) | median (asked) | longest run (asked) | within all |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        prefix = f"{row.problem}-{row.network}-seed"
        found = [result for name, result in results.items() if name.startswith(prefix)]
        if not found:
            continue
        errors = [result["relative_l2"] for result in found]
        longest = max(result["seconds"] for result in found)
        good = sum(error <= row.every for error in errors)
        lines.append(
            f"| {row.problem} | {row.network} | {len(found)} | {max(errors):.1e} ({row.every:.0e}) "
            f"| {statistics.median(errors):.1e} ({row.median:.0e}) | {longest:.0f} s ({row.seconds:.0f} s) "
            f"| {good} of {len(found)} |"
        )
    return "\n".join(lines)
