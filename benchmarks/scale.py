"""`python -m benchmarks scale`: what size costs, and what a million parameters reach."""

import dataclasses
import functools
import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from benchmarks.cells import Cells, run_command
from sngd.descent import SNGD
from sngd.geometry import GaussLegendre
from sngd.library import find_network, heat
from sngd.linearize import make_objective
from sngd.networks import MLP, make_network
from sngd.problem import AbstractProblem
from sngd.search import GridSearch
from sngd.solver import Optimizer, make_plan, peak_bytes, share_cores_with_lapack

# Gauss-Legendre points an axis: 784 in the interior and 84 on the faces.
_POINTS = 28

# Steps of a cell that measures their time, and the seconds after which there are no more: on many points a step alone
# takes longer than the others.
_STEPS, _ENOUGH, _MANY, _ENOUGH_OF_MANY = 8, 100, 60, 400


@dataclasses.dataclass(frozen=True)
class _Goal:
    """A run to an error: which network, by which optimizer, for how long, over how many seeds."""

    network: str
    optimizer: str
    seconds: int
    seeds: int


# A process takes two seconds before its run begins, and a step of a million parameters as long: together 90.
_GOALS = (
    _Goal("A3", "residual-space", 85, 5),
    _Goal("A3", "auto", 600, 2),
    _Goal("A2", "auto", 60, 5),
    _Goal("A2", "residual-space", 20, 5),
    _Goal("5x1580", "residual-space", 400, 1),
)

# Networks with five hidden layers or fewer, from 261 to ten million parameters.
_NETWORKS = ("A1", "4x20", "A2", "5x160", "A3", "5x1580")

# From 238 to 15,748 rows.
_POINTS_AN_AXIS = (14, 28, 40, 56, 88, 124)

_COMPARED = ("engd", "two-pass", "residual-space", "preconditioned", "damped")
_COMPARED_NETWORKS = ("4x20", "A2", "5x160", "A3")


@dataclasses.dataclass(frozen=True)
class _Step:
    """The time and memory of a step: optimizer, network, points an axis, and the columns of a sketch if fixed."""

    optimizer: str
    network: str
    points: int
    columns: int | None = None

    @property
    def name(self) -> str:
        name = f"step-{self.optimizer}-{self.network}-{self.points}"
        return name if self.columns is None else f"{name}-columns{self.columns}"


_BY_PARAMETERS = tuple(_Step("residual-space", network, _POINTS) for network in _NETWORKS)
_BY_ROWS = tuple(
    _Step(optimizer, "5x160", points)
    for optimizer in ("residual-space", "two-pass")
    for points in _POINTS_AN_AXIS
    if optimizer == "two-pass" or points <= 88
)
_BY_COLUMNS = tuple(_Step("two-pass", "5x160", _POINTS, columns) for columns in (50, 100, 200, 400, 800))
_SIDE_BY_SIDE = tuple(_Step(optimizer, network, _POINTS) for network in _COMPARED_NETWORKS for optimizer in _COMPARED)


def scale(seeds: Sequence[int], path: Path, report: Callable[[str], None], only: str = "") -> str:
    """Run what is missing in `path`, draw `scale.png` beside it, and return the tables.

    Runs to an error take the first of `seeds`, as many as each is meant for. `only` restricts to cells whose names
    contain it.
    """
    cells = Cells(path, report)
    for goal in _GOALS:
        for seed in seeds[: goal.seeds]:
            name = f"error-{goal.network}-{goal.optimizer}-seed{seed}"
            if only in name:
                arguments = ["run", "heat", "--network", goal.network, "--points", str(_POINTS), "--seed", str(seed)]
                arguments += ["--optimizer", goal.optimizer, "--seconds", str(goal.seconds)]
                arguments += ["--iterations", "100000", "--error-every", "4"]
                cells.run(name, functools.partial(run_command, arguments, history=True))
    for step in dict.fromkeys((*_SIDE_BY_SIDE, *_BY_PARAMETERS, *_BY_ROWS, *_BY_COLUMNS)):
        if only in step.name:
            cells.run(step.name, functools.partial(_measure if step.columns is None else measure_columns, step))
    _draw(cells.results, path.with_suffix(".png"))
    return "\n\n".join([_errors(cells.results), _compared(cells.results), _exponents(cells.results)])


def _measure(step: _Step) -> dict[str, Any]:
    arguments = ["run", "heat", "--network", step.network, "--points", str(step.points)]
    arguments += ["--optimizer", step.optimizer, "--iterations", str(_STEPS)]
    enough = _ENOUGH if step.points < _MANY else _ENOUGH_OF_MANY
    arguments += ["--seconds", str(enough), "--error-every", "1000"]
    try:
        return run_command(arguments) | predicted(step)
    except ValueError as error:
        if "more than memory" not in str(error):
            raise
        return {"relative_l2": None, "seconds": 0.0, "does_not_fit": str(error).splitlines()[-1]} | predicted(step)


def predicted(step: _Step) -> dict[str, float]:
    """What the plan says, with no bound on the memory."""
    plan = make_plan(*make_objective(*_setting(step)), step.optimizer, memory=math.inf)
    return {"predicted_step_seconds": plan.seconds, "predicted_bytes": plan.bytes}


def _setting(step: _Step) -> tuple[AbstractProblem, MLP]:
    problem = dataclasses.replace(heat(), quadrature=GaussLegendre(step.points))
    return problem, make_network(find_network(step.network), problem.domain.bounds, key=jax.random.key(0))


def measure_columns(step: _Step) -> dict[str, Any]:
    """A run adapts its sketch: steps with a fixed one are made apart, in a process of their own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_step_with_columns, step).result()


def _step_with_columns(step: _Step) -> dict[str, Any]:
    jax.config.update("jax_enable_x64", True)
    objective, theta = make_objective(*_setting(step))
    optimizer = Optimizer(SNGD("two-pass", sketch_size=step.columns), GridSearch())
    plan = make_plan(objective, theta, optimizer, memory=math.inf)
    iterate, ends = optimizer.first_iterate(objective, theta, jax.random.key(1)), [time.perf_counter()]
    with share_cores_with_lapack():
        for _ in range(_STEPS):
            iterate, _ = jax.block_until_ready(optimizer.step(objective, iterate))
            ends.append(time.perf_counter())
    return {
        "columns": step.columns,
        "relative_l2": None,
        "seconds": ends[-1] - ends[0],
        "step_seconds": float(np.median(np.diff(ends[1:]))),
        "peak_bytes": peak_bytes(),
        "predicted_step_seconds": plan.seconds,
        "predicted_bytes": plan.bytes,
    }


def _seconds_to(result: dict[str, Any], target: float) -> str:
    history = result["history"]
    reached = [s for s, error in zip(history["seconds"], history["error"], strict=True) if error <= target]
    return f"{reached[0]:.0f} s" if reached else "-"


def _errors(results: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of the runs to an error."""
    lines = [
        "| network | parameters | rows | optimizer | seed | error | after | to 1e-8 | to 2e-9 | to 1e-12 | a step "
        "| peak memory |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in results.items():
        if name.startswith("error-"):
            reached = " | ".join(_seconds_to(found, target) for target in (1e-8, 2e-9, 1e-12))
            lines.append(
                f"| {found['network']} | {found['parameters']:,} | {found['rows']} | {found['optimizer']} "
                f"| {found['seed']} "
                f"| {found['relative_l2']:.1e} | {found['seconds']:.0f} s | {reached} "
                f"| {found['step_seconds']:.2g} s | {found['peak_bytes'] / 1e9:.2f} GB |"
            )
    return "\n".join(lines)


def _compared(results: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of seconds a step and memory, network by network and optimizer by optimizer."""
    lines = [
        f"| network | {' | '.join(_COMPARED)} |",
        "|---|" + "---|" * len(_COMPARED),
    ]
    for network in _COMPARED_NETWORKS:
        cells = [_cell(results.get(_Step(optimizer, network, _POINTS).name)) for optimizer in _COMPARED]
        lines.append(f"| {network} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(found: dict[str, Any] | None) -> str:
    if found is None:
        return "not measured"
    if "does_not_fit" in found:
        return f"does not fit ({found['predicted_bytes'] / 1e9:,.0f} GB)"
    if found["step_seconds"] is None:
        return f"no step in {found['seconds']:.0f} s, {found['peak_bytes'] / 1e9:.2f} GB"
    return f"{found['step_seconds']:.3g} s, {found['peak_bytes'] / 1e9:.2f} GB"


_SWEEPS = (
    ("parameters", "residual-space", _BY_PARAMETERS),
    ("rows", "residual-space", tuple(step for step in _BY_ROWS if step.optimizer == "residual-space")),
    ("rows", "two-pass", tuple(step for step in _BY_ROWS if step.optimizer == "two-pass")),
    ("columns", "two-pass", _BY_COLUMNS),
)


def _exponents(results: dict[str, dict[str, Any]]) -> str:
    """A Markdown table: how seconds and bytes grow over the larger half of a sweep, measured and predicted."""
    lines = [
        "| against | optimizer | from | to | seconds: measured, predicted | bytes: measured, predicted |",
        "|---|---|---|---|---|---|",
    ]
    for size, optimizer, steps in _SWEEPS:
        found = _with_steps(results, steps)
        found = found[len(found) // 2 :]
        if len(found) > 1:
            seconds = ", ".join(f"{_slope(found, size, of):z.2f}" for of in ("step_seconds", "predicted_step_seconds"))
            held = ", ".join(f"{_slope(found, size, of):z.2f}" for of in ("peak_bytes", "predicted_bytes"))
            lines.append(f"| {size} | {optimizer} | {found[0][size]:,} | {found[-1][size]:,} | {seconds} | {held} |")
    return "\n".join(lines)


def _with_steps(results: dict[str, dict[str, Any]], steps: Sequence[_Step]) -> list[dict[str, Any]]:
    """The cells of `steps` that ran and finished a step."""
    cells = [results.get(step.name, {}) for step in steps]
    return [found for found in cells if found.get("step_seconds") is not None]


def _slope(found: list[dict[str, Any]], size: str, of: str) -> float:
    return float(np.polyfit(np.log([one[size] for one in found]), np.log([one[of] for one in found]), 1)[0])


def _draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    for axis, (of, label) in zip(
        figure.subplots(1, 2), (("step_seconds", "seconds a step"), ("peak_bytes", "peak resident bytes")), strict=True
    ):
        for index, (size, optimizer, steps) in enumerate(_SWEEPS):
            found = _with_steps(results, steps)
            sizes = [one[size] for one in found]
            axis.loglog(sizes, [one[of] for one in found], "o-", color=f"C{index}", label=f"{optimizer}, {size}")
            axis.loglog(sizes, [one[f"predicted_{of}".replace("peak_", "")] for one in found], ":", color=f"C{index}")
        axis.set_xlabel("parameters, rows or columns")
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
    entries = figure.axes[0].get_legend_handles_labels()
    figure.legend(*entries, title="dotted: predicted", loc="outside lower center", ncols=len(_SWEEPS))
    figure.savefig(path, dpi=150)
