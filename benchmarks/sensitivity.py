"""`python -m benchmarks sensitivity`: each default of the policies and of the search halved and doubled.

Three problems on networks of 361 parameters, where valleys are narrow, by runs of the default optimizer. A default
whose rows read alike hardly matters; one whose rows do not is worth its measurement.
"""

import argparse
import dataclasses
import functools
import statistics
from collections.abc import Iterator
from typing import Any

import jax

import sngd
from benchmarks.cells import Cells
from benchmarks.machine import RESULTS, machine
from sngd.descent import FactorDescent
from sngd.library import find_problem
from sngd.search import GainRatio
from sngd.solver import FrequencyChoice, Nonmonotone, Optimizer, Policies

PROBLEMS = ("poisson", "heat", "bvp-energy")
NETWORK, ITERATIONS = "3x12", 150
OWNERS = {"Nonmonotone": Nonmonotone(), "GainRatio": GainRatio(), "FrequencyChoice": FrequencyChoice()}

# What has no part in these runs, bounds and counts for which a half or a double makes no sense, and powers of ten.
_LEFT_OUT = {"smallest", "expensive", "bounds", "checked", "faster", "clearly"}
_LOGARITHMS = {"floor", "poor"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0 to this number less one")
    chosen = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    cells = Cells(RESULTS / "sensitivity.json", functools.partial(print, flush=True))
    for seed in range(chosen.seeds):
        for problem in PROBLEMS:
            for name, changes in variations():
                cells.run(f"{problem}, {name}, seed {seed}", functools.partial(measure, problem, changes, seed))
    text = table(cells.results, chosen.seeds)
    print(text)
    (RESULTS / "sensitivity.md").write_text(text + "\n")


def variations() -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    """The name of a change, and the fields to change by the names of their classes; first the defaults."""
    yield "defaults", {}
    for owner, defaults in OWNERS.items():
        for field in dataclasses.fields(defaults):
            value = getattr(defaults, field.name)
            if field.name in _LEFT_OUT or isinstance(value, bool) or not isinstance(value, int | float):
                continue
            for factor in (0.5, 2.0):
                changed = value * factor
                if field.name in _LOGARITHMS:
                    changed = value + (2.0 if factor > 1 else -2.0)
                elif isinstance(value, int):
                    changed = max(1, round(changed))
                if 0 < changed < 1 or not (0 < value < 1):
                    yield f"{owner}.{field.name} = {changed:.4g}", {owner: {field.name: changed}}


def measure(problem: str, changes: dict[str, dict[str, Any]], seed: int) -> dict[str, Any]:
    """One run with these fields."""
    made = {name: dataclasses.replace(default, **changes.get(name, {})) for name, default in OWNERS.items()}
    solution = sngd.solve(
        find_problem(problem),
        NETWORK,
        key=jax.random.key(seed),
        optimizer=Optimizer(FactorDescent(), made["GainRatio"]),
        stopping=sngd.Stopping(iterations=ITERATIONS, restarts=0),
        policies=Policies(nonmonotone=made["Nonmonotone"], frequencies=made["FrequencyChoice"]),
    )
    return {
        "relative_l2": solution.relative_l2(),
        "iterations": int(solution.history.iteration[-1]),
        "seconds": round(solution.seconds, 2),
        "result": solution.result.value,
    }


def table(results: dict[str, dict[str, Any]], seeds: int) -> str:
    """The median error and the median iterations of each problem, as Markdown."""
    head = ["change", *(f"{problem}: median error (worst), iterations" for problem in PROBLEMS)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, _ in variations():
        cells = []
        for problem in PROBLEMS:
            runs = [results[f"{problem}, {name}, seed {seed}"] for seed in range(seeds)]
            errors = [run["relative_l2"] for run in runs]
            iterations = statistics.median(run["iterations"] for run in runs)
            cells.append(f"{statistics.median(errors):.1e} ({max(errors):.1e}), {iterations:.0f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    where = machine()
    limits = f"network {NETWORK}, at most {ITERATIONS} iterations, {seeds} seeds from 0 on"
    place = f"{where['processor']}, {where['cores']} cores, {where['versions']}, {where['date']}"
    return "\n".join([*lines, "", f"`python -m benchmarks sensitivity`, {limits}, {place}."])


if __name__ == "__main__":
    main()
