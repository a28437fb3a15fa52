"""`solve`: from a problem to a solution."""

import contextlib
import dataclasses
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from sngd._history import collect
from sngd._results import Result
from sngd.descent import AbstractDescent
from sngd.display import ProgressDisplay
from sngd.features import Features
from sngd.files import Checkpoints
from sngd.problem import AbstractProblem, Problem
from sngd.solver._adapted import solve_adapted
from sngd.solver._checkpoints import checkpoints_of
from sngd.solver._checks import (
    LEAST_TOLERANCE,
    listed_callbacks,
    require_float64,
    require_key,
    require_options,
    require_problem,
    require_start,
    require_tolerance,
)
from sngd.solver._compilation import CompilationCounter
from sngd.solver._constants import FoundConstant
from sngd.solver._devices import agreed, mesh_of, on_one_device, whole_on
from sngd.solver._driver import Callback, Driver
from sngd.solver._frozen import FrozenRun, is_answer
from sngd.solver._frozen_networks import frozen_start, trained_start
from sngd.solver._goal import Goal
from sngd.solver._interrupts import Interrupt, deferred_interrupts
from sngd.solver._named_networks import require_networks
from sngd.solver._optimizer import AbstractOptimizer
from sngd.solver._plan import AUTO, machine_bytes
from sngd.solver._prepare import DEFAULT_NETWORK, Request, needs_features, of_a_size_that_suits
from sngd.solver._registry import find_optimizer
from sngd.solver._scales import with_weights_of
from sngd.solver._solution import Solution, with_solution
from sngd.solver._state import RoundOutcome, RunState
from sngd.solver._step import values_of
from sngd.solver._stopping import Stopping
from sngd.solver._threads import share_cores_with_lapack
from sngd.solver._trained_constants import trained_constants
from sngd.solver.policies import Policies

_LOG = logging.getLogger("sngd")

# In more dimensions than this, one layer of waves is trained first: few of them serve many functions of many variables.
_FEW_AXES, _WAVES = 3, "1x64"

# Ends of a training that a solution may have with an error that is small enough.
_ENDED = (Result.FLOOR_REACHED, Result.STAGNATED, Result.LIMIT_REACHED, Result.ITERATIONS_EXHAUSTED)


def solve(
    problem: AbstractProblem,
    network: Callable | Features | Mapping[str, Callable | str] | str = AUTO,
    *,
    key: PRNGKeyArray,
    tolerance: float | None = None,
    absolute_tolerance: float | None = None,
    start: Solution | None = None,
    optimizer: AbstractOptimizer | AbstractDescent | tuple | str = AUTO,
    stopping: Stopping | None = None,
    callbacks: Callback | Sequence[Callback] = (),
    progress: bool = False,
    policies: Policies | None = None,
    error_every: int = 10,
    memory: float | None = None,
    devices: int = 1,
    checkpoints: Checkpoints | None = None,
) -> Solution:
    """Solve `problem` by a neural network.

    Without a network, random features are chosen for the equation and output layers are fitted by least squares, on the
    whole domain or in cells. Where the estimated error is too large after that, a network is trained
    (docs/choices.md), and the solution with the smaller estimate is returned. An energy, a caller who names an
    optimizer, or several devices go on to training at once. The windows of an evolution and the steps of a training are
    in `checkpoints`; a resumed run does all else again, with the same result. The iterations of `stopping` are those of
    a training.

    - `network`: `Features`, whose output layer alone is fitted; or a network that is trained. That is a text such as
      `"3x24"` or `"2-64-64-1"` for an `MLP`, or a callable PyTree with float64 parameters; or one of both for each of
      several unknown functions by its name, `{"u": "3x24", "q": "1x16"}`, where that of a function of some of the axes
      takes these alone, and functions that are left out share one `"3x24"`. Training begins with the parameters of the
      network. They are replaced where an `MLP` of this library is in the network, has not been trained, and
      oscillates clearly too slowly or too fast for the equation; and in the attempts after one that led nowhere, which
      draw every `MLP` and the entries of all other matrices anew. `Stopping(restarts=0)` keeps them.
    - `key`: the source of all randomness, from `jax.random.key(seed)`: the network, where it is given as a text, and
      the sketches. The same key gives the same run, bit for bit, on the same machine.
    - `tolerance`: the relative L2 error, as estimated, that ends the run: for a system the largest over its components,
      where one that vanishes is measured against the largest. `absolute_tolerance`: the same without the division by
      the size of the solution. Without both, the run goes on to the rounding errors.
    - `start`: a solution of a problem with other coefficients, bounds or conditions, but the same axes and components.
      Its features, its windows and cells, or the network that was trained for it are tried first, and a nonlinear
      equation is solved from it. Nothing is compiled again for other values of `parameters`.
    - `optimizer`: a name in `OPTIMIZERS`, an `Optimizer` of a descent and a search, a descent alone, or a gradient
      transformation of Optax, such as `optax.adam(1e-3)`; left out, the one that suits the size of the problem and the
      network.
    - `stopping`: the budget and other ends; 1000 iterations if left out.
    - `callbacks`: one or several, called after every iteration, and once before the first, with a `Snapshot` of the run
      and a `Record`. One that returns `True` ends the run. An exception ends the run too, and is raised again with the
      solution that was reached as its attribute `solution`.
    - `progress`: whether to show how the run goes, on standard error. It is one line that changes in a terminal or a
      notebook, and a plain line every ten seconds elsewhere.
    - `policies`: what steers the run (`sngd.solver.Policies`); left out, the policies of the library.
    - `error_every`: how often the error is measured, in iterations, where the problem has an exact solution.
    - `memory`: bytes that the run may take, as predicted; left out, those of the machine.
    - `devices`: how many devices divide the points between them; all there are, `jax.device_count()`, where several
      processes solve one problem (docs/devices.md).
    - `checkpoints`: a folder for what the run needs to go on after it was killed; left out, a killed run is lost.

    The plan, with what it is predicted to take, goes to the logger `sngd` before the first step is compiled.

    An interrupt (Ctrl-C) ends the run after the present step, a second one at once, with what it has reached.

    Bad input raises `TypeError` or `ValueError` before the step is compiled: an argument of another type, a residual of
    the wrong shape or with values that are not finite, float32 parameters, a sketch larger than the factor, an
    optimizer that does not fit into the memory, more devices than there are, checkpoints of another run.
    """
    require_float64()
    require_problem(problem, network)
    if isinstance(network, Mapping):
        require_networks(network, problem)
    require_key(key)
    called = listed_callbacks(callbacks)
    if optimizer != AUTO:
        find_optimizer(optimizer)
    require_options(stopping, checkpoints, policies, error_every, memory)
    require_tolerance("tolerance", tolerance, LEAST_TOLERANCE)
    require_tolerance("absolute_tolerance", absolute_tolerance)
    require_start(start, problem, named=not (isinstance(network, str) and network == AUTO))
    stopping, policies = stopping or Stopping(), policies or Policies()
    if isinstance(problem, Problem):
        policies.march.require_fits(problem)
    display = ProgressDisplay(stopping.most_iterations, stopping.seconds) if progress else None
    network_key, train_key = jax.random.split(key)
    mesh = mesh_of(devices)
    request = Request(
        network=DEFAULT_NETWORK,
        optimizer=optimizer,
        stopping=stopping,
        policies=policies,
        network_key=network_key,
        train_key=whole_on(mesh, train_key),
        memory=agreed(mesh, machine_bytes() if memory is None else memory),
        mesh=mesh,
    )
    with deferred_interrupts() as interrupt, share_cores_with_lapack(), display or contextlib.nullcontext():
        called = called if display is None else (*called, display)
        goal = Goal(tolerance, absolute_tolerance)
        call = _Call(network, start, request, goal, called, error_every, checkpoints, interrupt)
        return call.solve(problem)


@dataclasses.dataclass(frozen=True)
class _Call:
    """One call of `solve`, with checked arguments.

    - `network`, `begin`: the network and the solution to start from, as given.
    - `request`: what the training of a network is made of. `goal`: the error that was asked for. `start`: the clock at
      the start.
    """

    network: Callable | Features | Mapping[str, Callable | str] | str
    begin: Solution | None
    request: Request
    goal: Goal
    callbacks: Sequence[Callback]
    error_every: int
    checkpoints: Checkpoints | None
    interrupt: Interrupt
    compilations: CompilationCounter = dataclasses.field(default_factory=CompilationCounter)
    start: float = dataclasses.field(default_factory=time.perf_counter)

    def solve(self, problem: AbstractProblem) -> Solution:
        network = self.network
        if isinstance(network, Features):
            return self._on_features(problem, network)
        if not (isinstance(network, str) and network == AUTO):
            return self._trained(problem, network, self.checkpoints)
        best = None
        like = self.begin and frozen_start(self.begin, problem)
        if self.begin is not None and like is None:
            return self._trained(problem, trained_start(self.begin, problem), self.checkpoints)
        if isinstance(problem, Problem) and self.request.optimizer == AUTO and self.request.mesh is None:
            best = solve_adapted(self._frozen_run(problem), like)
        names = (DEFAULT_NETWORK,) if problem.domain.dimension <= _FEW_AXES else (_WAVES, DEFAULT_NETWORK)
        untrained = bool(needs_features(problem))
        for name in names:
            if best is not None and (is_answer(best) or untrained):
                break
            trained = self._trained(problem, name, self._checkpoints_of(name))
            if best is not None and best.error_estimate < trained.error_estimate:
                # An end from outside is that of the whole run, whichever solution is the better one.
                result = trained.result if trained.result.may_resume else best.result
                best = dataclasses.replace(best, result=result, seconds=time.perf_counter() - self.start)
            else:
                best = trained
            if trained.result.may_resume:
                break
        assert best is not None
        return best

    def _checkpoints_of(self, name: str) -> Checkpoints | None:
        """Where the training of this network writes checkpoints: each network has a folder of its own."""
        if self.checkpoints is None or name == DEFAULT_NETWORK:
            return self.checkpoints
        return dataclasses.replace(self.checkpoints, folder=Path(self.checkpoints.folder) / name)

    def _on_features(self, problem: AbstractProblem, features: Features) -> Solution:
        """The solution on these features. Raises `ValueError` for an energy, or for features of other axes."""
        if not isinstance(problem, Problem):
            raise ValueError("network is Features, which need a Problem in least-squares form; leave it out")
        if len(features.bandwidths) != problem.domain.dimension:
            raise ValueError(
                f"bandwidths of network has {len(features.bandwidths)} entries; this problem needs one for each of the "
                f"axes {', '.join(problem.domain.axes)}"
            )
        found = solve_adapted(self._frozen_run(problem), None, features)
        assert found is not None
        return found

    def _frozen_run(self, problem: Problem) -> FrozenRun:
        request = self.request
        return FrozenRun(
            problem,
            request.policies,
            seed=tuple(np.asarray(jax.random.key_data(request.network_key)).ravel().tolist()),
            goal=self.goal,
            stopping=request.stopping,
            start=self.start,
            callbacks=self.callbacks,
            interrupt=self.interrupt,
            report=lambda line: _LOG.debug("%s", line),
            memory=request.memory,
            checkpoints=self.checkpoints,
        )

    def _trained(
        self, problem: AbstractProblem, network: Callable | Mapping[str, Any] | str, checkpoints: Checkpoints | None
    ) -> Solution:
        """The solution by a network that is trained."""
        request = dataclasses.replace(self.request, network=network)
        setting, plan, run, beginning = of_a_size_that_suits(
            request.prepared(problem, report=_LOG.info), lambda size: request.prepared(problem, size)
        )
        driver = Driver(
            run,
            callbacks=self.callbacks,
            error_every=self.error_every,
            start=self.start,
            interrupt=self.interrupt,
            compilations=self.compilations,
            rate=plan.rate,
        )
        state, outcome = driver.solve(beginning.theta, checkpoints_of(run, checkpoints))
        solution = _solution_of(driver, state, outcome, plan.label, setting.given)
        if driver.raised is not None:
            raise with_solution(driver.raised, solution, checkpoints)
        reached = solution.result in _ENDED and self.goal.is_reached_by(solution)
        return dataclasses.replace(solution, result=Result.TOLERANCE_REACHED) if reached else solution


def _solution_of(
    driver: Driver, state: RunState, outcome: RoundOutcome, label: str, given: AbstractProblem
) -> Solution:
    run, verdict, stability = driver.run, outcome.verdict, outcome.verdict.diagnosis.stability
    constants: dict[str, FoundConstant] = {}
    covariance = np.zeros((0, 0))
    if isinstance(run.problem, Problem) and run.problem.constants:
        constants, covariance = trained_constants(run.objective, on_one_device(outcome.theta), run.problem)
    return Solution(
        problem=with_weights_of(given, run.problem),
        network=run.objective.trial.network(on_one_device(outcome.theta)),
        result=verdict.result,
        loss=float(values_of(run.objective, outcome.theta)[0]),
        history=collect(state.records),
        optimizer=label,
        parameters=len(outcome.theta),
        rows=run.objective.rows,
        seconds=driver.seconds,
        compile_seconds=driver.compile_seconds(state),
        compilations=driver.compilations,
        validation_loss=verdict.diagnosis.between,
        error_estimate=verdict.diagnosis.error,
        stability=math.nan if stability is None else stability.bound,
        detail=verdict.detail,
        constants=constants,
        covariance=covariance,
    )
