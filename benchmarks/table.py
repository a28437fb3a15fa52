"""`python -m benchmarks table`: every problem of the table by `sngd.solve`, told the error to reach and no more.

    python -m benchmarks table [--seeds 10] [--only poisson] [--quick | --blind | --moved 5]

All runs share one process. What was compiled is forgotten before each, so that each compiles all it needs. Results are
kept in `results/table.json` after every run, and an interrupted measurement goes on where it was.

Beside the runs stand one least-squares problem by SciPy with as many rows and columns as the one that gave a solution,
and Chebyshev collocation for the linear problems on intervals and rectangles.
"""

import dataclasses
import functools
import gc
import math
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import tyro
from rich.console import Console

import sngd
from benchmarks.cells import Cells, print_table
from benchmarks.collocation import EQUATIONS, collocate
from benchmarks.machine import RESULTS, machine, revision
from benchmarks.mapped import AffineMap, mapped
from benchmarks.rows import ROWS, Row
from sngd.files import prepare_folder
from sngd.geometry import Box
from sngd.solver import Solution

# Rows that are allowed more seconds than this take fewer seeds, and no other parameters.
_LONG, _SEEDS_OF_LONG = 60.0, 5

# A run fails by time beyond so many times the seconds that its row is allowed.
_SLACK = 1.5

# Errors, whose first times are kept.
_LEVELS = (1e-4, 1e-6, 1e-8, 1e-10)

# The side of the matrices whose product shows how fast the machine is.
_SIDE = 2048

# Errors below this are rounding errors. Above it an estimate is good within a factor, and false beyond another one.
_ROUNDING, _GOOD, _FALSE = 1e-13, 10.0, 3.0


@dataclasses.dataclass(frozen=True)
class Options:
    """Solve every problem of the table. An interrupted measurement goes on where it was."""

    seeds: int = 10
    """The seeds are 0 to this number less one; 0 to 4 at most for rows that are allowed more than 60 seconds."""
    quick: bool = False
    """Take seed 0 only."""
    blind: bool = False
    """Take seed 0 only, of problems that do not know their exact solutions, on boxes that are shifted and stretched."""
    moved: int = 0
    """Take this many draws of the parameters of each row that has some and is allowed 60 seconds at most."""
    only: str = ""
    """Restrict the measurement to the row of this name, or else to rows whose names contain this text."""
    out: Path = RESULTS
    """The folder for the results and the table."""

    @property
    def stem(self) -> str:
        """The name of the files. Raises `ValueError` for options that cannot be used."""
        if self.seeds < 1 or self.moved < 0:
            raise ValueError(f"seeds is {self.seeds} and moved is {self.moved}; give at least 1 and at least 0")
        chosen = [name for name in ("quick", "blind", "moved") if getattr(self, name)]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} are given; give one of them")
        return "-".join(["table", *chosen])


@dataclasses.dataclass(frozen=True)
class Case:
    """One run.

    - `seed`: of the key, and of the parameters where they are drawn. `blind`, `moved`: as in `Options`.
    """

    row: Row
    seed: int
    blind: bool = False
    moved: bool = False

    @property
    def name(self) -> str:
        return f"{self.row.name}-{'draw' if self.moved else 'seed'}{self.seed}"

    @property
    def changes(self) -> dict[str, float]:
        """The parameters that the run has in place of those of its row."""
        return self.row.moved(np.random.default_rng(self.seed)) if self.moved else {}

    @property
    def map(self) -> AffineMap:
        """The random map to the box of a blind run, from the seed and the number of the row."""
        domain = self.row.problem().domain
        assert isinstance(domain, Box)
        return AffineMap.random(domain, np.random.default_rng((self.seed, ROWS.index(self.row))))


def cases(options: Options) -> Iterator[Case]:
    """The runs, all rows for one seed after the other. Raises `ValueError` where no row is meant."""
    named = [row for row in ROWS if row.name == options.only] or [row for row in ROWS if options.only in row.name]
    if options.moved:
        named = [row for row in named if row.parameters and row.seconds <= _LONG]
    if not named:
        raise ValueError(f"only is {options.only!r}, and there is no row of such a name; one is {ROWS[0].name}")
    for seed in range(options.moved or (1 if options.quick or options.blind else options.seeds)):
        for row in named:
            if options.moved or row.seconds <= _LONG or seed < _SEEDS_OF_LONG:
                yield Case(row, seed, options.blind, options.moved > 0)


def table(options: Options, report: Callable[[str], None]) -> str:
    """Run what is missing and return the table, which is written after every run."""
    path, listed, text = options.out / f"{options.stem}.json", list(cases(options)), ""
    prepare_folder(options.out)
    cells = Cells(path, report)
    for case in listed:
        if case.row.name in EQUATIONS and not case.moved:
            cells.run(f"{case.row.name}-collocation", functools.partial(collocated, case.row))
        cells.run(case.name, functools.partial(measure, case))
        text = f"{tabulate(cells.results)}\n\n{_notes(cells.results, options)}"
        path.with_suffix(".md").write_text(text + "\n")
    return text


def measure(case: Case) -> dict[str, Any]:
    """One run, with what it was measured with. One that raises an exception is a run that failed."""
    problem, before, points = case.row.problem(**case.changes), rate(), case.row.grid()
    given, places = (mapped(problem, case.map), case.map.forward(points)) if case.blind else (problem, points)
    options = {"tolerance": case.row.bar / 2, "stopping": sngd.Stopping(seconds=_SLACK * case.row.seconds)}
    gc.collect()
    jax.clear_caches()
    start = time.perf_counter()
    try:
        solution = sngd.solve(given, key=jax.random.key(case.seed), **options)
        seconds = time.perf_counter() - start
        errors = case.row.errors(solution(places), exact_values(problem.exact_solution, points))
        found = _outcome(solution, seconds, float(np.max(errors)))
    except Exception as error:
        found = {"relative_l2": None, "seconds": time.perf_counter() - start, "result": f"raised {error!r}"}
    rates = {"gflops_before": before, "gflops_after": rate()}
    box = {"stretch": case.map.stretch, "shift": case.map.shift} if case.blind else {}
    return found | machine() | revision() | rates | {"seed": case.seed, "changes": case.changes} | box


def _outcome(solution: Solution, seconds: float, error: float) -> dict[str, Any]:
    """What is kept of a run; numbers that are not finite are `None`."""
    history, choices = solution.history, dict(solution.choices)
    found = {
        "relative_l2": error,
        "error_estimate": solution.error_estimate,
        "seconds": seconds,
        "compile_seconds": solution.compile_seconds,
        "least_squares_seconds": _seconds_of_least_squares(choices, solution.rows, solution.problem.outputs),
    }
    for level in _LEVELS:
        first = np.flatnonzero(history.error < level)[:1]
        found[f"seconds_to_{level:.0e}"] = float(history.seconds[first[0]]) if len(first) else math.nan
    return {name: value if math.isfinite(value) else None for name, value in found.items()} | {
        "result": solution.result.value,
        "detail": solution.detail,
        "optimizer": solution.optimizer,
        "choices": choices,
        "rows": solution.rows,
        "parameters": solution.parameters,
    }


def exact_values(exact: Callable | None, points: np.ndarray) -> np.ndarray:
    """An exact solution at points of shape `(n, d)`."""
    assert exact is not None
    return np.asarray(jax.jit(jax.vmap(exact))(jnp.asarray(points)))


def _seconds_of_least_squares(choices: Mapping[str, str], rows: int, outputs: int) -> float:
    """The seconds of one least-squares problem by SciPy, of the size of the fit that gave a solution.

    The entries are random, since SciPy has no equations. Not a number for solutions in cells, which have many fits,
    and for networks that were trained.
    """
    network = choices.get("network", "")
    count = re.search(r"\bcount=(\d+)", network)
    if count is None or "cells" in network:
        return math.nan
    generator = np.random.default_rng(0)
    matrix, right = generator.normal(size=(rows, int(count[1]) * outputs)), generator.normal(size=rows)
    start = time.perf_counter()
    scipy.linalg.lstsq(matrix, right, check_finite=False, lapack_driver="gelsd")
    return time.perf_counter() - start


def collocated(row: Row) -> dict[str, Any]:
    """The error and the seconds of Chebyshev collocation, which is to agree with itself to a tenth of the bar."""
    points = row.grid()
    found = collocate(EQUATIONS[row.name](**row.parameters), points, row.bar / 10)
    errors = row.errors(found.values, exact_values(row.problem().exact_solution, points))
    return {
        "relative_l2": float(np.max(errors)),
        "seconds": found.seconds,
        "terms": found.terms,
        "difference": found.difference,
    }


def rate() -> float:
    """How fast the machine is at present: billions of operations a second in a product of two matrices."""
    left, right = np.random.default_rng(0).random((2, _SIDE, _SIDE))
    start = time.perf_counter()
    _ = left @ right
    return round(2 * _SIDE**3 / (time.perf_counter() - start) / 1e9, 1)


@dataclasses.dataclass(frozen=True)
class Summary:
    """What the runs reached together.

    - `rows`: how many have runs. `reached`: those of which all runs reached their bar in time.
    - `runs`: how many there are. `covered`: those with errors of at most three times the estimate, or rounding errors.
    - `clear`: runs with errors above rounding errors. `good`: those of them with estimates within a factor of ten.
    """

    rows: int
    reached: int
    runs: int
    covered: int
    clear: int
    good: int

    def __str__(self) -> str:
        share = lambda part, whole: f"{part} of {whole}" + (f" ({100 * part / whole:.0f} %)" if whole else "")
        return (
            f"Rows reached: {self.reached} of {self.rows}. Runs with 0.1 <= estimate / error <= {_GOOD:.0f}, of those "
            f"with an error above {_ROUNDING:.0e}: {share(self.good, self.clear)}. Runs with an error of at most "
            f"{_FALSE:.0f} max(estimate, {_ROUNDING:.0e}): {share(self.covered, self.runs)}."
        )


def summarize(results: Mapping[str, dict[str, Any]]) -> Summary:
    """The summary of all runs."""
    by_row = [(row, found) for row in ROWS if (found := _runs_of(row, results))]
    runs = [run for _, found in by_row for run in found]
    clear = [run for run in runs if _error(run) > _ROUNDING]
    return Summary(
        rows=len(by_row),
        reached=sum(all(_is_reached(row, run) for run in found) for row, found in by_row),
        runs=len(runs),
        covered=sum(_error(run) <= _FALSE * max(_estimate(run), _ROUNDING) for run in runs),
        clear=len(clear),
        good=sum(1 / _GOOD <= _estimate(run) / _error(run) <= _GOOD for run in clear),
    )


def tabulate(results: Mapping[str, dict[str, Any]]) -> str:
    """A Markdown table, a line for each row that has runs, and the summary."""
    head = [
        "problem",
        "bar",
        "worst error",
        "median error",
        "estimate / error",
        "median seconds (allowed)",
        "reached",
        "result",
        "chosen",
        "seconds / those of one least squares of that size",
        "collocation: error, seconds",
    ]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in ROWS:
        found = _runs_of(row, results)
        if found:
            lines.append(f"| {' | '.join(_line(row, found, results.get(f'{row.name}-collocation')))} |")
    return "\n".join([*lines, "", str(summarize(results))])


def _line(row: Row, runs: Sequence[dict[str, Any]], collocation: dict[str, Any] | None) -> list[str]:
    errors, seconds = [_error(run) for run in runs], statistics.median(run["seconds"] for run in runs)
    ratios = [_estimate(run) / error for run, error in zip(runs, errors, strict=True) if 0 < error < math.inf]
    squares = [
        (run["seconds"] - run["compile_seconds"]) / run["least_squares_seconds"]
        for run in runs
        if run.get("least_squares_seconds")
    ]
    beside = "-"
    if collocation is not None:
        beside = f"{collocation['relative_l2']:.1e}, {collocation['seconds']:.2f} s"
        accurate = collocation["relative_l2"] <= max(row.bar, statistics.median(errors))
        beside = f"**{beside}**" if accurate and collocation["seconds"] < seconds else beside
    return [
        row.name,
        f"{row.bar:.0e}",
        f"{max(errors):.1e}",
        f"{statistics.median(errors):.1e}",
        f"{min(ratios):.1g} to {max(ratios):.1g}" if ratios else "-",
        f"{seconds:.1f} s ({row.seconds:.0f} s)",
        f"{sum(_is_reached(row, run) for run in runs)}/{len(runs)}",
        _counted([run["result"] for run in runs]),
        _most_common([_short(run) for run in runs]),
        f"{statistics.median(squares):.1f}" if squares else "-",
        beside,
    ]


def _runs_of(row: Row, results: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    prefixes = (f"{row.name}-seed", f"{row.name}-draw")
    return [run for name, run in results.items() if name.startswith(prefixes)]


def _is_reached(row: Row, run: Mapping[str, Any]) -> bool:
    return _error(run) <= row.bar and run["seconds"] <= _SLACK * row.seconds


def _error(run: Mapping[str, Any]) -> float:
    return math.inf if run["relative_l2"] is None else run["relative_l2"]


def _estimate(run: Mapping[str, Any]) -> float:
    """The estimated error. One that is not known claims nothing, as an infinite one does."""
    return math.inf if (found := run.get("error_estimate")) is None else found


def _counted(texts: Sequence[str]) -> str:
    """Each text once, with how often it is there where there are several."""
    counts = Counter(texts)
    return texts[0] if len(counts) == 1 else ", ".join(f"{text} {count}" for text, count in counts.most_common())


def _most_common(texts: Sequence[str]) -> str:
    text, count = Counter(texts).most_common(1)[0]
    return text if count == len(texts) else f"{text} ({count} of {len(texts)})"


def _short(run: Mapping[str, Any]) -> str:
    """What was chosen, in few words."""
    text = run.get("optimizer", "-")
    if not text.startswith("least squares"):
        return f"{text}, {run['parameters']} parameters trained" if "parameters" in run else text
    for left_out in ("least squares on ", " features", " weights up to"):
        text = text.replace(left_out, "")
    return text


def _notes(results: Mapping[str, dict[str, Any]], options: Options) -> str:
    """How to read the table, and where it was measured."""
    runs = [run for row in ROWS for run in _runs_of(row, results)]
    listed = lambda texts: "; ".join(sorted(set(texts)))
    rates = [run[name] for run in runs for name in ("gflops_before", "gflops_after")]
    mode = next((f" --{name}" for name in ("quick", "blind", "moved") if getattr(options, name)), "")
    commits = listed(f"{run['commit'][:7]}{' with changes' if run['dirty'] else ''}" for run in runs)
    places = listed(
        f"{run['processor']}, {run['cores']} cores, {run['versions']}, scipy {run['scipy']}" for run in runs
    )
    mapped_boxes = (
        "Exact solutions are left out, and each axis of the box is mapped by y = stretch x + shift: sides are "
        "multiplied by random factors between 0.5 and 2, and the lower corner is shifted by up to one side of the new "
        "box (`benchmarks/mapped.py`; NumPy's default_rng((0, number of the row)); the numbers stand beside each run). "
        "Collocation is on the original box. "
    )
    return (mapped_boxes if options.blind else "") + (
        f"A run reaches its bar if its error is at most the bar in at most {_SLACK} times the seconds allowed. One "
        "least squares of that size is `scipy.linalg.lstsq` (gelsd) on a random matrix with as many rows and columns "
        "as the fit that gave the solution; compilation is not in the ratio; a dash is for cells and for networks "
        "that were trained. Collocation is by Chebyshev series, doubled until two agree to a tenth of the bar; it is "
        "bold where it is at least as accurate as the larger one of bar and median error, in fewer seconds; a dash is "
        "for nonlinear equations, and for those that it was not written for.\n\n"
        f"`python -m benchmarks table{mode}`, {places}; commit {commits}; {listed(run['date'] for run in runs)}; "
        f"{min(rates):.0f} to {max(rates):.0f} GFLOP/s in a product of two matrices of side {_SIDE}."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the table. Returns the exit status: 2 for bad input, 130 for Ctrl-C."""
    options = tyro.cli(Options, prog="python -m benchmarks table", args=arguments)
    jax.config.update("jax_enable_x64", True)
    return print_table(lambda: table(options, Console(stderr=True).print))


if __name__ == "__main__":
    sys.exit(main())
