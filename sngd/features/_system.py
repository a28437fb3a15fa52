"""The rows of all cells together, with those of the interfaces between them."""

import dataclasses
import math
import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from sngd.features._basis import Basis
from sngd.features._blocks import Blocks, Coupling, Joint
from sngd.features._families import Layer
from sngd.features._mesh import Interface, interfaces
from sngd.features._network import Network
from sngd.features._rows import Conditions, Rows
from sngd.geometry import Box
from sngd.problem import Integral, Problem, priors

# Rows of readings with noise, and of priors, are this part of the rows that hold exactly. The latter are violated by
# its square, so that the equations hold to rounding errors however large the noise is.
NOISY = 1e-6

# A response must be so many times larger than its change where the weights of the features change in the last digit.
_RESPONDS = 1e2


class Units(NamedTuple):
    """What residuals are divided by: for each cell one number for each condition, for each interface one for each order
    of the derivatives, one number for readings and priors in units of their standard deviations, and one for each
    integral over several cells.
    """

    own: tuple[tuple[float, ...], ...]
    jumps: tuple[tuple[float, ...], ...]
    deviation: float = 1.0
    sums: tuple[float, ...] = ()


class Jacobian(NamedTuple):
    """What unit changes change in the residual, in each cell, of each condition there.

    - `features`: changes of the output weights of the cell. `constants`: of the unknown constants, in their units.
    """

    features: list[list[Float[np.ndarray, "n m q"]]]
    constants: list[list[Float[np.ndarray, "n c"]]]


@dataclasses.dataclass(frozen=True)
class System:
    """The conditions in all cells, and the continuity of the solution and its derivatives between the cells.

    - `cells`: boxes that do not overlap. `rows`: of each condition. `interfaces`: between the cells, by their numbers.
    - `orders`: for each axis, for each component, the order of the equation: the derivatives of lower order are
      continuous.
    """

    cells: tuple[Box, ...]
    rows: tuple[Rows, ...]
    interfaces: tuple[Interface, ...] = ()
    orders: tuple[tuple[int, ...], ...] = ()
    sums: tuple[Rows, ...] = ()

    @classmethod
    def of(
        cls,
        conditions: Conditions,
        problem: Problem,
        cells: tuple[Box, ...],
        start: float | None = None,
        before: Network | None = None,
    ) -> "System":
        """The system for these cells. Periodic conditions are met by interfaces.

        - `problem`: with points for one cell. `start`, `before`: as in `Conditions.rows_in`.
        """
        rows = conditions.rows_in(problem, cells, start, before)
        found = interfaces(cells, problem.domain.hull, problem.joined_axes)
        # A face of a cell may be outside of the domain.
        between = tuple(each for each in found if len(each.points(problem)[0]))
        return cls(cells, rows, between, conditions.orders, conditions.sums_in(problem, cells))

    @property
    def problem(self) -> Problem:
        """The problem with the points of one cell."""
        return self.rows[0].problem

    @property
    def count(self) -> int:
        """The number of rows in all cells."""
        return sum(each.count for each in self.rows)

    def zero(self, layer: Layer) -> Network:
        """The function that is zero everywhere, with the unknown constants at their starts."""
        outputs = np.zeros((len(self.cells), self.problem.outputs, len(layer)))
        return Network(layer, self.cells, outputs, self.problem.start_numbers)

    def start(self, layer: Layer) -> Network:
        """The constant functions from which the unknown functions are sought."""
        network = self.zero(layer)
        outputs = network.outputs.copy()
        for number, value in enumerate(self.problem.starts):
            # The first feature of each function is constant.
            first = int(np.argmax(layer.used_by(self.problem.outputs)[number]))
            constant = layer(np.zeros((1, layer.weights.shape[1])))[0, first]
            outputs[:, number, first] = value / constant
        return dataclasses.replace(network, outputs=outputs)

    def residual(self, network: Network, basis: Basis | None = None) -> list[list[Float[np.ndarray, " n"]]]:
        """The residual in each cell of each condition that holds there.

        - `basis`: of the layer of the network, if there is one that is used again.
        """
        basis = basis or Basis(network.layer)
        return self._by_cells([each.residual(network, basis) for each in self.rows])

    def jacobian(self, basis: Basis, at: Network | None = None, other: Basis | None = None) -> Jacobian:
        """What changes of the unknowns change in the residual in each cell of each condition there.

        - `at`: the network at which the residual is linearized; left out, the function that is zero everywhere.
          `other`: the basis of its layer, if it is another one.
        """
        found = [each.jacobian(basis, at, other or basis) for each in self.rows]
        return Jacobian(*(self._by_cells([part[at] for part in found]) for at in (0, 1)))

    def units(self, jacobian: Jacobian, basis: Basis) -> Units:
        """The root mean square, over the features, of the norm of the response of each condition and each jump.

        A condition has this norm over the root of the weight that the user has given to it. One that does not respond
        has an infinite unit. One that responds to large networks only has the response to a random one.
        """
        used = basis.layer.used_by(self.problem.outputs)
        norms = [[_response(matrix, used) for matrix in matrices] for matrices in jacobian.features]
        weights = self._by_cells([[math.sqrt(each.weight)] * len(each.cells) for each in self.rows])
        if not all(norm > 0 for each in norms for norm in each):
            others = self._responses_to_a_network(basis)
            norms = [[norm or far for norm, far in zip(*pair, strict=True)] for pair in zip(norms, others, strict=True)]
        own = [
            tuple(norm / weight if norm else math.inf for norm, weight in zip(*pair, strict=True))
            for pair in zip(norms, weights, strict=True)
        ]
        noise = self._by_cells([[each.noise_unit] * len(each.cells) for each in self.rows])
        noisy = [
            norm / unit
            for cell in zip(norms, noise, strict=True)
            for norm, unit in zip(*cell, strict=True)
            if unit is not None
        ]
        deviation = max(noisy, default=1.0) / NOISY
        own = [
            tuple(one if unit is None else unit * deviation for one, unit in zip(*pair, strict=True))
            for pair in zip(own, noise, strict=True)
        ]
        jumps = [
            tuple(
                math.sqrt(np.mean(np.sum(left**2 + right**2, axis=0))) for left, right in self._sides(each, basis.layer)
            )
            for each in self.interfaces
        ]
        return Units(tuple(own), tuple(jumps), deviation, self._units_of_sums(basis))

    @property
    def bounds(self) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, " c"]]:
        """The bounds of the unknown constants, in their units."""
        constants = self.problem.constants
        lower, upper = ([getattr(each, name) / each.unit for each in constants] for name in ("lower", "upper"))
        return np.array(lower), np.array(upper)

    def at_bounds(self, network: Network) -> Bool[np.ndarray, " c"]:
        """Which constants are at a bound."""
        return np.any(np.equal(network.numbers, self.bounds), axis=0)

    @property
    def has_noise(self) -> bool:
        """Whether there are readings with noise, or priors."""
        noisy = any(each.noise_unit is not None for each in self.rows)
        return noisy or any(constant.prior is not None for constant in self.problem.constants)

    @property
    def noise(self) -> float:
        """The norm that the noise of readings has in the rows, on average."""
        return NOISY * math.sqrt(sum(each.count for each in self.rows if each.is_of_readings and each.noise_unit))

    @property
    def has_readings(self) -> bool:
        """Whether there are readings, between which the equations may leave functions open."""
        return any(each.is_of_readings for each in self.rows)

    @property
    def has_exact_readings(self) -> bool:
        """Whether there are readings without noise."""
        return any(each.is_of_readings and each.noise_unit is None for each in self.rows)

    def weighed(self, units: Units, noisy: float = NOISY, exact: float = 1.0) -> Units:
        """The units in which readings have other weights than in these.

        - `noisy`, `exact`: what rows of readings with noise, and of those without, are beside the other rows.
        """
        exactly = lambda each: 1 / exact if each.is_of_readings else 1.0
        factors = [exactly(each) if each.noise_unit is None else NOISY / noisy for each in self.rows]
        by_cells = self._by_cells([[factor] * len(each.cells) for each, factor in zip(self.rows, factors, strict=True)])
        own = [tuple(map(operator.mul, *pair)) for pair in zip(units.own, by_cells, strict=True)]
        return Units(tuple(own), units.jumps, units.deviation * NOISY / noisy, units.sums)

    def blocks(self, jacobian: Jacobian, network: Network, units: Units) -> Blocks:
        """The derivative of all rows by the output weights, and by the constants in their units.

        - `network`: with the layer of the output weights, at whose constants priors are linearized.
        """
        layer = network.layer
        features = [[layer.columns_of(matrix) for matrix in matrices] for matrices in jacobian.features]
        own, border = (
            tuple(_stacked(matrices, each) for matrices, each in zip(part, units.own, strict=True))
            for part in (features, jacobian.constants)
        )
        couplings = []
        for interface, scales in zip(self.interfaces, units.jumps, strict=True):
            parts = list(zip(self._sides(interface, layer), self._components(interface), scales, strict=True))
            if parts:
                chosen = [np.eye(self.problem.outputs)[list(components)] / scale for _, components, scale in parts]
                factors = (np.eye(self.problem.outputs), self.problem.components.product(interface.factor))
                left, right = (
                    np.concatenate(
                        [np.kron(one @ factor, sides[at]) for one, (sides, _, _) in zip(chosen, parts, strict=True)]
                    )
                    for at, factor in enumerate(factors)
                )
                left, right = (
                    layer.columns_of(side.reshape(len(side), self.problem.outputs, len(layer)))
                    for side in (left, right)
                )
                couplings.append(Coupling(interface.first, interface.second, left, -right))
        last = priors(self.problem.constants, network.numbers)[1] / units.deviation
        return Blocks(own, tuple(couplings), border, last, self._joints(network, units))

    def _joints(self, network: Network, units: Units) -> tuple[Joint, ...]:
        """The derivatives of the integrals by the output weights of all cells, and by the constants."""
        found, basis = [], Basis(network.layer)
        for each, unit in zip(self.sums, units.sums, strict=True):
            responses, equations = each.jacobian(basis, network, basis), each.term.components
            features, constants = (
                [part.reshape(len(part) // equations, equations, *part.shape[1:]).sum(axis=0) for part in parts]
                for parts in responses
            )
            parts = tuple(network.layer.columns_of(part) / unit for part in features)
            found.append(Joint(tuple(at for at, *_ in each.cells), parts, np.sum(constants, axis=0) / unit))
        return tuple(found)

    def _units_of_sums(self, basis: Basis) -> tuple[float, ...]:
        """For each integral the root mean square, over the features, of its response, over the root of its weight."""
        found = []
        for each in self.sums:
            parts = [part.reshape(-1, each.term.components, *part.shape[1:]) for part in each.jacobian(basis).features]
            responses = np.stack([np.sum(part, axis=0) for part in parts])
            norm = math.sqrt(float(np.mean(np.sum(responses**2, axis=(0, 1)))))
            found.append((norm or 1.0) / math.sqrt(each.weight))
        return tuple(found)

    def _integrals(self, network: Network, units: Units, basis: Basis | None) -> list[Float[np.ndarray, " n"]]:
        """How far the integrals are from their values, in units."""
        basis, found = basis or Basis(network.layer), []
        for each, unit in zip(self.sums, units.sums, strict=True):
            parts = [part.reshape(-1, each.term.components) for part in each.residual(network, basis)]
            condition = self.problem.conditions[each.number]
            assert isinstance(condition, Integral)
            total = np.sum([np.sum(part, axis=0) for part in parts], axis=0)
            found.append((total - np.ravel(np.asarray(condition.value))) / unit)
        return found

    def noisy_rows(self) -> list[Int[np.ndarray, "n 2"]]:
        """The cells of the rows of readings with noise, and their places among the own rows of the cell; an array for
        each condition, empty for one without noise.
        """
        starts, found = np.zeros(len(self.cells), dtype=int), []
        for each in self.rows:
            places = []
            for number, _, scaled in each.cells:
                size = len(scaled) * each.term.components
                if each.noise_unit is not None:
                    places.extend((number, starts[number] + row) for row in range(size))
                starts[number] += size
            found.append(np.array(places, dtype=int).reshape(-1, 2))
        return found

    @property
    def estimates_noise(self) -> list[bool]:
        """For each condition, whether the noise of its readings is to be estimated."""
        conditions = self.problem.conditions
        return [conditions[each.number].estimates_noise for each in self.rows]

    def stacked(self, network: Network, units: Units, basis: Basis | None = None) -> list[Float[np.ndarray, " n"]]:
        """The residual in each cell, the jumps at interfaces and the integrals, in units, in the order of blocks."""
        pairs = zip(self.residual(network, basis), units.own, strict=True)
        own = [_stacked(parts, each) for parts, each in pairs]
        last = priors(self.problem.constants, network.numbers)[0] / units.deviation
        return [*own, *self._jumps(network, units), *self._integrals(network, units, basis), last]

    def by_cells(self, stacked: list[Float[np.ndarray, " n"]]) -> Float[np.ndarray, " K"]:
        """The norms of residuals in each cell, with those of its interfaces."""
        squares = np.array([np.sum(part**2) for part in stacked[: len(self.cells)]])
        coupled = [each for each in self.interfaces if self._components(each)]
        for interface, part in zip(coupled, stacked[len(self.cells) :], strict=False):
            squares[[interface.first, interface.second]] += np.sum(part**2)
        return np.sqrt(squares)

    def worst(self, network: Network, units: Units) -> Float[np.ndarray, "K d"]:
        """The point of each cell at which the residual is largest, in units."""
        found = np.stack([cell.center for cell in self.cells])
        largest = np.zeros(len(self.cells))
        places = self._by_cells([[scaled for *_, scaled in each.cells] for each in self.rows])
        for number, cell in enumerate(zip(self.residual(network), units.own, places, strict=True)):
            for part, scale, scaled in zip(*cell, strict=True):
                norms = np.linalg.norm(part.reshape(len(scaled), -1), axis=1) / scale
                if np.max(norms, initial=0.0) > largest[number]:
                    largest[number], at = np.max(norms), int(np.argmax(norms))
                    found[number] = self.cells[number].center + self.cells[number].half_sides * scaled[at]
        return found

    def _jumps(self, network: Network, units: Units) -> list[Float[np.ndarray, " n"]]:
        found = []
        for interface, scales in zip(self.interfaces, units.jumps, strict=True):
            first, second = network.outputs[interface.first], network.outputs[interface.second]
            second = self.problem.components.product(interface.factor) @ second
            parts = zip(self._sides(interface, network.layer), self._components(interface), scales, strict=True)
            jumps = [
                (left @ first[list(components)].T - right @ second[list(components)].T).T.ravel() / scale
                for (left, right), components, scale in parts
            ]
            if jumps:
                found.append(np.concatenate(jumps))
        return found

    def _components(self, interface: Interface) -> list[tuple[int, ...]]:
        """For each order of the derivatives that are continuous, the components for which it is."""
        orders = self.orders[interface.axis]
        return [tuple(at for at, order in enumerate(orders) if order > each) for each in range(max(orders))]

    def _sides(
        self, interface: Interface, layer: Layer
    ) -> Iterator[tuple[Float[np.ndarray, "n q"], Float[np.ndarray, "n q"]]]:
        """The derivatives of each feature at an interface, in the first and in the second cell, order by order."""
        axis, cells = interface.axis, (self.cells[interface.first], self.cells[interface.second])
        scaled = [
            (points - cell.center) / cell.half_sides
            for points, cell in zip(interface.points(self.problem), cells, strict=True)
        ]
        for order in range(max(self.orders[axis])):
            left, right = (
                layer.activated(each, order) * (layer.weights[:, axis] / cell.half_sides[axis]) ** order
                for each, cell in zip(scaled, cells, strict=True)
            )
            yield left, right

    def _by_cells(self, found: list[list[Any]]) -> list[list[Any]]:
        """What there is for each condition, for each of its cells, as a list for each cell."""
        cells: list[list[Any]] = [[] for _ in self.cells]
        for each, parts in zip(self.rows, found, strict=True):
            for (number, *_), part in zip(each.cells, parts, strict=True):
                cells[number].append(part)
        return cells

    def _responses_to_a_network(self, basis: Basis) -> list[list[float]]:
        """The norm of what a random network of unit coefficients changes in each condition, for one feature; zero where
        these are rounding errors.
        """
        generator = np.random.default_rng(0)
        zero = self.zero(basis.layer)
        network = dataclasses.replace(zero, outputs=generator.normal(size=zero.outputs.shape))
        signs = generator.choice((-1.0, 1.0), basis.layer.weights.shape)
        moved = basis.layer.weights * (1 + np.finfo(float).eps * signs)
        other = dataclasses.replace(network, layer=dataclasses.replace(basis.layer, weights=moved))
        start, there, near = (self.residual(each) for each in (zero, network, other))
        size = math.sqrt(network.outputs[0].size)

        def response(begin: np.ndarray, far: np.ndarray, by: np.ndarray) -> float:
            with np.errstate(invalid="ignore"):
                norm = float(np.linalg.norm(far - begin))
                return norm / size if norm > _RESPONDS * np.linalg.norm(far - by) else 0.0

        cells = zip(start, there, near, strict=True)
        return [[response(*parts) for parts in zip(*cell, strict=True)] for cell in cells]


def _response(matrix: Float[np.ndarray, "n m q"], used: Bool[np.ndarray, "m q"]) -> float:
    """The root mean square, over the features that the functions use, of the norm of the response of some rows."""
    return float(np.sqrt(np.mean(np.sum(matrix**2, axis=0)[used])))


def _stacked(parts: list[np.ndarray], units: tuple[float, ...]) -> np.ndarray:
    """The rows of all conditions of a cell, each in its unit: shape `(n,)`, or `(n, m q)` for Jacobians."""
    # Where a residual is not finite, those who take the rows see it.
    with np.errstate(invalid="ignore"):
        flat = [part.reshape(len(part), math.prod(part.shape[1:])) for part in parts]
        rows = np.concatenate([part / unit for part, unit in zip(flat, units, strict=True)])
    return rows[:, 0] if parts[0].ndim == 1 else rows
