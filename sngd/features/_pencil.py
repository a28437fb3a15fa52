"""The rows of a linear eigenvalue problem on frozen features: `(A - E B) c` for output weights `c` and a constant `E`.

`A` and `B` are found from the derivatives of the residuals by the unknown functions, at two values of the constant. The
difference is taken in the coefficients of the equations, before they meet the derivatives of features, so that no
digits are lost.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Inexact

from sngd.features._basis import Basis
from sngd.features._network import Network
from sngd.features._rows import Rows
from sngd.features._system import Jacobian, System, Units

# A coefficient depends on the constant where it changes by more than this part, and the step of the constant is as
# large as the largest coefficient over its change, at most the second number.
_CHANGES, _LARGEST_STEP = 1e-12, 1e8

# Rows that differ from what the matrices give by more than this part of them belong to another kind of equation.
_AFFINE = 1e-9

# Data that are smaller than this part of the response to a unit coefficient are zero.
_ZERO = 1e-12


@dataclasses.dataclass(frozen=True)
class Pencil:
    """The rows of all conditions, each in its unit, as an affine function of the constant.

    - `constant`, `slope`: the matrices `A` and `B`, shape `(n, k)`.
    - `system`, `basis`, `units`: the conditions at their points, the features, and the units.
    """

    constant: Float[np.ndarray, "n k"]
    slope: Float[np.ndarray, "n k"]
    system: System
    basis: Basis
    units: Units

    @classmethod
    def of(cls, system: System, basis: Basis, units: Units | None = None) -> "Pencil":
        """The pencil of a system with one cell and one unknown constant.

        - `units`: left out, those in which each condition responds equally to a unit coefficient.
        """
        parts = [_matrices(each, basis) for each in system.rows]
        if units is None:
            responses = [constant if np.any(constant) else slope for constant, slope in parts]
            units = system.units(_jacobian(responses), basis)
        zero = system.zero(basis.layer)
        constant, slope = (system.blocks(_jacobian([part[at] for part in parts]), zero, units).own[0] for at in (0, 1))
        return cls(constant, slope, system, basis, units)

    @property
    def is_finite(self) -> bool:
        return bool(np.all(np.isfinite(self.constant)) and np.all(np.isfinite(self.slope)))

    @property
    def values(self) -> Float[np.ndarray, "n k"]:
        """The features of all unknown functions at the interior points, times the roots of the weights there.

        The inner product of two columns approximates the integral of the product of the functions.
        """
        system, layer = self.system, self.basis.layer
        points = system.problem.interior()
        (cell,) = system.cells
        features = layer((points.points - cell.center) / cell.half_sides)
        products = np.kron(np.eye(system.problem.outputs), np.sqrt(points.weights)[:, None] * features)
        components = system.problem.components
        if not components.has_trials:
            return products
        by = products.reshape(len(components), len(features), -1).transpose(1, 0, 2)
        changes = components.changes(points.points, np.zeros(by.shape[:2]), by)
        return changes.transpose(1, 0, 2).reshape(products.shape)

    def residuals(self, values: Inexact[np.ndarray, " p"], columns: Inexact[np.ndarray, "k p"]) -> np.ndarray:
        """The norms of the residuals of eigenpairs, shape `(p,)`."""
        return np.linalg.norm(self.constant @ columns - (self.slope @ columns) * values, axis=0)

    def sizes(self, scales: Float[np.ndarray, " p"], columns: Inexact[np.ndarray, "k p"]) -> np.ndarray:
        """What the residuals are compared with, shape `(p,)`: the norms of `A c`, and of `B c` times these scales."""
        with_slope = scales * np.linalg.norm(self.slope @ columns, axis=0)
        return np.linalg.norm(self.constant @ columns, axis=0) + with_slope

    def quotients(self, pairs: int) -> Float[np.ndarray, " n"]:
        """The lowest Rayleigh quotient `(B c, A c) / (B c, B c)` of the waves with each of so many weight vectors.

        The features are waves with these weights, and the same ones once more with phases that differ by a right angle.
        """
        outputs = self.system.problem.outputs
        found = []
        for wave in range(pairs):
            chosen = (np.arange(2 * outputs) * pairs + wave).tolist()
            constant, slope = self.constant[:, chosen], self.slope[:, chosen]
            left, sizes, right = np.linalg.svd(slope, full_matrices=False)
            kept = sizes > _ZERO * max(sizes[0], np.finfo(float).tiny)
            matrix = left[:, kept].T @ constant @ (right[kept].T / sizes[kept])
            found.append(np.min(np.linalg.eigvalsh((matrix + matrix.T) / 2), initial=np.inf))
        return np.array([quotient for quotient in found if np.isfinite(quotient)])


def require_pencil(system: System, basis: Basis) -> None:
    """Raises `ValueError` for a condition that is not linear and homogeneous in the unknown functions, or not affine in
    the constant.
    """
    (constant,) = system.problem.constants
    generator = np.random.default_rng(0)
    zero = system.zero(basis.layer)
    random = dataclasses.replace(zero, outputs=generator.normal(size=zero.outputs.shape))
    matrices = [_matrices(each, basis) for each in system.rows]
    for each, (first, slope) in zip(system.rows, matrices, strict=True):
        label = system.problem.conditions[each.number].label
        if not (np.all(np.isfinite(first)) and np.all(np.isfinite(slope))):
            raise ValueError(
                f"the residual of {label} is not finite for features; check it for divisions by zero and functions "
                "outside their domain"
            )
        columns = random.columns[0]
        outcomes = [first.reshape(len(first), -1) @ columns, slope.reshape(len(slope), -1) @ columns]
        size, response = max(map(np.linalg.norm, outcomes)), np.linalg.norm(columns)
        for number in (0.0, 1.0, -0.7, 13.0):
            there, data = (
                each.residual(dataclasses.replace(network, numbers=np.array([number])), basis)[0]
                for network in (random, zero)
            )
            if np.linalg.norm(data) > _ZERO * size / response:
                raise ValueError(
                    f"the data of {label} are not zero; an eigenvalue problem has no data, so make the value zero"
                )
            predicted = outcomes[0] - number * constant.unit * outcomes[1]
            if np.linalg.norm(there - predicted) > _AFFINE * (1 + abs(number) * constant.unit) * size:
                wrong = "linear in the unknown functions" if number == 0 else f"affine in {constant.name}"
                raise ValueError(
                    f"the equation of {label} is not {wrong}; eigenpairs solves equations of the form A u = "
                    f"{constant.name} B u, and sngd.solve finds a constant of other equations from data"
                )
    for at, kind in enumerate(("u", f"{constant.name} u")):
        if not any(np.any(parts[at]) for parts in matrices):
            raise ValueError(
                f"no condition has a term in {kind}; eigenpairs solves equations of the form A u = {constant.name} B u"
            )


def _jacobian(parts: list[Float[np.ndarray, "n m q"]]) -> Jacobian:
    return Jacobian([parts], [[np.zeros((len(part), 1)) for part in parts]])


def _matrices(rows: Rows, basis: Basis) -> tuple[Float[np.ndarray, "n m q"], Float[np.ndarray, "n m q"]]:
    """The responses of the rows of a condition to unit output weights, at the constant zero, and what a constant of one
    takes from them.
    """
    (unit,) = rows.problem.units
    if rows.pointwise is None:
        zero = Network(basis.layer, (rows.problem.domain.hull,), np.zeros((1, rows.problem.outputs, len(basis.layer))))
        first, second = (
            rows.jacobian(basis, dataclasses.replace(zero, numbers=np.array([number]))).features[0]
            for number in (0.0, 1.0)
        )
        return first, (first - second) / unit
    first, slope = _coefficients(rows)
    ((_, half, scaled),) = rows.cells
    outputs, count = rows.problem.outputs, len(basis.layer)
    found = (basis.combined(scaled, half, rows.pointwise.orders, part) for part in (first, slope))
    first, slope = (part.reshape(-1, outputs, count) for part in found)
    return first, slope / unit


def _coefficients(rows: Rows) -> tuple[Float[np.ndarray, "n e m A"], Float[np.ndarray, "n e m A"]]:
    """The coefficients of the derivatives of the unknown functions: at the constant zero, and what a constant of one
    unit takes from them.
    """
    assert rows.pointwise is not None
    pointwise, term = rows.pointwise, rows.term
    zeros = np.zeros((len(term.scales), rows.problem.outputs, len(pointwise.orders)))
    at = lambda number: pointwise.linearized(term, zeros, np.array([number]))[1]
    first, change = at(0.0), at(0.0) - at(1.0)
    changed = np.abs(change) > _CHANGES * np.abs(first)
    if not np.any(changed):
        return first, np.zeros_like(first)
    ratio = float(np.max(np.abs(first[changed]) / np.abs(change[changed])))
    step = 2.0 ** np.ceil(np.log2(min(max(ratio, 1.0), _LARGEST_STEP)))
    return first, (first - at(step)) / step if step > 1 else change
