"""Cells of the reproduction.

A cell is one run, given by a problem, a network, an optimizer and a seed. Each finished cell is a file and is not run
again.
"""

import dataclasses
import datetime
import json
import math
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reproduction.published import FIGURE_PROBLEMS, LINES, RANK_TOLERANCE, TABLE_PROBLEMS, Published
from reproduction.spectrum import gramian_eigenvalues
from sngd.files import CHECKPOINTS, write_atomically
from sngd.library import find_network, find_problem
from sngd.linearize import AbstractObjective, make_objective
from sngd.problem import Problem
from sngd.solver import Checkpoints, History, Record, Result, Snapshot, Stopping, solve, summarize

# A cell keeps at most this many entries of a history that are spaced evenly in the logarithm of the iteration, and at
# most this many entries with an error.
_KEPT = 150

# Figure 1 of the paper shows every 15th eigenvalue, every 400 iterations, of the second run on the transport equation.
# The eigenvalues at the end of the run are kept too.
SPECTRUM_EVERY, SPECTRUM_STRIDE = 400, 15
_SPECTRUM_CELL = "transport-4x20-two-pass-seed1"

SEEDS = {"A2": 3, "A3": 1}
"""The numbers of seeds for the networks whose five seeds would take too long on two cores."""

# The entries of a cell that tables, figures and the report read.
_KEYS = (
    *("relative_l2", "loss", "gramian_rank", "seed", "seconds", "iterations", "iterations_asked", "result"),
    *("budget", "history", "device", "cores", "versions", "date", "commit"),
)

# The seconds of a cell under the budget `cpu`. SNGD and BFGS on small networks have the long time, and two-pass SNGD
# with a million parameters has the longest time.
_LONGEST, _LONG, _SHORT = 3000.0, 600.0, 300.0
_LONG_OPTIMIZERS = ("two-pass", "single-pass", "bfgs", "l-bfgs")

# Under the budget `hours`, SNGD ends if the error has not halved in so many iterations, and other optimizers after so
# many seconds.
_STALLED, _HOUR = 300, 3600.0

# The seconds of two-pass SNGD with a million parameters, the error at which it ends, which the paper has after 1,000
# iterations, and the largest numbers of iterations of both variants.
_A3_SECONDS, _A3_ERROR = 5400.0, 1.5e-8
_A3_ITERATIONS = {"two-pass": 100, "single-pass": 30}

BUDGETS = ("quick", "cpu", "hours", "paper")
"""The budgets of a cell, in rising order.

`quick` is a minute. `cpu` is five or ten minutes, in one case fifty. `hours` runs SNGD until its error has not halved
in 300 iterations, SNGD with a million parameters for 90 minutes, 30 (single-pass) or 100 iterations or to an error of
1.5e-8, and any other optimizer for an hour. `paper` is the number of iterations of the paper, without a limit of time.
"""


@dataclasses.dataclass(frozen=True)
class Limit:
    """When a run ends before the iterations of the paper.

    - `seconds`, `iterations`: after so many.
    - `error`: at a relative L2 error of this size.
    - `stalled`: if the error has not halved in so many iterations. `None` stands for no such rule.
    """

    seconds: float = math.inf
    iterations: int | None = None
    error: float = 0.0
    stalled: int | None = None

    def ends(self, records: Sequence[Record]) -> str | None:
        """Why a run with these records ends, or `None` if it goes on."""
        measured = [(record.iteration, record.error) for record in records if math.isfinite(record.error)]
        if measured and measured[-1][1] <= self.error:
            return f"the error is at most {self.error:g}"
        if self.stalled is not None and _since_halved(measured) >= self.stalled:
            return f"the error has not halved in {self.stalled} iterations"
        return None


def _since_halved(measured: Sequence[tuple[int, float]]) -> int:
    """The number of iterations since the error was at most half of what it had been, from pairs with both numbers."""
    if not measured:
        return 0
    at, least = measured[0]
    for iteration, error in measured:
        if error <= least / 2:
            at, least = iteration, error
    return measured[-1][0] - at


# L-BFGS is not in the paper. It has the same iterations and seconds as BFGS.
_EXTRA = tuple(
    dataclasses.replace(
        line, optimizer="l-bfgs", median=None, least=None, largest=None, minutes=None, loss=None, rank=None
    )
    for line in LINES
    if line.optimizer == "bfgs"
)


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run: a line of a table of the paper, and a seed."""

    line: Published
    seed: int

    @property
    def name(self) -> str:
        return f"{self.line.problem}-{self.line.network}-{self.line.optimizer}-seed{self.seed}"

    def limit(self, budget: str) -> Limit:
        """When a run of this cell under a budget ends."""
        optimizer, network = self.line.optimizer, self.line.network
        match budget:
            case "quick":
                return Limit(seconds=60.0)
            case "cpu" if (optimizer, network) == ("two-pass", "A3"):
                return Limit(seconds=_LONGEST)
            case "cpu":
                long = optimizer in _LONG_OPTIMIZERS and network not in ("A2", "A3")
                return Limit(seconds=_LONG if long else _SHORT)
            case "hours" if optimizer in _A3_ITERATIONS:
                if network == "A3":
                    return Limit(_A3_SECONDS, _A3_ITERATIONS[optimizer], _A3_ERROR)
                return Limit(stalled=_STALLED)
            case "hours":
                return Limit(seconds=_HOUR)
            case _:
                return Limit()


def all_cells(seeds: int = 5) -> Iterator[Cell]:
    """All cells. The cells of SNGD come first, and for each line those with low seeds."""
    order = ("two-pass", "single-pass", "bfgs", "engd", "adam", "l-bfgs")
    lines = sorted((*LINES, *_EXTRA), key=lambda line: order.index(line.optimizer))
    for line in lines:
        for seed in range(min(seeds, SEEDS.get(line.network, seeds))):
            yield Cell(line, seed)


def select_cells(
    seeds: int = 5, *, tables: Sequence[int] = (), figures: Sequence[int] = (), only: str = ""
) -> list[Cell]:
    """The cells that the given tables and figures need and whose names contain `only`.

    Without tables and figures, all cells count. If `only` is the full name of a cell, the result is that cell alone.
    Raises `ValueError` for a table or a figure without runs in the paper, and if no cell is left.
    """
    for kind, numbers, known in (("table", tables, TABLE_PROBLEMS), ("figure", figures, FIGURE_PROBLEMS)):
        for number in numbers:
            if number not in known:
                raise ValueError(f"{kind} is {number}; runs are made for {', '.join(map(str, known))}")
    problems = {TABLE_PROBLEMS[number] for number in tables} | {FIGURE_PROBLEMS[number] for number in figures}
    cells = [cell for cell in all_cells(seeds) if not problems or cell.line.problem in problems]
    exact = [cell for cell in cells if cell.name == only]
    cells = exact or [cell for cell in cells if only in cell.name]
    if not cells:
        raise ValueError(f"cell is {only!r}, which is part of no cell's name; names are like {_SPECTRUM_CELL}")
    return cells


def read_cells(folder: Path) -> dict[str, dict[str, Any]]:
    """The results of the finished cells, by their names. Raises `ValueError` for a file that does not hold a cell."""
    return {path.stem: _read_cell(path) for path in sorted(folder.glob("*.json"))}


def _read_cell(path: Path) -> dict[str, Any]:
    advice = "delete it, and `python -m reproduction run` makes it again"
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"out holds {path.name}, which is not JSON ({error}); {advice}") from error
    missing = [key for key in _KEYS if not isinstance(found, dict) or key not in found]
    if missing:
        raise ValueError(f"out holds {path.name}, which is not a cell: it lacks {', '.join(missing)}; {advice}")
    return found


def is_cut_short(cell: Cell, result: dict[str, Any]) -> bool:
    """Whether the seconds or the iterations of the budget ended the run."""
    made, limit = result["iterations"], cell.limit(result["budget"])
    most = math.inf if limit.iterations is None else limit.iterations
    return made < result["iterations_asked"] and (result["seconds"] >= limit.seconds or made >= most)


def is_finished(cell: Cell, result: dict[str, Any] | None, budget: str) -> bool:
    """Whether the result is final: a run of the cell under this budget would not make more iterations."""
    if result is None:
        return False
    return not is_cut_short(cell, result) or BUDGETS.index(result["budget"]) >= BUDGETS.index(budget)


def run_cell(cell: Cell, budget: str, folder: Path) -> dict[str, Any]:
    """Run a cell, write its result into the file `<name>.json` of the folder, atomically, and return the result.

    A run that is interrupted or killed leaves checkpoints in the folder, from which the next run of the cell continues.
    Raises `KeyboardInterrupt` for a run that is interrupted.
    """
    line, place = cell.line, folder / CHECKPOINTS / cell.name
    problem, architecture = find_problem(line.problem), find_network(line.network)
    limit = cell.limit(budget)
    kept: list[Snapshot] = []
    reasons: list[str] = []
    iterations = line.iterations if limit.iterations is None else min(limit.iterations, line.iterations)

    def keep(snapshot: Snapshot, record: Record) -> None:
        if cell.name == _SPECTRUM_CELL and record.iteration % SPECTRUM_EVERY == 0:
            kept.append(snapshot)

    def ends(snapshot: Snapshot, record: Record) -> bool:
        reason = limit.ends(snapshot.records)
        reasons.extend([] if reason is None else [reason])
        return reason is not None

    solution = solve(
        problem,
        architecture,
        key=jax.random.key(cell.seed),
        optimizer=line.optimizer,
        # A run of the paper makes all iterations, from one set of initial parameters and on the same points.
        stopping=Stopping(iterations, limit.seconds, patience=line.iterations + 1, refinements=0, restarts=0),
        callbacks=[keep, ends],
        error_every=max(1, iterations // _KEPT),
        # The run whose spectra are drawn has no checkpoints, because the spectra of states before a checkpoint would
        # be missing.
        checkpoints=None if cell.name == _SPECTRUM_CELL else Checkpoints(place, resume=True),
    )
    if solution.result is Result.INTERRUPTED:
        raise KeyboardInterrupt
    # The loss of the paper is twice the loss of the library, which has a factor of one half.
    scale = 2 if isinstance(problem, Problem) else 1
    summary = summarize(solution, network=line.network, seed=cell.seed)
    summary["loss"] = None if summary["loss"] is None else scale * summary["loss"]
    objective, theta = make_objective(solution.problem, solution.network)
    values = gramian_eigenvalues(objective, theta)
    result = summary | {
        "iterations_asked": line.iterations,
        "budget": budget,
        "stopped": reasons[-1] if reasons else None,
        "gramian_rank": None if values is None else int(np.sum(values > RANK_TOLERANCE)),
        "cores": len(os.sched_getaffinity(0)),
        "history": _thinned(solution.history, scale),
        "date": datetime.date.today().isoformat(),
        "commit": _commit(),
    }
    if kept:
        assert values is not None
        result["eigenvalues"] = _spectra(objective, kept) | {str(result["iterations"]): _strided(values)}
    text = json.dumps(result, indent=1) + "\n"
    write_atomically(folder / f"{cell.name}.json", lambda partial: partial.write_text(text))
    shutil.rmtree(place, ignore_errors=True)
    return result


def _spectra(objective: AbstractObjective, snapshots: Sequence[Snapshot]) -> dict[str, list[float]]:
    spectra = {}
    for snapshot in snapshots:
        values = gramian_eigenvalues(objective, snapshot.theta)
        assert values is not None
        spectra[str(snapshot.iteration)] = _strided(values)
    return spectra


def _strided(values: np.ndarray) -> list[float]:
    return [float(f"{value:.4e}") for value in values[::SPECTRUM_STRIDE]]


def _thinned(history: History, scale: float) -> dict[str, list[float | None]]:
    last = len(history) - 1
    spaced, measured = np.geomspace(1, max(last, 1), _KEPT).astype(int), np.flatnonzero(np.isfinite(history.error))
    wanted = np.unique(np.minimum(np.concatenate([[0, last], spaced, measured]), last))

    def entries(values: np.ndarray, digits: int) -> list[float | None]:
        return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in values[wanted]]

    return {
        "iteration": [int(iteration) for iteration in history.iteration[wanted]],
        "loss": entries(scale * history.loss, 5),
        "error": entries(history.error, 4),
        "seconds": entries(history.seconds, 5),
    }


def _commit() -> str | None:
    """The commit of the source, with a mark if files differ from the commit. It is `None` outside of a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() or None
    except (OSError, subprocess.CalledProcessError):
        return None
