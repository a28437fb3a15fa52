"""`python -m benchmarks step`: a step of sketchy natural gradients against the time of its operations.

The operations are counted in `docs/performance.md`. The floor of a step is the time that they would take at the rate of
a product of two square matrices with 4,096 rows, which is measured in the same process. Each case runs in its own
process, so that the peak memory is that of the case.
"""

import dataclasses
import functools
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp

from benchmarks.cells import Cells
from benchmarks.machine import machine, revision
from sngd.descent import SNGD
from sngd.geometry import GaussLegendre
from sngd.library import find_network, heat, poisson
from sngd.linearize import AbstractObjective, make_objective
from sngd.networks import MLP
from sngd.problem import AbstractProblem
from sngd.search import GridSearch, LossAlong
from sngd.solver import Iterate, Optimizer, make_plan, peak_bytes, share_cores_with_lapack

Passes = Literal["two-pass", "single-pass"]

# Rows and columns of the matrices whose product gives the rate.
_SIDE = 4096

# A part is timed so many times, but not longer than these seconds.
_ROUNDS, _SECONDS = 15, 60.0

_PARTS = ("linearize", "direction", "search")

# The Taylor components of the residual: u, u_x, u_y, u_xx, u_yy, and u, u_x, u_t, u_xx.
_COMPONENTS = {"poisson": 5, "heat": 4}


@dataclasses.dataclass(frozen=True)
class Case:
    """A step: the problem with so many Gauss-Legendre points an axis, the network, the columns and the passes."""

    problem: str
    network: str
    points: int
    columns: int
    passes: Passes

    @property
    def name(self) -> str:
        return f"{self.problem}-{self.network}-points{self.points}-columns{self.columns}-{self.passes}"


def _cases() -> Iterator[Case]:
    sizes = [("poisson", "4x20", 20, 362), ("heat", "A2", 40, 431), ("heat", "5x160", 28, 256)]
    sizes += [("heat", "A3", points, columns) for points in (28, 40) for columns in (100, 256, 512)]
    for size in sizes:
        yield Case(*size, "two-pass")
        yield Case(*size, "single-pass")


def step(seeds: Sequence[int], path: Path, report: Callable[[str], None], only: str = "") -> str:
    """Measure what is missing in `path`, and return the table. The seeds are not used.

    `only` restricts the measurement to cases whose names contain it.
    """
    cells = Cells(path, report)
    for case in _cases():
        if only in case.name:
            cells.run(case.name, functools.partial(_apart, case))
    return tabulate(cells.results)


def _apart(case: Case) -> dict[str, Any]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, case).result()


def measure(case: Case) -> dict[str, Any]:
    """The seconds of a step and of its three parts, their floors, the rate, and the peak memory with its prediction."""
    jax.config.update("jax_enable_x64", True)
    objective, theta = make_objective(*_setting(case))
    optimizer = Optimizer(SNGD(case.passes, sketch_size=case.columns), GridSearch())
    iterate = optimizer.first_iterate(objective, theta, jax.random.key(1))
    with share_cores_with_lapack():
        start = time.perf_counter()
        jax.block_until_ready(optimizer.step(objective, iterate))
        first = time.perf_counter() - start
        peak = peak_bytes()
        product = _product()
        seconds = medians({"product": product, **parts_of_step(objective, optimizer, iterate)})
        seconds |= medians({"step": lambda: optimizer.step(objective, iterate), "product again": product})
        if objective.chunk is None:
            seconds |= medians(_decompositions(len(theta), case.columns))
    rate = 2 * _SIDE**3 / min(seconds.pop("product"), seconds.pop("product again"))
    operations = count(case, objective.rows, len(theta))
    plan = make_plan(objective, theta, optimizer, memory=math.inf)
    return {
        "case": dataclasses.asdict(case),
        "rows": objective.rows,
        "parameters": len(theta),
        "factor": objective.storage,
        "rate": rate,
        "operations": operations,
        "part_seconds": seconds,
        "compile_seconds": max(0.0, first - seconds["step"]),
        "peak_bytes": peak,
        "predicted_bytes": plan.bytes,
        "machine": machine() | revision(),
        "seconds": first,
        "relative_l2": None,
    }


def _setting(case: Case) -> tuple[AbstractProblem, MLP]:
    problem = {"poisson": poisson, "heat": heat}[case.problem]()
    rules = {"quadrature": GaussLegendre(case.points)}
    if case.problem == "poisson":
        rules["boundary_quadrature"] = GaussLegendre(30)
    problem = dataclasses.replace(problem, **rules)
    depth, width = map(int, find_network(case.network).split("x"))
    return problem, MLP((2, *[width] * depth, 1), problem.domain.bounds, key=jax.random.key(0))


def count(case: Case, n: int, p: int) -> dict[str, dict[str, float]]:
    """The floating-point operations of the parts of a step, as `docs/performance.md` counts them."""
    components, columns = _COMPONENTS[case.problem], case.columns
    two = case.passes == "two-pass"
    search = GridSearch()
    return {
        "linearize": {"jacobian": 6 * components * n * p},
        "direction": {
            "products": 4 * n * p * columns,
            "basis": 4 * p * columns**2,
            "core": 2 * n * p * columns + 2 * n * columns**2 if two else 0,
            "eigendecomposition": 4 * columns**3,
        },
        "search": {"losses": (12 + search.refinements) * 2 * components * n * p},
    }


def parts_of_step(objective: AbstractObjective, optimizer: Optimizer, iterate: Iterate) -> dict[str, Callable]:
    """The three parts of a step, each by itself."""
    linearize = eqx.filter_jit(lambda o, t: o.linearize(t))
    descend = eqx.filter_jit(lambda d, at, state, key: d.step(at, state, key))
    state = iterate.optimizer

    @eqx.filter_jit
    def choose(objective, theta, value, curve, state):
        loss = lambda update: objective.value(theta + update)
        along = LossAlong(loss, curve, value, objective.values_at_once)
        return optimizer.search.choose(along, state)

    at = linearize(objective, iterate.theta)
    curve = descend(optimizer.descent, at, state.descent, jax.random.key(2))
    return {
        "linearize": lambda: linearize(objective, iterate.theta),
        "direction": lambda: descend(optimizer.descent, at, state.descent, jax.random.key(2)),
        "search": lambda: choose(objective, iterate.theta, at.value, curve, state.search),
    }


def _decompositions(rows: int, columns: int) -> dict[str, Callable]:
    """The two decompositions of LAPACK that a step with a stored factor takes."""
    matrix = jax.random.normal(jax.random.key(4), (rows, columns))
    core = matrix.T @ matrix
    qr, eigh = jax.jit(lambda a: jnp.linalg.qr(a)[0]), jax.jit(jnp.linalg.eigh)
    return {"qr": lambda: qr(matrix), "eigh": lambda: eigh(core)}


def _product() -> Callable:
    matrix = jax.random.normal(jax.random.key(3), (_SIDE, _SIDE))
    product = jax.jit(lambda a, b: a @ b)
    return lambda: product(matrix, matrix)


def medians(functions: dict[str, Callable]) -> dict[str, float]:
    """Median seconds of each function, called in turn. The first call is not counted."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    began = time.perf_counter()
    for done in range(_ROUNDS + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            jax.block_until_ready(function())
            times[name].append(time.perf_counter() - start)
        if done and time.perf_counter() - began > _SECONDS:
            break
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def tabulate(results: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of the cases in the order in which they are defined."""
    lines = [
        f"| network | rows | columns | passes | {' | '.join(_PARTS)} | step | floor | step / floor "
        "| Gflop/s | compilation | peak memory | predicted |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case in _cases():
        if (found := results.get(case.name)) is None:
            continue
        rate, taken = found["rate"], found["part_seconds"]
        floors = {part: sum(found["operations"][part].values()) / rate for part in _PARTS}
        parts = " | ".join(f"{_duration(taken[part])} ({_duration(floors[part])})" for part in _PARTS)
        total = sum(floors.values())
        lines.append(
            f"| {case.network} | {found['rows']:,} | {case.columns} | {case.passes} | {parts} "
            f"| {_duration(taken['step'])} | {_duration(total)} | {taken['step'] / total:.2f} | {rate / 1e9:.0f} "
            f"| {found['compile_seconds']:.0f} s | {found['peak_bytes'] / 1e9:.2f} GB "
            f"| {found['predicted_bytes'] / 1e9:.2f} GB |"
        )
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
