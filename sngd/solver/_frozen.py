"""A solution on frozen features: the output layer by least squares, with an estimate of the error and a verdict."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd._arrays import flattened
from sngd._history import Record, collect
from sngd._results import Result
from sngd.features import (
    Candidate,
    Chooser,
    Features,
    Piece,
    can_march,
    error_of_pieces,
    march,
    stacked,
)
from sngd.linearize import function_of_point
from sngd.networks import MLP, Windows
from sngd.problem import Field, Problem
from sngd.solver._compilation import CompilationCounter
from sngd.solver._determinacy import axes_without_conditions
from sngd.solver._evaluation import error_points, evaluate_exact, evaluate_in_chunks, relative_difference
from sngd.solver._frozen_networks import as_mlp, as_windows
from sngd.solver._goal import Goal
from sngd.solver._interrupts import Interrupt
from sngd.solver._solution import Solution, with_solution
from sngd.solver._stability import Stability, stability_from
from sngd.solver._stopping import Stopping
from sngd.solver._verdict import contradicts
from sngd.solver.policies import Policies

# An estimate below the second number counts as small. Then more columns that do not halve it end the search.
_GAINS, SMALL = 0.5, 1e-10

# Windows are tried after so many numbers of columns on the whole domain, if the last one has not made the estimate
# smaller by this factor.
_BEFORE_WINDOWS, _FAST = 2, 1e-2

# The error for which windows are made where the caller names none.
_FLOOR_OF_WINDOWS = 1e-12

# Singular values below this part of the largest are left out where the stability of the problem is looked at.
_DIRECTIONS = 1e-8

# Ends that come from outside, and those of a solution that is good enough.
_FROM_OUTSIDE = (Result.STOPPED, Result.INTERRUPTED, Result.SECONDS_EXHAUSTED)
_REACHED = (Result.TOLERANCE_REACHED, Result.FLOOR_REACHED, Result.TARGET_REACHED)


@dataclasses.dataclass(frozen=True)
class FrozenSnapshot:
    """What a callback sees after the features of one number of columns have been fitted, as it sees a `Snapshot`.

    - `network`: the present one. `iteration`: how many have been looked at before. `candidates`: the fits that the
      network is made of.
    """

    network: MLP | Windows
    iteration: int
    candidates: tuple[Candidate, ...]

    @property
    def theta(self) -> Float[Array, " p"]:
        """The parameters, shape `(p,)`."""
        return flattened(eqx.filter(self.network, eqx.is_inexact_array))

    def residual(self) -> Float[np.ndarray, " n"]:
        """The weighted residuals of all conditions at the points of the fits, one after the other."""
        return np.concatenate([part for each in self.candidates for part in each.fit.rows.residual(each.fit.network)])


@dataclasses.dataclass(frozen=True)
class _Stage:
    """A network with the estimate of its error.

    - `error`, `absolute`: estimates of the relative error, and of its root mean square. `record`: what callbacks see.
      `chooser`, `candidate`: of the whole solution, or of the first window. `pieces`: all windows, if there are
      any.
    """

    network: MLP | Windows
    error: float
    absolute: float
    record: Record
    chooser: Chooser
    candidate: Candidate
    pieces: tuple[Piece, ...] = ()

    @property
    def parts(self) -> list[tuple[Chooser, Candidate]]:
        """The fits that the network is made of."""
        return [(each.chooser, each.candidate) for each in self.pieces] or [(self.chooser, self.candidate)]

    def __str__(self) -> str:
        if not self.pieces:
            return f"least squares on {self.candidate.features}"
        return f"least squares in {len(self.pieces)} windows, the first one on {self.candidate.features}"

    @property
    def choices(self) -> dict[str, str]:
        """What was chosen, and the call that repeats it."""
        problem, features = self.candidate.fit.rows.problem, f"sngd.{self.candidate.features!r}"
        found = {"network": features, "points": repr(problem.quadrature)}
        if not self.pieces:
            return {**found, "call": f"sngd.solve(problem, {features}, key=key)"}
        ends = ", ".join(f"{piece.window.end:.6g}" for piece in self.pieces)
        return {**found, "windows": f"to {ends}", "call": "sngd.solve(problem, key=key)"}


@dataclasses.dataclass(frozen=True)
class FrozenRun:
    """The search for a solution on frozen features.

    - `problem`: in least-squares form. `policies`: how features and windows are chosen. `seed`: of the features.
    - `goal`: the error that ends the search. `stopping`: the budget. `start`: the clock when the run began.
    - `callbacks`: called with a `FrozenSnapshot` and a record after each stage. `interrupt`: asks for the end.
    - `report`: takes a line for each candidate. `memory`: bytes that a fit may take. `compilations`: counts from the
      start.
    """

    problem: Problem
    policies: Policies
    seed: tuple[int, ...]
    goal: Goal
    stopping: Stopping
    start: float
    callbacks: Sequence[Callable]
    interrupt: Interrupt
    report: Callable[[str], None]
    memory: float = math.inf
    compilations: CompilationCounter = dataclasses.field(default_factory=CompilationCounter)

    def on(self, features: Features) -> Solution:
        """The solution on these features. Raises `ValueError` where the residual is not finite for them."""
        chooser = self._chooser()
        candidate = chooser.candidate(features)
        if not math.isfinite(candidate.score):
            raise ValueError(
                "the residual is not finite for features whose output layer is zero or fitted; check it for divisions "
                "by zero and functions outside their domain, or train a network"
            )
        stage = self._stage(chooser, candidate, 0)
        return self._solution([stage], self._ending([stage]))

    def solve(self) -> Solution | None:
        """The best solution on the whole domain or in windows of time; `None` where no features are of any use."""
        chooser = self._chooser()
        stages: list[_Stage] = []
        ended, marched = None, not can_march(self.problem)
        for candidate in chooser.stages(insist=marched):
            if not chooser.found_nothing:
                stages.append(self._stage(chooser, candidate, len(stages)))
                ended = self._ending(stages)
            if ended is None and not marched and self._is_slow(stages):
                marched = True
                found = self._marched(len(stages))
                stages.extend(found)
                ended = self._ending(stages) if found else None
            if ended is not None or not self._has_time():
                break
        return self._solution(stages, ended) if stages else None

    def _chooser(self) -> Chooser:
        return Chooser(self.policies.features, self.problem, self.seed, self.report, memory=self.memory)

    def _has_time(self) -> bool:
        return not self.interrupt.requested and self._seconds < self.stopping.seconds

    def _is_slow(self, stages: list[_Stage]) -> bool:
        """Whether more features on the whole domain are not likely to be enough."""
        if len(stages) < _BEFORE_WINDOWS:
            return not stages or self.problem.domain.dimension == 1
        return stages[-1].error > _FAST * stages[-2].error

    def _marched(self, number: int) -> list[_Stage]:
        """The solution in windows; none where the windows do not reach the end."""
        goal = _FLOOR_OF_WINDOWS if self.goal.relative is None else self.goal.relative
        policies, domain = self.policies, self.problem.domain
        pieces = march(
            policies.march,
            policies.features,
            self.problem,
            self.seed,
            goal,
            self.report,
            goes_on=self._has_time,
            memory=self.memory,
        )
        first, last = domain.bounds[domain.initial.index]
        if not pieces or pieces[-1].window.end < last:
            return []
        error, absolute = error_of_pieces(pieces)
        network = as_windows(pieces, self.problem)
        rank = max(piece.candidate.fit.rank for piece in pieces)
        loss = sum(map(_half_square, _of_windows(pieces, last - first, between=False)))
        record = Record(number, loss, error_of(self.problem, network), rank=rank, seconds=self._seconds)
        return [_Stage(network, error, absolute, record, pieces[0].chooser, pieces[0].candidate, tuple(pieces))]

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self.start

    def _stage(self, chooser: Chooser, candidate: Candidate, number: int) -> _Stage:
        estimate = chooser.estimate(candidate)
        network = as_mlp(candidate.fit.network, self.problem)
        error, rank = error_of(self.problem, network), candidate.fit.rank
        loss = _half_square(candidate.fit.rows.residual(candidate.fit.network))
        record = Record(number, loss, error, rank=rank, seconds=self._seconds)
        return _Stage(network, estimate.error, estimate.absolute, record, chooser, candidate)

    def _ending(self, stages: list[_Stage]) -> Result | None:
        """How the search ends after these stages, or `None` where it goes on."""
        last, before = stages[-1], min((stage.error for stage in stages[:-1]), default=math.inf)
        try:
            snapshot = FrozenSnapshot(last.network, len(stages) - 1, tuple(each for _, each in last.parts))
            answers = [callback(snapshot, last.record) for callback in self.callbacks]
        except Exception as error:
            with_solution(error, self._solution(stages, Result.STOPPED), None)
            raise
        if self.interrupt.requested:
            return Result.INTERRUPTED
        if any(answer is True for answer in answers):
            return Result.STOPPED
        if self.goal.is_reached(last.error, last.absolute):
            return Result.TOLERANCE_REACHED if self.goal.is_given else Result.FLOOR_REACHED
        if last.record.loss <= self.stopping.loss:
            return Result.TARGET_REACHED
        if last.record.seconds >= self.stopping.seconds:
            return Result.SECONDS_EXHAUSTED
        small = min(before, last.error) <= SMALL
        return Result.STAGNATED if small and (last.pieces or last.error > _GAINS * before) else None

    def _solution(self, stages: list[_Stage], ended: Result | None) -> Solution:
        best = min(stages, key=lambda stage: stage.error)
        result, detail = ended or Result.STAGNATED, ""
        if result is Result.STAGNATED and best.error <= SMALL and not self.goal.is_given:
            result = Result.FLOOR_REACHED
        stability, missing = None, ""
        if result not in _FROM_OUTSIDE:
            stability, missing = self._stability(best)
        if stability is not None and stability.is_unbounded:
            result, detail = (Result.UNDETERMINED if missing or stability.is_isolated else Result.ILL_POSED), missing
        elif result in _REACHED and contradicts(best.record.error, best.error):
            result = Result.CONTRADICTED
        elif result is Result.STAGNATED:
            detail = f"the features leave an estimated error of {best.error:.1e}"
        if best.pieces:
            first, last = self.problem.domain.bounds[self.problem.domain.initial.index]
            between = _of_windows(best.pieces, last - first, between=True)
        else:
            between = [best.chooser.rows_of(best.candidate)[1].residual(best.candidate.fit.network)]
        return Solution(
            problem=best.candidate.fit.rows.problem,
            network=best.network,
            result=result,
            loss=best.record.loss,
            history=collect([stage.record for stage in stages]),
            optimizer=str(best),
            parameters=sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(best.network, eqx.is_inexact_array))),
            rows=sum(candidate.fit.rows.count for _, candidate in best.parts),
            seconds=self._seconds,
            compile_seconds=self.compilations.taken(),
            compilations=self.compilations.count,
            validation_loss=sum(map(_half_square, between)),
            error_estimate=math.inf if stability is not None and stability.is_unbounded else best.error,
            stability=math.nan if stability is None else stability.bound,
            detail=detail,
            choices=best.choices,
        )

    def _stability(self, stage: _Stage) -> tuple[Stability, str]:
        """The stability of the linearized problem, and what the conditions lack, where they lack something."""
        stability = _stability(stage.chooser, stage.candidate)
        if not stability.is_large:
            return stability, ""
        problem = self.problem
        parameters = {name: jnp.asarray(value) for name, value in problem.parameters.items()}
        function = function_of_point(stage.network, problem.domain.dimension, problem.outputs)
        missing = axes_without_conditions(problem, Field(function, problem.domain, parameters))
        return dataclasses.replace(stability, lacks_conditions=bool(missing)), "; ".join(map(str, missing))


def is_answer(solution: Solution) -> bool:
    """Whether a solution on frozen features ends the run: it is good enough, or the run was ended from outside."""
    return solution.result in (*_REACHED, *_FROM_OUTSIDE, Result.CONTRADICTED)


def error_of(problem: Problem, network: MLP | Windows) -> float:
    """The relative L2 error; not a number where no exact solution is known."""
    exact = problem.exact_solution
    if exact is None:
        return math.nan
    points = error_points(problem)
    function = function_of_point(network, problem.domain.dimension, problem.outputs)
    return relative_difference(evaluate_in_chunks(function, points), evaluate_exact(exact, points))


def _of_windows(pieces: Sequence[Piece], whole: float, *, between: bool) -> list[list[np.ndarray]]:
    """The residual in each window, weighed as on the whole time axis of length `whole`.

    - `between`: whether to take it at other points than those of the fits.
    """
    found = []
    for number, piece in enumerate(pieces):
        rows = piece.chooser.rows_of(piece.candidate)[int(between)]
        share = math.sqrt((piece.window.end - piece.window.start) / whole)
        weights = [float(number == 0) if rows.is_initial(at) else share for at in range(len(rows.terms))]
        parts = zip(rows.residual(piece.candidate.fit.network), weights, strict=True)
        found.append([part * weight for part, weight in parts])
    return found


def _half_square(parts: list[np.ndarray]) -> float:
    return sum(float(np.sum(part**2)) for part in parts) / 2


def _stability(chooser: Chooser, candidate: Candidate) -> Stability:
    """The stability of the problem linearized at the solution, over changes that wider features make.

    Changes are combinations of the features, in the order of the singular values of the evaluation at points.
    """
    layer, rows, units = chooser.probe(candidate)
    at = None if candidate.fit.linear else candidate.fit.network
    parts = [each.jacobian(layer, at) for each in rows]
    values = layer(2 * chooser.points_of_norms - 1)
    _, singular, right = np.linalg.svd(values / math.sqrt(len(values)), full_matrices=False)
    kept = right[singular > _DIRECTIONS * singular[0]].T / singular[singular > _DIRECTIONS * singular[0]]
    outputs = rows[0].problem.outputs
    directions = np.kron(np.eye(outputs), kept)
    # Smooth changes first, of all components alike, so that fewer directions are smoother ones.
    order = np.argsort(np.tile(np.arange(kept.shape[1]), outputs), kind="stable")
    below = np.concatenate([stacked(part, units) for part in parts]) / math.sqrt(len(parts)) @ directions[:, order]
    if not np.all(np.isfinite(below)):
        return Stability(math.inf, math.inf, 1.0)
    return stability_from(np.eye(below.shape[1]), below)
