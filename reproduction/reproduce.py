"""The command `python -m reproduction run`: it runs cells one after the other, or several at the same time."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

from reproduction.cells import Cell, is_finished, read_cells


def reproduce(
    cells: Sequence[Cell], budget: str, folder: Path, report: Callable[[str], None], *, workers: int = 1
) -> list[str]:
    """Run the cells that are not finished, each in a process of its own, and return the names of those that failed.

    - `budget`: a name in `BUDGETS`.
    - `folder`: the folder of the finished cells.
    - `report`: a function that is called with each line of progress.
    - `workers`: the number of cells that run at the same time. Each of them is bound to its share of the cores.

    Raises `ValueError` for more workers than cores.
    """
    bindable = hasattr(os, "sched_setaffinity")
    available = sorted(os.sched_getaffinity(0)) if bindable else list(range(os.cpu_count() or 1))
    if not 1 <= workers <= len(available):
        raise ValueError(f"workers is {workers}; this machine has cores for 1 to {len(available)}")
    shares: Queue[list[int]] = Queue()
    for worker in range(workers):
        shares.put(available[worker::workers])
    finished = read_cells(folder)
    missing = [cell for cell in cells if not is_finished(cell, finished.get(cell.name), budget)]
    report(f"{len(cells) - len(missing)} of {len(cells)} cells are finished")
    done = _Counter()

    def run(cell: Cell) -> str | None:
        share = shares.get()
        try:
            error = _run_apart(cell, budget, folder, share)
        finally:
            shares.put(share)
        number = done.next()
        report(f"{number} of {len(missing)}: {cell.name}: {error or _outcome(cell, folder)}")
        return cell.name if error else None

    with ThreadPoolExecutor(workers) as pool:
        try:
            return [name for name in pool.map(run, missing) if name is not None]
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise


class _Counter:
    def __init__(self):
        self._value, self._lock = 0, threading.Lock()

    def next(self) -> int:
        with self._lock:
            self._value += 1
            return self._value


def _run_apart(cell: Cell, budget: str, folder: Path, cores: Sequence[int]) -> str | None:
    """Run a cell on these cores in a process of its own, and return the error message, or `None`."""
    command = [sys.executable, "-m", "reproduction.cell_process", cell.name, budget, str(folder)]
    bind = (lambda: os.sched_setaffinity(0, cores)) if hasattr(os, "sched_setaffinity") else None
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=bind)
    return None if ended.returncode == 0 else f"failed: {ended.stderr.strip()[-300:]}"


def _outcome(cell: Cell, folder: Path) -> str:
    result = read_cells(folder)[cell.name]
    error = "not finite" if result["relative_l2"] is None else f"{result['relative_l2']:.2e}"
    return (
        f"{error} after {result['iterations']} of {result['iterations_asked']} iterations, "
        f"{result['seconds']:.0f} s, {result['result']}"
    )
