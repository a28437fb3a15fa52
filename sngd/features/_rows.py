"""The rows of one condition in all cells in which it holds: residuals, and what each feature adds to them."""

import dataclasses
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from sngd.features._basis import Basis
from sngd.features._direct import FEATURES, jacobian_of, residual_of, trial_of
from sngd.features._families import Features, Layer
from sngd.features._network import Network
from sngd.features._points import with_points
from sngd.geometry import Box, Spread, UniformRandom, joined
from sngd.linearize import Pointwise, Term, condition_term, residual_terms
from sngd.problem import Integral, Periodic, Problem

# Features for whose points conditions are traced, and the points at which it is found out what residuals depend on.
_FEW, _MANY = 64, UniformRandom(2048)

# Points whose scaled coordinates differ by less are the same points of different cells.
_SAME = 1e-11


class Responses(NamedTuple):
    """What unit changes of the unknowns change in residuals, one array for each cell.

    - `features`: of each output weight. `constants`: of each unknown constant, in its unit.
    """

    features: list[Float[np.ndarray, "n m q"]]
    constants: list[Float[np.ndarray, "n c"]]


@dataclasses.dataclass(frozen=True)
class Rows:
    """One condition at points of all cells in which it holds.

    - `problem`: with the points of one cell. `number`: of the condition. `term`: with all points.
    - `pointwise`: what the residual depends on; `None` where it reads the unknown at other points, in one cell.
    - `cells`: the number of each cell, its half sides, and its points, scaled to [-1, 1]^d. Cells with the same points
      share the array.
    - `offsets`: what is subtracted from the residual: where a window of time starts from the one before, the residual
      of the initial conditions for the solution there.
    """

    problem: Problem
    number: int
    term: Term
    pointwise: Pointwise | None
    cells: tuple[tuple[int, Float[np.ndarray, " d"], Float[np.ndarray, "n d"]], ...]
    offsets: Float[np.ndarray, "n e"] | float = 0.0

    @property
    def count(self) -> int:
        return self.term.rows

    @property
    def weight(self) -> float:
        """The weight that the user has given to the condition."""
        return self.problem.conditions[self.number].weight

    @property
    def noise_unit(self) -> float | None:
        """The standard deviation of a reading in the unit of the rows, or `None` for a condition that holds exactly."""
        return self.problem.conditions[self.number].noise_unit

    @property
    def is_of_readings(self) -> bool:
        """Whether the condition is one of readings."""
        return self.problem.conditions[self.number].is_of_readings

    @property
    def is_initial(self) -> bool:
        """Whether the condition holds at the first instant alone."""
        domain = self.problem.domain
        if domain.time_axis is None:
            return False
        faces = self.problem.conditions[self.number].faces(domain)
        return faces is not None and all(face.is_initial for face in faces)

    def _mixed(self, rows: np.ndarray) -> np.ndarray:
        """Rows of readings, in which correlated ones are mixed so that they are independent."""
        matrix = self.problem.conditions[self.number].mixing
        if matrix is None:
            return rows
        return (matrix @ rows.reshape(len(matrix), -1)).reshape(rows.shape)

    def residual(self, network: Network, basis: Basis) -> list[Float[np.ndarray, " n"]]:
        """The residual for a network on the cells, one array for each cell.

        - `basis`: of the layer of the network.
        """
        if self.pointwise is None:
            return [self._mixed(residual_of(self.term, self.problem, network))]
        values, *_ = self.pointwise.linearized(self.term, self._derivatives(network, basis), network.numbers)
        return [self._mixed(part.ravel()) for part in self._by_cells(values - self.offsets)]

    def jacobian(self, basis: Basis, at: Network | None = None, other: Basis | None = None) -> Responses:
        """What changes of the unknowns change in the residual.

        - `at`: the network at which the residual is linearized; left out, the function that is zero everywhere, and
          constants at their starts. `other`: the basis of its layer.
        """
        outputs, layer = self.problem.outputs, basis.layer
        if self.pointwise is None:
            features, constants = jacobian_of(self.term, self.problem, layer, at)
            return Responses([self._mixed(features)], [self._mixed(constants)])
        numbers = self.problem.start_numbers if at is None else at.numbers
        if at is None or other is None:
            derivatives = np.zeros((len(self.term.scales), outputs, len(self.pointwise.orders)))
        else:
            derivatives = self._derivatives(at, other)
        _, slopes, others = self.pointwise.linearized(self.term, derivatives, numbers)
        found = [
            basis.combined(scaled, half, self.pointwise.orders, part)
            for part, (_, half, scaled) in zip(self._by_cells(slopes), self.cells, strict=True)
        ]
        features = [self._mixed(part.reshape(-1, outputs, len(layer))) for part in found]
        parts = self._by_cells(others)
        constants = [self._mixed(part.reshape(math.prod(part.shape[:2]), len(numbers))) for part in parts]
        return Responses(features, constants)

    def for_solution(self, network: Network) -> Float[np.ndarray, "n e"]:
        """The residual for a network with cells of its own, point by point."""
        assert self.pointwise is not None
        points, owners = np.asarray(self.term.points), network.owners(np.asarray(self.term.points))
        basis, orders = Basis(network.layer), self.pointwise.orders
        derivatives = np.empty((len(points), self.problem.outputs, len(orders)))
        for number in np.unique(owners):
            own, cell = owners == number, network.cells[number]
            scaled = (points[own] - cell.center) / cell.half_sides
            derivatives[own] = basis.derivatives(scaled, cell.half_sides, orders, network.outputs[number])
        return self.pointwise.linearized(self.term, derivatives, network.numbers)[0]

    def _derivatives(self, network: Network, basis: Basis) -> Float[np.ndarray, "n m A"]:
        assert self.pointwise is not None
        orders = self.pointwise.orders
        parts = [basis.derivatives(scaled, half, orders, network.outputs[at]) for at, half, scaled in self.cells]
        return np.concatenate(parts)

    def _by_cells(self, values: np.ndarray) -> list[np.ndarray]:
        return np.split(values, np.cumsum([len(scaled) for *_, scaled in self.cells])[:-1])


@dataclasses.dataclass(frozen=True)
class Conditions:
    """The conditions of a problem, traced once.

    - `problem`: with any points. `terms`: one for each condition. `pointwise`: what their residuals depend on.
    - `activation`: of the features. `densities`: of the integrals among the conditions, by their numbers.
    """

    problem: Problem
    terms: tuple[Term, ...]
    pointwise: tuple[Pointwise | None, ...]
    activation: str
    densities: Mapping[int, tuple[Term, Pointwise | None]] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, problem: Problem, activation: str) -> "Conditions":
        """The conditions of a problem, with or without points. Raises `TypeError` or `ValueError` for a residual that
        cannot be used.
        """
        few = with_points(problem, Features((1.0,) * problem.domain.dimension, _FEW))
        many = problem
        if problem.quadrature is None:
            dense = _MANY if isinstance(problem.domain, Box) else Spread(_MANY.points)
            many = dataclasses.replace(few, quadrature=dense, boundary_quadrature=problem.boundary_quadrature or dense)
        zeros = Layer(np.zeros((FEATURES, problem.domain.dimension)), np.zeros(FEATURES), activation)
        trial = trial_of(few, zeros, None, problem.start_numbers)
        terms = residual_terms(few, *trial)
        pointwise = [
            None if isinstance(each, Periodic | Integral) else Pointwise.of(term.on(many.collocation(each)), problem)
            for term, each in zip(terms, problem.conditions, strict=True)
        ]
        densities = {}
        for number, each in enumerate(problem.conditions):
            if isinstance(each, Integral):
                term = condition_term(few, each.at_points, *trial)
                densities[number] = term, Pointwise.of(term.on(each.points(problem.domain)), problem)
        return cls(problem, terms, tuple(pointwise), activation, densities)

    @property
    def are_pointwise(self) -> bool:
        """Whether no condition but periodic ones and integrals reads the unknown at other points than its own."""
        pairs = zip(self.pointwise, self.problem.conditions, strict=True)
        local = all(known is not None or isinstance(each, Periodic | Integral) for known, each in pairs)
        return local and all(known is not None for _, known in self.densities.values())

    @property
    def orders(self) -> tuple[tuple[int, ...], ...]:
        """For each axis, for each component, the highest derivative in the interior."""
        domain = self.problem.domain
        inside = [
            each
            for each, condition in zip(self.pointwise, self.problem.conditions, strict=True)
            if each is not None and condition.faces(domain) is None and not condition.is_of_readings
        ]
        found = np.max([each.highest for each in inside], axis=0)
        # A function of some of the axes is the same in all cells along the others, and continuous along its own.
        partial = [len(axes) < domain.dimension for axes in self.problem.inputs]
        found[partial] = np.maximum(found[partial], 1)
        return tuple(map(tuple, found.T.tolist()))

    def with_points(self, features: Features) -> Problem:
        """The problem with points for a fit of these features, where it names none."""
        domain, pairs = self.problem.domain, zip(self.terms, self.problem.conditions, strict=True)
        inside = [term for term, each in pairs if each.faces(domain) is None and not each.is_of_readings]
        equations = sum(term.components for term in inside)
        return with_points(self.problem, features, max(equations, 1))

    def rows(self, problem: Problem) -> tuple[Rows, ...]:
        """The rows of all conditions on the whole domain. Sine features meet periodic conditions without a factor by
        themselves.

        - `problem`: one that differs in its points alone.
        """
        domain, found = problem.domain, []
        for number, (term, condition) in enumerate(zip(self.terms, problem.conditions, strict=True)):
            if not (isinstance(condition, Periodic) and condition.factor == 1 and self.activation == "sin"):
                collocation = problem.collocation(condition)
                scaled = (collocation.points - domain.center) / domain.half_sides
                cells = ((0, domain.half_sides, scaled),)
                found.append(Rows(problem, number, term.on(collocation), self.pointwise[number], cells))
        return tuple(found)

    def rows_in(
        self, problem: Problem, cells: tuple[Box, ...], start: float | None, before: Network | None
    ) -> tuple[Rows, ...]:
        """The rows of all conditions but periodic ones in cells.

        - `problem`: one that differs in its points alone.
        - `start`: the instant at which initial conditions are imposed; `None` for the first one of the domain.
        - `before`: the solution before that instant, which takes the place of the data of the initial conditions;
          `None` for the first instant of the domain.
        """
        found = []
        for number, (term, condition) in enumerate(zip(self.terms, problem.conditions, strict=True)):
            each = (
                []
                if isinstance(condition, Periodic | Integral)
                else [problem.collocation_in(condition, cell, start) for cell in cells]
            )
            parts = [(at, part) for at, part in enumerate(each) if part is not None]
            if parts:
                places = _places([(at, cells[at], part.points) for at, part in parts])
                rows = Rows(
                    problem, number, term.on(joined([part for _, part in parts])), self.pointwise[number], places
                )
                if before is not None and rows.is_initial:
                    rows = dataclasses.replace(rows, offsets=rows.for_solution(before))
                found.append(rows)
        return tuple(found)

    def sums_in(self, problem: Problem, cells: tuple[Box, ...]) -> tuple[Rows, ...]:
        """The densities of all integrals at their points in cells, times the weights there."""
        found = []
        for number, (term, pointwise) in self.densities.items():
            condition = problem.conditions[number]
            assert isinstance(condition, Integral)
            every = condition.points(problem.domain)
            free, parts = np.full(len(every.weights), True), []
            for at, cell in enumerate(cells):
                # A point at the face of two cells belongs to the first one.
                own = free & cell.contains(every.points)
                free &= ~own
                if own.any():
                    parts.append((at, every.kept(own)))
            # Rows are multiplied by the roots of the weights of their points.
            points = joined([dataclasses.replace(part, weights=part.weights**2) for _, part in parts])
            places = _places([(at, cells[at], part.points) for at, part in parts])
            found.append(Rows(problem, number, term.on(points), pointwise, places))
        return tuple(found)


def _places(
    parts: list[tuple[int, Box, Float[np.ndarray, "n d"]]],
) -> tuple[tuple[int, Float[np.ndarray, " d"], Float[np.ndarray, "n d"]], ...]:
    """The number of each cell, its half sides and its scaled points, where equal points are one array."""
    known: list[np.ndarray] = []
    found = []
    for number, cell, points in parts:
        scaled = (points - cell.center) / cell.half_sides
        same = (each for each in known if each.shape == scaled.shape and np.max(np.abs(each - scaled)) < _SAME)
        shared = next(same, None)
        if shared is None:
            known.append(shared := scaled)
        found.append((number, cell.half_sides, shared))
    return tuple(found)
