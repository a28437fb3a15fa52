"""Natural gradients from the factor of the Gramian, not from its square."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from sngd._cost import Cost
from sngd._curve import AbstractCurve, Ray
from sngd.descent._base import AbstractDescent, CurveReport
from sngd.descent._damped import coordinates_of, damped
from sngd.descent._ladder import SketchState, sketch_size_on_ladder
from sngd.linearize import AbstractFactor, Linearization
from sngd.sketch import AbstractSVD, TestMatrix, gaussian, range_finder_svd

_FAMILIES = ("damped", "truncated")

# A stored factor is decomposed in full while its shorter side is at most this.
_LARGEST_EXACT = 1000
_LARGEST_STORED = 2**30
_FIRST_SKETCH = 512
_SMALLEST_SKETCH = 128


class FactorDescent(AbstractDescent):
    """The natural gradient from a singular value decomposition `F = U S V^T` of the factor of the Gramian `F^T F`.

    The singular values of `F` are known down to the machine precision times the first, the Gramian's eigenvalues, their
    squares, no further: of the singular values the Gramian keeps half of the digits. With `b = U^T r` the updates are
    `-V f(S) b`, a family in `t`:

    - `"damped"`: `f = s / (s^2 + lambda)`, the Levenberg-Marquardt steps, with `sqrt(lambda) = eps s_1 / t`. A
      step takes two points, the second with the residual at the first and the same decomposition.
    - `"truncated"`: `f = t / s` above `tolerance` times `s_1`, else 0: the ray of the truncated natural gradient.

    For an energy, which has no residual, `b = S^-1 V^T g`.

    - `tolerance`: of `"truncated"`, relative to the largest singular value.
    - `sketch_size`: columns of the first sketch. Left out, a stored factor with `min(n, p) <= 1000` is decomposed in
      full, and any other starts with 512. Later sketches have a quarter more columns than the rank of the last step,
      the singular values above its damping, rounded up to a power of two: early steps, heavily damped, are cheap. Where
      all columns were used, and to leave a neighborhood, the size doubles. `init` raises `ValueError` where it exceeds
      `min(n, p)`.
    - `test_matrix`: how the sketch is drawn, fresh in every step.

    Work `4 n p m` and some twenty `m^3` in full, with `m = min(n, p)`; sketched `4 n p l + 4 p l^2`, memory `O(p l)`.
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
        test_matrix = self.test_matrix(key, factor.shape[0], size, linearization.value.dtype)
        return range_finder_svd(factor.matmul, factor.rmatmul, test_matrix)


def _with_columns(state: SketchState, wanted: int) -> SketchState:
    return state._replace(size=sketch_size_on_ladder(wanted, state.largest, rungs=1))
