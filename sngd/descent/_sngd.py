"""Sketchy natural gradient descent, which is Algorithm 1 of the paper."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from sngd._cost import Cost
from sngd._curve import Ray
from sngd.descent._base import AbstractDescent, CurveReport
from sngd.descent._ladder import SketchState, sketch_size_on_ladder
from sngd.linearize import AbstractFactor, Linearization
from sngd.sketch import TestMatrix, gaussian

_LEAST_SQUARES_TOLERANCE = 1e-16
_ENERGY_TOLERANCE = 1e-12
_PASSES = ("two-pass", "single-pass")


class SNGD(AbstractDescent):
    """The natural gradient from a randomized eigendecomposition of the Gramian.

    The direction is the pseudoinverse of the sketched Gramian, truncated at `tolerance`, times the gradient. The curve
    is straight: the update at `t` is `-t` times the direction.

    The sketch has `rank + oversampling` columns. The rank is the number of eigenvalues above the tolerance in the last
    step. The oversampling is set once, after the first step, to the number of eigenvalues above rounding errors
    (section 5 of the paper, "Choosing the hyperparameters"). The size is rounded up to the next size on a ladder, so
    that few sizes are compiled.

    - `passes`: `"two-pass"` or `"single-pass"` (`sngd.sketch.two_pass` and `sngd.sketch.single_pass`).
    - `tolerance`: the truncation tolerance, relative to the largest eigenvalue, in `[0, 1)`. If it is left out, it is
      1e-16 for least squares and 1e-12 for an energy. The gradient of an energy is a sum of terms that cancel, so its
      rounding errors dominate the directions of small eigenvalues earlier. The paper's tolerance of 1e-13 is absolute.
      A relative tolerance means the same for a problem and its multiples.
    - `sketch_size`: the number of columns of the first sketch, which the paper selects by hand. If it is left out, it
      is 256, or `min(n, p)` if that is smaller. `init` raises `ValueError` if it exceeds `min(n, p)`.
    - `oversampling`: the number of columns beyond the rank. If it is left out, the first step sets it.
    - `test_matrix`: a function that draws the test matrix of the sketch, with a new key in every step. With
      `sngd.sketch.khatri_rao` a factor that is kept as outer products is swept once less.

    The memory is `O(p l)`. The work is `4 n p l` for the sketch, `4 p l^2` for its basis, and `2 n p l` for the core of
    two passes. A factor that is kept as outer products takes `p l^2` for the basis (`sngd/sketch/_gramian.py`).

    An argument that cannot be used raises `ValueError`.
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
        return Cost(factor.sketch_bytes(size), products * rows * parameters * size + 4 * parameters * size**2)

    def step(self, linearization: Linearization, state: SketchState, key: PRNGKeyArray) -> Ray:
        gradient = linearization.gradient
        factor = linearization.factor
        decompose = factor.two_pass if self.passes == "two-pass" else factor.single_pass
        gramian = decompose(self.test_matrix, key, state.size)
        tolerance = self.tolerance
        if tolerance is None:
            tolerance = _ENERGY_TOLERANCE if linearization.residual is None else _LEAST_SQUARES_TOLERANCE
        direction = gramian.pinv_matmul(gradient, tolerance)
        # On the subspace that is kept, the sketched Gramian times the direction is the gradient. So the slope and the
        # curvature are equal.
        slope = gradient @ direction
        numerical_rank = gramian.rank(float(jnp.finfo(gradient.dtype).eps))
        norm = jnp.linalg.norm(gradient)
        return Ray(direction, slope, slope, norm, gramian.rank(tolerance), numerical_rank)

    def update(self, state: SketchState, report: CurveReport) -> SketchState:
        oversampling = report.numerical_rank if state.oversampling < 0 else state.oversampling
        size = sketch_size_on_ladder(report.rank + oversampling, state.largest)
        return SketchState(size, state.largest, oversampling)
