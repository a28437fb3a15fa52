"""The factor `F` of a Gramian `G = F^T F`, as an operator on blocks of columns.

`F` has a row for each residual (least squares), or for each component of the metric at each point (energy). It is
either stored, or recomputed in blocks of rows as often as it is needed. Both compute eq. (7) of the paper: `G Y`
without `G`.

A block of rows is one batched reverse pass, and its product with `Y` one matrix product. Pushing the columns of `Y`
forward through the network instead costs as many times more as the residual has Taylor components.
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
from sngd.sketch import AbstractSVD, dense_svd

Sample = Callable[[PRNGKeyArray, int, int, DTypeLike], Float[Array, "rows columns"]]


@runtime_checkable
class Columns(Protocol):
    """A test matrix `M` of shape `(p, l)`, known by its products with vectors."""

    def matmul(self, coefficients: Float[Array, " l"]) -> Float[Array, " p"]:
        """`M @ z`."""
        ...

    def rmatmul(self, vector: Float[Array, " p"]) -> Float[Array, " l"]:
        """`M.T @ x`."""
        ...


Sketch = tuple[Float[Array, "n l"], Columns]
"""`F @ M`, and the test matrix `M`."""


class AbstractFactor(eqx.Module):
    """An `(n, p)` matrix `F` known by its products with blocks of columns."""

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, int]: ...

    @abc.abstractmethod
    def matmul(self, columns: Float[Array, "p l"]) -> Float[Array, "n l"]:
        """`F @ Y`."""

    @abc.abstractmethod
    def rmatmul(self, columns: Float[Array, "n l"]) -> Float[Array, "p l"]:
        """`F.T @ Z`."""

    @abc.abstractmethod
    def gramian_matmul(self, columns: Float[Array, "p l"]) -> Float[Array, "p l"]:
        """`G @ Y = F.T @ (F @ Y)`, eq. (7)."""

    @abc.abstractmethod
    def gramian_compress(self, basis: Float[Array, "p l"]) -> Float[Array, "l l"]:
        """`Q.T @ G @ Q = (F @ Q).T @ (F @ Q)`: eq. (7) projected, with no second block of the size of `Q`."""

    @property
    @abc.abstractmethod
    def kernel_operations(self) -> int:
        """How many floating-point operations `kernel` takes at most. Reads shapes only."""

    @abc.abstractmethod
    def kernel(self) -> Float[Array, "n n"]:
        """`F @ F.T`, the Gramian of the rows."""

    def kernel_of(self, rows: Int[Array, " m"]) -> Float[Array, "m m"]:
        """The inner products of some rows, by their indices. By default they are read from the whole kernel."""
        return self.kernel()[rows][:, rows]

    @property
    def is_stored(self) -> bool:
        """Whether the rows are kept as a matrix, so that `svd` gives a decomposition. By default they are not."""
        return False

    def svd(self) -> AbstractSVD | None:
        """All singular triplets of a stored factor; `None`, the default, of any other."""
        return None

    @property
    def has_cheap_sketch(self) -> bool:
        """Whether `sketch` gives one. By default it does not."""
        return False

    def sketch(self, sample: Sample, key: PRNGKeyArray, columns: int, shared: int) -> Sketch | None:
        """A sketch of the columns at far less than the cost of a product with a dense test matrix, and the test matrix;
        `None`, the default, where there is no such sketch.

        - `sample(key, rows, columns, dtype)`: draws a matrix of independent entries of variance one.
        - `columns`: how many columns the test matrix has, or a few more.
        - `shared`: how many columns, at most the square of this number, are made of the same random vectors. They are
          uncorrelated, but not independent.
        """
        return None

    @property
    def product_operations(self) -> int:
        """How many floating-point operations a product with one vector takes at most. Reads shapes only."""
        return 2 * self.shape[0] * self.shape[1]


class DenseFactor(AbstractFactor):
    """A stored factor: `8 n p` bytes.

    - `matrix`: shape `(n, p)`; in a plan, its shape and dtype.
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
    """A factor recomputed in blocks of `chunk` points: `8 chunk p` bytes beside the columns.

    `gramian_matmul` makes every block once and uses it twice.

    - `theta`: the parameters, shape `(p,)`; in a plan, their shape and dtype.
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
        """By pairs of blocks, each recomputed as often as there are blocks."""
        return self.kernel_with(self)

    def kernel_with(self, other: "ChunkedFactor") -> Float[Array, "n m"]:
        """`F @ H.T`, the inner products of its rows with those of another one at the same parameters."""

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
