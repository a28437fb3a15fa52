"""Inverse problems: `python -m benchmarks inverse [--repetitions 200] [--only heat]`.

First every problem in `examples/inverse`, `examples/complex` and `examples/noisy` is solved with defaults. Then the
conductivity of a rod and the constants of Lorenz' equations are found again and again from readings with 1 % noise of
other draws, each time from the solution for the first draw. The Cramer-Rao bounds are those of the closed form and of
sensitivities by SciPy's solver. All runs are kept in `results/inverse.json`.
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
from scipy.integrate import solve_ivp

import sngd
from benchmarks.cells import Cells
from benchmarks.machine import RESULTS, machine

EXAMPLES = Path(__file__).parent.parent / "examples"
FOLDERS = ("inverse", "complex", "noisy")

# The tolerance of the examples, and the seconds that each may take.
_TOLERANCE, _SECONDS = 1e-9, 120.0

# The noise of the repetitions, as a part of the readings.
_NOISE = 0.01


def solve_example(path: Path) -> dict[str, Any]:
    """What is found for one of the examples, and how far it is from the truth."""
    found = runpy.run_path(str(path))
    problem, truth = found["problem"], found["TRUE"]
    start = time.perf_counter()
    stopping = sngd.Stopping(seconds=_SECONDS)
    solution = sngd.solve(problem, key=jax.random.key(0), tolerance=_TOLERANCE, stopping=stopping)
    points = problem.domain.grid({1: 1001, 2: 101}.get(problem.domain.dimension, 21))
    apart, names = np.zeros(0), ()
    if problem.exact is not None:
        exact = np.asarray(jax.jit(jax.vmap(problem.exact))(jnp.asarray(points))).reshape(len(points), -1)
        apart = np.linalg.norm(solution(points).reshape(exact.shape) - exact, axis=0) / np.linalg.norm(exact, axis=0)
        names = problem.functions
    constants = solution.constants
    return {
        "seconds": time.perf_counter() - start,
        "relative_l2": float(np.max(apart, initial=0.0)),
        "errors": dict(zip(names, apart.tolist(), strict=True)) | _laws(solution, found),
        "constants": {each: abs(constants[each].value / value - 1) for each, value in truth.items()},
        "found": {each: str(constants[each]) for each in constants},
        "error_estimate": solution.error_estimate if math.isfinite(solution.error_estimate) else None,
        "deviations": {
            each: abs(constants[each].value - value) / constants[each].standard_error
            for each, value in truth.items()
            if 0 < constants[each].standard_error < math.inf
        },
        "result": solution.result.value + (f": {solution.detail}" if solution.detail else ""),
    } | machine()


def _laws(solution: sngd.Solution, found: Mapping[str, Any]) -> dict[str, float]:
    """The relative L2 errors of laws, which the file of an example calls `law`."""
    errors = {}
    for law in solution.problem.laws:
        numbers = np.linspace(*law.between, 101)
        exact = np.asarray(found["law"](numbers))
        errors[law.name] = float(np.linalg.norm(solution[law.name](numbers) - exact) / np.linalg.norm(exact))
    return errors


@dataclasses.dataclass(frozen=True)
class Repeated:
    """A problem whose constants are found from many draws of the noise of its readings.

    - `problem`: for one draw, standard normal numbers of the shape of the readings. `shape`: of these.
    - `truth`: the constants. `bounds`: the roots of the diagonal of the Cramer-Rao bound, in the same order.
    """

    problem: Callable[[np.ndarray], sngd.Problem]
    shape: tuple[int, ...]
    truth: Mapping[str, float]
    bounds: np.ndarray


def rod() -> Repeated:
    """Fifty readings of a rod with an unknown conductivity."""
    conductivity, where = 0.25, np.random.default_rng(0).uniform(size=(50, 2))
    values = np.exp(-conductivity * np.pi**2 * where[:, 0]) * np.sin(np.pi * where[:, 1])
    slopes = -(np.pi**2) * where[:, 0] * values
    equation = sngd.Interior(lambda u, x, k: sngd.partial(u, "t")(x) - k * sngd.laplacian(u)(x))
    start, ends = sngd.Initial(lambda x: jnp.sin(jnp.pi * x[1])), sngd.Dirichlet(0.0)
    unknowns, box = ["u", sngd.Constant("k", start=1.0, lower=0.0)], sngd.space_time(t=(0, 1), x=(0, 1))

    def problem(draw: np.ndarray) -> sngd.Problem:
        data = sngd.Data(where, values + _NOISE * draw, noise=_NOISE)
        return sngd.Problem(box, [equation, start, ends, data], unknowns=unknowns, name="rod")

    return Repeated(problem, (50,), {"k": conductivity}, np.array([_NOISE / float(np.linalg.norm(slopes))]))


def lorenz() -> Repeated:
    """Twenty readings of a trajectory of Lorenz' equations, each with a noise that is a part of its component."""
    found = runpy.run_path(str(EXAMPLES / "inverse" / "lorenz.py"))
    given, times, values, truth = found["problem"], found["times"], found["readings"], found["TRUE"]
    noise = _NOISE * np.sqrt(np.mean(values**2, axis=0))

    def trajectory(constants: np.ndarray) -> np.ndarray:
        def rates(_: float, state: np.ndarray) -> list[float]:
            (a, b, c), (sigma, rho, beta) = state, constants
            return [sigma * (b - a), a * (rho - c) - b, a * b - beta * c]

        options = {"t_eval": times[:, 0], "method": "DOP853", "rtol": 1e-13, "atol": 1e-13}
        return solve_ivp(rates, (0.0, float(times[-1, 0])), (-8.0, 7.0, 27.0), **options).y.T

    best, step = np.array(list(truth.values())), 1e-5
    slopes = [(trajectory(best + step * unit) - trajectory(best - step * unit)) / (2 * step) for unit in np.eye(3)]
    scaled = np.stack([(slope / noise).ravel() for slope in slopes], axis=1)
    others = [each for each in given.conditions if not isinstance(each, sngd.Data)]

    def problem(draw: np.ndarray) -> sngd.Problem:
        read = zip("abc", values.T, noise, draw.T, strict=True)
        data = [sngd.Data(times, part + size * each, noise=size, of=name) for name, part, size, each in read]
        return dataclasses.replace(given, conditions=[*others, *data], exact=None)

    return Repeated(problem, values.shape, truth, np.sqrt(np.diag(np.linalg.inv(scaled.T @ scaled))))


def repeat(repeated: Repeated, first: Callable[[], sngd.Solution], number: int) -> dict[str, Any]:
    """The constants for one draw."""
    problem = repeated.problem(np.random.default_rng(number).normal(size=repeated.shape))
    begun = first()
    start = time.perf_counter()
    solution = sngd.solve(problem, key=jax.random.key(0), start=begun)
    constants = [solution.constants[name] for name in repeated.truth]
    truth = list(repeated.truth.values())
    return {
        "seconds": time.perf_counter() - start,
        "relative_l2": max(abs(found.value / value - 1) for found, value in zip(constants, truth, strict=True)),
        "names": list(repeated.truth),
        "shifts": ((np.array([found.value for found in constants]) - truth) / repeated.bounds).tolist(),
        "standard_errors": (np.array([found.standard_error for found in constants]) / repeated.bounds).tolist(),
        "covered": [
            bool(low <= value <= high)
            for (low, high), value in zip([found.interval() for found in constants], truth, strict=True)
        ],
        "result": solution.result.value,
    } | machine()


def tabulate(results: Mapping[str, dict[str, Any]]) -> str:
    """The examples line by line, and what the repetitions say together."""
    names = "constants, relative error", "in standard errors", "functions and laws, relative L2 error", "estimate"
    lines = [f"| problem | {' | '.join(names)} | seconds | result |", "|---|---|---|---|---|---|---|"]
    for name, run in results.items():
        if "errors" in run:
            listed = lambda errors: ", ".join(f"{each} {error:.1e}" for each, error in errors.items()) or "-"
            estimate = "-" if run["error_estimate"] is None else f"{run['error_estimate']:.1e}"
            seconds = f"{run['seconds']:.1f}"
            apart = ", ".join(f"{each} {size:.1f}" for each, size in run["deviations"].items()) or "-"
            cells = [name, listed(run["constants"]), apart, listed(run["errors"]), estimate, seconds, run["result"]]
            lines.append(f"| {' | '.join(cells)} |")
    for problem in _REPEATED:
        runs = [run for name, run in results.items() if name.startswith(f"{problem}-draw")]
        if runs:
            lines += ["", *_repetitions(problem, runs)]
    some = next(iter(results.values()))
    place = f"{some['processor']}, {some['cores']} cores, {some['versions']}"
    return "\n".join([*lines, "", f"`python -m benchmarks inverse`, {place}; {some['date']}."])


def _first(repeated: Repeated) -> sngd.Solution:
    """The solution for a draw from which the others are begun."""
    draw = np.random.default_rng(10**6).normal(size=repeated.shape)
    return sngd.solve(repeated.problem(draw), key=jax.random.key(0))


def _repetitions(problem: str, runs: list[dict[str, Any]]) -> list[str]:
    """What the repetitions of one problem say together."""
    pick = lambda name: np.array([run[name] for run in runs])
    shifts, errors, covered = pick("shifts"), pick("standard_errors"), pick("covered")
    noise, heads = f"{100 * _NOISE:.0f} %", ("root mean square error", "bias", "median standard error")
    seconds = [run["seconds"] for run in runs]
    lines = [
        f"{len(runs)} repetitions of `{problem}` with {noise} noise, each from the solution of another draw: "
        f"{np.median(seconds):.1f} s each, {max(seconds):.1f} s at most. In units of the root of the Cramer-Rao bound:",
        "",
        f"| constant | {' | '.join(heads)} | intervals of 95 % that cover the truth |",
        "|---|---|---|---|---|",
    ]
    for at, name in enumerate(runs[0]["names"]):
        numbers = (np.sqrt(np.mean(shifts[:, at] ** 2)), abs(np.mean(shifts[:, at])), np.median(errors[:, at]))
        listed = " | ".join(f"{number:.2f}" for number in numbers)
        lines.append(f"| {name} | {listed} | {np.sum(covered[:, at])} of {len(runs)} |")
    return lines


_REPEATED = {"rod": rod, "lorenz": lorenz}


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
    for name, make in _REPEATED.items():
        if options.only in name and options.repetitions:
            repeated = make()
            first = functools.cache(functools.partial(_first, repeated))
            for number in range(options.repetitions):
                cells.run(f"{name}-draw{number}", functools.partial(repeat, repeated, first, number))
    text = tabulate(cells.results)
    (RESULTS / "inverse.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
