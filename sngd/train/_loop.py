"""The loop."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from sngd._results import Result
from sngd.linearize import AbstractObjective, make_objective
from sngd.networks import make_network
from sngd.problem import AbstractProblem
from sngd.train._compilation import CompilationCounter
from sngd.train._history import Record, collect
from sngd.train._optimizer import Optimizer, find_optimizer
from sngd.train._solution import Solution, error_points, evaluate_in_chunks, relative_difference
from sngd.train._step import TrainState, initial_values, take_step
from sngd.train._stopping import Stopping
from sngd.train._threads import share_cores_with_lapack

Callback = Callable[[TrainState, Record], None]

_NETWORK = "4x20"


def solve(
    problem: AbstractProblem,
    network: Callable | str = _NETWORK,
    *,
    key: PRNGKeyArray,
    optimizer: Optimizer | str = "two-pass",
    stopping: Stopping | None = None,
    callbacks: Sequence[Callback] = (),
    error_every: int = 10,
) -> Solution:
    """Train `network` to solve `problem`.

    - `network`: a callable PyTree with float64 parameters, or a text such as `"4x20"` or `"2-64-64-1"` for an `MLP`.
    - `key`: the source of all randomness, from `jax.random.key(seed)`: the network, where it is given as a text, and
      the sketches. The same key gives the same run, bit for bit, on the same machine.
    - `optimizer`: a descent with a search, or a name in `OPTIMIZERS`.
    - `stopping`: the budget and other ends; 1000 iterations if left out.
    - `callbacks`: called after every iteration (and once before the first) with the state and a `Record`. They may
      raise `KeyboardInterrupt` to end the run.
    - `error_every`: how often the error is measured, in iterations, where the problem has an exact solution.

    An interrupt (Ctrl-C) ends the run with what it has reached. Bad input raises `TypeError` or `ValueError` before the
    step is compiled: a residual of the wrong shape or with values that are not finite, float32 parameters, a sketch
    larger than the factor.
    """
    _require_float64()
    network_key, train_key = jax.random.split(key)
    if isinstance(network, str):
        network = make_network(network, problem.domain.bounds, problem.outputs, key=network_key)
    label = optimizer if isinstance(optimizer, str) else _describe(optimizer)
    optimizer = find_optimizer(optimizer) if isinstance(optimizer, str) else optimizer
    stopping = stopping or Stopping()
    if error_every < 1:
        raise ValueError(f"error_every is {error_every}; it must be at least 1")
    objective, theta = make_objective(problem, network)
    descent = optimizer.descent.prepare(objective.rows, len(theta))

    start, compilations = time.perf_counter(), CompilationCounter()
    run = _Run(problem, objective, Optimizer(descent, optimizer.search), callbacks, error_every, start)
    state = TrainState(theta, train_key, jnp.zeros((), int))
    with share_cores_with_lapack():
        state, result = run.train(state, stopping)
    return Solution(
        problem=problem,
        network=objective.trial.network(state.theta),
        result=result,
        history=collect(run.records),
        optimizer=label,
        parameters=len(theta),
        rows=objective.rows,
        seconds=time.perf_counter() - start,
        compile_seconds=run.compile_seconds,
        compilations=compilations.count,
    )


@dataclasses.dataclass
class _Run:
    """One run of the loop, with what it accumulates on the host."""

    problem: AbstractProblem
    objective: AbstractObjective
    optimizer: Optimizer
    callbacks: Sequence[Callback]
    error_every: int
    start: float
    records: list[Record] = dataclasses.field(default_factory=list)
    compile_seconds: float = 0.0

    def train(self, state: TrainState, stopping: Stopping) -> tuple[TrainState, Result]:
        """Step until something ends the run; the state is always one whose step was completed."""
        measure_error = self._error_measure()
        descent, search = self.optimizer.descent, self.optimizer.search
        self._report(state, Record(0, self._timed(self._initial_loss, state), measure_error(state)))
        try:
            while (result := stopping.ending(self.records, self.objective.lower_bound)) is None:
                new_state, info = self._timed(take_step, self.objective, descent, search, state)
                info = jax.device_get(info)
                if not math.isfinite(info.loss):
                    return state, Result.NON_FINITE
                state = new_state
                iteration = self.records[-1].iteration + 1
                descent = descent.adapt(int(info.rank), int(info.numerical_rank))
                last = iteration == stopping.iterations
                error = measure_error(state) if last or iteration % self.error_every == 0 else math.nan
                record = Record(
                    iteration,
                    float(info.loss),
                    error,
                    float(info.gradient_norm),
                    float(info.step_size),
                    int(info.rank),
                )
                self._report(state, record)
        except KeyboardInterrupt:
            result = Result.INTERRUPTED
        return state, result

    def _report(self, state: TrainState, record: Record) -> None:
        record = dataclasses.replace(record, seconds=time.perf_counter() - self.start)
        self.records.append(record)
        for callback in self.callbacks:
            callback(state, record)

    def _timed(self, function: Callable, *arguments):
        """Call `function`, and count its time as compilation if it compiled anything."""
        counter, start = CompilationCounter(), time.perf_counter()
        result = jax.block_until_ready(function(*arguments))
        if counter.count:
            self.compile_seconds += time.perf_counter() - start
        return result

    def _initial_loss(self, state: TrainState) -> float:
        """The loss at the start. Raises `ValueError` that names the first point where a residual is not finite."""
        loss, values = initial_values(self.objective, state.theta)
        for term, value in zip(self.objective.value_terms, values, strict=True):
            bad = np.flatnonzero(~np.isfinite(np.asarray(value)))
            if len(bad):
                point = np.asarray(term.points)[bad[0] // term.components]
                raise ValueError(
                    f"the residual of {term.label} is {value[bad[0]]} at the point {point.tolist()} for the initial "
                    f"network, and not finite at {len(bad)} of {term.rows} rows; check it for divisions by zero and "
                    "functions outside their domain, or move the points"
                )
        return float(loss)

    def _error_measure(self) -> Callable[[TrainState], float]:
        if self.problem.exact is None:
            return lambda state: math.nan
        points = error_points(self.problem)
        exact = evaluate_in_chunks(self.problem.exact, points)
        network = self.objective.trial.network
        return lambda state: relative_difference(evaluate_in_chunks(network(state.theta), points), exact)


def _describe(optimizer: Optimizer) -> str:
    return f"{type(optimizer.descent).__name__} with {type(optimizer.search).__name__}"


def _require_float64() -> None:
    if not jax.config.read("jax_enable_x64"):
        raise TypeError(
            "JAX runs in float32; natural gradients need float64. Call jax.config.update('jax_enable_x64', True) "
            "before anything else, or set the environment variable JAX_ENABLE_X64=1"
        )
