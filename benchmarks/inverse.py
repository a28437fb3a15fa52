"""Inverse problems: `python -m benchmarks inverse [--repetitions 200] [--only heat]`.

First every problem in `examples/inverse` and `examples/complex` is solved with defaults. Then the conductivity of a rod
is found again and again from readings with 1 % noise of other draws, each time from the solution for the first draw.
The square root of the Cramer-Rao bound is the standard error by the closed form. All runs are kept in
`results/inverse.json`.
"""

import argparse
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
from benchmarks.machine import RESULTS, machine

EXAMPLES = Path(__file__).parent.parent / "examples"
FOLDERS = ("inverse", "complex")

# The tolerance of the examples, and the seconds that each may take.
_TOLERANCE, _SECONDS = 1e-9, 120.0

# The conductivity, the readings and their noise.
_TRUE, _READINGS, _NOISE = 0.25, 50, 0.01


def solve_example(path: Path) -> dict[str, Any]:
    """What is found for one of the examples, and how far it is from the truth."""
    found = runpy.run_path(str(path))
    problem, truth = found["problem"], found["TRUE"]
    start = time.perf_counter()
    stopping = sngd.Stopping(seconds=_SECONDS)
    solution = sngd.solve(problem, key=jax.random.key(0), tolerance=_TOLERANCE, stopping=stopping)
    points = problem.domain.grid({1: 1001, 2: 101}.get(problem.domain.dimension, 21))
    exact = np.asarray(jax.jit(jax.vmap(problem.exact))(jnp.asarray(points))).reshape(len(points), -1)
    apart = np.linalg.norm(solution(points).reshape(exact.shape) - exact, axis=0) / np.linalg.norm(exact, axis=0)
    constants = solution.constants
    return {
        "seconds": time.perf_counter() - start,
        "relative_l2": float(np.max(apart)),
        "errors": dict(zip(problem.functions, apart.tolist(), strict=True)),
        "constants": {each: abs(constants[each].value / value - 1) for each, value in truth.items()},
        "found": {each: str(constants[each]) for each in constants},
        "error_estimate": solution.error_estimate if math.isfinite(solution.error_estimate) else None,
        "result": solution.result.value,
    } | machine()


def rod(generator: np.random.Generator) -> tuple[sngd.Problem, float]:
    """The problem for one draw of readings, and the standard error of the conductivity by the closed form."""
    where = np.random.default_rng(0).uniform(size=(_READINGS, 2))
    values = np.exp(-_TRUE * np.pi**2 * where[:, 0]) * np.sin(np.pi * where[:, 1])
    slopes = -(np.pi**2) * where[:, 0] * values
    data = sngd.Data(where, values + _NOISE * generator.normal(size=_READINGS), noise=_NOISE)
    unknowns = ["u", sngd.Constant("k", start=1.0, lower=0.0)]
    conditions = [_EQUATION, _START, _ENDS, data]
    problem = sngd.Problem(_ROD, conditions, unknowns=unknowns, name="rod")
    return problem, _NOISE / float(np.linalg.norm(slopes))


_ROD = sngd.space_time(t=(0, 1), x=(0, 1))
_EQUATION = sngd.Interior(lambda u, x, k: sngd.partial(u, "t")(x) - k * sngd.laplacian(u)(x))
_START = sngd.Initial(lambda x: jnp.sin(jnp.pi * x[1]))
_ENDS = sngd.Dirichlet(0.0)


def repeat(first: Callable[[], sngd.Solution], number: int) -> dict[str, Any]:
    """The conductivity for one draw."""
    problem, bound = rod(np.random.default_rng(number))
    begun = first()
    start = time.perf_counter()
    solution = sngd.solve(problem, key=jax.random.key(0), start=begun)
    found = solution.constants["k"]
    low, high = found.interval()
    return {
        "seconds": time.perf_counter() - start,
        "relative_l2": abs(found.value / _TRUE - 1),
        "value": found.value,
        "standard_error": found.standard_error,
        "bound": bound,
        "covered": bool(low <= _TRUE <= high),
        "result": solution.result.value,
    } | machine()


def tabulate(results: Mapping[str, dict[str, Any]]) -> str:
    """The examples line by line, and what the repetitions say together."""
    lines = ["| problem | constants, relative error | functions, relative L2 error | estimate | seconds | result |"]
    lines.append("|---|---|---|---|---|---|")
    for name, run in results.items():
        if "errors" in run:
            listed = lambda errors: ", ".join(f"{each} {error:.1e}" for each, error in errors.items()) or "-"
            estimate = "-" if run["error_estimate"] is None else f"{run['error_estimate']:.1e}"
            seconds = f"{run['seconds']:.1f}"
            cells = [name, listed(run["constants"]), listed(run["errors"]), estimate, seconds, run["result"]]
            lines.append(f"| {' | '.join(cells)} |")
    runs = [run for run in results.values() if "bound" in run]
    if runs:
        errors = np.array([run["value"] - _TRUE for run in runs]) / runs[0]["bound"]
        covered = sum(run["covered"] for run in runs)
        lines += [
            "",
            f"{len(runs)} repetitions of `rod` with {100 * _NOISE:.0f} % noise, each from the solution of another "
            f"draw: root mean square error {np.sqrt(np.mean(errors**2)):.2f} and bias {abs(np.mean(errors)):.2f} times "
            f"the square root of the Cramer-Rao bound; {covered} of {len(runs)} intervals of 95 % cover the truth; "
            f"{np.median([run['seconds'] for run in runs]):.1f} s each, {max(run['seconds'] for run in runs):.1f} s at "
            "most.",
        ]
    some = next(iter(results.values()))
    place = f"{some['processor']}, {some['cores']} cores, {some['versions']}"
    return "\n".join([*lines, "", f"`python -m benchmarks inverse`, {place}; {some['date']}."])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    cells = Cells(RESULTS / "inverse.json", print)
    for file in [file for folder in FOLDERS for file in sorted((EXAMPLES / folder).glob("*.py"))]:
        if options.only in file.stem:
            cells.run(file.stem, functools.partial(solve_example, file))
    first = functools.cache(lambda: sngd.solve(rod(np.random.default_rng(10**6))[0], key=jax.random.key(0)))
    for number in range(options.repetitions if options.only in "rod" else 0):
        cells.run(f"rod-draw{number}", functools.partial(repeat, first, number))
    text = tabulate(cells.results)
    (RESULTS / "inverse.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
