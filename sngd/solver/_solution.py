"""What a run returns."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from sngd._history import History
from sngd._results import Result
from sngd.files import Checkpoints
from sngd.geometry import AbstractRegion, Regions
from sngd.problem import AbstractProblem, Field, Problem
from sngd.solver._constants import FoundConstant, found_laws
from sngd.solver._evaluation import (
    FieldOfNetwork,
    PiecewiseField,
    error_points,
    evaluate_exact,
    evaluate_in_chunks,
    evaluate_unknowns,
    points_of,
    regions_of,
    relative_difference,
)
from sngd.solver._residuals import ConditionResidual, residuals_of


@dataclasses.dataclass(frozen=True, repr=False)
class Solution:
    """A trained network, and how it came about.

    - `problem`, `network`: what was solved, and the network with its final parameters.
    - `result`: how the run ended. `loss`: that of the network, for least squares the lowest one on the way.
    - `history`: what every iteration reported.
    - `optimizer`: its name or description. `parameters`, `rows`: sizes `p` and `n`.
    - `seconds`: of the whole training. `compilations`: how many functions were compiled. `compile_seconds`: what that
      took, without tracing.
    - `validation_loss`: the loss between the points of the run.
    - `error_estimate`: an estimate of the relative L2 error, from the residual between the points and the `stability`
      constant of the linearized problem (docs/reliability.md). It is infinite where the conditions do not determine the
      solution. Where no condition has data, it is relative to the solution or to the untrained network, whichever is
      larger.
    - `stability`: the constant. Not a number where it is not known, as for an energy whose Jacobian is not stored, or
      for a run that was interrupted; then one takes its place in the estimate.
    - `detail`: what went wrong, where that is known, such as the first point where the residual is not finite.
    - `choices`: what the library has chosen where the caller left it open. `"call"` is the call that repeats it.
    - `constants`: the unknown constants by their names, with standard errors, and the coefficients of laws, `b[0]`,
      `b[1]` and so on, at the end. `covariance`: of these, shape `(c, c)`.
    - `modes`: a network of `m r` components: the change of each component along `r` independent directions of
      the noise of readings, by one standard deviation each; `None` without readings that have noise.
    - `misfit`: the sum of squares of the residuals of readings with noise and of priors, each divided by its standard
      deviation, or by one where that was estimated. `freedom`: the number of these readings less the unknowns that they
      determine. `penalty`: what smoothness adds to the misfit. Not numbers where no reading has noise, and for a
      network that has been trained.
    - `correction`: for a solution on frozen features, a network that approximates what is missing to the solution, from
      which the estimate comes; otherwise `None`.
    """

    problem: AbstractProblem
    network: Callable
    result: Result
    loss: float
    history: History
    optimizer: str
    parameters: int
    rows: int
    seconds: float
    compile_seconds: float
    compilations: int
    validation_loss: float
    error_estimate: float
    stability: float
    detail: str = ""
    choices: Mapping[str, str] = dataclasses.field(default_factory=dict)
    correction: Callable | None = None
    constants: Mapping[str, FoundConstant] = dataclasses.field(default_factory=dict)
    covariance: Float[np.ndarray, "c c"] = dataclasses.field(default_factory=lambda: np.zeros((0, 0)))
    modes: Callable | None = None
    misfit: float = math.nan
    freedom: float = math.nan
    penalty: float = math.nan

    def __call__(self, points: Any) -> np.ndarray:
        """`u` at `points` of shape `(n, d)`: shape `(n,)`, or `(n, f)` for several functions; evaluated in chunks.

        The values are float64, or complex128 if one of the functions is complex.

        Raises `ValueError` for points of another shape.
        """
        return evaluate_unknowns(self.network, self.problem, points_of(points, self.problem.domain))

    def error(self, points: Any) -> np.ndarray:
        """An approximation of the error at `points` of shape `(n, d)`: of the shape of the solution there.

        The solution minus this error is a better one, as far as the error is not one of rounding.

        Raises `ValueError` for points of another shape, and for a network that has been trained: its error is known as
        a norm only.
        """
        if self.correction is None:
            raise ValueError("the error of a trained network is known as a norm only; see error_estimate")
        points = points_of(points, self.problem.domain)
        if self.problem.components.has_trials:
            return self(points) - evaluate_unknowns(_Sum((self.network, self.correction)), self.problem, points)
        return -evaluate_unknowns(self.correction, self.problem, points)

    def standard_deviation(self, points: Any) -> np.ndarray:
        """The standard deviation of the solution at `points` of shape `(n, d)`, from the noise of the readings.

        It has the shape of the solution there, is zero where no reading has noise, and not a number for a network that
        has been trained with such readings. For a complex function it is the
        root of the sum of the variances of its two parts. Raises `ValueError` for points of another shape.
        """
        points, components = points_of(points, self.problem.domain), self.problem.components
        shape = (len(points), len(components.names))
        noisy = isinstance(self.problem, Problem) and any(each.noise_unit for each in self.problem.conditions)
        found = np.full(shape, math.nan if noisy and math.isnan(self.misfit) else 0.0)
        if self.modes is not None:
            modes = evaluate_in_chunks(self.modes, points).reshape(len(points), len(components), -1)
            if components.has_trials:
                here = evaluate_in_chunks(self.network, points).reshape(len(points), -1)
                modes = components.changes(points, here, modes)
            found = np.stack([components.norms(each) for each in np.linalg.norm(modes, axis=2)])
        return found[:, 0] if shape[1] == 1 else found

    def map_field(self, operator: Callable[[Field], Field]) -> FieldOfNetwork | PiecewiseField:
        """What a differential operator makes of the solution, as in `sngd.partial(solution, "x")(points)`."""
        found = FieldOfNetwork.of(self.network, self.problem, operator)
        return found.in_regions(self.problem) if regions_of(self.problem) else found

    def __getitem__(self, name: str) -> Any:
        """One of the unknown functions, as in `solution["v"](points)`; or a law, as in `solution["b"](numbers)`.

        Raises `KeyError` for another name.
        """
        laws = found_laws(self.problem, self.constants, self.covariance)
        if name in laws:
            return laws[name]
        shared = self.problem.components.shared if regions_of(self.problem) else ()
        if name in shared:
            return self.map_field(lambda field: field.named(name))
        if name not in self.problem.functions:
            known = ", ".join([*shared, *self.problem.functions, *laws])
            raise KeyError(f"{name} is none of the unknown functions {known}")
        return FieldOfNetwork.of(self.network, self.problem, lambda field: field.named(name))

    def residuals(self) -> tuple[ConditionResidual, ...]:
        """The residuals of each condition at points between those of the run, in the order of the conditions.

        Of an energy they are those of its Euler-Lagrange equation and of its natural boundary conditions.
        """
        return residuals_of(self.problem, self.network)

    def __repr__(self) -> str:
        """The result, the problem, the network, the error and the cost, a line each."""
        domain, iterations = self.problem.domain, self.history.iteration[-1]
        ranges = zip(domain.axes, domain.bounds, strict=True)
        laws = {each.name: law for law in self.problem.laws for each in law.coefficients}
        constants = [f"    {name} = {found}" for name, found in self.constants.items() if name not in laws]
        constants += [
            f"    {law.name}: a law between {law.between[0]:g} and {law.between[1]:g}" for law in self.problem.laws
        ]
        axes = ", ".join(f"{axis} in [{low:g}, {high:g}]" for axis, (low, high) in ranges)
        return "\n".join(
            (
                f"Solution: {self.result.value}{f' ({self.detail})' if self.detail else ''}",
                f"    problem: {self.problem.name}, {axes}",
                f"    network: {self.parameters:,} parameters, {self.rows:,} rows; {self.optimizer}",
                *constants,
                f"    relative L2 error, estimated: {self.error_estimate:.1e}",
                f"    {iterations:,} iterations, {self.seconds:.1f} s, {self.compile_seconds:.1f} s of it compilation",
            )
        )

    def relative_l2(self, exact: Callable | None = None, *, on: AbstractRegion | str | None = None) -> float:
        """The relative L2 error against `exact`, a function of one point; by default the problem's own.

        The error is the absolute one, a root mean square, where `exact` is zero everywhere. It is measured on a uniform
        grid of 101 points an axis (1001 in one dimension, 41 in three), or on 32,768 Sobol points in higher dimensions.

        - `on`: a region, or the name of one of those that the domain is made of, in which the error is measured; left
          out, the whole domain.

        Raises `ValueError` where no exact solution is known, and for a region without points of the grid.
        """
        exact = exact or self.problem.exact_solution
        if exact is None:
            raise ValueError("exact is missing, and this problem has none of its own; give the solution as a function")
        points = error_points(self.problem)
        if on is not None:
            named = self.problem.domain.named_regions if isinstance(self.problem.domain, Regions) else {}
            if isinstance(on, str) and on not in named:
                raise ValueError(f"on is {on!r}; the regions of this domain are {', '.join(named) or 'not named'}")
            points = points[(named[on] if isinstance(on, str) else on).contains(points)]
            if not len(points):
                raise ValueError(f"on is {on!r}, in which there is no point of the grid; give a larger region")
        return relative_difference(self(points), evaluate_exact(exact, points))


class _Sum(eqx.Module):
    """The sum of two networks."""

    networks: tuple[Any, Any]

    def __call__(self, x: Float[Array, " d"]) -> Array:
        first, second = self.networks
        return first(x) + second(x)


def with_solution(error: Exception, solution: Solution, checkpoints: Checkpoints | None) -> Exception:
    """The exception of a callback, which keeps what the run had reached."""
    kept = "" if checkpoints is None else f", and the run goes on from {str(checkpoints.folder)!r} with resume=True"
    error.add_note(
        f"A callback raised this exception, which ended the run at iteration {solution.history.iteration[-1]}. The "
        f"solution that was reached is the attribute `solution` of the exception{kept}."
    )
    error.solution = solution  # pyright: ignore[reportAttributeAccessIssue]
    return error
