"""Natural gradients from a singular value decomposition of the factor `F` of the Gramian `F^T F`."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from sngd._cost import Cost
from sngd._curve import AbstractCurve, Ray
from sngd.descent._base import AbstractDescent, CurveReport
from sngd.descent._damped import coordinates_of, damped
from sngd.descent._ladder import SketchState, sketch_size_on_ladder
from sngd.linearize import AbstractFactor, Linearization
from sngd.sketch import AbstractSVD, TestMatrix, drawn, gaussian, range_finder_svd

_FAMILIES = ("damped", "truncated")

# A stored factor is decomposed in full if its shorter side is at most 1,000 and it has at most 2^30 bytes.
_LARGEST_EXACT = 1000
_LARGEST_STORED = 2**30
# The numbers of columns of the first and of the smallest sketch.
_FIRST_SKETCH = 512
_SMALLEST_SKETCH = 128


class FactorDescent(AbstractDescent):
    """The natural gradient from a singular value decomposition `F = U S V^T` of the factor of the Gramian `F^T F`.

    The absolute errors of the singular values `s` of `F` are the machine precision times the first one, `s_1`. The
    eigenvalues of the Gramian are the squares `s^2`, with the same relative errors. So the Gramian resolves singular
    values only down to the root of the machine precision times `s_1`, which is half of the digits.

    The updates are `-V f(S) b`. For least squares `b = U^T r`. For an energy, which has no residual, `b = S^-1 V^T g`.
    The argument `family` chooses the function `f`, which depends on the point `t` of the curve:

    - `"damped"`: `f = s / (s^2 + lambda)` with `sqrt(lambda) = eps s_1 / t`, the Levenberg-Marquardt curve (`Damped`).
      A step takes two points. The second point uses the residual at the first point and the same decomposition.
    - `"truncated"`: `f = t / s` for singular values above `tolerance` times `s_1`, and `f = 0` for the others. This is
      the straight curve of the truncated natural gradient.

    The other arguments are:

    - `tolerance`: the truncation tolerance of `"truncated"`, relative to the largest singular value, in `[0, 1)`.
    - `sketch_size`: the number of columns of the first sketch. If it is left out, a stored factor with
      `min(n, p) <= 1000` is decomposed in full, and any other factor starts with 512 columns. `init` raises
      `ValueError` if `sketch_size` exceeds `min(n, p)`.
    - `test_matrix`: a function that draws the test matrix of the sketch, with a new key in every step.

    The size of a later sketch is 1.25 times the rank of the last step, at least 128, rounded up to a power of two. The
    rank of a damped step is the number of singular values above `sqrt(lambda)`, so the heavily damped early steps are
    cheap. If the last step used all columns, or if the next step is nonmonotone, the size doubles.

    With `m = min(n, p)`, the work of a full decomposition is about `4 n p m + 20 m^3`. The work of a sketch is
    `4 n p l + 4 p l^2`, and its memory is `O(p l)`. An argument that cannot be used raises `ValueError`.
    """

    family: Literal["damped", "truncated"] = "damped"
    tolerance: float = 1e-12
    sketch_size: int | None = None
    test_matrix: TestMatrix = gaussian

    def __check_init__(self):
        if self.family not in _FAMILIES:
            raise ValueError(f"family is {self.family!r}; it must be one of {', '.join(_FAMILIES)}")
        if not 0 <= self.tolerance < 1:
            raise ValueError(f"tolerance is {self.tolerance}; it is relative to the largest singular value, in [0, 1)")
        if self.sketch_size is not None and self.sketch_size < 1:
            raise ValueError(f"sketch_size is {self.sketch_size}; it must be at least 1")

    def init(self, rows: int, parameters: int) -> SketchState:
        largest = min(rows, parameters)
        size = self.sketch_size
        if size is not None and size > largest:
            raise ValueError(
                f"sketch_size is {size}, larger than min(n, p) = {largest} for n = {rows} rows and p = {parameters} "
                f"parameters; the factor has no more directions, so take at most {largest}"
            )
        if size is None and (largest > _LARGEST_EXACT or 8 * rows * parameters > _LARGEST_STORED):
            size = min(_FIRST_SKETCH, largest)
        return SketchState(size or 0, largest)

    def cost(self, factor: AbstractFactor, state: SketchState) -> Cost:
        (rows, parameters), size = factor.shape, state.size
        if not size:
            short = min(rows, parameters)
            return Cost(8 * (3 * rows * parameters + 6 * short**2), 4 * rows * parameters * short + 20 * short**3)
        held = 8 * (3 * (rows + parameters) * size + 6 * size**2)
        return Cost(held, 4 * rows * parameters * size + 4 * parameters * size**2 + 20 * size**3)

    def step(self, linearization: Linearization, state: SketchState, key: PRNGKeyArray) -> AbstractCurve:
        svd = self._decompose(linearization, state, key)
        if self.family == "damped":
            return damped(linearization, svd, twice=True)
        coordinates = coordinates_of(svd, linearization.residual, linearization.energy_gradient)
        kept = svd.singular_values > self.tolerance * svd.singular_values[0]
        scaled = jnp.where(kept, coordinates / jnp.where(kept, svd.singular_values, 1.0), 0.0)
        slope = jnp.sum(jnp.where(kept, coordinates, 0.0) ** 2)
        norm = jnp.linalg.norm(svd.singular_values * coordinates)
        return Ray(svd.right_matmul(scaled), slope, slope, norm, svd.rank(self.tolerance), svd.rank(svd.resolution))

    def update(self, state: SketchState, report: CurveReport) -> SketchState:
        if not 0 < report.rank < state.size:
            return self.widen(state, report)
        return _with_columns(state, max(report.rank + report.rank // 4, _SMALLEST_SKETCH))

    def widen(self, state: SketchState, report: CurveReport) -> SketchState:
        return _with_columns(state, 2 * state.size) if state.size else state

    def _decompose(self, linearization: Linearization, state: SketchState, key: PRNGKeyArray) -> AbstractSVD:
        factor = linearization.factor
        if not state.size and (svd := factor.svd()) is not None:
            return svd
        size = state.size or state.largest
        test_matrix = drawn(self.test_matrix, key, factor.shape[0], size, linearization.value.dtype)
        return range_finder_svd(factor.matmul, factor.rmatmul, test_matrix)


def _with_columns(state: SketchState, wanted: int) -> SketchState:
    return state._replace(size=sketch_size_on_ladder(wanted, state.largest, rungs=1))
