"""Sketchy natural gradient descent, Algorithm 1 of the paper."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from sngd._cost import Cost
from sngd._curve import Ray
from sngd.descent._base import AbstractDescent, CurveReport
from sngd.descent._ladder import SketchState, sketch_size_on_ladder
from sngd.linearize import AbstractFactor, Linearization
from sngd.sketch import TestMatrix, gaussian, single_pass, two_pass

_LEAST_SQUARES_TOLERANCE = 1e-16
_ENERGY_TOLERANCE = 1e-12
_PASSES = ("two-pass", "single-pass")


class SNGD(AbstractDescent):
    """The natural gradient from a randomized eigendecomposition of the Gramian.

    The direction is the pseudoinverse of the sketched Gramian, truncated at `tolerance`, times the gradient. The
    sketch has `rank + oversampling` columns: `rank` is what the last step found above the tolerance, and `oversampling`
    is set once, by the first step, to the number of eigenvalues that stand out from rounding (section 5, "Choosing the
    hyperparameters"). So that few sizes are ever compiled, the size is rounded up to the next one on a ladder.

    - `passes`: `"two-pass"` or `"single-pass"`.
    - `tolerance`: relative to the largest eigenvalue. Left out, it is 1e-16 for least squares and 1e-12 for an energy:
      the gradient of an energy is a sum of terms that cancel, and its rounding errors take over the directions of
      small eigenvalues earlier. The paper's 1e-13 is absolute; a relative one means the same for a problem and its
      multiples.
    - `sketch_size`: the columns of the first sketch, the paper's hand-selected size. Left out, it is 256, or as many as
      fit. `init` raises `ValueError` where it exceeds `min(n, p)`.
    - `oversampling`: left out, the first step sets it.
    - `test_matrix`: how the sketch is drawn, fresh in every step.

    Memory `O(p l)`; work `4 n p l` for the sketch, `4 p l^2` for its basis, `2 n p l` for a second pass.
    """

    passes: Literal["two-pass", "single-pass"] = "two-pass"
    tolerance: float | None = None
    sketch_size: int | None = None
    oversampling: int | None = None
    test_matrix: TestMatrix = gaussian

    def __check_init__(self):
        if self.passes not in _PASSES:
            raise ValueError(f"passes is {self.passes!r}; it must be one of {', '.join(_PASSES)}")
        if self.tolerance is not None and not 0 <= self.tolerance < 1:
            raise ValueError(f"tolerance is {self.tolerance}; it is relative to the largest eigenvalue, in [0, 1)")
        for name, least in (("sketch_size", 1), ("oversampling", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} is {value}; it must be at least {least}")

    def init(self, rows: int, parameters: int) -> SketchState:
        largest = min(rows, parameters)
        size = min(256, largest) if self.sketch_size is None else self.sketch_size
        if size > largest:
            raise ValueError(
                f"sketch_size is {size}, larger than min(n, p) = {largest} for n = {rows} rows and p = {parameters} "
                f"parameters; the Gramian has no more directions, so take at most {largest}"
            )
        return SketchState(size, largest, -1 if self.oversampling is None else self.oversampling)

    def cost(self, factor: AbstractFactor, state: SketchState) -> Cost:
        (rows, parameters), size = factor.shape, state.size
        products = 6 if self.passes == "two-pass" else 4
        # The test matrix, the sketch, and its basis by blocks: three more, while their triangles are put together.
        return Cost(8 * 6 * parameters * size, products * rows * parameters * size + 4 * parameters * size**2)

    def step(self, linearization: Linearization, state: SketchState, key: PRNGKeyArray) -> Ray:
        gradient = linearization.gradient
        test_matrix = self.test_matrix(key, len(gradient), state.size, gradient.dtype)
        factor = linearization.factor
        if self.passes == "two-pass":
            gramian = two_pass(factor.gramian_matmul, test_matrix, factor.gramian_compress)
        else:
            gramian = single_pass(factor.gramian_matmul, test_matrix)
        tolerance = self.tolerance
        if tolerance is None:
            tolerance = _ENERGY_TOLERANCE if linearization.residual is None else _LEAST_SQUARES_TOLERANCE
        direction = gramian.pinv_matmul(gradient, tolerance)
        # On the kept subspace the sketched Gramian times the direction is the gradient, so slope and curvature agree.
        slope = gradient @ direction
        numerical_rank = gramian.rank(float(jnp.finfo(gradient.dtype).eps))
        norm = jnp.linalg.norm(gradient)
        return Ray(direction, slope, slope, norm, gramian.rank(tolerance), numerical_rank)

    def update(self, state: SketchState, report: CurveReport) -> SketchState:
        oversampling = report.numerical_rank if state.oversampling < 0 else state.oversampling
        size = sketch_size_on_ladder(report.rank + oversampling, state.largest)
        return SketchState(size, state.largest, oversampling)
