"""Natural gradients from the kernel `F F^T` of the rows of the factor."""

from typing import ClassVar, NamedTuple

from jaxtyping import PRNGKeyArray

from sngd._cost import Cost
from sngd._curve import AbstractCurve
from sngd.descent._base import AbstractDescent, CurveReport
from sngd.descent._damped import damped
from sngd.linearize import AbstractFactor, Linearization
from sngd.sketch import AbstractSVD, TestMatrix, gaussian, kernel_svd, sketched_svd

# If the directions that the kernel resolves hold a smaller part of the loss than this, the next step uses the factor.
_SEEN = 0.5

# How many matrices of shape `(n, n)` a step holds at a time, from the kernel and from the sketch. Both numbers were
# measured with 1,720 to 8,008 rows.
_SQUARES, _SKETCHED = 12, 27


class SpaceState(NamedTuple):
    """The state of `ResidualSpace`.

    - `uses_factor`: whether the next step comes from the factor itself, and not from its kernel.
    """

    uses_factor: bool


class ResidualSpace(AbstractDescent):
    """The natural gradient from the eigenvectors of the kernel `F F^T`, shape `(n, n)`.

    Woodbury's identity gives the damped update `-F^T (F F^T + lambda)^-1 r` from a matrix with as many rows as the
    residual (ENGD-W in arXiv:2505.12149). If the factor is kept as outer products, the cost hardly grows with the
    number of parameters.

    The kernel squares the factor, so it resolves singular values only down to the root of the machine precision times
    the first one. The next step therefore comes from the factor itself in each of these cases:

    - The last step was so bold that its damping was below the resolution of the kernel.
    - Directions that the kernel does not resolve hold most of the loss.
    - The next step is nonmonotone.

    How a step from the factor itself works depends on the storage of the factor. A stored factor is decomposed in full.
    A factor that is kept as outer products is decomposed by a sketch of its columns, whose updates are longer than
    necessary (`SketchedSVD`). A factor that is recomputed in blocks has no such step: all its steps come from the
    kernel. After a step from the factor itself the next one comes from the kernel.

    - `adapts`: whether steps may come from the factor itself. If it is `False`, all steps come from the kernel, as in
      ENGD-W.
    - `test_matrix`: a function that draws the test matrix of the sketch, with a new key in every step.
    - `columns`: the number of columns of the sketch for each row of the factor. With two columns for each row, the
      singular values of the sketch are those of the factor within a factor of three.
    - `shared`: the number `g` of random vectors in a group, from which `g^2` columns of the test matrix are made. The
      products, which are most of the work of the sketch, are fewer by the factor `g`.

    The work is that of forming the kernel and about `10 n^3` operations. The factor may have at most `LARGEST` rows;
    `init` raises `ValueError` for more rows.
    """

    LARGEST: ClassVar[int] = 8192

    adapts: bool = True
    test_matrix: TestMatrix = gaussian
    columns: int = 2
    shared: int = 8

    @property
    def wants_fast_features(self) -> bool:
        # Without adaptation this is ENGD-W. It ends at the root of the machine precision, before it could use more
        # singular values, and has the same initial parameters as the methods of the paper.
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
