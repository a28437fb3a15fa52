"""How the conditions of a trained network are weighed against each other: `python -m benchmarks balance`.

The default network is trained on four problems with weights by five rules, each for the same seconds of the processor.
Results are kept after every run, and an interrupted measurement goes on where it was.
"""

import dataclasses
import functools
import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

import sngd
from benchmarks.cells import Cells
from benchmarks.machine import machine, revision
from sngd.linearize import Term, TrialFunction, make_objective
from sngd.networks import make_network
from sngd.problem import Problem

_NETWORK = "3x24"

# Points on each axis, inside and on faces, and for the runs that are named so the points that the library chooses.
_INSIDE, _ON_FACES = 44, 48

# Seconds of the processor that a training may take.
_SECONDS = 30.0

# The weight of boundary and initial conditions where the equation is at a hundredth.
_HEAVY = 1e4

PROBLEMS: dict[str, Callable[[], Problem]] = {
    "poisson-a": sngd.library.poisson_a,
    "helmholtz-a": sngd.library.helmholtz_a,
    "wave-a": sngd.library.wave_a,
    "heat-a": sngd.library.heat_a,
}


def blocks(problem: Problem, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each condition the Jacobian and the residual of an untrained network."""
    network = make_network(_NETWORK, problem.domain.bounds, key=jax.random.key(seed))
    objective, theta = make_objective(problem, network)
    found = []
    for term in objective.residual_terms:
        jacobian, residual = evaluated(term, objective.trial, theta)
        found.append((np.asarray(jacobian), np.asarray(residual)))
    return found


@jax.jit
def evaluated(term: Term, trial: TrialFunction, theta: Array) -> tuple[Array, Array]:
    """The derivative of the rows of a term by the parameters, and the rows."""
    return term.jacobian(trial, theta), term.values(trial, theta)


def unweighed(problem: Problem, seed: int) -> list[float]:
    """One for each condition."""
    return [1.0] * len(problem.conditions)


def heavy(problem: Problem, seed: int) -> list[float]:
    """Boundary and initial conditions weigh ten thousand times as much as the equation."""
    return [1.0 if each.faces(problem.domain) is None else _HEAVY for each in problem.conditions]


def by_norms(problem: Problem, seed: int) -> list[float]:
    """The inverse squares of the Frobenius norms of the Jacobian of each condition."""
    return [float(1 / np.sum(jacobian**2)) for jacobian, _ in blocks(problem, seed)]


def by_spectra(problem: Problem, seed: int) -> list[float]:
    """The inverse squares of the largest singular values of the Jacobian of each condition."""
    return [float(1 / np.linalg.norm(jacobian, 2) ** 2) for jacobian, _ in blocks(problem, seed)]


def equalized(problem: Problem, seed: int) -> list[float]:
    """The inverse squares of the residuals of each condition at the start, so that all terms of the loss are equal."""
    return [float(1 / np.sum(residual**2)) for _, residual in blocks(problem, seed)]


RULES: dict[str, tuple[Callable[[Problem, int], list[float]], bool]] = {
    "none, points of the library": (unweighed, False),
    "none": (unweighed, True),
    "equation at 1e-2": (heavy, True),
    "norms of the Jacobians": (by_norms, True),
    "largest singular values": (by_spectra, True),
    "equal terms at the start": (equalized, True),
}
"""Each with a function that returns the weights, and whether the points are those of this benchmark."""


def measure(name: str, rule: str, seed: int) -> dict[str, Any]:
    """The error of a network that is trained for so many seconds of the processor."""
    problem, (weigh, is_placed) = PROBLEMS[name](), RULES[rule]
    if is_placed:
        inside, faces = sngd.GaussLegendre(_INSIDE), sngd.GaussLegendre(_ON_FACES)
        problem = dataclasses.replace(problem, quadrature=inside, boundary_quadrature=faces)
    weights = np.array(weigh(problem, seed))
    # Only the ratios count.
    weights = (weights / np.max(weights)).tolist()
    conditions = [
        dataclasses.replace(each, weight=weight) for each, weight in zip(problem.conditions, weights, strict=True)
    ]
    problem = dataclasses.replace(problem, conditions=conditions)
    gc.collect()
    jax.clear_caches()
    end, began = time.process_time() + _SECONDS, time.perf_counter()
    solution = sngd.solve(
        problem, _NETWORK, key=jax.random.key(seed), callbacks=lambda snapshot, record: time.process_time() > end
    )
    return {
        "relative_l2": float(np.max(solution.relative_l2())),
        "seconds": time.perf_counter() - began,
        "result": solution.result.value,
        "iterations": int(solution.history.iteration[-1]),
        "weights": weights,
        "seed": seed,
    } | (machine() | revision())


def balance(seeds: Sequence[int], path: Path, report: Callable[[str], None], only: str = "") -> str:
    """Run what is missing in `path` and return the table, which is written beside it. `only`: as in `Options`."""
    jax.config.update("jax_enable_x64", True)
    cells = Cells(path, report)
    for seed in seeds:
        for name in PROBLEMS:
            for rule in RULES if only in name else ():
                cells.run(f"{name}, {rule}, seed {seed}", functools.partial(measure, name, rule, seed))
    return tabulate(cells.results)


def tabulate(results: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of the errors of all seeds, and where they were measured."""
    lines = [f"| problem | {' | '.join(RULES)} |", "|---" * (1 + len(RULES)) + "|"]
    for name in PROBLEMS:
        found = []
        for rule in RULES:
            errors = [run["relative_l2"] for key, run in results.items() if key.startswith(f"{name}, {rule}, seed")]
            found.append(", ".join(f"{error:.1e}" for error in errors) or "-")
        lines.append(f"| {name} | {' | '.join(found)} |")
    listed = lambda texts: "; ".join(sorted(set(texts)))
    runs = results.values()
    commits = listed(f"{run['commit'][:7]}{' with changes' if run['dirty'] else ''}" for run in runs)
    places = listed(f"{run['processor']}, {run['cores']} cores, {run['versions']}" for run in runs)
    return "\n".join(lines) + (
        f"\n\nRelative L2 errors of `{_NETWORK}` after {_SECONDS:.0f} seconds of the processor, one for each seed. "
        f"But for the first column there are {_INSIDE} points on each axis, and {_ON_FACES} on faces.\n\n"
        f"`python -m benchmarks balance`, {places}; commit {commits}; {listed(run['date'] for run in runs)}."
    )
