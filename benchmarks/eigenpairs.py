"""Eigenvalue problems: `python -m benchmarks eigenpairs [--seeds 5] [--only string]`.

Every problem in `examples/eigen` is solved with no option but the number of pairs. Errors of values are relative, those
of zero to the spread of the values. The error of a function is its distance from the exact functions with the same
eigenvalue, relative. All runs are kept in `results/eigenpairs.json`.
"""

import argparse
import functools
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
from benchmarks.machine import RESULTS, machine

EXAMPLES = Path(__file__).parent.parent / "examples" / "eigen"

# Exact values that differ by less than this part belong to one eigenvalue.
_EQUAL = 1e-9

# Points an axis at which functions are compared.
_GRID = {1: 1001, 2: 101, 3: 21}


def solve_example(name: str, seed: int) -> dict[str, Any]:
    """What is found for one of the examples, and how far it is from the truth."""
    found = runpy.run_path(str(EXAMPLES / f"{name}.py"))
    problem, count, exact = found["problem"], found["COUNT"], found["VALUES"]
    start = time.perf_counter()
    pairs = sngd.eigenpairs(problem, count, near=found.get("NEAR"), key=jax.random.key(seed))
    seconds = time.perf_counter() - start
    sizes = np.where(exact == 0, np.ptp(exact), np.abs(exact))[:count]
    errors = np.abs(pairs.values - exact[:count]) / sizes
    functions = function_errors(pairs, exact, found["function"]) if "function" in found else None
    return {
        "seconds": seconds,
        "relative_l2": float(np.max(errors)),
        "functions": functions,
        "estimate": float(np.max(pairs.error_estimates)),
        "estimate_of_functions": max(each.error_estimate for each in pairs),
        "values": pairs.values.tolist(),
        "missing": list(pairs.missing),
        "result": pairs.result.value,
    } | machine()


def function_errors(pairs: sngd.Eigenpairs, exact: np.ndarray, function: Callable) -> float:
    """The largest distance of a function from the exact ones with its eigenvalue, relative."""
    domain = pairs[0].problem.domain
    points = domain.grid(_GRID[domain.dimension])
    each = [jax.jit(jax.vmap(functools.partial(function, number)))(jnp.asarray(points)) for number in range(len(exact))]
    known = np.stack([np.asarray(values).ravel() for values in each], axis=1)
    largest = 0.0
    for solution, value in zip(pairs, exact, strict=False):
        basis = np.linalg.qr(known[:, np.abs(exact - value) <= _EQUAL * np.max(np.abs(exact))])[0]
        values = solution(points).ravel()
        rest = values - basis @ (basis.T @ values)
        largest = max(largest, float(np.linalg.norm(rest) / np.linalg.norm(values)))
    return largest


def tabulate(results: Mapping[str, dict[str, Any]]) -> str:
    """A line for each problem: the largest numbers over the seeds."""
    lines = [
        "| problem | seeds | error of values | estimate | error of functions | estimate | seconds | a value missing |",
        "|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[str, list[dict[str, Any]]] = {}
    for name, run in results.items():
        groups.setdefault(name.rsplit("-seed", 1)[0], []).append(run)
    for name, runs in groups.items():
        worst = lambda key, runs=runs: max(run[key] for run in runs)
        functions = "-" if runs[0]["functions"] is None else f"{worst('functions'):.1e}"
        missing = sum(bool(run["missing"]) for run in runs)
        cells = [name, str(len(runs)), f"{worst('relative_l2'):.1e}", f"{worst('estimate'):.1e}", functions]
        cells += [f"{worst('estimate_of_functions'):.1e}", f"{worst('seconds'):.1f}", str(missing)]
        lines.append(f"| {' | '.join(cells)} |")
    some = next(iter(results.values()))
    place = f"{some['processor']}, {some['cores']} cores, {some['versions']}"
    return "\n".join(
        [
            *lines,
            "",
            "Errors, estimates and seconds are the largest over the seeds and the pairs, errors relative. `a value "
            "missing` counts the runs that say so.",
            "",
            f"`python -m benchmarks eigenpairs`, {place}; {some['date']}.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    cells = Cells(RESULTS / "eigenpairs.json", print)
    for file in sorted(EXAMPLES.glob("*.py")):
        for seed in range(options.seeds):
            if options.only in file.stem:
                cells.run(f"{file.stem}-seed{seed}", functools.partial(solve_example, file.stem, seed))
    text = tabulate(cells.results)
    (RESULTS / "eigenpairs.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
