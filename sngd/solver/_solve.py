"""`solve`: from a problem and a network to a solution."""

import contextlib
import dataclasses
import logging
import math
import numbers
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import PRNGKeyArray

from sngd._arguments import require_integer, shown
from sngd._history import collect
from sngd.descent import AbstractDescent
from sngd.display import ProgressDisplay
from sngd.files import Checkpoints
from sngd.networks import MLP, make_network
from sngd.problem import AbstractProblem
from sngd.solver._checkpoints import checkpoints_of
from sngd.solver._compilation import CompilationCounter
from sngd.solver._devices import agreed, mesh_of, on_one_device, require_points, whole_on
from sngd.solver._driver import Callback, Driver
from sngd.solver._interrupts import deferred_interrupts
from sngd.solver._optimizer import AbstractOptimizer
from sngd.solver._plan import AUTO, Plan, limits_for, machine_bytes, make_plan
from sngd.solver._registry import find_optimizer
from sngd.solver._run import AbstractStart, Beginning, Run
from sngd.solver._scales import with_weights_of
from sngd.solver._setting import Setting, make_setting
from sngd.solver._solution import Solution
from sngd.solver._state import RoundOutcome, RunState
from sngd.solver._step import values_of
from sngd.solver._stopping import Stopping
from sngd.solver._threads import share_cores_with_lapack
from sngd.solver.policies import Frequencies, GivenStart, NamedStart, Policies

# A network is made again for a solution of another size at most so many times.
_RESIZINGS = 3

# By how much the score of another size, the logarithm of a squared residual, may be higher.
_HIGHER = 0.5

_LOG = logging.getLogger("sngd")

DEFAULT_NETWORK = "3x24"
"""The network of those who name none; docs/choices.md says why."""


def solve(
    problem: AbstractProblem,
    network: Callable | str = DEFAULT_NETWORK,
    *,
    key: PRNGKeyArray,
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
    """Train `network` to solve `problem`.

    - `network`: a text such as `"3x24"` or `"2-64-64-1"` for an `MLP`, or a callable PyTree with float64 parameters.
      Training begins with these parameters. They are replaced where an `MLP` of this library is in the network, has not
      been trained, and oscillates clearly too slowly or too fast for the equation; and in the attempts after one that
      led nowhere, which draw every `MLP` and the entries of all other matrices anew. `Stopping(restarts=0)` keeps them.
    - `key`: the source of all randomness, from `jax.random.key(seed)`: the network, where it is given as a text, and
      the sketches. The same key gives the same run, bit for bit, on the same machine.
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
    _require_float64()
    _require_problem(problem, network)
    _require_key(key)
    called = _listed(callbacks)
    if optimizer != AUTO:
        find_optimizer(optimizer)
    _require_options(stopping, checkpoints, policies, error_every, memory)
    mesh = mesh_of(devices)
    start, compilations = time.perf_counter(), CompilationCounter()
    stopping, policies = stopping or Stopping(), policies or Policies()
    display = ProgressDisplay(stopping.most_iterations, stopping.seconds) if progress else None
    with deferred_interrupts() as interrupt, share_cores_with_lapack(), display or contextlib.nullcontext():
        network_key, train_key = jax.random.split(key)
        request = _Request(
            network=network,
            optimizer=optimizer,
            stopping=stopping,
            policies=policies,
            network_key=network_key,
            train_key=whole_on(mesh, train_key),
            memory=agreed(mesh, machine_bytes() if memory is None else memory),
            mesh=mesh,
        )
        setting, plan, run, beginning = _of_a_size_that_suits(
            request.prepared(problem, report=_LOG.info), lambda size: request.prepared(problem, size)
        )
        driver = Driver(
            run,
            callbacks=called if display is None else (*called, display),
            error_every=error_every,
            start=start,
            interrupt=interrupt,
            compilations=compilations,
            rate=plan.rate,
        )
        state, outcome = driver.solve(beginning.theta, checkpoints_of(run, checkpoints))
        solution = _solution_of(driver, state, outcome, plan.label, setting.given)
        if driver.raised is not None:
            raise _with_solution(driver.raised, solution, checkpoints)
        return solution


@dataclasses.dataclass(frozen=True)
class _Request:
    """What a caller asks for, beside the problem.

    - `network_key`, `train_key`: for the initial network, and for all else. `memory`: bytes that the run may take.
    """

    network: Callable | str
    optimizer: object
    stopping: Stopping
    policies: Policies
    network_key: PRNGKeyArray
    train_key: PRNGKeyArray
    memory: float
    mesh: Mesh | None

    def prepared(
        self,
        problem: AbstractProblem,
        size: float | None = None,
        report: Callable[[str, Plan], None] = _LOG.debug,
    ) -> "_Prepared":
        """A run with a network of this size, or of one that the data suggest. `report`: takes the plan.

        Raises `ValueError` where the run cannot begin.
        """
        named = isinstance(self.network, str)
        make = lambda *sizes: (
            _make(self.network, problem, self.network_key, *sizes) if isinstance(self.network, str) else self.network
        )
        setting = make_setting(problem, make, limits_for(self.memory), self.mesh, resizable=named, size=size)
        objective, theta = setting.objective, whole_on(self.mesh, setting.theta)
        require_points(objective, self.mesh)
        plan = make_plan(objective, theta, self.optimizer, self.memory)
        report("%s", plan)
        patience = plan.optimizer.patience if self.stopping.patience is None else self.stopping.patience
        run = Run(
            problem=setting.problem,
            objective=objective,
            scales=setting.scales,
            optimizer=plan.optimizer,
            stopping=dataclasses.replace(self.stopping, patience=patience),
            policies=self.policies,
            start=self.policies.start or self._start(setting, plan.optimizer),
            reference=theta,
            key=self.train_key,
            memory=self.memory,
            operations=plan.operations,
        )
        return _Prepared(setting, plan, run, run.first(self.network_key))

    def _start(self, setting: Setting, optimizer: AbstractOptimizer) -> AbstractStart | None:
        """What makes the initial parameters; `None` where they stay those of the network."""
        network, problem, size = self.network, setting.problem, setting.size
        options = problem.domain.dimension, optimizer.wants_fast_features, size, self.policies.frequencies
        if isinstance(network, str):
            make = lambda key, frequencies: _make(network, problem, key, size, frequencies)
            return NamedStart(make, *options)
        given = GivenStart(network, *options)
        return given if self.stopping.restarts and given.can_redraw else None


class _Prepared(NamedTuple):
    """A run before its first step."""

    setting: Setting
    plan: Plan
    run: Run
    beginning: Beginning


def _of_a_size_that_suits(prepared: _Prepared, of_size: Callable[[float], _Prepared]) -> _Prepared:
    """The run with a network of the solution's size: of the size that the present network suggests, as long as the
    linearized network of that size fits the equation as well.
    """
    for _ in range(_RESIZINGS):
        setting, beginning = prepared.setting, prepared.beginning
        if beginning.size == 1:
            break
        try:
            other = of_size(beginning.size * setting.size)
        except ValueError:
            # The residual is not finite for a network of that size, though it is for this one.
            break
        if not other.beginning.score <= beginning.score + _HIGHER:
            break
        prepared = other
    return prepared


def _solution_of(
    driver: Driver, state: RunState, outcome: RoundOutcome, label: str, given: AbstractProblem
) -> Solution:
    run, verdict, stability = driver.run, outcome.verdict, outcome.verdict.diagnosis.stability
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
    )


def _with_solution(error: Exception, solution: Solution, checkpoints: Checkpoints | None) -> Exception:
    """The exception of a callback, which keeps what the run had reached."""
    kept = "" if checkpoints is None else f", and the run goes on from {str(checkpoints.folder)!r} with resume=True"
    error.add_note(
        f"A callback raised this exception, which ended the run at iteration {solution.history.iteration[-1]}. The "
        f"solution that was reached is the attribute `solution` of the exception{kept}."
    )
    error.solution = solution  # pyright: ignore[reportAttributeAccessIssue]
    return error


def _make(
    architecture: str,
    problem: AbstractProblem,
    key: PRNGKeyArray,
    scale: float = 1.0,
    frequencies: Frequencies | None = None,
) -> MLP:
    return make_network(
        architecture,
        problem.domain.bounds,
        problem.outputs,
        key=key,
        periodic=problem.periodic_axes,
        frequencies=frequencies,
        scale=scale,
    )


def _require_float64() -> None:
    if not jax.config.read("jax_enable_x64"):
        raise TypeError(
            "JAX runs in float32; natural gradients need float64. Call jax.config.update('jax_enable_x64', True) "
            "before anything else, or set the environment variable JAX_ENABLE_X64=1"
        )


def _require_problem(problem: object, network: object) -> None:
    if isinstance(problem, AbstractProblem):
        return
    if isinstance(network, AbstractProblem):
        raise TypeError(
            f"problem is {shown(problem)} and network is a {type(network).__name__}; the arguments are swapped, so "
            "write solve(problem, network, ...)"
        )
    raise TypeError(
        f"problem is {shown(problem)}; it must be a Problem or an Energy, for instance sngd.library.poisson()"
    )


def _require_key(key: object) -> None:
    example = "for instance jax.random.key(0)"
    if not isinstance(key, jax.Array | np.ndarray):
        seed = f"jax.random.key({key})" if isinstance(key, int) else "jax.random.key(0)"
        raise TypeError(f"key is {shown(key)}; give a key of JAX, for instance {seed}")
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if not typed and key.dtype != jnp.uint32:
        raise TypeError(f"key is an array of {key.dtype}; give a key of JAX, {example}")
    if key.ndim != (0 if typed else 1):
        raise ValueError(f"key is an array of shape {key.shape}; give one key, {example}")


def _listed(callbacks: Any) -> tuple[Callback, ...]:
    """The callbacks, one of which may come without a list. Raises `TypeError` for one that cannot be called."""
    listed: tuple[Any, ...] = (callbacks,)
    if isinstance(callbacks, Iterable) and not callable(callbacks):
        listed = tuple(callbacks)
    for callback in listed:
        if not callable(callback) or isinstance(callback, type):
            raise TypeError(
                f"callbacks holds {shown(callback)}; each must be a function of a snapshot and a record, "
                "callback(snapshot, record)"
            )
    return listed


def _require_options(
    stopping: object, checkpoints: object, policies: object, error_every: int, memory: float | None
) -> None:
    if stopping is not None and not isinstance(stopping, Stopping):
        iterations = stopping if isinstance(stopping, int) else 1000
        raise TypeError(
            f"stopping is {shown(stopping)}; give a Stopping, for instance sngd.Stopping(iterations={iterations})"
        )
    if checkpoints is not None and not isinstance(checkpoints, Checkpoints):
        folder = checkpoints if isinstance(checkpoints, str) else "run"
        raise TypeError(
            f'checkpoints is {shown(checkpoints)}; give a Checkpoints, for instance sngd.Checkpoints("{folder}")'
        )
    if policies is not None and not isinstance(policies, Policies):
        raise TypeError(
            f"policies is {shown(policies)}; give the policies of a run, for instance sngd.solver.Policies(refine=...)"
        )
    require_integer("error_every", error_every, least=1)
    if memory is not None and not (isinstance(memory, numbers.Real) and memory > 0):
        raise ValueError(
            f"memory is {shown(memory)}; it must be a positive number of bytes, or left out for the machine's"
        )
