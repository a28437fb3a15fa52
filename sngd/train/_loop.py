"""The loop."""

import dataclasses
import functools
import logging
import math
import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from sngd._results import Result
from sngd.linearize import AbstractObjective, make_objective
from sngd.networks import MLP, make_network
from sngd.problem import AbstractProblem
from sngd.train._compilation import CompilationCounter
from sngd.train._devices import agreed, mesh_of, on_one_device, require_points, whole_on
from sngd.train._frequencies import Frequencies
from sngd.train._history import Record, collect
from sngd.train._optimizer import AbstractOptimizer
from sngd.train._plan import AUTO, limits_for, machine_bytes, make_plan
from sngd.train._solution import Solution, error_points, evaluate_in_chunks, relative_difference
from sngd.train._start import suitable_start
from sngd.train._step import TrainState, values_of
from sngd.train._stopping import Stopping
from sngd.train._threads import share_cores_with_lapack
from sngd.train._valley import Valley
from sngd.train._verdict import Diagnosis, examine, exhausted, judge, refined

# A run that is stuck with an estimated relative error above this has not found the solution.
_WRONG = 1e-3

# Ends of the whole run, whichever start it is at.
_FROM_OUTSIDE = (Result.INTERRUPTED, Result.ITERATIONS_EXHAUSTED, Result.SECONDS_EXHAUSTED)

_LOG = logging.getLogger("sngd")

Callback = Callable[[TrainState, Record], None]

_NETWORK = "4x20"


def solve(
    problem: AbstractProblem,
    network: Callable | str = _NETWORK,
    *,
    key: PRNGKeyArray,
    optimizer: AbstractOptimizer | str = AUTO,
    stopping: Stopping | None = None,
    callbacks: Sequence[Callback] = (),
    error_every: int = 10,
    memory: float | None = None,
    devices: int = 1,
) -> Solution:
    """Train `network` to solve `problem`.

    - `network`: a callable PyTree with float64 parameters, or a text such as `"4x20"` or `"2-64-64-1"` for an `MLP`.
    - `key`: the source of all randomness, from `jax.random.key(seed)`: the network, where it is given as a text, and
      the sketches. The same key gives the same run, bit for bit, on the same machine.
    - `optimizer`: an `Optimizer` of a descent and a search, or a name in `OPTIMIZERS`; left out, the one that suits the
      size of the problem and the network.
    - `stopping`: the budget and other ends; 1000 iterations if left out.
    - `callbacks`: called after every iteration (and once before the first) with the state and a `Record`. They may
      raise `KeyboardInterrupt` to end the run.
    - `error_every`: how often the error is measured, in iterations, where the problem has an exact solution.
    - `memory`: bytes that the run may take, as predicted; left out, those of the machine.
    - `devices`: how many devices divide the points between them; all there are, `jax.device_count()`, where several
      processes solve one problem (docs/devices.md).

    The plan, with what it is predicted to take, goes to the logger `sngd` before the first step is compiled.

    An interrupt (Ctrl-C) ends the run with what it has reached. Bad input raises `TypeError` or `ValueError` before the
    step is compiled: a residual of the wrong shape or with values that are not finite, float32 parameters, a sketch
    larger than the factor, an optimizer that does not fit into the memory, more devices than there are.
    """
    _require_float64()
    mesh = mesh_of(devices)
    start, compilations = time.perf_counter(), CompilationCounter()
    network_key, train_key = jax.random.split(key)
    architecture = network if isinstance(network, str) else None
    if isinstance(network, str):
        network = _make(network, problem, network_key, None)
    if error_every < 1:
        raise ValueError(f"error_every is {error_every}; it must be at least 1")
    memory = agreed(mesh, machine_bytes() if memory is None else memory)
    objective, theta = make_objective(problem, network, limits_for(memory), mesh)
    require_points(objective, mesh)
    theta, train_key = whole_on(mesh, (theta, train_key))
    problem = problem.with_points(len(theta))
    plan = make_plan(objective, theta, optimizer, memory)
    _LOG.info("%s", plan)
    optimizer = plan.optimizer
    stopping = stopping or Stopping()
    if stopping.patience is None:
        stopping = dataclasses.replace(stopping, patience=optimizer.patience)
    check_key = jax.random.fold_in(train_key, 0)
    begin = None if architecture is None else functools.partial(_start, architecture, problem)
    run = _Run(problem, objective, optimizer, callbacks, error_every, check_key, start, begin, memory)
    with share_cores_with_lapack():
        run.check_start(theta)
        if begin is not None:
            theta = whole_on(mesh, begin(objective, network_key))
        end = run.solve(TrainState(theta, train_key, jnp.zeros((), int)), stopping)
    return Solution(
        problem=problem,
        network=end.objective.trial.network(on_one_device(end.state.theta)),
        result=end.result,
        loss=float(values_of(end.objective, end.state.theta)[0]),
        history=collect(run.records),
        optimizer=plan.label,
        parameters=len(theta),
        rows=end.objective.rows,
        seconds=time.perf_counter() - start,
        compile_seconds=run.compile_seconds,
        compilations=compilations.count,
        validation_loss=end.diagnosis.between,
        error_estimate=end.diagnosis.error,
    )


@dataclasses.dataclass(frozen=True)
class _End:
    """Where a run ended, and on which points."""

    state: TrainState
    result: Result
    diagnosis: Diagnosis
    objective: AbstractObjective


@dataclasses.dataclass
class _Run:
    """One run of the loop, with what it accumulates on the host."""

    problem: AbstractProblem
    objective: AbstractObjective
    optimizer: AbstractOptimizer
    callbacks: Sequence[Callback]
    error_every: int
    key: PRNGKeyArray
    start: float
    begin: Callable[[AbstractObjective, PRNGKeyArray], Float[Array, " p"]] | None
    memory: float
    records: list[Record] = dataclasses.field(default_factory=list)
    compile_seconds: float = 0.0
    initial_loss: float = math.nan
    resumed: int = 0

    def solve(self, state: TrainState, stopping: Stopping) -> _End:
        """Train; where that gets stuck with a wrong solution, start again. Returns the best end."""
        best = self.refine(state, stopping)
        for attempt in range(stopping.restarts):
            stuck = best.result is Result.STAGNATED and self.optimizer.can_escape
            if self.begin is None or not stuck or not best.diagnosis.error > _WRONG or self.is_late(stopping):
                break
            key = jax.random.fold_in(state.key, attempt)
            theta = whole_on(self.objective.mesh, self.begin(self.objective, key))
            fresh = dataclasses.replace(state, theta=theta, key=key)
            self.restart(fresh)
            end = self.refine(fresh, stopping)
            if end.diagnosis.error < best.diagnosis.error:
                best = end
            elif end.result in _FROM_OUTSIDE:
                return dataclasses.replace(best, result=end.result)
        return best

    def is_late(self, stopping: Stopping) -> bool:
        """Whether there is no time to do as much again."""
        return self.elapsed() > stopping.seconds / 2

    def elapsed(self) -> float:
        """Seconds since the start."""
        return float(agreed(self.objective.mesh, time.perf_counter() - self.start))

    def restart(self, state: TrainState) -> None:
        """Take note of other initial parameters; they count as an iteration."""
        loss = self.check_start(state.theta)
        self._report(state, Record(self.records[-1].iteration + 1, loss))
        self.initial_loss, self.resumed = loss, len(self.records) - 1

    def refine(self, state: TrainState, stopping: Stopping) -> _End:
        """Train, examine the outcome, and go on with more points where it fits only those it has."""
        for left in reversed(range(stopping.refinements + 1)):
            state, ended = self.train(state, stopping)
            diagnosis = examine(self.problem, self.objective, state, self.key)
            result = judge(ended, diagnosis)
            finer = refined(self.problem)
            stuck = ended is Result.STAGNATED and result is Result.UNRESOLVED
            done = not stuck or not left or self.is_late(stopping)
            if done or finer is None or not self.continue_on(finer, state.theta):
                return _End(state, result, diagnosis, self.objective)
        raise AssertionError("the last round returns")

    def continue_on(self, problem: AbstractProblem, theta: Float[Array, " p"]) -> bool:
        """Go on with these parameters on the points of `problem`; or say that it is too large or not finite there."""
        limits, mesh = self.objective.limits, self.objective.mesh
        objective, theta = make_objective(problem, self.objective.trial.network(theta), limits, mesh)
        try:
            make_plan(objective, theta, self.optimizer, self.memory)
        except ValueError as error:
            _LOG.info("no more points: %s", error)
            return False
        if not math.isfinite(values_of(objective, theta)[0]):
            _LOG.info("no more points: the residual is not finite at some of them")
            return False
        self.objective, self.problem, self.resumed = objective, problem, len(self.records) - 1
        return True

    def train(self, state: TrainState, stopping: Stopping) -> tuple[TrainState, Result]:
        """Step until something ends the run; the state is always one whose step was completed."""
        measure_error = self._error_measure()
        optimizer = self.optimizer.prepare(self.objective.rows, len(state.theta))
        memory = self._timed(optimizer.remember, self.objective, state.theta)
        state = dataclasses.replace(state, memory=memory)
        loss = self._timed(self.check_start, state.theta)
        if not self.records:
            self.initial_loss = loss
            self._report(state, Record(0, loss, measure_error(state)))
        least_squares = math.isfinite(self.objective.lower_bound)
        valley = None
        if optimizer.can_escape and least_squares:
            valley = Valley(state, loss, self.initial_loss)
        info = None
        try:
            while (result := self._ending(stopping, valley)) is None:
                ceiling = valley.escape() if valley is not None and valley.stuck else -math.inf
                if info is not None:
                    optimizer = optimizer.adapt(info, escape=ceiling > -math.inf)
                new_state, info = self._timed(optimizer.step, self.objective, state, ceiling)
                info = agreed(self.objective.mesh, jax.device_get(info))
                if not math.isfinite(info.loss):
                    result = Result.NON_FINITE
                    break
                state = new_state
                iteration = self.records[-1].iteration + 1
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
                if valley is not None:
                    valley.watch(state, record)
        except KeyboardInterrupt:
            result = Result.INTERRUPTED
        return (state if valley is None else valley.best), result

    def _ending(self, stopping: Stopping, valley: Valley | None) -> Result | None:
        """How the run ends now, or `None` where it goes on."""
        if valley is not None and valley.stuck and (valley.hopeless or self._exhausted(valley.best)):
            return Result.STAGNATED
        return stopping.ending(self.records[self.resumed :], self.objective.lower_bound)

    def _exhausted(self, state: TrainState) -> bool:
        """Whether the points have no more to say: the residual is at rounding, or far below that between the points."""
        return exhausted(examine(self.problem, self.objective, state, self.key))

    def _report(self, state: TrainState, record: Record) -> None:
        record = dataclasses.replace(record, seconds=self.elapsed())
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

    def check_start(self, theta: Float[Array, " p"]) -> float:
        """The loss at the start. Raises `ValueError` that names the first point where a residual is not finite."""
        loss, residual = values_of(self.objective, theta)
        ends = np.cumsum([term.rows for term in self.objective.residual_terms])[:-1]
        for term, value in zip(self.objective.residual_terms, np.split(np.asarray(residual), ends), strict=True):
            bad = np.flatnonzero(~np.isfinite(value))
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


def _make(architecture: str, problem: AbstractProblem, key: PRNGKeyArray, frequencies: Frequencies | None) -> MLP:
    return make_network(
        architecture,
        problem.domain.bounds,
        problem.outputs,
        key=key,
        periodic=problem.periodic_axes,
        frequencies=frequencies,
    )


def _start(
    architecture: str, problem: AbstractProblem, objective: AbstractObjective, key: PRNGKeyArray
) -> Float[Array, " p"]:
    make = functools.partial(_make, architecture, problem, key)
    return suitable_start(objective, make, problem.domain.dimension, key=key)


def _require_float64() -> None:
    if not jax.config.read("jax_enable_x64"):
        raise TypeError(
            "JAX runs in float32; natural gradients need float64. Call jax.config.update('jax_enable_x64', True) "
            "before anything else, or set the environment variable JAX_ENABLE_X64=1"
        )
