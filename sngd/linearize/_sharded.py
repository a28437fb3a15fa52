"""The rows of an objective divided between devices. Each device linearizes at its own points.

Each device keeps the rows of the factor that it computes. All other arrays are whole on every device. So code that uses
an objective or a factor is the same for one device and for several. All exchange between devices happens inside the
methods of the objective and of the factor.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from sngd._rows import DIVIDED, ROWS, RowLayout, on_every_device
from sngd.linearize._factor import AbstractFactor, ChunkedFactor, DenseFactor, Sample
from sngd.linearize._layered import LayeredFactor
from sngd.linearize._product_columns import ProductColumns
from sngd.linearize._terms import Term
from sngd.sketch import (
    AbstractSVD,
    GramianProducts,
    LowRank,
    sharded_svd,
    single_pass_by_factor,
    two_pass_by_factor,
)

LocalFactor = DenseFactor | LayeredFactor | ChunkedFactor


class ShardedFactor(AbstractFactor):
    """A factor of any kind, with its rows divided between devices. Products take and return whole arrays.

    With `n` rows, `p` parameters and `l` columns, `matmul` gathers `n l` numbers. `rmatmul` and `gramian_matmul` sum
    `p l` numbers over the devices, and `gramian_compress` sums `l l` numbers. For outer products, `two_pass` and
    `single_pass` gather five or six times `n l` numbers and sum `p l` numbers.

    - `kind`: the function that makes the factor of some rows from the form in which they are kept.
    - `kept`: all rows in the form in which they are kept, in one block for each device.
    """

    kind: Callable[[PyTree], LocalFactor]
    kept: PyTree
    layout: RowLayout = eqx.field(static=True)

    @property
    def local(self) -> LocalFactor:
        """The factor of all blocks, one after the other, with the rows of zeros that make the blocks equal in size."""
        return self.kind(self.kept)

    @property
    def shape(self) -> tuple[int, int]:
        return self.layout.rows, self.local.shape[1]

    def matmul(self, columns: Float[Array, "p l"]) -> Float[Array, "n l"]:
        return self._each(lambda factor, y: self.layout.whole(factor.matmul(y)), columns)

    def rmatmul(self, columns: Float[Array, "n l"]) -> Float[Array, "p l"]:
        return self._sum(lambda factor, z: factor.rmatmul(self.layout.part(z)), columns)

    def gramian_matmul(self, columns: Float[Array, "p l"]) -> Float[Array, "p l"]:
        return self._sum(lambda factor, y: factor.gramian_matmul(y), columns)

    def gramian_compress(self, basis: Float[Array, "p l"]) -> Float[Array, "l l"]:
        return self._sum(lambda factor, q: factor.gramian_compress(q), basis)

    def two_pass(self, sample: Sample, key: PRNGKeyArray, columns: int) -> LowRank:
        if not isinstance(self.local, LayeredFactor):
            return super().two_pass(sample, key, columns)
        return two_pass_by_factor(*self._sketches(sample, key, columns), self._products)

    def single_pass(self, sample: Sample, key: PRNGKeyArray, columns: int) -> LowRank:
        if not isinstance(self.local, LayeredFactor):
            return super().single_pass(sample, key, columns)
        return single_pass_by_factor(*self._sketches(sample, key, columns), self._products)

    def sketch_bytes(self, columns: int) -> int:
        return self.local.sketch_bytes(columns)

    def _sketches(self, sample: Sample, key: PRNGKeyArray, columns: int) -> tuple[Array, Array]:
        """Those of a factor of outer products. Each device draws the same test matrices."""

        def block(factor: LayeredFactor, key: PRNGKeyArray) -> tuple[Array, Array]:
            sketch, embedding = factor.sketches(sample, key, columns)
            return self.layout.whole(sketch), self.layout.whole(embedding)

        return self._each(block, key)

    def _products(self, rows: Float[Array, "n m"], *, image: bool) -> GramianProducts:
        """Those of a factor of outer products. Each block of `F.T @ rows` is summed over the devices."""

        def block(factor: LayeredFactor, rows: Array) -> GramianProducts:
            combined = lambda part: jax.lax.psum(part, ROWS)
            found = factor.products(self.layout.part(rows), image=image, combined=combined)
            return found._replace(image=None if found.image is None else self.layout.whole(found.image))

        return self._each(block, rows)

    def kernel(self) -> Float[Array, "n n"]:
        """The kernel `F @ F.T`, shape `(n, n)`.

        For a stored factor, the devices exchange rows for columns, `n p` numbers over all devices, and sum `n n`
        numbers. For any other factor, each device gathers the vectors or the points of all rows, and then `n n`
        numbers.
        """
        match self.local:
            case DenseFactor():
                return self._sum(lambda factor: _gramian(self.layout.columns(factor.matrix)))
            case _:
                return self._each(self._kernel_rows)

    @property
    def kernel_operations(self) -> int:
        return self.local.kernel_operations

    @property
    def product_operations(self) -> int:
        """The number of operations of a product with one vector, on all devices together."""
        return self.local.product_operations

    def kernel_of(self, rows: Int[Array, " m"]) -> Float[Array, "m m"]:
        """The inner products of some rows. For a stored factor, `m p` numbers are summed over the devices."""
        if not self.is_stored:
            return self.kernel()[rows][:, rows]
        chosen = self._each(lambda factor, rows: self.layout.take(factor.matrix, rows), rows)
        return chosen @ chosen.T

    @property
    def is_stored(self) -> bool:
        return self.local.is_stored

    def svd(self) -> AbstractSVD | None:
        local = self.local
        return sharded_svd(local.matrix, self.layout) if isinstance(local, DenseFactor) else None

    @property
    def has_cheap_sketch(self) -> bool:
        return self.local.has_cheap_sketch

    def sketch(
        self, sample: Sample, key: PRNGKeyArray, columns: int, shared: int
    ) -> tuple[Float[Array, "n l"], ProductColumns] | None:
        """The sketch and its test matrix. It gathers `n l` numbers. Each device draws the same test matrix."""
        if not self.has_cheap_sketch:
            return None

        def block(factor: LayeredFactor, key: PRNGKeyArray) -> tuple[Array, ProductColumns]:
            sketch, test_matrix = factor.sketch(sample, key, columns, shared)
            return self.layout.whole(sketch), test_matrix

        return self._each(block, key)

    def _kernel_rows(self, factor) -> Float[Array, "n n"]:
        kept = jax.lax.all_gather(factor.terms, ROWS)
        beside = jax.lax.map(lambda terms: factor.kernel_with(self.kind(terms)), kept)
        rows = self.layout.whole(jnp.moveaxis(beside, 1, 0).reshape(beside.shape[1], -1))
        return rows[:, self.layout.order]

    def _sum(self, function: Callable, *arguments: Array) -> Array:
        return self._each(lambda *block: jax.lax.psum(function(*block), ROWS), *arguments)

    def _each(self, function: Callable, *arguments: Array):
        """The results of `function` on all devices, each for the device's own factor and for `arguments`."""

        def block(kept: PyTree, kind: PyTree, *arguments: Array):
            return function(eqx.combine(kind, static)(kept), *arguments)

        kind, static = eqx.partition(self.kind, eqx.is_array)
        return on_every_device(block, self.layout.mesh, 1)(self.kept, kind, *arguments)


def sharded_factor(
    kind: Callable[[PyTree], LocalFactor],
    keep: Callable[[tuple[Term, ...], Float[Array, " p"]], PyTree],
    terms: tuple[Term, ...],
    theta: Float[Array, " p"],
    mesh: Mesh,
) -> ShardedFactor:
    """The factor of these terms, with their rows divided between devices.

    The function `keep` computes the rows of terms in the form in which they are kept. The function `kind` makes a
    factor from rows in this form.
    """
    kept = on_every_device(lambda terms, t: keep(_own(terms, mesh), t), mesh, 0, DIVIDED)(terms, theta)
    return ShardedFactor(kind, kept, layout_of(terms, mesh))


def all_rows(
    function: Callable[..., Float[Array, "block ..."]], terms: tuple[Term, ...], mesh: Mesh, *parameters: Array
) -> Float[Array, "n ..."]:
    """The rows `function(terms, *parameters)`, gathered from all devices.

    The function returns one row for each row of the terms that it is given.
    """
    layout = layout_of(terms, mesh)

    def block(terms: tuple[Term, ...], *parameters: Array) -> Array:
        return layout.whole(function(_own(terms, mesh), *parameters))

    return on_every_device(block, mesh, 0)(terms, *parameters)


def layout_of(terms: tuple[Term, ...], mesh: Mesh) -> RowLayout:
    """The layout of the rows of these terms over the devices."""
    return RowLayout(mesh, tuple((len(term.scales), term.components) for term in terms))


def _own(terms: tuple[Term, ...], mesh: Mesh) -> tuple[Term, ...]:
    """The same terms at the points of this device. Each device holds all points, because they are few numbers."""
    blocks = tuple(term.divided(mesh.size) for term in terms)
    return jax.tree.map(lambda array: array[jax.lax.axis_index(ROWS)], blocks)


def _gramian(columns: Float[Array, "n part"]) -> Float[Array, "n n"]:
    return columns @ columns.T
