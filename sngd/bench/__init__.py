"""Measurements that back the library's claims, each a command of `sngd bench`."""

from collections.abc import Callable

from sngd.bench._cells import Cells, run_command
from sngd.bench._descents import descents
from sngd.bench._globalization import globalization
from sngd.bench._precision import ROWS, precision
from sngd.bench._scale import scale
from sngd.bench._tolerance import tolerance

MEASUREMENTS: dict[str, Callable[..., str]] = {
    "precision": precision,
    "descents": descents,
    "tolerance": tolerance,
    "globalization": globalization,
    "scale": scale,
}
"""Each takes seeds, the path of its JSON file, a report and a restriction, and returns a Markdown table."""

__all__ = ["MEASUREMENTS", "ROWS", "Cells", "run_command", "scale"]
