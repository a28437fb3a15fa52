"""`sngd bench globalization`: how far each way of choosing a step gets, on every problem of the library."""

import functools
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from sngd.bench._cells import Cells
from sngd.descent import SNGD, FactorDescent
from sngd.library import PROBLEMS, find_problem
from sngd.search import GainRatio, GridSearch
from sngd.train import Optimizer, Stopping, solve

_SECONDS = 40.0

# No network of several layers is near the solution of the transport equation in these seconds, however it steps.
_NETWORK, _NETWORKS = "4x20", {"transport": "1x330"}

_OPTIMIZERS: dict[str, Optimizer] = {
    "damped, boldest, escapes": Optimizer(FactorDescent("damped"), GainRatio()),
    "damped, boldest": Optimizer(FactorDescent("damped"), GainRatio(escapes=False)),
    "damped, boldest, escapes, a tenth": Optimizer(FactorDescent("damped"), GainRatio(fraction=0.1)),
    "damped, least loss": Optimizer(FactorDescent("damped"), GridSearch()),
    "truncated, least loss": Optimizer(FactorDescent("truncated"), GridSearch()),
    "truncated, boldest, escapes": Optimizer(FactorDescent("truncated"), GainRatio()),
    "Gramian, least loss": Optimizer(SNGD("two-pass"), GridSearch()),
    "Gramian, boldest, escapes": Optimizer(SNGD("two-pass"), GainRatio()),
}


def globalization(seeds: Sequence[int], path: Path, report: Callable[[str], None], only: str = "") -> str:
    """Run what is missing in `path` and return the table.

    `only` restricts to runs whose problem and optimizer contain it.
    """
    cells = Cells(path, report)
    for seed in seeds:
        for problem in PROBLEMS:
            for name in _OPTIMIZERS:
                if only in f"{problem}, {name}":
                    cells.run(f"{problem}, {name}, seed {seed}", functools.partial(_run, problem, name, seed))
    return tabulate(cells.results)


def _run(problem: str, name: str, seed: int) -> dict[str, Any]:
    stopping = Stopping(seconds=_SECONDS)
    network, optimizer = _NETWORKS.get(problem, _NETWORK), _OPTIMIZERS[name]
    solution = solve(find_problem(problem), network, key=jax.random.key(seed), optimizer=optimizer, stopping=stopping)
    return {
        "network": network,
        "relative_l2": solution.relative_l2(),
        "seconds": round(solution.seconds, 2),
        "iterations": int(solution.history.iteration[-1]),
        "result": solution.result.value,
    }


def tabulate(results: dict[str, dict[str, Any]]) -> str:
    """A Markdown table: median and largest error of each optimizer on each problem."""
    lines = ["| descent, search | " + " | ".join(PROBLEMS) + " |", "|---" * (len(PROBLEMS) + 1) + "|"]
    for name in _OPTIMIZERS:
        entries = []
        for problem in PROBLEMS:
            prefix = f"{problem}, {name}, seed "
            errors = [result["relative_l2"] for key, result in results.items() if key.startswith(prefix)]
            entries.append(f"{statistics.median(errors):.0e} ({max(errors):.0e})" if errors else "-")
        lines.append(f"| {name} | {' | '.join(entries)} |")
    return "\n".join(lines)
