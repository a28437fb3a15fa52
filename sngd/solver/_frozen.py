"""A solution on frozen features: the output layer by least squares, with an estimate of the error and a verdict."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence

import equinox as eqx
import jax
import numpy as np

from sngd._history import Record, collect
from sngd._results import Result
from sngd.features import (
    Candidate,
    Chooser,
    Conditions,
    Features,
    Marcher,
    Network,
    beside_noise,
    can_divide,
    can_march,
    error_over,
    infer,
)
from sngd.files import Checkpoints
from sngd.geometry import reentrant_corners
from sngd.problem import Problem
from sngd.solver._compilation import CompilationCounter
from sngd.solver._constants import name_of
from sngd.solver._frozen_networks import as_cells, as_mlp
from sngd.solver._frozen_stage import FrozenSnapshot, Stage, error_of, loss_of, without_constants
from sngd.solver._goal import Goal
from sngd.solver._interrupts import Interrupt
from sngd.solver._solution import Solution, with_solution
from sngd.solver._stopping import Stopping
from sngd.solver._verdict import contradicts
from sngd.solver._window_checkpoints import WindowCheckpoints
from sngd.solver.policies import Policies

# An estimate below the second number counts as small. Then more columns that do not halve it end the search.
_GAINS, SMALL = 0.5, 1e-10

# An evolution is solved in cells after so many numbers of columns on the whole domain, if the last one has not made the
# estimate smaller by this factor. On three axes twice as many columns resolve each axis less finely than on two, and
# cells have more neighbors.
_BEFORE_CELLS, _FAST = 2, (1e-2, 1e-2, 0.3)

# On so many axes a nonlinear equation is solved on the whole domain first.
_MANY_NEIGHBORS = 3

# The relative error for which features and cells are made where the caller names none.
_FLOOR = 1e-12

# Constants that are not determined in so many stages, one after the other, end the search.
_TWICE = 2

# Ends that come from outside, and those of a solution that is good enough.
_FROM_OUTSIDE = (Result.STOPPED, Result.INTERRUPTED, Result.SECONDS_EXHAUSTED)
_OPEN = (Result.UNDETERMINED, Result.ILL_POSED)
_REACHED = (Result.TOLERANCE_REACHED, Result.FLOOR_REACHED, Result.TARGET_REACHED, Result.NOISE_REACHED)


@dataclasses.dataclass(frozen=True)
class FrozenRun:
    """The search for a solution on frozen features.

    - `problem`: in least-squares form. `policies`: how features and windows are chosen. `seed`: of the features.
    - `goal`: the error that ends the search. `stopping`: the budget. `start`: the clock when the run began.
    - `callbacks`: called with a `FrozenSnapshot` and a record after each stage. `interrupt`: asks for the end.
    - `report`: takes a line for each candidate. `memory`: bytes that a fit may take.
    - `checkpoints`: where the windows of a march are kept. `compilations`: counts from the start.
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
    checkpoints: Checkpoints | None = None
    compilations: CompilationCounter = dataclasses.field(default_factory=CompilationCounter)

    def on(self, features: Features) -> Solution:
        """The solution on these features. Raises `ValueError` where the residual is not finite for them."""
        chooser = self._chooser(Conditions.of(self.problem, features.activation))
        candidate = chooser.candidate(features)
        if not math.isfinite(candidate.score):
            raise ValueError(
                "the residual is not finite for features whose output layer is zero or fitted; check it for divisions "
                "by zero and functions outside their domain, or train a network"
            )
        stage = self._stage(chooser, candidate, 0)
        return self._solution([stage], self._ending([stage]))

    def solve(self, like: Network | None = None) -> Solution | None:
        """The best solution on the whole domain or in cells; `None` where no features are of any use.

        - `like`: a network of this domain whose features or cells are tried first.
        """
        stages: list[Stage] = []
        ended = None
        for stage in self._stages(stages, like):
            stages.append(stage)
            ended = self._ending(stages)
            if ended is not None or not self._has_time():
                break
        if ended is None and not self._has_time():
            ended = Result.INTERRUPTED if self.interrupt.requested else Result.SECONDS_EXHAUSTED
        return self._solution(stages, ended) if stages else None

    def _stages(self, before: list[Stage], like: Network | None) -> Iterator[Stage]:
        """Solutions, one after the other, with more and more columns on the whole domain, or in cells.

        - `before`: the stages before each, which the caller keeps. `like`: as in `solve`.
        """
        problem = self.problem
        conditions = Conditions.of(problem, "sin")
        chooser, divisible = self._chooser(conditions), can_divide(problem)
        cells = like if like is not None and len(like.cells) > 1 else None
        if like is not None and cells is None:
            other = self._chooser(Conditions.of(problem, like.layer.activation))
            yield self._stage(other, other.refitted(like), len(before))
        few = problem.domain.dimension < _MANY_NEIGHBORS
        if divisible and (cells is not None or (few and not chooser.linear)):
            # Each fit of a nonlinear equation takes several steps, so that few large ones take longer than many small
            # ones.
            yield from self._in_cells(conditions, chooser, len(before), cells)
            divisible = False
            if not self._has_time():
                return
        for candidate in chooser.stages(not can_march(problem), self._wanted):
            if not chooser.found_nothing:
                yield self._stage(chooser, candidate, len(before))
            if divisible and self._is_slow([stage.error for stage in before]):
                yield from self._in_cells(conditions, chooser, len(before))
                divisible = False
        may_be_graded = can_divide(problem) and problem.domain.dimension > 1 and not can_march(problem)
        kinds = [
            graded for graded, is_tried in ((False, divisible), (True, may_be_graded and chooser.linear)) if is_tried
        ]
        for graded in reversed(kinds) if reentrant_corners(problem.domain) else kinds:
            yield from self._in_cells(conditions, chooser, len(before), graded=graded)

    def _chooser(self, conditions: Conditions) -> Chooser:
        return Chooser(self.policies.features, conditions, self.seed, self.report, self.memory, self._has_time)

    @property
    def _wanted(self) -> float:
        """The relative error for which features and cells are made."""
        return _FLOOR if self.goal.relative is None else self.goal.relative

    def _has_time(self, expected: float = 0.0) -> bool:
        """Whether the run may go on for so many seconds."""
        return not self.interrupt.requested and self._seconds + expected < self.stopping.seconds

    def _is_slow(self, errors: list[float]) -> bool:
        """Whether more features on the whole domain are not likely to be enough, by the errors of the stages before."""
        if self.problem.domain.dimension == 1 or (not errors and can_march(self.problem)):
            return True
        fast = _FAST[min(self.problem.domain.dimension, len(_FAST)) - 1]
        return can_march(self.problem) and len(errors) >= _BEFORE_CELLS and errors[-1] > fast * errors[-2]

    def _in_cells(
        self,
        conditions: Conditions,
        chooser: Chooser,
        number: int,
        like: Network | None = None,
        graded: bool = False,
    ) -> Iterator[Stage]:
        """The solution in cells; none where they do not reach the end of the time axis.

        - `graded`: whether cells crowd at points where the solution is singular.
        """
        march = self.policies.march.graded if graded else self.policies.march
        marcher = Marcher(march, conditions, self.seed, chooser.linear, self._wanted, self.report, self._has_time, like)
        kept = None
        if self.checkpoints is not None:
            setting = repr(march)
            kept = WindowCheckpoints(self.checkpoints, self.problem, self.seed, self._wanted, setting)
        done, keep = ([], None) if kept is None else (kept.read(marcher), kept.write)
        windows = marcher.solve(done, keep)
        marches = can_march(self.problem)
        domain = self.problem.domain
        if not windows or (marches and windows[-1].end < domain.upper[domain.index(domain.time_axis or "")]):
            return
        error, absolute = error_over(windows)
        fits = tuple(window.fit for window in windows)
        network = as_cells([each.network for each in fits], self.problem)
        correction = as_cells([without_constants(window.estimate.correction) for window in windows], self.problem)
        loss = loss_of([window.fit.system for window in windows], fits)
        columns = max(blocks.network.outputs.size for blocks in fits)
        record = Record(number, loss, error_of(self.problem, network), rank=columns, seconds=self._seconds)
        features, count = f"sngd.{windows[0].features!r}", sum(len(each.network.cells) for each in fits)
        asked = "" if self.goal.relative is None else f"tolerance={self.goal.relative!r}, "
        choices = {
            "network": f"{features} in each of {count} cells",
            "points": repr(fits[0].system.problem.quadrature),
            "call": f"sngd.solve(problem, {asked}key=key)",
        }
        if marches:
            choices["windows"] = "to " + ", ".join(f"{window.end:.6g}" for window in windows)
        label = f"{windows[0].features} in {count} cells" + (f" of {len(windows)} windows" if marches else "")
        between = lambda: [window.between for window in windows]
        probe = lambda: marcher.probe(windows[0])
        sizes = np.max([window.estimate.sizes for window in windows], axis=0)
        yield Stage(
            network,
            correction,
            error,
            absolute,
            sizes,
            record,
            fits,
            between,
            label,
            choices,
            probe,
            windows[0].estimate.correction.numbers,
            in_cells=True,
            inference=windows[0].inference,
        )

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self.start

    def _stage(self, chooser: Chooser, candidate: Candidate, number: int) -> Stage:
        estimate, fitted = chooser.estimate(candidate), candidate.fit
        network, features = as_mlp(fitted.network, self.problem), f"sngd.{candidate.features!r}"
        loss, columns = loss_of([fitted.system], (fitted,)), fitted.network.outputs.size
        record = Record(number, loss, error_of(self.problem, network), rank=columns, seconds=self._seconds)
        choices = {
            "network": features,
            "points": repr(fitted.system.problem.quadrature),
            "call": f"sngd.solve(problem, {features}, key=key)",
        }
        between, probe = lambda: [chooser.between(candidate)], lambda: chooser.probe(candidate)
        label = str(candidate.features)
        correction = as_mlp(without_constants(estimate.correction), self.problem)
        return Stage(
            network,
            correction,
            estimate.error,
            estimate.absolute,
            estimate.sizes,
            record,
            (fitted,),
            between,
            label,
            choices,
            probe,
            estimate.correction.numbers,
            inference=infer(fitted),
        )

    def _ending(self, stages: list[Stage]) -> Result | None:
        """How the search ends after these stages, or `None` where it goes on."""
        last, before = stages[-1], min((stage.error for stage in stages[:-1]), default=math.inf)
        try:
            snapshot = FrozenSnapshot(last.network, len(stages) - 1, last.fits)
            answers = [callback(snapshot, last.record) for callback in self.callbacks]
        except Exception as error:
            with_solution(error, self._solution(stages, Result.STOPPED), None)
            raise
        if self.interrupt.requested:
            return Result.INTERRUPTED
        if any(answer is True for answer in answers):
            return Result.STOPPED
        if self.goal.is_reached(*last.total):
            return Result.TOLERANCE_REACHED if self.goal.is_given else Result.FLOOR_REACHED
        if last.error <= beside_noise(last.inference, last.sizes):
            return Result.NOISE_REACHED
        if all(stage.leaves_open for stage in stages[-_TWICE:]) and len(stages) >= _TWICE:
            return Result.UNDETERMINED
        if last.record.loss <= self.stopping.loss:
            return Result.TARGET_REACHED
        if last.record.seconds >= self.stopping.seconds:
            return Result.SECONDS_EXHAUSTED
        small = min(before, last.error) <= SMALL
        return Result.STAGNATED if small and (last.in_cells or last.error > _GAINS * before) else None

    def _solution(self, stages: list[Stage], ended: Result | None) -> Solution:
        best = min(stages, key=lambda stage: stage.error)
        result, detail = ended or Result.STAGNATED, ""
        if result is Result.STAGNATED and best.error <= SMALL and not self.goal.is_given:
            result = Result.FLOOR_REACHED
        stability, missing = None, ""
        if result not in _FROM_OUTSIDE:
            stability, missing = best.stability_of(self.problem)
        if stability is not None and stability.is_unbounded:
            result, detail = (Result.UNDETERMINED if missing or stability.is_isolated else Result.ILL_POSED), missing
        elif result in _REACHED and contradicts(best.record.error, best.total[0]):
            result = Result.CONTRADICTED
        elif best.inference is not None and best.leaves_open:
            names = tuple(constant.name for constant in self.problem.constants)
            listed = ", ".join(name_of(direction, names) for direction in best.inference.undetermined)
            result, detail = Result.UNDETERMINED, f"the readings do not determine the constants along {listed}"
        elif result is Result.STAGNATED:
            detail = f"the features leave an estimated error of {best.error:.1e}"
        return Solution(
            problem=self.problem if best.in_cells else best.fits[0].system.problem,
            network=best.network,
            result=result,
            loss=best.record.loss,
            history=collect([stage.record for stage in stages]),
            optimizer=f"least squares on {best.features}",
            parameters=sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(best.network, eqx.is_inexact_array))),
            rows=sum(each.system.count for each in best.fits),
            seconds=self._seconds,
            compile_seconds=self.compilations.taken(),
            compilations=self.compilations.count,
            validation_loss=loss_of(best.between(), best.fits),
            error_estimate=math.inf if result in _OPEN or (stability and stability.is_unbounded) else best.total[0],
            stability=math.nan if stability is None else stability.bound,
            detail=detail,
            choices=best.choices,
            correction=best.correction,
            **best.inferred(self.problem),
        )


def is_answer(solution: Solution) -> bool:
    """Whether a solution on frozen features ends the run: it is good enough, or the run was ended from outside."""
    undetermined = bool(solution.constants) and solution.result is Result.UNDETERMINED
    return undetermined or solution.result in (*_REACHED, *_FROM_OUTSIDE, Result.CONTRADICTED)
