"""Natural gradients from the factor of a large network, by preconditioned iterations."""

from typing import ClassVar

from jaxtyping import PRNGKeyArray

from sngd._cost import Cost
from sngd._curve import AbstractCurve
from sngd.descent._base import AbstractDescent
from sngd.descent._damped import damped
from sngd.linearize import AbstractFactor, Linearization
from sngd.sketch import AbstractSVD, TestMatrix, gaussian, preconditioned_svd

# What the plan counts: updates a step that a search tries, and iterations for each; a step takes twelve at most.
_TYPICAL_TRIALS, _TYPICAL_ITERATIONS = 3, 8


class Preconditioned(AbstractDescent):
    """The Levenberg-Marquardt steps of a factor kept as outer products, as bold as double precision allows.

    `FactorDescent` needs a basis of `p l` numbers, and the kernel of `ResidualSpace` is a square that loses half of the
    digits. Here a sketch of the columns, which outer products make cheap, only preconditions: conjugate gradients find
    each update of the factor itself in a few products with vectors (`PreconditionedSVD`). The memory is `O(p + n^2)`.

    Few iterations are enough, and better: they damp the directions that the sketch confuses. A stored factor is
    decomposed in full instead; of one that is recomputed in blocks there is no cheap sketch.

    - `test_matrix`: how the sketch is drawn, fresh in every step.
    - `columns`: of the sketch, for every row. `shared`: vectors that share a group; with more of them the sketch of a
      narrow network preconditions less well.

    Work: some `40 n^3` for the sketch, and two products with the factor an iteration, some eight for every trial of the
    search; for at most `LARGEST` rows.
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
