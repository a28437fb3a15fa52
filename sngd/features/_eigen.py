"""Eigenvalues of a rectangular pencil `(A - E B) c`, by subspace iteration with the damped inverse of `A - sigma B`.

The least-squares solution of `(A - sigma B) w = B v` is the function that the inverse of the shifted operator makes of
the function `v`, and the conditions without the eigenvalue hold for it. Its eigenvalues are `1 / (E - sigma)`. Random
functions converge to those whose eigenvalues are nearest to the shift, with their multiplicities (subspace iteration
with a Rayleigh-Ritz step: Rutishauser, Numer. Math. 13, 1969; Saad, Numerical Methods for Large Eigenvalue Problems,
2011). Functions are orthogonal by their values. The pencil is not squared, and its matrices are not compressed.
"""

import dataclasses

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Complex, Float

from sngd.features._fit import DAMPING
from sngd.features._pencil import Pencil

# Functions beside those that are wanted: as many again, and so many more.
_MORE = 8

# Iterations at most. They end where the change of the functions is below the first number, or below the second one and
# no longer falls by this factor.
_STEPS, _SMALL, _SMALL_AND_SLOW, _FALLS = 80, 1e-14, 1e-7, 0.9

# Combinations of the functions that are smaller than this part of the largest one are rounding errors.
_ROUNDING = 1e-13

# The shift lies below the lowest value by this part of the distance to the first value that is not wanted. Another
# shift is taken where the part is not between these.
_BELOW, _NEAREST, _FARTHEST = 0.3, 0.02, 3.0

# A shift is moved away from a value that it is too close to by this part of that distance.
_AWAY = 0.1

# The block size of LAPACK, by which its workspace is chosen.
_BLOCK = 64

# Moves of the shift at most, and how much farther the shift is after each of the first ones.
_MOVES, _GROWTH = 16, 2.0


@dataclasses.dataclass(frozen=True)
class Ritz:
    """Eigenpairs near a shift.

    - `values`: complex, shape `(p,)`, sorted as they are wanted. `columns`: the output weights, complex, `(k, p)`.
    - `shift`: of the inverse. `count`: how many are wanted.
    """

    values: Complex[np.ndarray, " p"]
    columns: Complex[np.ndarray, "k p"]
    shift: float
    count: int

    @property
    def scale(self) -> float:
        """The largest difference between the values that are wanted and the next one, or their size."""
        first = self.values[: self.count + 1]
        return float(np.max(np.abs(first - first[0]), initial=0.0)) or float(np.max(np.abs(first), initial=0.0))

    def sorted_by(self, keys: Float[np.ndarray, " p"]) -> "Ritz":
        order = np.argsort(keys, kind="stable")
        return dataclasses.replace(self, values=self.values[order], columns=self.columns[:, order])


class Shifted:
    """The least-squares inverse of `A - shift B`, with the damping of a fit."""

    def __init__(self, pencil: Pencil, shift: float):
        matrix = pencil.constant - shift * pencil.slope
        rows, self._columns = matrix.shape
        stacked = np.zeros((rows + self._columns, self._columns), order="F")
        stacked[:rows] = matrix
        np.fill_diagonal(stacked[rows:], DAMPING * (float(np.linalg.norm(matrix)) or 1.0))
        decompose, space, self._multiply = scipy.linalg.get_lapack_funcs(("geqrf", "geqrf_lwork", "ormqr"), (stacked,))
        self._packed, self._factors, *_ = decompose(stacked, lwork=int(space(*stacked.shape)[0]), overwrite_a=True)

    def __call__(self, right: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "k p"]:
        padded = np.zeros((len(self._packed), right.shape[1]), order="F")
        padded[: len(right)] = right
        space = _BLOCK * max(right.shape[1], 1)
        product, *_ = self._multiply("L", "T", self._packed, self._factors, padded, space, overwrite_c=True)
        return scipy.linalg.solve_triangular(
            self._packed[: self._columns], product[: self._columns], check_finite=False
        )


def nearest(pencil: Pencil, shift: float, count: int, generator: np.random.Generator) -> Ritz:
    """The eigenpairs nearest to a shift, and a few more than `count`; fewer where there are not so many."""
    inverse, features = Shifted(pencil, shift), pencil.values
    size = min(2 * count + _MORE, features.shape[1] // 2)
    random = _orthonormal(features, generator.normal(size=(features.shape[1], size)))[0]
    columns, moved = random, inverse(pencil.slope @ random)
    before, values, small = np.inf, np.zeros(0), np.zeros((size, 0))
    for _ in range(_STEPS):
        columns, functions = _orthonormal(features, moved)
        if not (columns.shape[1] and np.all(np.isfinite(columns))):
            return Ritz(np.zeros(0, complex), np.zeros((len(columns), 0), complex), shift, count)
        moved = inverse(pencil.slope @ columns)
        there = features @ moved
        projected = functions.T @ there
        values, small = np.linalg.eig(projected)
        order = np.argsort(-np.abs(values), kind="stable")
        values, small = values[order], small[:, order]
        rest = np.linalg.norm((there - functions @ projected) @ small, axis=0)[: count + 1]
        change = float(np.max(rest / np.maximum(np.abs(values[: count + 1]), _ROUNDING * np.abs(values[0]))))
        if change < _SMALL or (change < _SMALL_AND_SLOW and change > _FALLS * before):
            break
        before = change
    kept = np.abs(values) > _ROUNDING * np.max(np.abs(values), initial=0.0)
    found = (shift + 1 / values[kept]).astype(complex), (columns @ small[:, kept]).astype(complex)
    return Ritz(*found, shift, count)


def nearest_to(pencil: Pencil, near: float, shift: float, count: int, generator: np.random.Generator) -> Ritz:
    """The eigenpairs nearest to a number, by their distances.

    - `shift`: of the inverse; another one is taken where it is too close to a value.
    """
    found = nearest(pencil, shift, count, generator)
    gap = found.scale
    if len(found.values) and abs(found.values[0] - shift) < _NEAREST * gap:
        found = nearest(pencil, shift - _AWAY * gap, count, generator)
    return found.sorted_by(np.abs(found.values - near))


def lowest(pencil: Pencil, hint: float, count: int, generator: np.random.Generator) -> Ritz | None:
    """The eigenpairs of the lowest values; `None` where there is always a lower one.

    The shift is moved down until the values nearest to it lie above it.

    - `hint`: the first shift.
    """
    shift, farther = hint, 1.0
    for _ in range(_MOVES):
        found = nearest(pencil, shift, count, generator)
        if not len(found.values):
            return found
        found = found.sorted_by(np.real(found.values))
        low, gap = float(np.real(found.values[0])), found.scale
        if _NEAREST * gap <= low - shift <= _FARTHEST * gap:
            return found
        below = low < shift
        shift = low - _BELOW * gap * farther
        farther = farther * _GROWTH if below else 1.0
    return None


def inside(
    values: Complex[np.ndarray, " p"], wanted: Complex[np.ndarray, " c"], near: float | None
) -> Bool[np.ndarray, " p"]:
    """Which values are no farther than the last of the wanted ones.

    - `near`: the number to which the wanted values are nearest; `None` for the lowest.
    """
    distance = lambda each: np.real(each) if near is None else np.abs(each - near)
    return distance(values) <= np.max(distance(wanted))


def _orthonormal(
    features: Float[np.ndarray, "n k"], columns: Float[np.ndarray, "k p"]
) -> tuple[Float[np.ndarray, "k r"], Float[np.ndarray, "n r"]]:
    """Combinations of functions that are orthonormal, and their values, without those that are rounding errors."""
    values = features @ columns
    norms = np.linalg.norm(values, axis=0)
    known = (norms > 0) & np.isfinite(norms)
    values, scaled = values[:, known] / norms[known], columns[:, known] / norms[known]
    if not np.any(known):
        return scaled, values
    left, sizes, right = np.linalg.svd(values, full_matrices=False)
    kept = sizes > _ROUNDING * sizes[0]
    return scaled @ (right[kept].T / sizes[kept]), left[:, kept]
