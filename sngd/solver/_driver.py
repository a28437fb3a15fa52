"""One run: steps, in rounds on finer and finer points, from one start after another."""

import dataclasses
import functools
import logging
import math
import time
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from sngd._history import Record
from sngd._results import Result
from sngd.linearize import AbstractFactor, AbstractObjective, make_objective
from sngd.problem import AbstractProblem
from sngd.solver._checkpoints import CheckpointFolder, Checkpoints, Clock, identify
from sngd.solver._compilation import CompilationCounter
from sngd.solver._determinacy import axes_without_conditions
from sngd.solver._devices import agreed, whole_on
from sngd.solver._interrupts import Interrupt
from sngd.solver._optimizer import AbstractOptimizer
from sngd.solver._pace import Pace
from sngd.solver._plan import bytes_of, make_plan
from sngd.solver._scales import Scales
from sngd.solver._solution import error_points, evaluate_exact, evaluate_in_chunks, relative_difference
from sngd.solver._stability import Stability, stability_of
from sngd.solver._start import AbstractStart, Beginning
from sngd.solver._state import End, Moment, Place, Verdict
from sngd.solver._step import StepInfo, TrainState, values_of
from sngd.solver._stopping import Stopping
from sngd.solver._valley import Valley
from sngd.solver._verdict import (
    Diagnosis,
    below_rounding,
    examine,
    finished,
    judge,
    objective_between,
    refined,
    trouble,
    unresolved,
)

# A run that is stuck with an estimated relative error above this has not found the solution.
_WRONG = 1e-3

# A loss above this part of that of the zero function belongs to no solution.
_FAR = 0.5

# Ends after which other initial parameters may help.
_STUCK = (Result.STAGNATED, Result.RANK_COLLAPSED)

# A numerical rank of this part of the largest possible one leaves a method nowhere to go.
_COLLAPSED = 0.01

# Steps in a row that lead to numbers that are not finite, and by how much the parameters are changed after each.
_REJECTED, _NUDGE = 3, 1e-6

_LOG = logging.getLogger("sngd")

Callback = Callable[[TrainState, Record], None]


class _NonFiniteError(ArithmeticError):
    """Several steps in a row led to numbers that are not finite."""


class _CallbackError(Exception):
    """A callback raised `error`."""

    def __init__(self, error: Exception):
        self.error = error


@dataclasses.dataclass
class Run:
    """One run, with what it accumulates on the host.

    - `problem`, `objective`: on the points of the present round. `begin`: makes other initial parameters, if any can.
    - `key`: the source of its randomness. `start`: when it began. `memory`: bytes it may take.
    - `scales`: of the conditions, by the network before its start. `interrupt`: tells when it has to end.
    - `factor`, `between`: of the present objective, once they are needed: the shapes of its factor, and the same
      problem at other points. `compilations`: since it began, in this process. `pace`: of its steps.
    - `reference`: the initial parameters of the network, before frequencies are chosen.
    - `reported`: how many records the callbacks have seen. `raised`: the exception of a callback that ended the run.
    """

    problem: AbstractProblem
    objective: AbstractObjective
    optimizer: AbstractOptimizer
    stopping: Stopping
    callbacks: Sequence[Callback]
    error_every: int
    key: PRNGKeyArray
    start: float
    begin: AbstractStart | None
    memory: float
    scales: Scales
    interrupt: Interrupt
    compilations: CompilationCounter
    pace: Pace
    reference: Float[Array, " p"]
    records: list[Record] = dataclasses.field(default_factory=list)
    earlier_compile_seconds: float = 0.0
    checkpoints: CheckpointFolder | None = None
    factor: AbstractFactor | None = None
    between: AbstractObjective | None = None
    reported: int = 0
    raised: Exception | None = None

    def first(self, key: PRNGKeyArray) -> Beginning:
        """The parameters to begin with. Raises `ValueError` where the residual is not finite at the start."""
        self.check_start(self.reference)
        if self.begin is None:
            return Beginning(self.reference)
        beginning = self.begin.first(self.objective, self.reference, key)
        return beginning._replace(theta=whole_on(self.objective.mesh, beginning.theta))

    def solve(self, theta: Float[Array, " p"], checkpoints: Checkpoints | None) -> End:
        """Train from the parameters `theta`, or go on from a checkpoint; then return the best end.

        Raises `ValueError` for checkpoints that are not of this run.
        """
        if checkpoints is not None:
            loss = float(values_of(self.objective, self.reference)[0])
            identity = identify(self.problem, self.objective, self.reference, self.optimizer, self.key, loss)
            self.checkpoints = CheckpointFolder(checkpoints, identity)
        if self.checkpoints is not None and self.checkpoints.resumes:
            return self._from(self._resumed(self.checkpoints, theta))
        return self._from(self._first_of_round(Place(), TrainState(theta, self.key, jnp.zeros((), int))))

    def _from(self, moment: Moment) -> End:
        """Go through rounds and attempts; where one gets stuck with a wrong solution, there is another."""
        while True:
            moment, ended, end = self._train(moment)
            following = self._next_round(moment, end) if ended is Result.STAGNATED else None
            if following is not None:
                moment = following
                continue
            best, result = _better(moment.best, end), end.verdict.result
            if best is not end and result.may_resume:
                return End(best.theta, dataclasses.replace(best.verdict, result=result))
            if best.verdict.result not in _STUCK or not self._starts_again(moment.place, best):
                return best
            moment = self._next_attempt(dataclasses.replace(moment.place, round=0), best)

    def _train(self, moment: Moment) -> tuple[Moment, Result, End]:
        """Step until something ends the round; the parameters are always those of a step that was completed.

        Returns the last moment, what ended the round, and the end in the light of what was reached.
        """
        detail = ""
        try:
            self._report(moment)
            while (ended := self._ending(moment)) is None:
                moment = self._step(moment)
                self._report(moment)
                if self.checkpoints is not None and self.checkpoints.due:
                    self._keep(moment)
        except KeyboardInterrupt:
            ended = Result.INTERRUPTED
            del self.records[moment.records :]
        except _CallbackError as error:
            ended, self.raised = Result.INTERRUPTED, error.error
        except _NonFiniteError as error:
            ended, detail = Result.NON_FINITE, str(error)
        if ended.may_resume:
            self._keep(moment)
        return moment, ended, self._end_of_round(moment, ended, detail)

    def _end_of_round(self, moment: Moment, ended: Result, detail: str) -> End:
        """The end of a round in the light of what was reached: how good the solution is, and what it lacks."""
        state, excess = moment.reached
        unusable = ended in (Result.INTERRUPTED, Result.NON_FINITE)
        stability, missing = None if unusable else self._stability(state.theta), ()
        if stability is not None and stability.is_large:
            missing = axes_without_conditions(self.problem, self.objective.trial.field(state.theta))
            stability = dataclasses.replace(stability, lacks_conditions=bool(missing))
            detail = "; ".join(map(str, missing)) or detail
        diagnosis = self._examine(state, excess, stability)
        undetermined = bool(missing) or (stability is not None and stability.is_isolated)
        collapsed = ended is Result.STAGNATED and self._collapsed(moment) and not finished(diagnosis)
        result = Result.RANK_COLLAPSED if collapsed else ended
        far = self._least_squares and diagnosis.fitted > _FAR * self.scales.loss and not self.scales.is_homogeneous
        result = judge(result, diagnosis, self._error(state.theta), undetermined=undetermined, far=far)
        return End(state.theta, Verdict(result, diagnosis, detail))

    def _step(self, moment: Moment) -> Moment:
        """The moment after one more step. Raises `_NonFiniteError` for several in a row to numbers that are not."""
        valley, optimizer, ceiling = moment.valley, moment.optimizer, -math.inf
        escape = valley is not None and valley.stuck
        if valley is not None and escape:
            valley = valley.escaping()
            ceiling = valley.ceiling(moment.place.initial_excess)
        if moment.info is not None:
            optimizer = self._adapted(moment, moment.info, escape=escape)
        began, compilations = time.perf_counter(), self.compilations.count
        state, info = jax.block_until_ready(optimizer.step(self.objective, moment.state, ceiling))
        if self.compilations.count == compilations:
            self.pace.after_step(time.perf_counter() - began)
        info = agreed(self.objective.mesh, jax.device_get(info))
        if not (math.isfinite(info.loss) and math.isfinite(info.gradient_norm)):
            return self._nudged(moment, state.theta)
        self.records.append(self._record(state, info))
        place, excess = dataclasses.replace(moment.place, rejected=0), float(info.excess)
        if math.isnan(place.initial_excess):
            place = dataclasses.replace(place, initial_excess=excess)
        if valley is not None:
            # The excess of an energy is that before the step, so after an escape it says nothing of the new state.
            seen = moment.state if escape and not self._least_squares else state
            valley = valley.after(seen, excess, no_step=float(info.step_size) == 0)
        return Moment(place, state, optimizer, valley, len(self.records), info, moment.best)

    def _adapted(self, moment: Moment, info: StepInfo, *, escape: bool) -> AbstractOptimizer:
        """The optimizer for the next step; the present one, where a larger sketch would not fit into the memory."""
        adapted = moment.optimizer.adapt(info, escape=escape)
        if adapted == moment.optimizer:
            return adapted
        factor = self.factor or eqx.filter_eval_shape(self.objective.factor, moment.state.theta)
        self.factor = factor
        return adapted if bytes_of(adapted, factor) <= self.memory else moment.optimizer

    def _nudged(self, moment: Moment, reached: Float[Array, " p"]) -> Moment:
        """The moment instead of a step to `reached`: with parameters a little off those before, and a fresh key."""
        if moment.place.rejected == _REJECTED:
            residual = trouble(self.objective, reached) if bool(jnp.all(jnp.isfinite(reached))) else ""
            raise _NonFiniteError(residual or "the derivatives by the parameters, or the step, are not finite")
        key, noise_key = jax.random.split(moment.state.key)
        theta = moment.state.theta
        theta = theta * (1 + _NUDGE * jax.random.normal(noise_key, theta.shape, theta.dtype))
        memory = moment.optimizer.remember(self.objective, theta)
        state = dataclasses.replace(moment.state, theta=theta, key=key, memory=memory)
        place = dataclasses.replace(moment.place, rejected=moment.place.rejected + 1)
        return dataclasses.replace(moment, place=place, state=state)

    def _ending(self, moment: Moment) -> Result | None:
        """How the round ends now, or `None` where it goes on."""
        valley = moment.valley
        if valley is not None and self._gives_up(moment.place, valley):
            return Result.STAGNATED
        ended = self.stopping.ending(self.records[moment.place.first :], self.objective.lower_bound)
        if ended is None and agreed(self.objective.mesh, self.interrupt.requested):
            return Result.INTERRUPTED
        return ended

    def _gives_up(self, place: Place, valley: Valley) -> bool:
        """Whether escapes have been tried often enough, or the points have no more to say: the loss is at its minimum
        but for rounding, or more of them are called for. Below rounding one slow step is enough to tell.
        """
        slow = valley.slow and valley.watch.lowest <= np.finfo(float).eps * place.initial_excess
        if not (valley.stuck or slow):
            return False
        diagnosis = self._examine(valley.best, valley.watch.lowest)
        if not valley.stuck:
            return below_rounding(diagnosis)
        exhausted = finished(diagnosis) or (unresolved(diagnosis) and self._may_refine(place))
        return exhausted or valley.hopeless(wrong=diagnosis.error > _WRONG)

    def _may_refine(self, place: Place) -> bool:
        """Whether there may be a round on finer points."""
        return place.round < self.stopping.refinements and not self._is_late()

    def _examine(self, state: TrainState, excess: float, stability: Stability | None = None) -> Diagnosis:
        """What the state is worth, whose loss is this far above its minimum."""
        elsewhere = self._elsewhere(state.theta)
        return examine(self.problem, self.objective, elsewhere, self.scales, state, excess, stability)

    def _elsewhere(self, theta: Float[Array, " p"]) -> AbstractObjective:
        """The problem between the points of the present round, made once for each."""
        if self.between is None:
            self.between = objective_between(self.problem, self.objective, theta)
        return self.between

    def _stability(self, theta: Float[Array, " p"]) -> Stability | None:
        """The stability of the problem linearized at these parameters.

        A network that has collapsed to zero, the solution of a homogeneous problem, hardly changes any more: there the
        changes are those of the initial network.
        """
        if self.scales.is_homogeneous:
            theta = self.reference
        return stability_of(self.problem, (self.objective, self._elsewhere(theta)), self.scales, theta)

    def _collapsed(self, moment: Moment) -> bool:
        """Whether hardly any direction changes the solution any more."""
        if moment.info is None:
            return False
        largest = min(self.objective.rows, len(moment.state.theta))
        return 0 <= int(moment.info.numerical_rank) <= max(1, _COLLAPSED * largest)

    def _next_round(self, moment: Moment, end: End) -> Moment | None:
        """The first moment of a round on finer points, where one is called for.

        It goes on from where the last one ended; where that was far from any solution, from other initial parameters: a
        network that fits the points only oscillates between them.
        """
        if end.verdict.result is not Result.UNRESOLVED or not self._may_refine(moment.place):
            return None
        finer = refined(self.problem)
        if not self._move_to(finer, end.theta):
            return None
        place = moment.place
        again = self._starts_again(place, end)
        place = dataclasses.replace(place, round=place.round + 1, finer=place.finer + 1)
        if again:
            return self._next_attempt(place, _better(moment.best, end))
        place = dataclasses.replace(place, first=len(self.records) - 1, rejected=0)
        state, _ = moment.reached
        return self._first_of_round(place, state, moment.best)

    def _move_to(self, problem: AbstractProblem, theta: Float[Array, " p"]) -> bool:
        """Go on with the points of `problem`; or say that they are too many, or the residual not finite there."""
        limits, mesh = self.objective.limits, self.objective.mesh
        objective, theta = make_objective(problem, self.objective.trial.network(theta), limits, mesh)
        try:
            plan = make_plan(objective, theta, self.optimizer, self.memory)
        except ValueError as error:
            _LOG.info("no more points: %s", error)
            return False
        if not math.isfinite(values_of(objective, theta)[0]):
            _LOG.info("no more points: the residual is not finite at some of them")
            return False
        self.objective, self.problem, self.factor, self.between = objective, problem, None, None
        self.pace = Pace(plan.seconds)
        return True

    def _starts_again(self, place: Place, end: End) -> bool:
        """Whether to try other initial parameters, after an end that leads nowhere."""
        allowed = self.begin is not None and place.attempt < self.stopping.restarts
        wrong = end.verdict.diagnosis.error > _WRONG
        return wrong and allowed and self.optimizer.can_escape and not self._is_late()

    def _next_attempt(self, place: Place, best: End) -> Moment:
        """The first moment from other initial parameters; they count as an iteration."""
        assert self.begin is not None
        key = jax.random.fold_in(self.key, place.attempt)
        begun = whole_on(self.objective.mesh, self.begin.again(self.objective, best.theta, key))
        state = TrainState(begun, key, jnp.zeros((), int))
        loss = self.check_start(state.theta)
        self.records.append(Record(self.records[-1].iteration + 1, loss, seconds=self._seconds()))
        place = Place(place.attempt + 1, place.round, place.finer, len(self.records) - 1)
        return self._first_of_round(place, state, best)

    @property
    def _least_squares(self) -> bool:
        """Whether the loss itself says how far it is above its minimum."""
        return self.objective.has_known_minimum

    def _is_late(self) -> bool:
        """Whether there is no time to do as much again."""
        return self._seconds() > self.stopping.seconds / 2

    def _seconds(self) -> float:
        """Since the start of training, what it took before a checkpoint included."""
        return float(agreed(self.objective.mesh, time.perf_counter() - self.start))

    def _first_of_round(self, place: Place, state: TrainState, best: End | None = None) -> Moment:
        """The moment before the first step on the present points."""
        optimizer = self.optimizer.prepare(self.objective.rows, len(state.theta))
        memory = optimizer.remember(self.objective, state.theta)
        state = dataclasses.replace(state, memory=memory)
        loss = self.check_start(state.theta)
        excess = loss if self._least_squares else math.inf
        if self._least_squares and math.isnan(place.initial_excess):
            place = dataclasses.replace(place, initial_excess=loss)
        if not self.records:
            self.records.append(Record(0, loss, self._error(state.theta), seconds=self._seconds()))
        valley = Valley.at(state, excess) if optimizer.can_escape else None
        return Moment(place, state, optimizer, valley, len(self.records), best=best)

    def _keep(self, moment: Moment) -> None:
        """Write a checkpoint; of several processes, the first one does."""
        if self.checkpoints is not None and jax.process_index() == 0:
            clock = Clock(self.records[moment.records - 1].seconds, self.compile_seconds)
            self.checkpoints.write(moment, self.records, clock)

    def _resumed(self, checkpoints: CheckpointFolder, theta: Float[Array, " p"]) -> Moment:
        """The moment of the last checkpoint, on its points."""
        template = TrainState(theta, self.key, jnp.zeros((), int), self.optimizer.remember(self.objective, theta))
        template = whole_on(self.objective.mesh, template)
        moment, self.records, clock = checkpoints.read(template, self.optimizer)
        self.reported = len(self.records)
        self.start, self.earlier_compile_seconds = time.perf_counter() - clock.seconds, clock.compile_seconds
        for _ in range(moment.place.finer):
            finer = refined(self.problem)
            if not self._move_to(finer, moment.state.theta):
                raise ValueError("the points of the checkpoint do not fit into the memory any more; give it more")
        optimizer = moment.optimizer.prepare(self.objective.rows, len(theta))
        return dataclasses.replace(moment, optimizer=optimizer)

    def _record(self, state: TrainState, info: StepInfo) -> Record:
        iteration = self.records[-1].iteration + 1
        measured = iteration == self.stopping.most_iterations or iteration % self.error_every == 0
        return Record(
            iteration,
            float(info.loss),
            self._error(state.theta) if measured else math.nan,
            float(info.gradient_norm),
            float(info.step_size),
            int(info.rank),
            self._seconds(),
        )

    def _report(self, moment: Moment) -> None:
        """Tell the callbacks of a record that they have not seen. Raises `_CallbackError` where one raises."""
        if moment.records == self.reported:
            return
        self.reported = moment.records
        for callback in self.callbacks:
            try:
                callback(moment.state, self.records[-1])
            except Exception as error:
                raise _CallbackError(error) from error

    @property
    def compile_seconds(self) -> float:
        """Spent in compilation, by this process and by those before it that wrote the checkpoints."""
        return self.earlier_compile_seconds + self.compilations.seconds

    def check_start(self, theta: Float[Array, " p"]) -> float:
        """The loss at the start. Raises `ValueError` that names the first point where a residual is not finite."""
        loss = float(values_of(self.objective, theta)[0])
        found = trouble(self.objective, theta)
        if found:
            raise ValueError(
                f"{found} for the initial network; check it for divisions by zero and functions outside their domain, "
                "or move the points"
            )
        return loss

    def _error(self, theta: Float[Array, " p"]) -> float:
        """The relative L2 error, or not a number where no exact solution is known."""
        if self.problem.exact is None:
            return math.nan
        points, exact = self._exact
        return relative_difference(evaluate_in_chunks(self.objective.trial.function(theta), points), exact)

    @functools.cached_property
    def _exact(self) -> tuple[np.ndarray, np.ndarray]:
        assert self.problem.exact is not None
        points = error_points(self.problem)
        return points, evaluate_exact(self.problem.exact, points)


def _better(best: End | None, end: End) -> End:
    """The one with the smaller estimated error; the first one where they are equal."""
    return end if best is None or end.verdict.diagnosis.error < best.verdict.diagnosis.error else best
