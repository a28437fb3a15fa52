"""Natural gradients from the factor of a large network, by preconditioned conjugate gradients."""

from typing import ClassVar

from jaxtyping import PRNGKeyArray

from sngd._cost import Cost
from sngd._curve import AbstractCurve
from sngd.descent._base import AbstractDescent
from sngd.descent._damped import damped
from sngd.linearize import AbstractFactor, Linearization
from sngd.sketch import AbstractSVD, TestMatrix, gaussian, preconditioned_svd

# The plan counts this many updates for the search of one step, and this many iterations for each update. The iterations
# of an update are at most twelve.
_TYPICAL_TRIALS, _TYPICAL_ITERATIONS = 3, 8


class Preconditioned(AbstractDescent):
    """The Levenberg-Marquardt curve of a factor that is kept as outer products, down to the rounding of double
    precision.

    `FactorDescent` stores a basis of `p l` numbers. The kernel of `ResidualSpace` squares the factor and so loses half
    of the digits. This descent uses a sketch of the columns of the factor, which outer products make cheap, only as a
    preconditioner. Conjugate gradients find each update of the factor itself in a few products with vectors
    (`PreconditionedSVD`). The memory is `O(p + n^2)`.

    A few iterations are enough. More iterations would not be better, because few iterations damp the directions that
    the sketch does not separate. A stored factor is decomposed in full. A factor that is recomputed in blocks has no
    cheap sketch: `cost` and `step` raise `ValueError` for it.

    - `test_matrix`: a function that draws the test matrix of the sketch, with a new key in every step.
    - `columns`: the number of columns of the sketch for each row of the factor.
    - `shared`: the number `g` of random vectors in a group, from which `g^2` columns of the test matrix are made. A
      larger group takes fewer products, but the sketch of a narrow network then preconditions less well.

    The sketch takes about `40 n^3` operations. Each update that the search tries takes about eight iterations of two
    products with the factor. The factor may have at most `LARGEST` rows; `init` raises `ValueError` for more rows.

    Source: Meng, Saunders and Mahoney, SIAM J. Sci. Comput. 36, 2014 (sketch and precondition).
    """

    LARGEST: ClassVar[int] = 4096

    test_matrix: TestMatrix = gaussian
    columns: int = 4
    shared: int = 4

    def init(self, rows: int, parameters: int) -> tuple[()]:
        if rows > self.LARGEST:
            raise ValueError(
                f"the residual has {rows} rows, and the preconditioner is a matrix of that size; take fewer points, at "
                f"most {self.LARGEST} rows, or another optimizer, like damped"
            )
        return ()

    def cost(self, factor: AbstractFactor, state: tuple[()]) -> Cost:
        rows, parameters = factor.shape
        if factor.is_stored:
            short = min(rows, parameters)
            return Cost(8 * (3 * rows * parameters + 6 * short**2), 4 * rows * parameters * short + 20 * short**3)
        _require_sketch(factor.has_cheap_sketch)
        iterations = 2 * _TYPICAL_TRIALS * _TYPICAL_ITERATIONS * factor.product_operations
        return Cost(8 * (6 * parameters + 3 * (self.columns + 2) * rows**2), iterations + 40 * rows**3)

    def step(self, linearization: Linearization, state: tuple[()], key: PRNGKeyArray) -> AbstractCurve:
        svd = self._decompose(linearization.factor, key)
        return damped(linearization, svd)

    def _decompose(self, factor: AbstractFactor, key: PRNGKeyArray) -> AbstractSVD:
        if (svd := factor.svd()) is not None:
            return svd
        found = factor.sketch(self.test_matrix, key, self.columns * factor.shape[0], self.shared)
        _require_sketch(found is not None)
        assert found is not None
        return preconditioned_svd(found[0], factor)


def _require_sketch(has_cheap_sketch: bool) -> None:
    if not has_cheap_sketch:
        raise ValueError(
            "the preconditioned optimizer needs a network whose weights enter by products with vectors, so that its "
            "factor can be sketched cheaply; this one's is recomputed in blocks. Take another optimizer, like damped"
        )
