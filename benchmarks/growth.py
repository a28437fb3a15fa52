"""Where frozen features stall: fresh networks, features handed over to a training, and a second network for the rest.

    python -m benchmarks growth [--only front] [--seconds 45]

Every way gets the same seconds for each training, in one process; what was compiled is forgotten before each. Results
are kept in `results/growth.json` after every run, and an interrupted measurement goes on where it was.
"""

import dataclasses
import functools
import gc
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Array, Float
from rich.console import Console

import sngd
from benchmarks.cells import Cells
from benchmarks.machine import RESULTS, machine
from benchmarks.rows import Row
from benchmarks.table import exact_values, rate, revision
from sngd import library
from sngd.features import Chooser, Conditions, FeatureChoice, Features
from sngd.files import prepare_folder
from sngd.problem import AbstractCondition, Box, Face, Field, Problem, in_place_of
from sngd.solver import DEFAULT_NETWORK, Snapshot, Solution, Stopping

# Features that are handed over, for each component.
_COUNT = 200

# Bandwidths of tanh features, in radians per half side.
_BANDWIDTHS = tuple(2.0**power for power in range(1, 8))

_LEVELS = (1e-4, 1e-6, 1e-8, 1e-10)

# Radius and center of the circle along which the steep front of an elliptic problem lies.
_RADIUS, _CENTER = 0.7, -0.05


def wave_front(steepness: float) -> Problem:
    """Poisson's equation on the unit square, solved by `arctan(a (r - 0.7))` with the distance `r` from (-0.05, -0.05).

    It is the wave front of Mitchell, Appl. Math. Comput. 220 (2013), section 2.10.
    """

    def exact(x: Array) -> Array:
        return jnp.arctan(steepness * (jnp.sqrt(jnp.sum((x - _CENTER) ** 2)) - _RADIUS))

    def equation(u: Field, x: Array) -> Array:
        return sngd.laplacian(u)(x) - sngd.laplacian(u.like(exact))(x)

    conditions = [sngd.Interior(equation), sngd.Dirichlet(exact)]
    return sngd.Problem(sngd.box(x=(0, 1), y=(0, 1)), conditions, exact=exact, name="wave-front")


def moving_layer(viscosity: float) -> Problem:
    """Burgers' equation in two dimensions, `u_t + u (u_x + u_y) = nu (u_xx + u_yy)` on the unit cube, solved by
    `1 / (1 + exp((x + y - t) / (2 nu)))`, a layer of the width `nu` that moves.
    """

    def exact(z: Array) -> Array:
        t, x, y = z
        return jax.nn.sigmoid((t - x - y) / (2 * viscosity))

    def equation(u: Field, x: Array) -> Array:
        return sngd.partial(u, "t")(x) + u(x) * jnp.sum(sngd.gradient(u)(x)) - viscosity * sngd.laplacian(u)(x)

    domain = sngd.space_time(t=(0, 1), x=(0, 1), y=(0, 1))
    conditions = [sngd.Interior(equation), sngd.Initial(exact), sngd.Dirichlet(exact)]
    return sngd.Problem(domain, conditions, exact=exact, name="moving-layer")


def ridge(steepness: float) -> Problem:
    """Poisson's equation on the unit cube in four dimensions, solved by `tanh(a (k . x - c))` with an oblique `k`."""
    direction = np.array([1.0, -2.0, 3.0, 1.5])
    direction /= np.linalg.norm(direction)

    def exact(x: Array) -> Array:
        return jnp.tanh(steepness * direction @ (x - 0.5))

    def equation(u: Field, x: Array) -> Array:
        value = exact(x)
        return sngd.laplacian(u)(x) + 2 * steepness**2 * value * (1 - value**2)

    conditions = [sngd.Interior(equation), sngd.Dirichlet(exact)]
    return sngd.Problem(sngd.box(x=(0, 1), y=(0, 1), z=(0, 1), w=(0, 1)), conditions, exact=exact, name="ridge")


def _row(name: str, make: Callable[..., Problem], mean_free: tuple[int, ...] = (), **fixed: float) -> Row:
    return Row(name, functools.partial(make, **fixed), 1e-10, math.inf, mean_free=mean_free)


ROWS = (
    _row("regression", library.regression),
    _row("burgers-0.005", library.burgers, viscosity=0.005),
    _row("wave-front-20", wave_front, steepness=20.0),
    _row("wave-front-60", wave_front, steepness=60.0),
    _row("moving-layer-0.05", moving_layer, viscosity=0.05),
    _row("ridge-4d", ridge, steepness=4.0),
    _row("poisson-5d-c", library.poisson_product, dimension=5),
    _row("taylor-green", library.taylor_green, mean_free=(2,)),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Remainder(AbstractCondition):
    """A condition for what is missing to a function: that of the sum. `first`: the function of a point."""

    original: AbstractCondition
    first: Callable[[Array], Array]

    def faces(self, domain: Box) -> tuple[Face, ...] | None:
        return self.original.faces(domain)

    def residual(self, u: Field, x: Float[Array, " d"], normal: Float[Array, " d"]) -> Array:
        return self.original.residual(in_place_of(u, lambda z: self.first(z) + u(z)), x, normal)


@dataclasses.dataclass(frozen=True)
class Run:
    """A run of one way: the seed of all randomness and the seconds that each training may take."""

    row: Row
    seed: int
    seconds: float

    @property
    def key(self) -> Array:
        return jax.random.key(self.seed)

    def trained(self, network: Any, problem: Problem | None = None) -> Solution:
        """A network that is trained. `problem`: left out, that of the row."""
        options = {"stopping": Stopping(seconds=self.seconds), "error_every": 5}
        return sngd.solve(problem or self.problem, network, key=self.key, **options)

    @functools.cached_property
    def problem(self) -> Problem:
        problem = self.row.problem()
        assert isinstance(problem, Problem)
        return problem

    @property
    def named(self) -> str:
        """The network that is trained where the caller names none."""
        return DEFAULT_NETWORK if self.problem.domain.dimension <= 3 else "1x64"

    def frozen(self) -> Solution:
        """Frozen features, as `sngd.solve` chooses them, without what is trained after them."""
        at_training = lambda snapshot, record: isinstance(snapshot, Snapshot)
        options = {"stopping": Stopping(seconds=self.seconds), "callbacks": at_training}
        return sngd.solve(self.problem, key=self.key, **options)

    def handed_over(self, activation: str) -> Solution:
        """All parameters of the network of the best features, from the fitted output layer."""
        return self.trained(sngd.solve(self.problem, self._best(activation), key=self.key).network)

    def _best(self, activation: str) -> Features:
        columns = _COUNT * self.problem.outputs
        choice = FeatureChoice(columns=columns, largest=columns)
        chooser = Chooser(choice, Conditions.of(self.problem, activation), (self.seed,), lambda line: None)
        if activation == "sin":
            return chooser.ranked(insist=False).features
        axes = self.problem.domain.dimension
        listed = [Features((bandwidth,) * axes, _COUNT, activation) for bandwidth in _BANDWIDTHS]
        return min(listed, key=lambda each: chooser.candidate(each, choice.ranking_steps).score)

    def second(self, first: Solution) -> tuple[Solution, Solution]:
        """A solution, and a fresh network for what is missing to it."""
        conditions = [Remainder(each, first.network, weight=each.weight) for each in self.problem.conditions]
        rest = dataclasses.replace(self.problem, conditions=conditions, exact=None)
        return first, self.trained(self.named, rest)


WAYS: dict[str, Callable[[Run], Solution | tuple[Solution, Solution]]] = {
    "frozen features": Run.frozen,
    "fresh network": lambda run: run.trained(run.named),
    f"fresh 1x{_COUNT}": lambda run: run.trained(f"1x{_COUNT}"),
    f"{_COUNT} sin features handed over": lambda run: run.handed_over("sin"),
    f"{_COUNT} tanh features handed over": lambda run: run.handed_over("tanh"),
    "fresh network, then a second one": lambda run: run.second(run.trained(run.named)),
    "frozen features, then a network for the rest": lambda run: run.second(run.frozen()),
}
"""Each solves the problem of a run, by one network or by the sum of two."""


def measure(run: Run, way: str) -> dict[str, Any]:
    """Error and seconds of one way. One that raises an exception is a run that failed."""
    points, before = run.row.grid(), rate()
    gc.collect()
    jax.clear_caches()
    start = time.perf_counter()
    try:
        found = WAYS[way](run)
        seconds = time.perf_counter() - start
        parts = found if isinstance(found, tuple) else (found,)
        values = np.sum([part(points) for part in parts], axis=0)
        error = float(np.max(run.row.errors(values, exact_values(run.problem.exact_solution, points))))
        # A training begins after what precedes it in its way.
        offset = seconds - sum(part.seconds for part in parts)
        made = _outcome(parts, offset) | {"relative_l2": error}
    except Exception as raised:
        made = {"relative_l2": None, "result": f"raised {raised!r}"}
        seconds = time.perf_counter() - start
    return made | {"seconds": seconds, "seed": run.seed, "gflops_before": before} | machine() | revision()


def _outcome(parts: Sequence[Solution], offset: float) -> dict[str, Any]:
    last, history = parts[-1], parts[0].history
    reached = {level: np.flatnonzero(history.error < level)[:1] for level in _LEVELS}
    return {
        "error_estimate": last.error_estimate if math.isfinite(last.error_estimate) else None,
        "result": last.result.value,
        "optimizer": last.optimizer,
        "parameters": sum(part.parameters for part in parts),
        "first_error": float(history.error[0]),
        **{
            f"seconds_to_{level:.0e}": offset + float(history.seconds[at[0]])
            for level, at in reached.items()
            if len(at)
        },
    }


@dataclasses.dataclass(frozen=True)
class Options:
    """Measure all ways. An interrupted measurement goes on where it was."""

    seeds: int = 1
    """The seeds are 0 to this number less one."""
    seconds: float = 45.0
    """The seconds that each training may take."""
    only: str = ""
    """Restrict the measurement to problems whose names contain this text."""
    out: Path = RESULTS
    """The folder for the results and the table."""


def growth(options: Options, report: Callable[[str], None]) -> str:
    """Run what is missing and return the table, which is written after every run."""
    path, text = options.out / "growth.json", ""
    prepare_folder(options.out)
    cells = Cells(path, report)
    for seed in range(options.seeds):
        for row in ROWS:
            for way in WAYS if options.only in row.name else ():
                cells.run(
                    f"{row.name}, {way}, seed {seed}", functools.partial(measure, Run(row, seed, options.seconds), way)
                )
                text = tabulate(cells.results)
                path.with_suffix(".md").write_text(text + "\n")
    return text


def tabulate(results: dict[str, dict[str, Any]]) -> str:
    """A Markdown table, a line for each problem and way."""
    levels = " | ".join(f"seconds to {level:.0e}" for level in _LEVELS)
    lines = [
        f"| problem | way | parameters | errors | seconds | {levels} | result |",
        "|---" * (6 + len(_LEVELS)) + "|",
    ]
    for row in ROWS:
        for way in WAYS:
            found = [run for name, run in results.items() if name.startswith(f"{row.name}, {way}, seed")]
            if found:
                lines.append(_line(row.name, way, found))
    return "\n".join(lines)


def _line(name: str, way: str, runs: Sequence[dict[str, Any]]) -> str:
    errors = ", ".join("-" if run["relative_l2"] is None else f"{run['relative_l2']:.1e}" for run in runs)
    seconds = ", ".join(f"{run['seconds']:.0f}" for run in runs)
    reached = [
        ", ".join(f"{run[key]:.0f}" if (key := f"seconds_to_{level:.0e}") in run else "-" for run in runs)
        for level in _LEVELS
    ]
    results = ", ".join(run["result"] for run in runs)
    parameters = str(runs[0].get("parameters", "-"))
    return f"| {' | '.join([name, way, parameters, errors, seconds, *reached, results])} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the table. Returns the exit status: 2 for bad input, 130 for Ctrl-C."""
    options = tyro.cli(Options, prog="python -m benchmarks growth", args=arguments)
    jax.config.update("jax_enable_x64", True)
    try:
        print(growth(options, Console(stderr=True).print))
    except ValueError as error:
        print(f"benchmarks: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("benchmarks: interrupted; finished runs are kept", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
