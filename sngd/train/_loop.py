"""`solve`: from a problem and a network to a solution."""

import dataclasses
import functools
import logging
import numbers
import time
from collections.abc import Callable, Sequence

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from sngd.linearize import AbstractObjective, make_objective
from sngd.networks import MLP, make_network
from sngd.problem import AbstractProblem
from sngd.train._checkpoints import Checkpoints
from sngd.train._compilation import CompilationCounter
from sngd.train._devices import agreed, mesh_of, on_one_device, require_points, whole_on
from sngd.train._frequencies import Frequencies
from sngd.train._history import collect
from sngd.train._interrupts import deferred_interrupts
from sngd.train._moment import End
from sngd.train._optimizer import AbstractOptimizer
from sngd.train._pace import Pace
from sngd.train._plan import AUTO, limits_for, machine_bytes, make_plan
from sngd.train._run import Callback, Run
from sngd.train._scales import in_ordinary_units, scales_of, with_weights_of
from sngd.train._solution import Solution
from sngd.train._start import suitable_start
from sngd.train._step import values_of
from sngd.train._stopping import Stopping
from sngd.train._threads import share_cores_with_lapack

_LOG = logging.getLogger("sngd")

DEFAULT_NETWORK = "3x24"
"""Of those who name none; docs/choices.md says why."""


def solve(
    problem: AbstractProblem,
    network: Callable | str = DEFAULT_NETWORK,
    *,
    key: PRNGKeyArray,
    optimizer: AbstractOptimizer | str = AUTO,
    stopping: Stopping | None = None,
    callbacks: Sequence[Callback] = (),
    error_every: int = 10,
    memory: float | None = None,
    devices: int = 1,
    checkpoints: Checkpoints | None = None,
) -> Solution:
    """Train `network` to solve `problem`.

    - `network`: a callable PyTree with float64 parameters, or a text such as `"3x24"` or `"2-64-64-1"` for an `MLP`.
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
    - `checkpoints`: a folder for what the run needs to go on after it was killed; left out, a killed run is lost.

    The plan, with what it is predicted to take, goes to the logger `sngd` before the first step is compiled.

    An interrupt (Ctrl-C) ends the run after the present step, a second one at once, with what it has reached.

    Bad input raises `TypeError` or `ValueError` before the step is compiled: a residual of the wrong shape or with
    values that are not finite, float32 parameters, a sketch larger than the factor, an optimizer that does not fit into
    the memory, more devices than there are, checkpoints of another run.
    """
    _require_float64()
    if error_every < 1:
        raise ValueError(f"error_every is {error_every}; it must be at least 1")
    if memory is not None and not (isinstance(memory, numbers.Real) and memory > 0):
        raise ValueError(f"memory is {memory!r}; it must be a positive number of bytes, or left out for the machine's")
    mesh = mesh_of(devices)
    start, compilations = time.perf_counter(), CompilationCounter()
    with deferred_interrupts() as interrupt, share_cores_with_lapack():
        network_key, train_key = jax.random.split(key)
        architecture = network if isinstance(network, str) else None
        if isinstance(network, str):
            network = _make(network, problem, network_key)
        memory = agreed(mesh, machine_bytes() if memory is None else memory)
        objective, theta = make_objective(problem, network, limits_for(memory), mesh)
        require_points(objective, mesh)
        scales = scales_of(problem, objective, theta)
        output = scales.output
        if architecture is not None and output != 1:
            network = _make(architecture, problem, network_key, scale=output)
            objective, theta = make_objective(problem, network, limits_for(memory), mesh)
            scales = scales_of(problem, objective, theta)
        given = problem.with_points(len(theta))
        problem = in_ordinary_units(given, scales)
        if problem is not given:
            objective, theta = make_objective(problem, network, limits_for(memory), mesh)
            scales = scales_of(problem, objective, theta)
        theta, train_key = whole_on(mesh, (theta, train_key))
        plan = make_plan(objective, theta, optimizer, memory)
        _LOG.info("%s", plan)
        stopping = stopping or Stopping()
        if stopping.patience is None:
            stopping = dataclasses.replace(stopping, patience=plan.optimizer.patience)
        begin = None
        if architecture is not None:
            begin = functools.partial(_start, architecture, problem, output, plan.optimizer.wants_fast_features)
        run = Run(
            problem=problem,
            objective=objective,
            optimizer=plan.optimizer,
            stopping=stopping,
            callbacks=callbacks,
            error_every=error_every,
            key=train_key,
            start=start,
            begin=begin,
            memory=memory,
            scales=scales,
            interrupt=interrupt,
            compilations=compilations,
            pace=Pace(plan.seconds),
        )
        end = run.solve(theta, network_key, checkpoints)
        return _solution_of(run, end, plan.label, given)


def _solution_of(run: Run, end: End, label: str, given: AbstractProblem) -> Solution:
    verdict = end.verdict
    return Solution(
        problem=with_weights_of(given, run.problem),
        network=run.objective.trial.network(on_one_device(end.theta)),
        result=verdict.result,
        loss=float(values_of(run.objective, end.theta)[0]),
        history=collect(run.records),
        optimizer=label,
        parameters=len(end.theta),
        rows=run.objective.rows,
        seconds=time.perf_counter() - run.start,
        compile_seconds=run.compile_seconds,
        compilations=run.compilations.count,
        validation_loss=verdict.diagnosis.between,
        error_estimate=verdict.diagnosis.error,
        detail=verdict.detail,
    )


def _make(
    architecture: str,
    problem: AbstractProblem,
    key: PRNGKeyArray,
    frequencies: Frequencies | None = None,
    scale: float = 1.0,
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


def _start(
    architecture: str,
    problem: AbstractProblem,
    scale: float,
    fast: bool,
    objective: AbstractObjective,
    key: PRNGKeyArray,
) -> Float[Array, " p"]:
    make = functools.partial(_make, architecture, problem, key, scale=scale)
    return suitable_start(objective, make, problem.domain.dimension, fast=fast, key=key)


def _require_float64() -> None:
    if not jax.config.read("jax_enable_x64"):
        raise TypeError(
            "JAX runs in float32; natural gradients need float64. Call jax.config.update('jax_enable_x64', True) "
            "before anything else, or set the environment variable JAX_ENABLE_X64=1"
        )
