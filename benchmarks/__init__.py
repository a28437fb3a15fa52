"""Measurements that back the library's claims, each a command of `python -m benchmarks`."""

from collections.abc import Callable

from benchmarks.cells import Cells, run_command
from benchmarks.descents import descents
from benchmarks.globalization import globalization
from benchmarks.precision import ROWS, precision
from benchmarks.scale import scale
from benchmarks.tolerance import tolerance

MEASUREMENTS: dict[str, Callable[..., str]] = {
    "precision": precision,
    "descents": descents,
    "tolerance": tolerance,
    "globalization": globalization,
    "scale": scale,
}
"""Each takes seeds, the path of its JSON file, a report and a restriction, and returns a Markdown table."""

__all__ = ["MEASUREMENTS", "ROWS", "Cells", "run_command", "scale"]
