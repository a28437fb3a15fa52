"""Natural gradients from the kernel of the residual rows."""

from typing import ClassVar, NamedTuple

from jaxtyping import PRNGKeyArray

from sngd._cost import Cost
from sngd._curve import AbstractCurve
from sngd.descent._base import AbstractDescent, CurveReport
from sngd.descent._damped import damped
from sngd.linearize import AbstractFactor, Linearization
from sngd.sketch import AbstractSVD, TestMatrix, gaussian, kernel_svd, sketched_svd

# The kernel is at its limit where the directions that it knows hold a smaller part of the loss than this.
_SEEN = 0.5

# Matrices of `n x n` numbers at a time: of a step from the kernel, and of one from the sketch, as measured with 1,720
# to 8,008 rows.
_SQUARES, _SKETCHED = 12, 27


class SpaceState(NamedTuple):
    """Whether the next step comes from the factor itself, and not from its kernel."""

    uses_factor: bool


class ResidualSpace(AbstractDescent):
    """The natural gradient from the eigenvectors of the kernel `F F^T`, of as many rows as the residual.

    Woodbury's identity gives the damped step from an `n x n` matrix, `F^T (F F^T + lambda)^-1 r` (ENGD-W in
    arXiv:2505.12149). For a factor kept as outer products its cost hardly grows with the parameters.

    The kernel is a square: it knows singular values down to the root of the machine precision only. So the next step
    comes from the factor itself where the last one was as bold as that, where most of the loss lies in directions that
    the kernel does not know, and where it is a nonmonotone step. A stored factor is decomposed in full. A factor kept
    as outer products is decomposed by a sketch of its columns, whose steps are longer than need be (`SketchedSVD`). For
    a factor that is recomputed in blocks all steps come from the kernel.

    - `adapts`: whether steps may come from the factor itself. If not, all come from the kernel, as those of ENGD-W do.
    - `test_matrix`: how the sketch is drawn, fresh in every step.
    - `columns`: of the sketch, for every row: with two its singular values are those of the factor within a factor of
      three. `shared`: vectors that share a group: as many times fewer products, which are most of its work.

    Work: the kernel's, and some ten `n^3`, for at most `LARGEST` rows.
    """

    LARGEST: ClassVar[int] = 8192

    adapts: bool = True
    test_matrix: TestMatrix = gaussian
    columns: int = 2
    shared: int = 8

    @property
    def wants_fast_features(self) -> bool:
        # ENGD-W ends sooner, at the root of the machine precision, and starts where the paper's methods do.
        return self.adapts

    def init(self, rows: int, parameters: int) -> SpaceState:
        if rows > self.LARGEST:
            raise ValueError(
                f"the residual has {rows} rows, and residual space needs the eigenvectors of a matrix of that size; "
                f"take fewer points, at most {self.LARGEST} rows, or another optimizer, like two-pass"
            )
        return SpaceState(uses_factor=False)

    def cost(self, factor: AbstractFactor, state: SpaceState) -> Cost:
        rows, parameters = factor.shape
        copies = 3 * rows * parameters if factor.is_stored else 0
        squares = _SKETCHED if self.adapts and factor.has_cheap_sketch else _SQUARES
        return Cost(8 * (copies + squares * rows**2), factor.kernel_operations + 20 * rows**3)

    def step(self, linearization: Linearization, state: SpaceState, key: PRNGKeyArray) -> AbstractCurve:
        return damped(linearization, self._decompose(linearization.factor, state, key))

    def update(self, state: SpaceState, report: CurveReport) -> SpaceState:
        saw_little = 0 < report.numerical_rank <= report.rank or report.predicted_reduction < _SEEN
        return SpaceState(uses_factor=self.adapts and not state.uses_factor and saw_little)

    def widen(self, state: SpaceState, report: CurveReport) -> SpaceState:
        return SpaceState(uses_factor=self.adapts)

    def _decompose(self, factor: AbstractFactor, state: SpaceState, key: PRNGKeyArray) -> AbstractSVD:
        if not state.uses_factor:
            return kernel_svd(factor.kernel(), factor)
        if (svd := factor.svd()) is not None:
            return svd
        found = factor.sketch(self.test_matrix, key, self.columns * factor.shape[0], self.shared)
        return kernel_svd(factor.kernel(), factor) if found is None else sketched_svd(*found)
