"""Functions at many points, in chunks; and how far two of them are apart."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from sngd._arrays import on_device
from sngd.geometry import AbstractRegion, Regions
from sngd.linearize import field_of, function_of_point
from sngd.problem import AbstractProblem, Components, Field, evaluate_on_host, is_traceable
from sngd.solver._step import evaluate

# Points evaluated at once: small enough that a wide network stays within about a gigabyte.
_CHUNK = 4096

# Points an axis of the grid on which errors are measured, up to dimension three; beyond, that many Sobol points.
_GRID = {1: 1001, 2: 101, 3: 41}
_SOBOL = 2**15


class FieldOfNetwork(eqx.Module):
    """What a differential operator makes of a network, as a function of many points of shape `(n, d)`.

    - `parameters`: with the unknown constants. `components`: of the unknown functions.
    """

    network: Callable
    parameters: dict[str, Array]
    domain: AbstractRegion = eqx.field(static=True)
    components: Components = eqx.field(static=True)
    operator: Callable[[Field], Field] = eqx.field(static=True)

    @classmethod
    def of(cls, network: Callable, problem: AbstractProblem, operator: Callable[[Field], Field]) -> "FieldOfNetwork":
        """The operator on the unknown functions of a problem."""
        return cls(network, dict(field_of(network, problem).parameters), problem.domain, problem.components, operator)

    def __call__(self, points: Any) -> np.ndarray:
        """The values, with a first axis of length `n`. Raises `ValueError` for points of another shape."""
        return evaluate_in_chunks(self._at, points_of(points, self.domain))

    def map_field(self, operator: Callable[[Field], Field]) -> "FieldOfNetwork":
        """What a further operator makes of it."""
        both = lambda field: operator(self.operator(field))
        return FieldOfNetwork(self.network, self.parameters, self.domain, self.components, both)

    def in_regions(self, problem: AbstractProblem) -> "PiecewiseField":
        """The same at points of the regions of a domain, for the functions that live there."""
        within = lambda region: lambda field: self.operator(field.within(region))
        each = {
            name: FieldOfNetwork(self.network, self.parameters, self.domain, self.components, within(name))
            for name in regions_of(problem)
        }
        return PiecewiseField(each, problem)

    def _at(self, x: Float[Array, " d"]) -> Array:
        function = function_of_point(self.network, self.domain.dimension, len(self.components))
        field = Field(self.components.function(function), self.domain, self.parameters, self.components)
        return self.operator(field)(x)


@dataclasses.dataclass(frozen=True)
class PiecewiseField:
    """A function that is given region by region, in a domain that is made of named regions.

    - `fields`: by the names of the regions. `problem`: in that domain.
    """

    fields: Mapping[str, FieldOfNetwork]
    problem: AbstractProblem

    def __call__(self, points: Any) -> np.ndarray:
        """The values, with a first axis of length `n`: at each point those of the region that it is in.

        Raises `ValueError` for points of another shape.
        """
        points = points_of(points, self.problem.domain)
        return in_regions(self.problem, points, lambda name, own: self.fields[name](own))

    def map_field(self, operator: Callable[[Field], Field]) -> "PiecewiseField":
        """What a further operator makes of it."""
        return PiecewiseField({name: each.map_field(operator) for name, each in self.fields.items()}, self.problem)


def regions_of(problem: AbstractProblem) -> Mapping[str, AbstractRegion]:
    """The named regions that the domain is made of, if all of them have the same functions; none otherwise."""
    domain = problem.domain
    return domain.named_regions if isinstance(domain, Regions) and problem.components.shared else {}


def in_regions(
    problem: AbstractProblem, points: Float[np.ndarray, "n d"], values: Callable[[str, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Values at points, each from the region that it is in, or that is the last one if it is in none.

    - `values`: of points in the region of this name.
    """
    named = regions_of(problem)
    owners = np.full(len(points), len(named) - 1)
    for number, region in reversed(list(enumerate(named.values()))):
        owners[region.contains(points)] = number
    parts = [values(name, points[owners == number]) for number, name in enumerate(named)]
    found = np.empty((len(points), *parts[0].shape[1:]), dtype=np.result_type(*parts))
    for number, part in enumerate(parts):
        found[owners == number] = part
    return found


def points_of(points: Any, domain: AbstractRegion) -> Float[np.ndarray, "n d"]:
    """Points as an array. Raises `ValueError` where they have not the shape `(n, d)`."""
    points = np.asarray(points, dtype=float)
    if points.ndim != 2 or points.shape[1] != domain.dimension:
        raise ValueError(f"points have shape {points.shape}; this problem needs (n, {domain.dimension})")
    return points


def evaluate_in_chunks(function: Callable, points: np.ndarray) -> np.ndarray:
    """`function` of each of the `points`, shape `(n, d)`, at most 4096 of them at once."""
    if not len(points):
        return np.asarray(evaluate(function, on_device(np.zeros((1, points.shape[1])))))[:0]
    size = min(_CHUNK, len(points))
    padded = np.pad(points, [(0, -len(points) % size), (0, 0)], mode="edge")
    parts = [np.asarray(evaluate(function, on_device(chunk))) for chunk in np.split(padded, len(padded) // size)]
    return np.concatenate(parts)[: len(points)]


def evaluate_unknowns(network: Callable, problem: AbstractProblem, points: np.ndarray) -> np.ndarray:
    """The unknown functions at the `points`, shape `(n,)`, or `(n, f)` for several; complex if one of them is."""
    return unknowns_at(
        problem.components.function(function_of_point(network, problem.domain.dimension, problem.outputs)),
        problem,
        points,
    )


def unknowns_at(function: Callable, problem: AbstractProblem, points: np.ndarray) -> np.ndarray:
    """The same for a function of one point that returns the values of all unknown functions.

    In a domain that is made of named regions the values at each point are those of the region that it is in.
    """
    if not regions_of(problem):
        return evaluate_in_chunks(function, points)
    columns = {name: list(problem.components.within(name)[0]) for name in regions_of(problem)}
    values = lambda name, own: evaluate_in_chunks(function, own)[:, columns[name]]
    found = in_regions(problem, points, values)
    return found[:, 0] if found.shape[1] == 1 else found


def exact_at(problem: AbstractProblem, points: np.ndarray) -> np.ndarray:
    """The exact solution of a problem that has one. Raises `ValueError` for complex values of real functions."""
    exact = problem.exact_solution
    assert exact is not None
    values = evaluate_exact(exact, points)
    if np.iscomplexobj(values) and not problem.components.any_is_complex:
        raise ValueError(
            f"exact is complex, and the unknown {', '.join(problem.functions)} is real; give real values, or make it "
            f"complex by sngd.Unknown({problem.functions[0]!r}, complex=True)"
        )
    return values


def evaluate_exact(exact: Callable, points: np.ndarray) -> np.ndarray:
    """An exact solution at the `points`, shape `(n, d)`; point by point where JAX cannot trace it."""
    if is_traceable(exact, points.shape[1]):
        return evaluate_in_chunks(exact, points)
    return evaluate_on_host(exact, points, "exact")


def error_points(problem: AbstractProblem) -> np.ndarray:
    """Where errors are measured, shape `(n, d)`."""
    domain = problem.domain
    if domain.dimension in _GRID:
        return domain.grid(_GRID[domain.dimension])
    return domain.spread(_SOBOL).points


def relative_difference(values: np.ndarray, exact: np.ndarray) -> float:
    """`||values - exact|| / ||exact||`; the root mean square of `values` where `exact` is zero at all points.

    Raises `ValueError` where the shapes differ.
    """
    if values.shape != exact.shape:
        raise ValueError(f"exact gives values of shape {exact.shape}; this network's have shape {values.shape}")
    size = root_mean_square(exact)
    return root_mean_square(values - exact) / (size or 1.0)


def root_mean_square(values: np.ndarray) -> float:
    """The root of the mean over `n` of the squared norms of values of shape `(n, ...)`. It does not overflow."""
    largest = float(np.max(np.abs(values), initial=0.0))
    if not 0 < largest < math.inf:
        return largest
    return largest * math.sqrt(np.mean(np.sum(np.abs(values / largest).reshape(len(values), -1) ** 2, axis=1)))
