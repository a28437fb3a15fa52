"""The factor `F` of a Gramian `G = F^T F`, as an operator on blocks of columns.

`F` has a row for each residual (least squares), or for each component of the metric at each point (energy). It is
either stored, or recomputed in blocks of rows as often as it is needed. Both compute eq. (7) of the paper: `G Y`
without `G`.

A block of rows takes one batched reverse pass, and its product with `Y` one matrix product. The alternative, to push
the columns of `Y` forward through the network, costs more by the number of Taylor components of the residual.
"""

import abc
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, PRNGKeyArray

from sngd._products import transpose_matmul
from sngd.linearize._terms import Term
from sngd.linearize._trial import TrialFunction
from sngd.sketch import AbstractSVD, LowRank, dense_svd, drawn, single_pass, two_pass

Sample = Callable[[PRNGKeyArray, int, int, DTypeLike], Float[Array, "rows columns"]]


@runtime_checkable
class Columns(Protocol):
    """A test matrix `M` of shape `(p, l)` that is known by its products with vectors."""

    def matmul(self, coefficients: Float[Array, " l"]) -> Float[Array, " p"]:
        """The product `M @ z`."""
        ...

    def rmatmul(self, vector: Float[Array, " p"]) -> Float[Array, " l"]:
        """The product `M.T @ x`."""
        ...


Sketch = tuple[Float[Array, "n l"], Columns]
"""The sketch `F @ M`, shape `(n, l)`, and the test matrix `M`."""


class AbstractFactor(eqx.Module):
    """A matrix `F`, shape `(n, p)`, that is known by its products with blocks of columns."""

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, int]: ...

    @abc.abstractmethod
    def matmul(self, columns: Float[Array, "p l"]) -> Float[Array, "n l"]:
        """The product `F @ Y`."""

    @abc.abstractmethod
    def rmatmul(self, columns: Float[Array, "n l"]) -> Float[Array, "p l"]:
        """The product `F.T @ Z`."""

    @abc.abstractmethod
    def gramian_matmul(self, columns: Float[Array, "p l"]) -> Float[Array, "p l"]:
        """The product `G @ Y = F.T @ (F @ Y)`, eq. (7) of the paper."""

    @abc.abstractmethod
    def gramian_compress(self, basis: Float[Array, "p l"]) -> Float[Array, "l l"]:
        """The core `Q.T @ G @ Q = (F @ Q).T @ (F @ Q)`. It needs no second block of the size of `Q`."""

    def two_pass(self, sample: Sample, key: PRNGKeyArray, columns: int) -> LowRank:
        """The eigendecomposition of `G` from a sketch with so many columns (`sngd.sketch.two_pass`).

        - `sample`: a function `sample(key, rows, columns, dtype)` that draws rows of the test matrix. The rows are
          independent of each other, and a factor with many parameters draws them in blocks.
        """
        return two_pass(self.gramian_matmul, self._test_matrix(sample, key, columns), self.gramian_compress)

    def single_pass(self, sample: Sample, key: PRNGKeyArray, columns: int) -> LowRank:
        """The eigendecomposition of `G` from one product with so many columns (`sngd.sketch.single_pass`).

        The arguments are those of `two_pass`.
        """
        return single_pass(self.gramian_matmul, self._test_matrix(sample, key, columns))

    def sketch_bytes(self, columns: int) -> int:
        """The largest memory of `two_pass` and `single_pass` with so many columns, without that of the factor.

        Six arrays of shape `(p, l)` are held: the test matrix, the sketch, the basis, and three more while the
        triangles of the blocks of the basis are combined.
        """
        return 8 * 6 * self.shape[1] * columns

    def _test_matrix(self, sample: Sample, key: PRNGKeyArray, columns: int) -> Float[Array, "p l"]:
        return drawn(sample, key, self.shape[1], columns, jnp.float64)

    @property
    @abc.abstractmethod
    def kernel_operations(self) -> int:
        """The largest number of floating-point operations of `kernel`. It is computed from shapes only."""

    @abc.abstractmethod
    def kernel(self) -> Float[Array, "n n"]:
        """The kernel `F @ F.T`, which is the Gramian of the rows."""

    def kernel_of(self, rows: Int[Array, " m"]) -> Float[Array, "m m"]:
        """The inner products of some rows, by their indices. By default they are read from the whole kernel."""
        return self.kernel()[rows][:, rows]

    @property
    def is_stored(self) -> bool:
        """Whether the rows are stored as a matrix, so that `svd` returns a decomposition. The default is `False`."""
        return False

    def svd(self) -> AbstractSVD | None:
        """All singular triplets of a stored factor. For any other factor the result is `None`, the default."""
        return None

    @property
    def has_cheap_sketch(self) -> bool:
        """Whether `sketch` returns a sketch. The default is `False`."""
        return False

    def sketch(self, sample: Sample, key: PRNGKeyArray, columns: int, shared: int) -> Sketch | None:
        """A sketch `F @ M` of the columns, and its test matrix `M`. The result is `None`, the default, if there is
        none.

        The sketch costs much less than a product with a dense test matrix.

        - `sample`: a function `sample(key, rows, columns, dtype)` that draws a matrix of independent entries with
          variance one.
        - `columns`: the number of columns `l` of the test matrix. It may have a few more.
        - `shared`: the number `g` of random vectors in a group, from which `g^2` columns are made. These columns are
          uncorrelated, but not independent.
        """
        return None

    @property
    def product_operations(self) -> int:
        """The largest number of floating-point operations of a product with one vector, computed from shapes only."""
        return 2 * self.shape[0] * self.shape[1]


class DenseFactor(AbstractFactor):
    """A factor that is stored as a matrix, in `8 n p` bytes.

    - `matrix`: the matrix, shape `(n, p)`. In a plan it is only the shape and the dtype.
    """

    matrix: Float[Any, "n p"]

    @property
    def shape(self) -> tuple[int, int]:
        return self.matrix.shape[0], self.matrix.shape[1]

    def matmul(self, columns: Float[Array, "p l"]) -> Float[Array, "n l"]:
        return self.matrix @ columns

    def rmatmul(self, columns: Float[Array, "n l"]) -> Float[Array, "p l"]:
        return transpose_matmul(self.matrix, columns)

    def gramian_matmul(self, columns: Float[Array, "p l"]) -> Float[Array, "p l"]:
        return self.rmatmul(self.matmul(columns))

    def gramian_compress(self, basis: Float[Array, "p l"]) -> Float[Array, "l l"]:
        image = self.matmul(basis)
        return transpose_matmul(image, image)

    def kernel(self) -> Float[Array, "n n"]:
        return self.matrix @ self.matrix.T

    def kernel_of(self, rows: Int[Array, " m"]) -> Float[Array, "m m"]:
        chosen = self.matrix[rows]
        return chosen @ chosen.T

    @property
    def is_stored(self) -> bool:
        return True

    def svd(self) -> AbstractSVD:
        return dense_svd(self.matrix)

    @property
    def kernel_operations(self) -> int:
        return 2 * self.shape[0] ** 2 * self.shape[1]


class ChunkedFactor(AbstractFactor):
    """A factor that is recomputed in blocks of `chunk` points, each time it is needed.

    One block takes `8 chunk p` bytes for each row of a point. `gramian_matmul` computes each block once and uses it
    twice.

    - `theta`: the parameters, shape `(p,)`. In a plan it is only their shape and dtype.
    """

    trial: TrialFunction
    theta: Float[Any, " p"]
    terms: tuple[Term, ...]
    chunk: int = eqx.field(static=True)

    @property
    def shape(self) -> tuple[int, int]:
        return sum(term.rows for term in self.terms), len(self.theta)

    def matmul(self, columns: Float[Array, "p l"]) -> Float[Array, "n l"]:
        def product(block: Term) -> Array:
            return block.jacobian(self.trial, self.theta) @ columns

        parts = [jax.lax.map(product, term.blocks(self.chunk)) for term in self.terms]
        flat = [part.reshape(-1, columns.shape[1])[: term.rows] for part, term in zip(parts, self.terms, strict=True)]
        return jnp.concatenate(flat)

    def rmatmul(self, columns: Float[Array, "n l"]) -> Float[Array, "p l"]:
        total = jnp.zeros((len(self.theta), columns.shape[1]))
        start = 0
        for term in self.terms:
            blocks = term.blocks(self.chunk)
            rows = blocks.scales.size * term.components
            part = columns[start : start + term.rows]
            part = jnp.pad(part, ((0, rows - term.rows), (0, 0))).reshape(len(blocks.scales), -1, columns.shape[1])
            total = self._accumulate(total, (blocks, part), transpose_matmul)
            start += term.rows
        return total

    def gramian_matmul(self, columns: Float[Array, "p l"]) -> Float[Array, "p l"]:
        def product(jacobian: Array) -> Array:
            return transpose_matmul(jacobian, jacobian @ columns)

        return self._over_blocks(jnp.zeros_like(columns), product)

    def gramian_compress(self, basis: Float[Array, "p l"]) -> Float[Array, "l l"]:
        def product(jacobian: Array) -> Array:
            image = jacobian @ basis
            return transpose_matmul(image, image)

        return self._over_blocks(jnp.zeros((basis.shape[1],) * 2), product)

    def kernel(self) -> Float[Array, "n n"]:
        """The kernel `F @ F.T`, by pairs of blocks. Each block is recomputed as often as there are blocks."""
        return self.kernel_with(self)

    def kernel_with(self, other: "ChunkedFactor") -> Float[Array, "n m"]:
        """The inner products `F @ H.T` of the rows with those of another factor `H` at the same parameters."""

        def beside(block: Term) -> Array:
            rows = block.jacobian(self.trial, self.theta)
            parts = []
            for term in other.terms:
                blocks = term.blocks(self.chunk)
                products = jax.lax.map(lambda their: rows @ their.jacobian(self.trial, self.theta).T, blocks)
                parts.append(jnp.moveaxis(products, 0, 1).reshape(len(rows), -1)[:, : term.rows])
            return jnp.concatenate(parts, axis=1)

        kernels = [jax.lax.map(beside, term.blocks(self.chunk)) for term in self.terms]
        columns = other.shape[0]
        flat = [part.reshape(-1, columns)[: term.rows] for part, term in zip(kernels, self.terms, strict=True)]
        return jnp.concatenate(flat)

    @property
    def kernel_operations(self) -> int:
        return 2 * self.shape[0] ** 2 * self.shape[1]

    def _over_blocks(self, total: Array, product: Callable[[Array], Array]) -> Array:
        for term in self.terms:
            total = self._accumulate(total, (term.blocks(self.chunk),), product)
        return total

    def _accumulate(self, total: Array, blocks: tuple, product: Callable[..., Array]) -> Array:
        def add(total: Array, block: tuple) -> tuple[Array, None]:
            term, *rest = block
            return total + product(term.jacobian(self.trial, self.theta), *rest), None

        return jax.lax.scan(add, total, blocks)[0]
