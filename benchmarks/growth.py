"""Where frozen features stall: fresh networks, features handed over to a training, and a second network for the rest.

    python -m benchmarks growth [--only front] [--seconds 25]

Every way gets the same seconds of the processor for each training, so that other processes do not matter; what was
compiled is forgotten before each. Results are kept in `results/growth.json` after every run, and an interrupted
measurement goes on where it was.
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
from benchmarks.cells import Cells, print_table
from benchmarks.machine import RESULTS, machine, revision
from benchmarks.rows import Row
from benchmarks.table import exact_values
from sngd import library
from sngd.features import Chooser, Conditions, FeatureChoice, Features
from sngd.files import prepare_folder
from sngd.geometry import AbstractRegion, Piece
from sngd.problem import AbstractCondition, Field, Problem, in_place_of
from sngd.solver import DEFAULT_NETWORK, Record, Snapshot, Solution

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

    def faces(self, domain: AbstractRegion) -> tuple[Piece, ...] | None:
        return self.original.faces(domain)

    def residual(self, u: Field, x: Float[Array, " d"], normal: Float[Array, " d"]) -> Array:
        return self.original.residual(in_place_of(u, lambda z: self.first(z) + u(z)), x, normal)


@dataclasses.dataclass(frozen=True)
class Run:
    """A run of one way.

    - `seed`: of all randomness. `seconds`: of the processor, for each training. `begin`: the clock at the start.
    - `errors`: seconds of the processor since the start, and the error then.
    """

    row: Row
    seed: int
    seconds: float
    begin: float = dataclasses.field(default_factory=time.process_time)
    errors: list[tuple[float, float]] = dataclasses.field(default_factory=list)

    @property
    def key(self) -> Array:
        return jax.random.key(self.seed)

    def trained(self, network: Any, problem: Problem | None = None) -> Solution:
        """A network that is trained. `problem`: left out, that of the row."""
        end = time.process_time() + self.seconds

        def ends(snapshot: Any, record: Record) -> bool:
            self._observe(record)
            return time.process_time() > end

        return sngd.solve(problem or self.problem, network, key=self.key, callbacks=ends, error_every=5)

    def _observe(self, record: Record) -> None:
        if math.isfinite(record.error):
            self.errors.append((time.process_time() - self.begin, record.error))

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

        def ends(snapshot: Any, record: Record) -> bool:
            self._observe(record)
            return isinstance(snapshot, Snapshot) or time.process_time() - self.begin > self.seconds

        return sngd.solve(self.problem, key=self.key, callbacks=ends)

    def handed_over(self, activation: str) -> Solution:
        """All parameters of the network of the best features, from the fitted output layer, on twice as many points as
        there are parameters: on half as many, the default, it fits its points only.
        """
        found = sngd.solve(self.problem, self._best(activation), key=self.key)
        return self.trained(found.network, self.problem.with_points(2 * found.parameters))

    def _best(self, activation: str) -> Features:
        columns = _COUNT * self.problem.outputs
        choice = FeatureChoice(columns=columns, largest=columns, largest_space=columns)
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
    "fresh network, and a second one for the rest": lambda run: run.second(run.trained(run.named)),
    f"{_COUNT} sin features handed over": lambda run: run.handed_over("sin"),
    f"{_COUNT} tanh features handed over": lambda run: run.handed_over("tanh"),
}
"""Each solves the problem of a run, by one network or by the sum of two."""


def measure(row: Row, seed: int, budget: float, way: str) -> dict[str, Any]:
    """Error and seconds of one way. One that raises an exception is a run that failed."""
    points = row.grid()
    gc.collect()
    jax.clear_caches()
    run, began = Run(row, seed, budget), time.perf_counter()
    try:
        found = WAYS[way](run)
        parts = found if isinstance(found, tuple) else (found,)
        exact = exact_values(run.problem.exact_solution, points)
        errors = lambda values: float(np.max(row.errors(values, exact)))
        made = {
            "relative_l2": errors(np.sum([part(points) for part in parts], axis=0)),
            "first_relative_l2": errors(parts[0](points)),
            "result": parts[-1].result.value,
            "optimizer": parts[-1].optimizer,
            "parameters": sum(part.parameters for part in parts),
            "processor_seconds": time.process_time() - run.begin,
            "errors": run.errors,
        }
    except Exception as raised:
        made = {"relative_l2": None, "result": f"raised {raised!r}", "errors": run.errors}
    seconds = time.perf_counter() - began
    return made | {"seconds": seconds, "seed": seed, "budget": budget} | machine() | revision()


@dataclasses.dataclass(frozen=True)
class Options:
    """Measure all ways. An interrupted measurement goes on where it was."""

    seeds: int = 1
    """The seeds are 0 to this number less one."""
    seconds: float = 25.0
    """The seconds of the processor that each training may take."""
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
                make = functools.partial(measure, row, seed, options.seconds, way)
                cells.run(f"{row.name}, {way}, seed {seed}", make)
                text = tabulate(cells.results)
                path.with_suffix(".md").write_text(text + "\n")
    return text


def tabulate(results: dict[str, dict[str, Any]]) -> str:
    """A Markdown table, a line for each run, and where it was measured."""
    levels = " | ".join(f"to {level:.0e}" for level in _LEVELS)
    lines = [
        f"| problem | way | seed | parameters | error | of the first part | seconds of the processor | {levels} |",
        "|---" * (7 + len(_LEVELS)) + "|",
    ]
    for row in ROWS:
        for way in WAYS:
            prefix = f"{row.name}, {way}, seed"
            lines.extend(_line(row.name, way, run) for name, run in results.items() if name.startswith(prefix))
    runs = list(results.values())
    listed = lambda texts: "; ".join(sorted(set(texts)))
    commits = listed(f"{run['commit'][:7]}{' with changes' if run['dirty'] else ''}" for run in runs)
    places = listed(f"{run['processor']}, {run['cores']} cores, {run['versions']}" for run in runs)
    budgets = listed(f"{run['budget']:.0f}" for run in runs)
    return "\n".join(lines) + (
        f"\n\n`python -m benchmarks growth --seconds {budgets}`, {places}; commit {commits}; "
        f"{listed(run['date'] for run in runs)}."
    )


def _line(name: str, way: str, run: dict[str, Any]) -> str:
    if run["relative_l2"] is None:
        return f"| {name} | {way} | {run['seed']} | {run['result']} |"
    first = [next((f"{seconds:.0f} s" for seconds, error in run["errors"] if error < level), "-") for level in _LEVELS]
    errors = [f"{run['relative_l2']:.1e}", f"{run['first_relative_l2']:.1e}"]
    numbers = [str(run["seed"]), str(run["parameters"]), *errors, f"{run['processor_seconds']:.0f} s"]
    return f"| {' | '.join([name, way, *numbers, *first])} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the table. Returns the exit status: 2 for bad input, 130 for Ctrl-C."""
    options = tyro.cli(Options, prog="python -m benchmarks growth", args=arguments)
    jax.config.update("jax_enable_x64", True)
    return print_table(lambda: growth(options, Console(stderr=True).print))


if __name__ == "__main__":
    sys.exit(main())
