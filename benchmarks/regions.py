"""Problems on regions: `python -m benchmarks regions [--seeds 3] [--quick] [--only plate]`.

Every problem in `examples/regions` is solved, told the error to reach and no more. Errors are relative L2 errors, of
each unknown function and in each of the regions that a domain is made of. Then regions are given points, 1e5 of them in
the interior. All runs are kept in `results/regions.json`, and an interrupted measurement goes on where it was.
"""

import argparse
import dataclasses
import functools
import math
import runpy
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import sngd
from benchmarks.cells import Cells
from benchmarks.machine import RESULTS, machine, revision
from sngd.geometry import AbstractRegion

EXAMPLES = Path(__file__).parent.parent / "examples" / "regions"

# Points an axis of the grid on which errors are measured.
_GRID = {1: 1001, 2: 101, 3: 41}

# Interior points of a region whose making is timed.
_POINTS = 100_000

# A run may take so many times its seconds on the clock, since the machine may be shared.
_SHARED = 3.0

# An estimate is false where the error is larger than so many times it.
_FALSE = 3.0


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the table.

    - `bar`: the relative error to reach. `example`: the file. `half_side`: of the outer boundary, for the cylinder.
    - `seconds`: that one run may take on a machine of its own. `seeds`: how many keys there are, at most.
    - `reachable`: whether the bar is to be reached; otherwise no such error is to be claimed.
    """

    example: str
    bar: float
    seconds: float = 60.0
    seeds: int = 3
    half_side: float | None = None
    reachable: bool = True

    def found(self) -> dict[str, Any]:
        """What the file defines, with the problem of this row."""
        found = runpy.run_path(str(EXAMPLES / f"{self.example}.py"))
        return found if self.half_side is None else found | {"problem": found["make"](self.half_side)}


ROWS = {
    "l_shape": Row("l_shape", 1e-9),
    "annulus": Row("annulus", 1e-9),
    "disk": Row("disk", 1e-9),
    "plate": Row("plate", 1e-9),
    "star": Row("star", 1e-9),
    "ellipsoid": Row("ellipsoid", 1e-9),
    "corner_features": Row("corner_features", 1e-9),
    "corner_soft": Row("corner_soft", 1e-4, seconds=120.0, seeds=1),
    "corner_hard": Row("corner_hard", 1e-2, seeds=1, reachable=False),
    "l_shape_eigenvalue": Row("l_shape_eigenvalue", 1e-5),
    "cylinder": Row("cylinder", 1e-8),
    "cylinder, half side 3": Row("cylinder", 1e-8, seeds=1, half_side=3.0),
    "cylinder, half side 5": Row("cylinder", 1e-8, seeds=1, half_side=5.0),
    "stokes": Row("stokes", 1e-8),
    "materials_straight": Row("materials_straight", 1e-9),
    "materials_circle": Row("materials_circle", 1e-9),
    "layered_slab": Row("layered_slab", 1e-8),
    "cantilever": Row("cantilever", 1e-10),
    "heat_disk": Row("heat_disk", 1e-8),
    "expanding_disk": Row("expanding_disk", 1e-8),
}


def plate_with_holes() -> AbstractRegion:
    """A plate with 17 holes in three lines."""
    plate = sngd.box(x=(0, 6), y=(0, 3))
    for number in range(17):
        center = (0.5 + number % 6, 0.5 + number // 6)
        plate = plate - sngd.disk(center, 0.25, name="hole")
    return plate


REGIONS: dict[str, Callable[[], AbstractRegion]] = {
    "plate with 17 holes": plate_with_holes,
    "star": lambda: runpy.run_path(str(EXAMPLES / "star.py"))["star"],
    "ellipsoid": lambda: sngd.ellipsoid(center=(0, 0, 0), radii=(1, 0.7, 0.5)),
}


def solve_row(row: Row, seed: int) -> dict[str, Any]:
    """What is found for a row, and how far it is from the truth."""
    found = row.found()
    stopping, key = sngd.Stopping(seconds=_SHARED * row.seconds), jax.random.key(seed)
    start, processor = time.perf_counter(), time.process_time()
    if "VALUES" in found:
        pairs = sngd.eigenpairs(found["problem"], found["COUNT"], key=key, tolerance=row.bar, stopping=stopping)
        solution, result, detail = pairs[0], pairs.result, pairs.detail
        errors, estimate = {"E": float(np.max(np.abs(pairs.values / found["VALUES"] - 1)))}, pairs.error_estimates[0]
    else:
        solution = sngd.solve(found["problem"], key=key, tolerance=row.bar, stopping=stopping)
        result, detail, estimate = solution.result, solution.detail, solution.error_estimate
        errors = _errors(solution, found)
    taken = {"seconds": time.perf_counter() - start, "processor_seconds": time.process_time() - processor}
    return {
        **taken,
        "relative_l2": max(errors.values()),
        "errors": errors,
        "estimate": float(estimate) if math.isfinite(estimate) else None,
        "chosen": solution.optimizer,
        "rows": solution.rows,
        "result": result.value,
        "detail": detail,
        "seed": seed,
        "bar": row.bar,
        "reachable": row.reachable,
    } | _place()


def _errors(solution: sngd.Solution, found: Mapping[str, Any]) -> dict[str, float]:
    """The relative errors of functions, or of the only one in each region; of constants, and of what is at the tip."""
    problem, domain = solution.problem, solution.problem.domain
    if "PIECES" in found:
        errors = {name: solution.relative_l2(on=name) for name in found["PIECES"]}
    else:
        points = domain.grid(_GRID[domain.dimension])
        exact = np.asarray(jax.jit(jax.vmap(found["exact"]))(jnp.asarray(points))).reshape(len(points), -1)
        apart = np.linalg.norm(solution(points).reshape(exact.shape) - exact, axis=0) / np.linalg.norm(exact, axis=0)
        errors = dict(zip(problem.functions, apart.tolist(), strict=True))
    errors |= {name: abs(solution.constants[name].value / value - 1) for name, value in found.get("TRUE", {}).items()}
    if "TIP" in found:
        errors["tip"] = abs(float(solution(np.array([domain.upper]))[0]) / found["TIP"] - 1)
    return errors


def time_points(make: Callable[[], AbstractRegion]) -> dict[str, Any]:
    """The seconds in which a region is made and gets its points, those of its boundary among them."""
    # What is imported on the way is not a part of it.
    (sngd.box(x=(0, 1), y=(0, 1)) - sngd.disk()).spread(100)
    start, processor = time.perf_counter(), time.process_time()
    region = make()
    inside = region.spread(_POINTS)
    pieces = [piece.spread(_POINTS) for piece in region.pieces]
    taken = {"seconds": time.perf_counter() - start, "processor_seconds": time.process_time() - processor}
    return {
        **taken,
        "relative_l2": None,
        "points": len(inside.weights),
        "boundary_points": sum(len(each.weights) for each in pieces),
    } | _place()


def _place() -> dict[str, Any]:
    return machine() | revision()


def tabulate(results: Mapping[str, dict[str, Any]]) -> str:
    """A line for each row with the largest numbers over its seeds, and the seconds in which points are made."""
    heads = ("row", "seeds", "bar", "error", "of each", "estimate", "seconds", "processor", "chosen", "result")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name in ROWS:
        runs = [run for key, run in results.items() if key.rsplit(", seed ", 1)[0] == name]
        if runs:
            lines.append(_line(name, runs))
    lines += ["", f"| region, {_POINTS:,} points | points on the boundary | seconds | processor |", "|---|---|---|---|"]
    for name in REGIONS:
        if (run := results.get(f"points of the {name}")) is not None:
            seconds = f"{run['seconds']:.2f} | {run['processor_seconds']:.2f}"
            lines.append(f"| {name} | {run['boundary_points']:,} | {seconds} |")
    return "\n".join([*lines, "", _notes(results)])


def _line(name: str, runs: list[dict[str, Any]]) -> str:
    worst = max(runs, key=lambda run: run["relative_l2"])
    first, result = runs[0], worst["result"] + (f": {worst['detail']}" if worst["detail"] else "")
    bar = f"{first['bar']:.0e}" if first["reachable"] else "no false claim"
    each = (
        ", ".join(f"{part} {error:.1e}" for part, error in worst["errors"].items()) if len(worst["errors"]) > 1 else ""
    )
    estimate = "-" if worst["estimate"] is None else f"{worst['estimate']:.1e}"
    seconds = [f"{max(run[kind] for run in runs):.0f}" for kind in ("seconds", "processor_seconds")]
    verdict = "" if _is_met(runs) else " (not met)"
    error = f"{worst['relative_l2']:.1e}{verdict}"
    cells = [name, str(len(runs)), bar, error, each, estimate, *seconds, first["chosen"], result]
    return f"| {' | '.join(cells)} |"


def _is_met(runs: list[dict[str, Any]]) -> bool:
    """Whether all runs reach the bar; or, where it is not to be reached, whether none claims to, by its estimate."""
    if runs[0]["reachable"]:
        return all(run["relative_l2"] <= run["bar"] for run in runs)
    return all(run["estimate"] is None or run["estimate"] * _FALSE >= run["relative_l2"] for run in runs)


def _notes(results: Mapping[str, dict[str, Any]]) -> str:
    runs = list(results.values())
    listed = lambda key: ", ".join(sorted({str(run[key]) for run in runs}))
    commits = ", ".join(sorted({run["commit"][:7] + (" with changes" if run["dirty"] else "") for run in runs}))
    place = f"{listed('processor')}, {listed('cores')} cores, {listed('versions')}, scipy {listed('scipy')}"
    return (
        "Errors and estimates are those of the worst of the seeds, seconds the largest: on the clock, and of the "
        "processor, which is what counts where the machine was shared.\n\n"
        f"`python -m benchmarks regions`, {place}; commit {commits}; {listed('date')}."
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    cells = Cells(RESULTS / "regions.json", print)
    for name, make in REGIONS.items():
        if options.only in name:
            cells.run(f"points of the {name}", functools.partial(time_points, make))
    for name, row in ROWS.items():
        for seed in range(1 if options.quick else min(options.seeds, row.seeds)):
            if options.only in name:
                cells.run(f"{name}, seed {seed}", functools.partial(solve_row, row, seed))
    text = tabulate(cells.results)
    (RESULTS / "regions.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
