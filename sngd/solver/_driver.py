"""The driver of a run: it makes the steps, keeps the clock, writes the checkpoints and asks the policies."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd._arrays import on_device
from sngd._history import Record
from sngd._results import Result
from sngd.solver._checkpoints import RunCheckpoints
from sngd.solver._compilation import CompilationCounter
from sngd.solver._devices import agreed, whole_on
from sngd.solver._interrupts import Interrupt
from sngd.solver._iterate import Iterate, StepReport
from sngd.solver._pace import Pace
from sngd.solver._run import Run
from sngd.solver._state import Counters, RoundOutcome, RunState
from sngd.solver._step import values_of
from sngd.solver._verdict import describe_nonfinite

# Steps in a row that lead to numbers that are not finite, and by how much the parameters are changed after each.
_REJECTED, _NUDGE = 3, 1e-6


class Snapshot:
    """What a callback sees of a run after an iteration.

    - `iterate`: the parameters, the key, and the state of the optimizer.
    - `records`: the records of the run up to now, those before a checkpoint included.
    """

    def __init__(self, run: Run, iterate: Iterate, records: Sequence[Record]):
        self._run, self.iterate, self.records = run, iterate, records

    @property
    def theta(self) -> Float[Array, " p"]:
        """The parameters, shape `(p,)`."""
        return self.iterate.theta

    @property
    def iteration(self) -> int:
        """How many steps have been made in this attempt."""
        return int(self.iterate.iteration)

    @property
    def network(self) -> Callable:
        """The network with these parameters."""
        return self._run.objective.trial.network(self.iterate.theta)

    def residual(self) -> Float[np.ndarray, " n"]:
        """The weighted residuals of all conditions at the points of the run, one after the other."""
        return np.asarray(values_of(self._run.objective, self.iterate.theta)[1])


Callback = Callable[[Snapshot, Record], Any]
"""Called after every iteration. A run ends with the result "stopped" where a callback returns `True`."""


class _NonFiniteError(ArithmeticError):
    """Several steps in a row led to numbers that are not finite."""


class _CallbackError(Exception):
    """A callback raised `error`."""

    def __init__(self, error: Exception):
        self.error = error


class Driver:
    """Takes a run from its first state to its outcome.

    - `run`: on the points of the present round. `state`: of the run after its last step, once there is one.
    - `raised`: the exception of a callback that ended the run.
    """

    def __init__(
        self,
        run: Run,
        *,
        callbacks: Sequence[Callback],
        error_every: int,
        start: float,
        interrupt: Interrupt,
        compilations: CompilationCounter,
        rate: float,
    ):
        """`start`: when the run began. `rate`: floating-point operations a second, as measured."""
        self.run, self.raised = run, None
        self._callbacks, self._error_every, self._interrupt = callbacks, error_every, interrupt
        self._start, self._compilations, self._rate = start, compilations, rate
        self._pace, self._reported = Pace(run.step_seconds(rate)), 0
        self._checkpoints: RunCheckpoints | None = None

    def solve(self, theta: Float[Array, " p"], checkpoints: RunCheckpoints | None) -> tuple[RunState, RoundOutcome]:
        """Train from the parameters `theta`, or go on from a checkpoint, to the last state and the best outcome.

        Raises `ValueError` for checkpoints that are not of this run.
        """
        self._checkpoints = checkpoints
        if checkpoints is not None and checkpoints.resumes:
            state = self._resumed(checkpoints, theta)
        else:
            state = self._first_of_round(theta, self.run.key, Counters(rate=self._rate), (), None)
        while True:
            state, ended, outcome = self._round(state)
            following = self._more_points(state, outcome) if ended is Result.STAGNATED else None
            if following is None:
                best, result = _better(state.best, outcome), outcome.verdict.result
                if result.may_resume:
                    return state, RoundOutcome(best.theta, dataclasses.replace(best.verdict, result=result))
                if self.run.start is None or not self.run.policies.restart.restarts(self.run, state, best):
                    return state, best
                following = self._next_attempt(state, best, dataclasses.replace(state.counters, round=0))
            state = following

    def _round(self, state: RunState) -> tuple[RunState, Result, RoundOutcome]:
        """Step until something ends the round; the parameters are always those of a step that was completed.

        Returns the last state, what ended the round, and its outcome.
        """
        detail = ""
        try:
            stopped = self._report(state)
            while (ended := Result.STOPPED if stopped else self._ending(state)) is None:
                state = self._advanced(state)
                stopped = self._report(state)
                if self._checkpoints is not None and self._checkpoints.due:
                    self._checkpoints.write(state)
        except KeyboardInterrupt:
            ended = Result.INTERRUPTED
        except _CallbackError as error:
            ended, self.raised = Result.INTERRUPTED, error.error
        except _NonFiniteError as error:
            ended, detail = Result.NON_FINITE, str(error)
        if ended.may_resume and self._checkpoints is not None:
            self._checkpoints.write(state)
        return state, ended, self.run.outcome(state, ended, detail)

    def _ending(self, state: RunState) -> Result | None:
        """How the round ends now, or `None` where it goes on."""
        ended = self.run.policies.stop.result(self.run, state)
        if ended is None and agreed(self.run.objective.mesh, self._interrupt.requested):
            return Result.INTERRUPTED
        return ended

    def _advanced(self, state: RunState) -> RunState:
        """The state after one more step. Raises `_NonFiniteError` for several in a row to numbers that are not."""
        run, stall, increases = self.run, state.stall, False
        optimizer_state = state.iterate.optimizer
        if state.report is not None:
            allowed = run.policies.nonmonotone.bound(state)
            if allowed is None:
                following = run.optimizer.adapt(optimizer_state, state.report)
            else:
                (bound, stall), increases = allowed, True
                following = run.optimizer.allow_increase(optimizer_state, state.report, bound)
            optimizer_state = self._that_fits(optimizer_state, following)
        began, compilations = time.perf_counter(), self._compilations.count
        before = dataclasses.replace(state.iterate, optimizer=optimizer_state)
        iterate, report = jax.block_until_ready(run.optimizer.step(run.objective, before))
        if self._compilations.count == compilations:
            self._pace.after_step(time.perf_counter() - began)
        report = jax.tree.map(_plain, agreed(run.objective.mesh, jax.device_get(report)))
        if not (math.isfinite(report.loss) and math.isfinite(report.gradient_norm)):
            return self._nudged(state, iterate.theta)
        return self._observed(state, iterate, report, stall, increases=increases)

    def _observed(
        self, state: RunState, iterate: Iterate, report: StepReport, stall: Any, *, increases: bool
    ) -> RunState:
        """The state after a step to `iterate`. `increases`: whether the step was allowed to raise the loss."""
        counters, gap, lowest = state.counters, float(report.optimality_gap), state.lowest
        counters = dataclasses.replace(
            counters,
            rejected=0,
            initial_gap=gap if math.isnan(counters.initial_gap) else counters.initial_gap,
            predicted_seconds=counters.predicted_seconds + self.run.step_seconds(counters.rate),
            compile_seconds=counters.compile_seconds + self._compilations.taken(),
        )
        if stall is not None:
            # The gap of an energy is that before the step, so after an increase it says nothing of the new iterate.
            before = increases and not self.run.objective.has_known_minimum
            lowest = (state.iterate if before else iterate) if gap < stall.lowest else lowest
            stall = self.run.policies.nonmonotone.observe(stall, gap, no_step=float(report.step_size) == 0)
        records = (*state.records, self._record(state.records[-1].iteration + 1, iterate, report))
        return RunState(iterate, lowest, counters, records, report, stall, state.best)

    def _that_fits(self, present: Any, following: Any) -> Any:
        """The next state of the optimizer. If a step with its new sizes, such as a larger sketch, would not fit into
        the memory, the present sizes are kept.
        """
        arrays, sizes = eqx.partition(following, eqx.is_array)
        present_sizes = eqx.filter(present, eqx.is_array, inverse=True)
        if jax.tree.leaves(sizes) == jax.tree.leaves(present_sizes) or self.run.fits(following):
            return following
        return eqx.combine(arrays, present_sizes)

    def _nudged(self, state: RunState, reached: Float[Array, " p"]) -> RunState:
        """The state that replaces a step to `reached`, which was not finite: the parameters before the step with a
        small random change, a new key, and a new state of the optimizer.

        Raises `_NonFiniteError` after several such steps in a row.
        """
        run, iterate, rejected = self.run, state.iterate, state.counters.rejected
        if rejected == _REJECTED:
            residual = describe_nonfinite(run.objective, reached) if bool(jnp.all(jnp.isfinite(reached))) else ""
            raise _NonFiniteError(residual or "the derivatives by the parameters, or the step, are not finite")
        key, noise_key = jax.random.split(iterate.key)
        theta = iterate.theta * (1 + _NUDGE * jax.random.normal(noise_key, iterate.theta.shape, iterate.theta.dtype))
        # A fresh state: the present one may hold what led there.
        fresh = run.optimizer.init(run.objective, theta)
        nudged = dataclasses.replace(iterate, theta=theta, key=key, optimizer=fresh)
        return dataclasses.replace(state, iterate=nudged, report=None).counting(rejected=rejected + 1)

    def _more_points(self, state: RunState, outcome: RoundOutcome) -> RunState | None:
        """The first state of a round on more points, where one is called for.

        It goes on from where the last one ended; where that was far from any solution, from other initial parameters: a
        network that fits the points only oscillates between them.
        """
        refine = self.run.policies.refine
        if not refine.refines(self.run, state, outcome):
            return None
        run = self.run.on_points_of(refine.points(self.run.problem), outcome.theta)
        if run is None:
            return None
        counters = state.counters
        finer = dataclasses.replace(counters, round=counters.round + 1, refinements=counters.refinements + 1)
        again = run.start is not None and run.policies.restart.is_wrong(run, state, outcome)
        self._move_to(run)
        if again:
            return self._next_attempt(state, _better(state.best, outcome), finer)
        finer = dataclasses.replace(finer, first=len(state.records) - 1, rejected=0)
        iterate, _ = state.reached
        return self._first_of_round(iterate.theta, iterate.key, finer, state.records, state.best, iterate.iteration)

    def _next_attempt(self, state: RunState, best: RoundOutcome, counters: Counters) -> RunState:
        """The first state from other initial parameters; they count as an iteration."""
        run = self.run
        assert run.start is not None
        key = jax.random.fold_in(run.key, counters.attempt)
        theta = whole_on(run.objective.mesh, run.start.again(run.objective, best.theta, key))
        loss = run.loss_at_start(theta)
        record = Record(state.records[-1].iteration + 1, loss, seconds=self.seconds)
        counters = dataclasses.replace(
            counters, attempt=counters.attempt + 1, first=len(state.records), rejected=0, initial_gap=math.nan
        )
        return self._first_of_round(theta, key, counters, (*state.records, record), best)

    def _first_of_round(
        self,
        theta: Float[Array, " p"],
        key: Array,
        counters: Counters,
        records: tuple[Record, ...],
        best: RoundOutcome | None,
        iteration: Any = 0,
    ) -> RunState:
        """The state before the first step on the present points."""
        run, loss = self.run, self.run.loss_at_start(theta)
        gap = loss if run.objective.has_known_minimum else math.inf
        if math.isfinite(gap) and math.isnan(counters.initial_gap):
            counters = dataclasses.replace(counters, initial_gap=gap)
        if not records:
            records = (Record(0, loss, run.error(theta), seconds=self.seconds),)
        iterate = run.optimizer.first_iterate(run.objective, theta, key)
        iterate = dataclasses.replace(iterate, iteration=on_device(iteration))
        stall = run.policies.nonmonotone.begin(gap) if run.optimizer.allows_increase else None
        return RunState(iterate, iterate, counters, records, None, stall, best)

    def _move_to(self, run: Run) -> None:
        """Go on with another run of the same problem."""
        self.run, self._pace = run, Pace(run.step_seconds(self._rate))

    def _resumed(self, checkpoints: RunCheckpoints, theta: Float[Array, " p"]) -> RunState:
        """The state of the last checkpoint, with the run on its points."""
        mesh = self.run.objective.mesh
        template = whole_on(mesh, self.run.optimizer.first_iterate(self.run.objective, theta, self.run.key))
        state = checkpoints.read(template)
        self._reported, self._rate = len(state.records), state.counters.rate
        self._start = time.perf_counter() - state.records[-1].seconds
        for _ in range(state.counters.refinements):
            run = self.run.on_points_of(self.run.policies.refine.points(self.run.problem), theta)
            if run is None:
                raise ValueError("the points of the checkpoint do not fit into the memory any more; give it more")
            self._move_to(run)
        return state

    def _record(self, iteration: int, iterate: Iterate, report: StepReport) -> Record:
        measured = iteration == self.run.stopping.most_iterations or iteration % self._error_every == 0
        return Record(
            iteration,
            float(report.loss),
            self.run.error(iterate.theta) if measured else math.nan,
            float(report.gradient_norm),
            float(report.step_size),
            int(report.rank),
            self.seconds,
        )

    def _report(self, state: RunState) -> bool:
        """Tell the callbacks of a record that they have not seen; whether one of them ends the run.

        Raises `_CallbackError` where one raises.
        """
        if len(state.records) == self._reported:
            return False
        self._reported, stopped = len(state.records), False
        snapshot = Snapshot(self.run, state.iterate, tuple(state.records))
        for callback in self._callbacks:
            try:
                answer = callback(snapshot, state.records[-1])
            except Exception as error:
                raise _CallbackError(error) from error
            stopped |= isinstance(answer, bool | np.bool_) and bool(answer)
        return bool(agreed(self.run.objective.mesh, stopped))

    @property
    def compilations(self) -> int:
        """How many functions this process has compiled for the run."""
        return self._compilations.count

    def compile_seconds(self, state: RunState) -> float:
        """What compilations have taken up to now, in this process and in those that wrote the checkpoints."""
        return state.counters.compile_seconds + self._compilations.taken()

    @property
    def seconds(self) -> float:
        """Since the start of training, what it took before a checkpoint included."""
        return float(agreed(self.run.objective.mesh, time.perf_counter() - self._start))


def _better(best: RoundOutcome | None, outcome: RoundOutcome) -> RoundOutcome:
    """The outcome with the smaller estimated error; the first one where they are equal."""
    if best is None or outcome.verdict.diagnosis.error < best.verdict.diagnosis.error:
        return outcome
    return best


def _plain(number: Any) -> Any:
    """A number on the host as one of Python."""
    return number.item() if isinstance(number, np.ndarray | np.generic) else number
