"""`python -m benchmarks globalization`: how far each way of choosing a step gets, on every problem of the library."""

import dataclasses
import functools
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from benchmarks.alternatives import BoundedRadius, DoublySketched, FallingCut, RisingGain, Varied
from benchmarks.cells import Cells
from sngd.descent import SNGD, FactorDescent
from sngd.library import PAPER_PROBLEMS, find_problem
from sngd.problem import AbstractCondition, AbstractProblem, Problem
from sngd.search import GainRatio, GridSearch
from sngd.solver import AbstractOptimizer, Optimizer, Solution, Stopping, solve

# What a run may take once its functions are compiled.
_SECONDS = 15.0

# Small, so that there can be many runs. No network of several layers is near the solution of the transport equation in
# these seconds, however it steps.
_NETWORK, _NETWORKS = "3x12", {"transport": "1x100"}


@dataclasses.dataclass(frozen=True)
class _Way:
    """A way of choosing a step: an optimizer, perhaps with other weights for boundary and initial conditions.

    - `residuals`: whether it is one for sums of squares only. `boundary`: a factor on those weights.
    """

    optimizer: AbstractOptimizer
    residuals: bool = False
    boundary: float = 1.0

    def suits(self, problem: str) -> bool:
        return not self.residuals or isinstance(find_problem(problem), Problem)

    def problem(self, name: str) -> AbstractProblem:
        return _weighted(name, self.boundary)


# One object for all seeds, whose functions are compiled once.
@functools.cache
def _weighted(name: str, boundary: float) -> AbstractProblem:
    problem = find_problem(name)
    if boundary == 1 or not isinstance(problem, Problem):
        return problem

    def weighted(condition: AbstractCondition) -> AbstractCondition:
        on_boundary = condition.faces(problem.domain) is not None
        return dataclasses.replace(condition, weight=boundary * condition.weight) if on_boundary else condition

    return dataclasses.replace(problem, conditions=[weighted(condition) for condition in problem.conditions])


_DAMPED = Optimizer(FactorDescent("damped"), GainRatio())

_WAYS: dict[str, _Way] = {
    "damped, boldest, nonmonotone": _Way(_DAMPED),
    "damped, boldest": _Way(Optimizer(FactorDescent("damped"), GainRatio(nonmonotone=False))),
    "damped, boldest, nonmonotone, a tenth": _Way(Optimizer(FactorDescent("damped"), GainRatio(fraction=0.1))),
    "damped, boldest, nonmonotone, 0.075 throughout": _Way(
        Optimizer(FactorDescent("damped"), GainRatio(fraction=0.075, relaxed=1.0))
    ),
    "damped, boldest, nonmonotone, 0.5 throughout": _Way(
        Optimizer(FactorDescent("damped"), GainRatio(fraction=0.5, relaxed=1.0))
    ),
    "damped, boldest, nonmonotone, 0.075 and then 0.5": _Way(Optimizer(FactorDescent("damped"), RisingGain())),
    "damped, radius by three, nonmonotone": _Way(Optimizer(FactorDescent("damped"), BoundedRadius())),
    "damped, one point, nonmonotone": _Way(Varied("one point"), residuals=True),
    "damped, geodesic, nonmonotone": _Way(Varied("geodesic"), residuals=True),
    "damped, momentum, nonmonotone": _Way(Varied("momentum"), residuals=True),
    "damped and truncated, boldest, nonmonotone": _Way(Varied("both families"), residuals=True),
    "damped, fresh points, nonmonotone": _Way(Varied("fresh points"), residuals=True),
    "damped, doubly sketched, nonmonotone": _Way(Optimizer(DoublySketched(), GainRatio()), residuals=True),
    "damped, boundary times 100, nonmonotone": _Way(_DAMPED, residuals=True, boundary=100.0),
    "damped, boundary over 100, nonmonotone": _Way(_DAMPED, residuals=True, boundary=0.01),
    "damped, least loss": _Way(Optimizer(FactorDescent("damped"), GridSearch())),
    "truncated, least loss": _Way(Optimizer(FactorDescent("truncated"), GridSearch())),
    "truncated, falling cut, least loss": _Way(Optimizer(FallingCut(), GridSearch()), residuals=True),
    "truncated, boldest, nonmonotone": _Way(Optimizer(FactorDescent("truncated"), GainRatio())),
    "Gramian, least loss": _Way(Optimizer(SNGD("two-pass"), GridSearch())),
    "Gramian, boldest, nonmonotone": _Way(Optimizer(SNGD("two-pass"), GainRatio())),
}


def globalization(seeds: Sequence[int], path: Path, report: Callable[[str], None], only: str = "") -> str:
    """Run what is missing in `path` and return the table.

    `only` restricts to runs whose problem and optimizer contain it.
    """
    jax.config.update("jax_enable_x64", True)
    cells = Cells(path, report)
    for seed in seeds:
        for problem in PAPER_PROBLEMS:
            for name, way in _WAYS.items():
                if only in f"{problem}, {name}" and way.suits(problem):
                    cells.run(f"{problem}, {name}, seed {seed}", functools.partial(_run, problem, way, seed))
    return tabulate(cells.results)


def _run(problem: str, way: _Way, seed: int) -> dict[str, Any]:
    _compile(problem, way)
    solution = _solve(problem, way, seed, Stopping(seconds=_SECONDS))
    return {
        "network": _NETWORKS.get(problem, _NETWORK),
        "relative_l2": solution.relative_l2(),
        "seconds": round(solution.seconds, 2),
        "iterations": int(solution.history.iteration[-1]),
        "result": solution.result.value,
    }


@functools.cache
def _compile(problem: str, way: _Way) -> None:
    """A run of two steps, which compiles what the others take."""
    _solve(problem, way, 0, Stopping(iterations=2))


def _solve(problem: str, way: _Way, seed: int, stopping: Stopping) -> Solution:
    network = _NETWORKS.get(problem, _NETWORK)
    key = jax.random.key(seed)
    return solve(way.problem(problem), network, key=key, optimizer=way.optimizer, stopping=stopping)


def tabulate(results: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of each optimizer on each problem: median and largest error, median seconds, number of runs."""
    lines = ["| descent, search | " + " | ".join(PAPER_PROBLEMS) + " |", "|---" * (len(PAPER_PROBLEMS) + 1) + "|"]
    for name in _WAYS:
        entries = []
        for problem in PAPER_PROBLEMS:
            prefix = f"{problem}, {name}, seed "
            found = [result for key, result in results.items() if key.startswith(prefix)]
            entries.append(_entry(found) if found else "-")
        lines.append(f"| {name} | {' | '.join(entries)} |")
    return "\n".join(lines)


def _entry(found: Sequence[dict[str, Any]]) -> str:
    errors, seconds = ([result[name] for result in found] for name in ("relative_l2", "seconds"))
    return f"{statistics.median(errors):.0e} ({max(errors):.0e}), {statistics.median(seconds):.0f} s, {len(found)}"
