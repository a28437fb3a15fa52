"""Natural gradients from the kernel of the residual rows."""

import dataclasses
from typing import ClassVar

from jaxtyping import PRNGKeyArray

from sngd._cost import Cost
from sngd._curve import AbstractCurve
from sngd.descent._base import AbstractDescent
from sngd.descent._damped import damped
from sngd.linearize import AbstractFactor, Linearization
from sngd.sketch import AbstractSVD, TestMatrix, gaussian, kernel_svd, sketched_svd

# The kernel is at its limit where the directions that it knows hold a smaller part of the loss than this.
_SEEN = 0.5

# Columns of the sketch, for every row: its singular values are then those of the factor within a factor of three. And
# vectors that share a group: as many times fewer products, which are most of its work.
_COLUMNS, _SHARED = 2, 8


# Matrices of `n x n` numbers at a time: of a step from the kernel, and of one from the sketch, as measured with 1,720
# to 8,008 rows.
_SQUARES, _SKETCHED = 12, 27


class ResidualSpace(AbstractDescent):
    """The natural gradient from the eigenvectors of the kernel `F F^T`, of as many rows as the residual.

    Woodbury's identity gives the damped step from an `n x n` matrix, `F^T (F F^T + lambda)^-1 r`, at a cost that hardly
    grows with the parameters for a factor kept as outer products (ENGD-W in arXiv:2505.12149). The kernel is a square:
    it knows singular values down to the root of the machine precision only. Where the last step was as bold as that,
    where most of the loss lies in directions that the kernel does not know, and to escape, the next step comes from the
    factor itself: stored, in full; kept as outer products, from a sketch of its columns, whose steps are longer than
    need be (`SketchedSVD`); recomputed in blocks, from the kernel all the same.

    - `bolder`: whether the next step comes from the factor itself; `adapts`: whether that changes. If not, and all
      steps come from the kernel, they are those of ENGD-W.
    - `test_matrix`: how the sketch is drawn, fresh in every step.

    Work: the kernel's, and some ten `n^3`, for at most `LARGEST` rows.
    """

    LARGEST: ClassVar[int] = 8192

    bolder: bool = False
    adapts: bool = True
    test_matrix: TestMatrix = gaussian

    @property
    def wants_fast_features(self) -> bool:
        # ENGD-W ends sooner, at the root of the machine precision, and starts where the paper's methods do.
        return self.adapts

    def prepare(self, rows: int, parameters: int) -> "ResidualSpace":
        if rows > self.LARGEST:
            raise ValueError(
                f"the residual has {rows} rows, and residual space needs the eigenvectors of a matrix of that size; "
                f"take fewer points, at most {self.LARGEST} rows, or another optimizer, like two-pass"
            )
        return self

    def cost(self, factor: AbstractFactor) -> Cost:
        rows, parameters = factor.shape
        copies = 3 * rows * parameters if factor.is_stored else 0
        squares = _SKETCHED if self.adapts and factor.has_cheap_sketch else _SQUARES
        return Cost(8 * (copies + squares * rows**2), factor.kernel_operations + 20 * rows**3)

    def step(self, linearization: Linearization, key: PRNGKeyArray) -> AbstractCurve:
        svd = self._decompose(linearization.factor, key)
        return damped(linearization, svd)

    def adapt(self, rank: int, numerical_rank: int, promise: float = 1.0, escape: bool = False) -> "ResidualSpace":
        at_its_limit = not self.bolder and (0 < numerical_rank <= rank or promise < _SEEN)
        return dataclasses.replace(self, bolder=self.adapts and (escape or at_its_limit))

    def _decompose(self, factor: AbstractFactor, key: PRNGKeyArray) -> AbstractSVD:
        if not self.bolder:
            return kernel_svd(factor.kernel(), factor)
        if (svd := factor.svd()) is not None:
            return svd
        found = factor.sketch(self.test_matrix, key, _COLUMNS * factor.shape[0], _SHARED)
        return kernel_svd(factor.kernel(), factor) if found is None else sketched_svd(*found)
