"""What a run is apart from its state, and the interfaces of the policies that steer it."""

import abc
import dataclasses
import functools
import logging
import math
from typing import NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from sngd._results import Result
from sngd.linearize import AbstractFactor, AbstractObjective, make_objective
from sngd.problem import AbstractProblem
from sngd.solver._determinacy import axes_without_conditions
from sngd.solver._devices import whole_on
from sngd.solver._evaluation import error_points, exact_at, relative_difference, unknowns_at
from sngd.solver._optimizer import AbstractOptimizer
from sngd.solver._plan import bytes_of, make_plan
from sngd.solver._scales import Scales
from sngd.solver._stability import Stability, stability_of
from sngd.solver._state import RoundOutcome, RunState, StallHistory
from sngd.solver._step import values_of
from sngd.solver._stopping import Stopping
from sngd.solver._verdict import (
    Diagnosis,
    Verdict,
    at_rounding_floor,
    classify,
    describe_nonfinite,
    diagnose,
    objective_between,
)

# A loss above this part of that of the zero function belongs to no solution.
_FAR = 0.5

# A numerical rank of this part of the largest possible one leaves a method nowhere to go.
_COLLAPSED = 0.01

# Seconds that a step takes however small it is: some ten calls of compiled functions.
_LEAST_SECONDS = 0.02

_LOG = logging.getLogger("sngd")


class Beginning(NamedTuple):
    """Initial parameters, and how well they suit.

    - `theta`: the parameters, shape `(p,)`.
    - `score`: the logarithm of the squared residual that the linearized network leaves; not a number if not known.
    - `size`: by how much the network should be multiplied to be of the solution's size, as far as that can be told.
    """

    theta: Float[Array, " p"]
    score: float = math.nan
    size: float = 1.0


class AbstractStart(abc.ABC):
    """Makes the initial parameters of every attempt of a run."""

    @abc.abstractmethod
    def first(self, objective: AbstractObjective, theta: Float[Array, " p"], key: PRNGKeyArray) -> Beginning:
        """The initial parameters of the first attempt. `theta`: the present parameters, shape `(p,)`."""

    @abc.abstractmethod
    def again(self, objective: AbstractObjective, reached: Float[Array, " p"], key: PRNGKeyArray) -> Float[Array, " p"]:
        """The initial parameters of another attempt, shape `(p,)`, after one that ended at `reached`."""


class AbstractStop(abc.ABC):
    """Decides when a round ends."""

    @abc.abstractmethod
    def result(self, run: "Run", state: RunState) -> Result | None:
        """How the round ends now, or `None` where it goes on."""


class AbstractNonmonotone(abc.ABC):
    """Decides when a step may raise the loss, from the history of the optimality gap."""

    @abc.abstractmethod
    def begin(self, gap: float) -> StallHistory:
        """The history at the start of a round, whose optimality gap is `gap`."""

    @abc.abstractmethod
    def observe(self, history: StallHistory, gap: float, *, no_step: bool) -> StallHistory:
        """The history after one more iteration. `no_step`: whether the iteration found no step."""

    @abc.abstractmethod
    def bound(self, state: RunState) -> tuple[float, StallHistory] | None:
        """How high the loss may rise in the next step, and the history from there on; `None` for an ordinary step."""

    @abc.abstractmethod
    def gives_up(self, run: "Run", state: RunState) -> bool:
        """Whether the round ends because such steps have been tried often enough, or are of no more use."""


class AbstractRefine(abc.ABC):
    """Decides when a run goes on with more points."""

    @abc.abstractmethod
    def may(self, run: "Run", state: RunState) -> bool:
        """Whether there may be a round on more points."""

    @abc.abstractmethod
    def refines(self, run: "Run", state: RunState, outcome: RoundOutcome) -> bool:
        """Whether a round that ended so calls for more points."""

    @abc.abstractmethod
    def points(self, problem: AbstractProblem) -> AbstractProblem:
        """The problem on more points. They depend on nothing else, so that a resumed run finds them again."""


class AbstractRestart(abc.ABC):
    """Decides when a run begins again from other initial parameters."""

    @abc.abstractmethod
    def restarts(self, run: "Run", state: RunState, best: RoundOutcome) -> bool:
        """Whether to begin again, after attempts with this best outcome."""

    @abc.abstractmethod
    def is_wrong(self, run: "Run", state: RunState, outcome: RoundOutcome) -> bool:
        """Whether an outcome is so far from any solution that other parameters are better, and may be tried."""


@runtime_checkable
class SteersRun(Protocol):
    """The policies of a run."""

    @property
    def stop(self) -> AbstractStop: ...

    @property
    def nonmonotone(self) -> AbstractNonmonotone: ...

    @property
    def refine(self) -> AbstractRefine: ...

    @property
    def restart(self) -> AbstractRestart: ...


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """What a run is apart from its state. It stays the same from step to step, and changes with the points.

    - `problem`, `objective`: on the points of the present round. `scales`: of the conditions, before the run.
    - `optimizer`, `stopping`, `policies`: what makes the steps, the budget, and what decides.
    - `start`: makes initial parameters; `None` where there are none but those of the network.
    - `reference`: the initial parameters of the network, before frequencies are chosen, shape `(p,)`.
    - `key`: the source of the run's randomness. `memory`: bytes that it may take.
    - `operations`: floating-point operations of a step, as predicted.
    """

    problem: AbstractProblem
    objective: AbstractObjective
    scales: Scales
    optimizer: AbstractOptimizer
    stopping: Stopping
    policies: SteersRun
    start: AbstractStart | None
    reference: Float[Array, " p"]
    key: PRNGKeyArray
    memory: float
    operations: float

    def step_seconds(self, rate: float) -> float:
        """What a step is predicted to take. `rate`: floating-point operations a second."""
        return max(self.operations / rate, _LEAST_SECONDS)

    def is_late(self, state: RunState) -> bool:
        """Whether half of the seconds are predicted to be used up, so that there is no time to do as much again."""
        return state.counters.predicted_seconds > self.stopping.seconds / 2

    def first(self, key: PRNGKeyArray) -> Beginning:
        """The parameters to begin with. Raises `ValueError` where the residual is not finite at the start."""
        self.loss_at_start(self.reference)
        if self.start is None:
            return Beginning(self.reference)
        beginning = self.start.first(self.objective, self.reference, key)
        return beginning._replace(theta=whole_on(self.objective.mesh, beginning.theta))

    def loss_at_start(self, theta: Float[Array, " p"]) -> float:
        """The loss at the start. Raises `ValueError` that names the first point where a residual is not finite."""
        loss = float(values_of(self.objective, theta)[0])
        found = describe_nonfinite(self.objective, theta)
        if found:
            raise ValueError(
                f"{found} for the initial network; check it for divisions by zero and functions outside their domain, "
                "or move the points"
            )
        return loss

    def on_points_of(self, problem: AbstractProblem, theta: Float[Array, " p"]) -> "Run | None":
        """The run with the points of `problem`; `None` where they are too many, or the residual not finite there."""
        limits, mesh = self.objective.limits, self.objective.mesh
        objective, theta = make_objective(problem, self.objective.trial.network(theta), limits, mesh)
        try:
            plan = make_plan(objective, theta, self.optimizer, self.memory)
        except ValueError as error:
            _LOG.info("no more points: %s", error)
            return None
        if not math.isfinite(values_of(objective, theta)[0]):
            _LOG.info("no more points: the residual is not finite at some of them")
            return None
        return dataclasses.replace(self, problem=problem, objective=objective, operations=plan.operations)

    def fits(self, state: PyTree) -> bool:
        """Whether a step with this state of the optimizer fits into the memory."""
        return bytes_of(self.optimizer, self._factor, state) <= self.memory

    def diagnose(self, theta: Float[Array, " p"], gap: float, stability: Stability | None = None) -> Diagnosis:
        """What parameters are worth, whose optimality gap is `gap`."""
        objective, scales = self.objective, self.scales
        return diagnose(self.problem, objective, self._elsewhere, scales, theta, gap, stability)

    def outcome(self, state: RunState, ended: Result, detail: str = "") -> RoundOutcome:
        """The outcome of a round in the light of what it reached: how good the solution is, and what it lacks."""
        iterate, gap = state.reached
        theta = iterate.theta
        unusable = ended in (Result.INTERRUPTED, Result.NON_FINITE)
        stability, missing = None if unusable else self._stability(theta), ()
        if stability is not None and stability.is_large:
            missing = axes_without_conditions(self.problem, self.objective.trial.field(theta))
            stability = dataclasses.replace(stability, lacks_conditions=bool(missing))
            detail = "; ".join(map(str, missing)) or detail
        diagnosis = self.diagnose(theta, gap, stability)
        if ended is Result.STAGNATED and self._has_collapsed(state) and not at_rounding_floor(diagnosis):
            ended = Result.RANK_COLLAPSED
        undetermined = bool(missing) or (stability is not None and stability.is_isolated)
        known = self.objective.has_known_minimum and not self.scales.is_homogeneous
        far = known and diagnosis.fitted > _FAR * self.scales.loss
        result = classify(ended, diagnosis, self.error(theta), undetermined=undetermined, far=far)
        return RoundOutcome(theta, Verdict(result, diagnosis, detail))

    def error(self, theta: Float[Array, " p"]) -> float:
        """The relative L2 error, or not a number where no exact solution is known."""
        if self.problem.exact is None:
            return math.nan
        points, exact = self._exact
        return relative_difference(unknowns_at(self.objective.trial.unknowns(theta), self.problem, points), exact)

    def _stability(self, theta: Float[Array, " p"]) -> Stability | None:
        """The stability of the problem linearized at these parameters.

        A network that has collapsed to zero, the solution of a homogeneous problem, hardly changes any more: there the
        changes are those of the initial network.
        """
        if self.scales.is_homogeneous:
            theta = self.reference
        return stability_of(self.problem, (self.objective, self._elsewhere), self.scales, theta)

    def _has_collapsed(self, state: RunState) -> bool:
        """Whether hardly any direction changes the solution any more."""
        if state.report is None:
            return False
        largest = min(self.objective.rows, len(state.iterate.theta))
        return 0 <= int(state.report.numerical_rank) <= max(1, _COLLAPSED * largest)

    @functools.cached_property
    def _elsewhere(self) -> AbstractObjective:
        """The problem between the points of the present round."""
        return objective_between(self.problem, self.objective, self.reference)

    @functools.cached_property
    def _factor(self) -> AbstractFactor:
        """The shapes of the factor."""
        return eqx.filter_eval_shape(self.objective.factor, self.reference)

    @functools.cached_property
    def _exact(self) -> tuple[Float[np.ndarray, "n d"], np.ndarray]:
        """The points at which errors are measured, and the exact solution there."""
        points = error_points(self.problem)
        return points, exact_at(self.problem, points)
