"""The search for eigenpairs: more and more features, until the estimated errors are small."""

import dataclasses
import math
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from sngd._history import Record, collect
from sngd._results import Result
from sngd.features import Basis, Candidate, Compared, EigenChooser, Network, System, compared
from sngd.problem import Problem
from sngd.solver._compilation import CompilationCounter
from sngd.solver._constants import FoundConstant
from sngd.solver._frozen_networks import as_mlp
from sngd.solver._interrupts import Interrupt
from sngd.solver._solution import Solution
from sngd.solver._stopping import Stopping

# Where no tolerance is given, an estimate below the first number ends the search. One below the second number counts as
# small: there the search ends where it has not fallen to half.
_FLOOR, _SMALL, _GAINS = 1e-12, 1e-10, 0.5

# Features that leave more than this part of the terms of the equations have found nothing.
_POOR = 0.1

# Eigenvalues that differ by less than the first part are one, for functions that are made orthogonal. A function of
# which less than the second part is left then is no other one.
_SAME, _INDEPENDENT = 1e-6, 0.1

# Missing values that are listed, at most.
_LISTED = 5


class Outcome(NamedTuple):
    """What a search has found: the fields of `Eigenpairs`."""

    solutions: tuple[Solution, ...]
    values: Float[np.ndarray, " n"]
    error_estimates: Float[np.ndarray, " n"]
    result: Result
    detail: str
    missing: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Stage:
    """The pairs on one candidate, with their errors."""

    candidate: Candidate
    pairs: Compared
    record: Record

    @property
    def error(self) -> float:
        """The largest relative error; infinite where a value may be missing."""
        return math.inf if self.pairs.missing else self.pairs.error


@dataclasses.dataclass(frozen=True)
class Search:
    """The search for eigenpairs: `chooser` gives candidates, all else is as in `eigenpairs`.

    - `count`: of pairs of real functions: twice the number of pairs where functions are complex.
    """

    problem: Problem
    chooser: EigenChooser
    count: int
    near: float | None
    tolerance: float | None
    stopping: Stopping
    interrupt: Interrupt
    compilations: CompilationCounter = dataclasses.field(default_factory=CompilationCounter)
    start: float = dataclasses.field(default_factory=time.perf_counter)

    @property
    def wanted(self) -> int:
        """The number of pairs that were asked for."""
        return self.count // 2 if self.problem.components.any_is_complex else self.count

    def found(self) -> Outcome:
        stages: list[Stage] = []
        ended = None
        for stage in self._stages():
            stages.append(stage)
            ended = self._ending(stages)
            if ended is not None:
                break
        return self._pairs(stages, ended)

    def _stages(self) -> Iterator[Stage]:
        """The pairs on more and more features. Raises `ValueError` for values without a lowest one, or complex ones."""
        if self.chooser.goes_down:
            raise ValueError(
                "the eigenvalues go on towards minus infinity, so that there is no lowest one; change the sign of the "
                "equation, or name a number that they are near to by near="
            )
        best = self.chooser.ranked(insist=True)
        if not best.score <= _POOR:
            raise ValueError(self._nothing(best.score))
        # The ranking is repeated from below where there are values far below those that were found.
        if self.chooser.farther_below(best):
            self.chooser.ranked(insist=True)
        number = 0
        for candidate in self.chooser.stages(goal=self.tolerance or _FLOOR):
            found = self.chooser.found(candidate)
            if found is None or not math.isfinite(candidate.score):
                continue
            other = self.chooser.again(candidate.features)
            if other is None:
                continue
            pairs = compared(found, other, candidate.features, self.near)
            if pairs.complex is not None:
                raise ValueError(
                    f"the problem has the complex eigenvalue {pairs.complex:.6g}; eigenpairs finds real ones"
                )
            missing = tuple(sorted({*pairs.missing, *self.chooser.elsewhere(found)}))
            pairs = dataclasses.replace(pairs, missing=missing)
            system, columns = found.system, found.ritz.columns.shape[0]
            loss = sum(_loss(system, network) for network in pairs.functions)
            yield Stage(candidate, pairs, Record(number, loss, math.nan, rank=columns, seconds=self._seconds))
            number += 1

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self.start

    def _ending(self, stages: list[Stage]) -> Result | None:
        """How the search ends after these stages, or `None` where it goes on."""
        last, before = stages[-1].error, min((stage.error for stage in stages[:-1]), default=math.inf)
        if self.interrupt.requested:
            return Result.INTERRUPTED
        if self.tolerance is not None and last <= self.tolerance:
            return Result.TOLERANCE_REACHED
        if self.tolerance is None and last <= _FLOOR:
            return Result.FLOOR_REACHED
        if self._seconds >= self.stopping.seconds:
            return Result.SECONDS_EXHAUSTED
        small = min(before, last) <= _SMALL
        return Result.STAGNATED if small and last > _GAINS * before else None

    def _pairs(self, stages: list[Stage], ended: Result | None) -> Outcome:
        if not stages:
            raise ValueError(self._nothing(math.inf))
        best = min(stages, key=lambda stage: (stage.error, stage.pairs.error))
        result, detail = ended or Result.STAGNATED, ""
        if result is Result.STAGNATED and best.error <= _SMALL and self.tolerance is None:
            result = Result.FLOOR_REACHED
        if best.pairs.missing:
            listed = ", ".join(f"{value:.6g}" for value in best.pairs.missing[:_LISTED])
            detail = f"one may be missing: some features have an eigenvalue at {listed}, and others have not"
        elif result is Result.STAGNATED:
            detail = f"the features leave an estimated error of {best.error:.1e}"
        history = collect([stage.record for stage in stages])
        shared = {"result": result, "detail": detail, "history": history}
        chosen = self._independent(best)
        solutions = tuple(self._solution(best, number, function, shared) for number, function in chosen.items())
        at = list(chosen)
        return Outcome(solutions, best.pairs.values[at], best.pairs.errors[at], result, detail, best.pairs.missing)

    def _independent(self, stage: Stage) -> dict[int, Network]:
        """The functions of the wanted pairs, by their numbers.

        With a function, `i` times a complex function is one too, and both are found as pairs of real functions. Of each
        eigenvalue those are kept that are independent with complex coefficients, and made orthonormal.
        """
        components, pairs = self.problem.components, stage.pairs
        functions = pairs.functions[: self.count]
        if not components.any_is_complex:
            return dict(enumerate(functions))
        rule = stage.candidate.fit.system.problem.interior()
        values = lambda network: (
            np.sqrt(rule.weights)[:, None]
            * components.assembled(components.at_points(rule.points, network(rule.points)))
        )
        kept: dict[int, Network] = {}
        for number, function in enumerate(functions):
            for other, before in kept.items():
                if abs(pairs.values[number] - pairs.values[other]) <= _SAME * (1 + abs(pairs.values[other])):
                    product = components.product(-complex(np.vdot(values(before), values(function))))
                    function = function.moved(product @ before.outputs, np.zeros_like(function.numbers))
            size = float(np.linalg.norm(values(function)))
            if size > _INDEPENDENT:
                kept[number] = dataclasses.replace(function, outputs=function.outputs / size)
        return dict(list(kept.items())[: self.wanted])

    def _solution(self, stage: Stage, number: int, function: Network, shared: dict[str, Any]) -> Solution:
        pairs, fitted, (constant,) = stage.pairs, stage.candidate.fit, self.problem.constants
        system = fitted.system
        network, value = as_mlp(function, system.problem), float(pairs.values[number])
        correction = dataclasses.replace(pairs.corrections[number], numbers=np.zeros(0))
        error = float(pairs.errors[number] * pairs.sizes[number])
        features = f"sngd.{stage.candidate.features!r}"
        named = "" if self.near is None else f"near={self.near!r}, "
        asked = "" if self.tolerance is None else f"tolerance={self.tolerance!r}, "
        return Solution(
            problem=system.problem,
            network=network,
            loss=_loss(system, function),
            optimizer=f"least squares on {stage.candidate.features}",
            parameters=sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))),
            rows=system.count,
            seconds=self._seconds,
            compile_seconds=self.compilations.taken(),
            compilations=self.compilations.count,
            validation_loss=_loss(self.chooser.between(stage.candidate), function),
            error_estimate=float(pairs.function_errors[number]),
            stability=math.nan,
            choices={
                "network": features,
                "points": repr(system.problem.quadrature),
                "call": f"sngd.eigenpairs(problem, {self.wanted}, {named}{asked}key=key)",
            },
            correction=as_mlp(correction, system.problem),
            constants={constant.name: FoundConstant(constant.name, value, 0.0, math.inf, None, error)},
            covariance=np.zeros((1, 1)),
            **shared,
        )

    def _nothing(self, left: float) -> str:
        """Why there are no pairs. `left`: the part of the terms of the equations that the best features leave."""
        found = "find ever lower values" if self.chooser.endless else f"leave {left:.1e} of the terms of the equations"
        return (
            f"no features resolve {self.wanted} eigenfunctions: they {found}; ask for fewer, name a number that the "
            "eigenvalues are near to by near=, or make the domain smaller"
        )


def _loss(system: System, network: Network) -> float:
    """Half the sum of squares of the residuals."""
    basis = Basis(network.layer)
    parts = [part for rows in system.rows for part in rows.residual(network, basis)]
    return sum(float(np.sum(part**2)) for part in parts) / 2
