"""Eigenpairs as functions: clusters, normalization, and the comparison with those on other features."""

import dataclasses

import numpy as np
from jaxtyping import Complex, Float, Int

from sngd.features._eigen import inside
from sngd.features._eigen_choice import Found
from sngd.features._estimate import relative
from sngd.features._families import Features
from sngd.features._network import Network
from sngd.features._points import with_points
from sngd.geometry import Collocation

# Points at which functions are evaluated at once.
_AT_ONCE = 4096

# Values belong to one cluster where they differ by less than this part of their size, or by less than so many times
# their difference from those on other features.
_EQUAL, _APART = 1e-11, 10.0

# A value that is smaller than this part of the spread of all values is measured against the spread.
_VANISHES = 1e-3

# A function of which more than this part is not a combination of the functions on other features is not among them.
_NOT_AMONG = 0.5

# Values on two sets of features are complex where their imaginary parts agree to the first part, and are larger than
# the second part of the size of the value.
_AGREE, _COMPLEX = 0.1, 1e-7

# The rounding errors of a value, as a part of its size.
_ROUNDING = 4 * np.finfo(float).eps

# The relative error of a function that rounding errors make, as a part of its condition.
_UNAVOIDABLE = 100 * np.finfo(float).eps


@dataclasses.dataclass(frozen=True)
class Compared:
    """Eigenpairs, and what a second set of them on other features tells of their errors.

    - `values`: real, shape `(c,)`. `sizes`: what their errors are relative to. `errors`: of the values, relative.
    - `functions`: the eigenfunctions, whose squares have the integral one, with the constants at the values.
    - `corrections`: what is missing to them. `function_errors`: their relative L2 errors, the largest over components.
    - `conditions`: the size of each value over its distance from the nearest one outside of its cluster.
    - `missing`: values that one of the two sets has and the other one lacks.
    - `complex`: a value with an imaginary part, in both sets; `None` where there is none.
    """

    values: Float[np.ndarray, " c"]
    sizes: Float[np.ndarray, " c"]
    errors: Float[np.ndarray, " c"]
    functions: tuple[Network, ...]
    corrections: tuple[Network, ...]
    function_errors: Float[np.ndarray, " c"]
    conditions: Float[np.ndarray, " c"]
    missing: tuple[float, ...]
    complex: complex | None

    @property
    def error(self) -> float:
        """The largest of all relative errors, without what rounding errors of the values do to functions whose values
        are close together.
        """
        beyond = np.maximum(self.function_errors - _UNAVOIDABLE * self.conditions, 0.0)
        return float(max(np.max(self.errors), np.max(beyond)))


def compared(first: Found, second: Found, features: Features, near: float | None) -> Compared:
    """The wanted pairs of the first set, with their errors by the second one.

    - `features`: of the first set, by which the points for norms are chosen. `near`: as in `inside`.
    """
    rule = _points(first, features)
    own, other = _Functions.of(first, rule), _Functions.of(second, rule)
    count, spread = first.ritz.count, first.ritz.scale
    sizes = np.where(np.abs(own.values) >= _VANISHES * spread, np.abs(own.values), spread)
    clusters = _clusters(own.values, other.values, sizes)
    owners = clusters[np.argmin(np.abs(other.values[:, None] - own.values), axis=1)]
    errors, function_errors = np.zeros(count), np.zeros(count)
    functions: dict[int, Network] = {}
    corrections: dict[int, Network] = {}
    for cluster in dict.fromkeys(clusters[:count].tolist()):
        mine, theirs = np.flatnonzero(clusters == cluster), np.flatnonzero(owners == cluster)
        columns, values = own.basis(mine)
        other_columns, other_values = other.basis(theirs)
        errors[mine[mine < count]] = _apart(own.values[mine], other.values[theirs])[mine < count]
        for at, number in enumerate(mine[mine < count]):
            sign = _sign(values[:, at], rule)
            function, parts = sign * values[:, at], sign * (other_values.T @ values[:, at])
            rest = (function - other_values @ parts).reshape(len(rule.points), -1)
            norms = [np.linalg.norm(part, axis=0) for part in (rest, function.reshape(rest.shape))]
            function_errors[number] = relative(norms[0], norms[1])
            value, column = float(own.values[number]), sign * columns[:, at]
            functions[number] = first.network(column, value)
            there = float(np.mean(other.values[theirs])) if len(theirs) else value
            corrections[number] = second.network(other_columns @ parts, there).plus(first.network(-column, -value))
    return Compared(
        values=own.values[:count],
        sizes=sizes[:count],
        errors=np.maximum(errors / sizes[:count], _ROUNDING),
        functions=tuple(functions[number] for number in range(count)),
        corrections=tuple(corrections[number] for number in range(count)),
        function_errors=function_errors,
        conditions=_conditions(own.values, clusters, sizes)[:count],
        missing=_missing(own, other, first, second, near),
        complex=_complex(first, second, sizes),
    )


@dataclasses.dataclass(frozen=True)
class _Functions:
    """Functions with their values at the points of a rule, times the roots of the weights there.

    - `values`: the real parts of the eigenvalues, shape `(p,)`. `columns`: output weights, shape `(k, p)`. `there`: the
      values at the points, shape `(n m, p)`. Both are complex.
    """

    values: Float[np.ndarray, " p"]
    columns: Complex[np.ndarray, "k p"]
    there: Complex[np.ndarray, "N p"]

    @classmethod
    def of(cls, found: Found, rule: Collocation) -> "_Functions":
        columns, (cell,) = found.ritz.columns, found.system.cells
        outputs = found.layer.outputs_of(columns.T, found.system.problem.outputs)
        scaled, roots = (rule.points - cell.center) / cell.half_sides, np.sqrt(rule.weights)
        parts = [
            np.einsum("nq,pmq->nmp", roots[at : at + _AT_ONCE, None] * found.layer(scaled[at : at + _AT_ONCE]), outputs)
            for at in range(0, len(scaled), _AT_ONCE)
        ]
        there, components = np.concatenate(parts), found.system.problem.components
        if components.has_trials:
            # An eigenvalue problem is linear, and so are its trial functions: they need no point of linearization.
            there = components.changes(rule.points, np.zeros(there.shape[:2]), there)
        return cls(np.real(found.ritz.values), columns, there.reshape(-1, columns.shape[1]))

    def basis(self, chosen: Int[np.ndarray, " s"]) -> tuple[Float[np.ndarray, "k s"], Float[np.ndarray, "N s"]]:
        """The output weights and the values of orthonormal real functions with the same span as the chosen ones."""
        there = np.concatenate([np.real(self.there[:, chosen]), np.imag(self.there[:, chosen])], axis=1)
        columns = np.concatenate([np.real(self.columns[:, chosen]), np.imag(self.columns[:, chosen])], axis=1)
        left, sizes, right = np.linalg.svd(there, full_matrices=False)
        kept = len(chosen)
        return columns @ (right[:kept].T / sizes[:kept]), left[:, :kept]


def _points(found: Found, features: Features) -> Collocation:
    """Points on which products of two functions are integrated accurately."""
    problem, axes = found.system.problem, len(features.bandwidths)
    finer = dataclasses.replace(features.scaled(*[2.0] * axes), count=2**axes * features.count)
    free = dataclasses.replace(problem, quadrature=None, boundary_quadrature=None)
    return with_points(free, finer).interior()


def _clusters(
    values: Float[np.ndarray, " p"], others: Float[np.ndarray, " r"], sizes: Float[np.ndarray, " p"]
) -> Int[np.ndarray, " p"]:
    """The number of the cluster of each value."""
    differences = np.min(np.abs(values[:, None] - others), axis=1)
    reach = np.maximum(_EQUAL * sizes, _APART * differences)
    order = np.argsort(values, kind="stable")
    joined = np.diff(values[order]) <= np.maximum(reach[order][1:], reach[order][:-1])
    numbers = np.empty(len(values), dtype=int)
    numbers[order] = np.concatenate([[0], np.cumsum(~joined)])
    return numbers


def _conditions(
    values: Float[np.ndarray, " p"], clusters: Int[np.ndarray, " p"], sizes: Float[np.ndarray, " p"]
) -> Float[np.ndarray, " p"]:
    distances = np.where(clusters[:, None] == clusters, np.inf, np.abs(values[:, None] - values))
    return sizes / np.min(distances, axis=1)


def _apart(values: Float[np.ndarray, " s"], others: Float[np.ndarray, " r"]) -> Float[np.ndarray, " s"]:
    """How far each value is from its partner; from the nearest one where their numbers differ."""
    if len(values) == len(others):
        found = np.empty(len(values))
        found[np.argsort(values)] = np.abs(np.sort(values) - np.sort(others))
        return found
    return np.min(np.abs(values[:, None] - others), axis=1, initial=np.inf)


def _missing(own: _Functions, other: _Functions, first: Found, second: Found, near: float | None) -> tuple[float, ...]:
    """Wanted values of which one of the two sets has fewer functions than the other one, as often as it has fewer."""
    wanted, found = first.ritz.values[: first.ritz.count], []
    for functions, others, chosen in (
        (own, other, np.arange(len(own.values)) < len(wanted)),
        (other, own, inside(second.ritz.values, wanted, near)),
    ):
        _, known = others.basis(np.arange(len(others.values)))
        clusters = _clusters(functions.values, others.values, np.abs(functions.values))
        for cluster in np.unique(clusters[chosen]):
            members = np.flatnonzero(clusters == cluster)
            _, there = functions.basis(members)
            # Angles between the functions of the cluster and all functions of the other set.
            sines = np.linalg.svd(there - known @ (known.T @ there), compute_uv=False)
            lacking = min(int(np.sum(sines > _NOT_AMONG)), int(np.sum(chosen[members])))
            found.extend([float(np.mean(functions.values[members]))] * lacking)
    return tuple(sorted(found))


def _complex(first: Found, second: Found, sizes: Float[np.ndarray, " p"]) -> complex | None:
    """The first of the wanted values that both sets have with the same imaginary part."""
    for value, size in zip(first.ritz.values[: first.ritz.count], sizes, strict=False):
        apart = float(np.min(np.abs(second.ritz.values - value), initial=np.inf))
        if abs(value.imag) > _COMPLEX * size and apart < _AGREE * abs(value.imag):
            return complex(value)
    return None


def _sign(function: Float[np.ndarray, " N"], rule: Collocation) -> float:
    """The sign that makes a function positive where it first exceeds half of its largest value, component by component
    and then point by point.
    """
    values = (function.reshape(len(rule.points), -1) / np.sqrt(rule.weights)[:, None]).T.ravel()
    return float(np.sign(values[np.argmax(np.abs(values) > np.max(np.abs(values)) / 2)])) or 1.0
