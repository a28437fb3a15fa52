"""The factor of a network made of linear layers, kept as outer products. Rows are formed only in blocks."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from sngd._products import HALF_GRAMIAN, add_half_gramian, transpose_matmul
from sngd.linearize._column_blocks import Block, block_bytes, fold_blocks
from sngd.linearize._factor import AbstractFactor, Sample
from sngd.linearize._layers import outer_products
from sngd.linearize._outer import Outer
from sngd.linearize._product_columns import LeafLayout, ProductColumns, Sides, leaf_layout, of_pairs
from sngd.linearize._terms import Term
from sngd.linearize._trial import TrialFunction
from sngd.sketch import (
    EMBEDDING,
    GramianProducts,
    LowRank,
    drawn,
    gaussian,
    khatri_rao,
    single_pass_by_factor,
    two_pass_by_factor,
)

# The number of points whose outer products are computed at once. It bounds the memory of the computation.
_POINTS = 128


class _Rows(eqx.Module):
    """The rows of one term: their values, the pairs of vectors for each linear leaf, and the stored derivatives."""

    values: Float[Array, " rows"]
    outer: dict[int, Outer]
    stored: Float[Array, "rows d"]

    def kernel_with(self, other: "_Rows") -> Float[Array, "rows others"]:
        """The inner products of these rows with other rows.

        The inner product of two outer products is the product of two inner products of vectors.
        """
        total = self.stored @ other.stored.T
        for leaf, pairs in self.outer.items():
            total = pairs.add_products(total, other.outer[leaf])
        return total

    def kernel(self) -> Float[Array, "rows rows"]:
        """The inner products of these rows with each other."""
        half = add_half_gramian(jnp.zeros((len(self.stored),) * 2), self.stored)
        for pairs in self.outer.values():
            half = pairs.add_half_gramian(half)
        return half + half.T

    def times_products(self, test_matrix: "ProductColumns") -> Float[Array, "rows l"]:
        left, right = test_matrix.rest
        total = of_pairs(jnp.tensordot(self.stored, left, 1), right)
        for leaf, pairs in self.outer.items():
            vectors = test_matrix.sides[leaf]

            def add(total: Array, left: Array, right: Array, vectors: Sides = vectors) -> Array:
                return total + of_pairs(jnp.tensordot(left, vectors[0], 1), jnp.tensordot(right, vectors[1], 1))

            total = pairs.fold(add, total)
        return total


class LayeredFactor(AbstractFactor):
    """A factor whose rows are sums of outer products of vectors.

    It takes `8 n (S w + d)` bytes, where `S` is the number of pairs of vectors of a row, `w` is the sum of both sides
    of all weight matrices, and `d` is the number of other parameters.

    A product with many columns forms blocks of columns of the factor (`_column_blocks.py`). Blocks of rows would take
    one sum of `p l` numbers for each block. A product with one column uses the vectors alone.
    """

    terms: tuple[_Rows, ...]
    layout: LeafLayout

    @property
    def shape(self) -> tuple[int, int]:
        return sum(rows.stored.shape[0] for rows in self.terms), sum(
            int(np.prod(shape)) for shape in self.layout.shapes
        )

    @property
    def values(self) -> Float[Array, " n"]:
        """The values of the functions whose derivatives are the rows."""
        return jnp.concatenate([rows.values for rows in self.terms])

    def matmul(self, columns: Float[Array, "p l"]) -> Float[Array, "n l"]:
        if columns.shape[1] == 1:
            return self._times_vector(columns[:, 0])[:, None]

        def add(total: Array, block: Block) -> Array:
            return total + _transposed(block.take(columns)) @ block.columns

        return self._fold(add, jnp.zeros((columns.shape[1], self.shape[0]))).T

    def rmatmul(self, columns: Float[Array, "n l"]) -> Float[Array, "p l"]:
        if columns.shape[1] == 1:
            ends = np.cumsum([len(rows.stored) for rows in self.terms])[:-1]
            weights = jnp.split(columns[:, 0], ends)
            sums = [self._combined(rows, weight) for rows, weight in zip(self.terms, weights, strict=True)]
            return functools.reduce(jnp.add, sums)[:, None]

        def put(total: Array, block: Block) -> Array:
            return block.put(total, block.columns @ columns)

        return self._fold(put, jnp.zeros((self.shape[1], columns.shape[1])))

    def gramian_matmul(self, columns: Float[Array, "p l"]) -> Float[Array, "p l"]:
        return self.rmatmul(self.matmul(columns))

    def gramian_compress(self, basis: Float[Array, "p l"]) -> Float[Array, "l l"]:
        image = self.matmul(basis)
        return transpose_matmul(image, image)

    def two_pass(self, sample: Sample, key: PRNGKeyArray, columns: int) -> LowRank:
        return two_pass_by_factor(*self.sketches(sample, key, columns), self.products)

    def single_pass(self, sample: Sample, key: PRNGKeyArray, columns: int) -> LowRank:
        return single_pass_by_factor(*self.sketches(sample, key, columns), self.products)

    def sketch_bytes(self, columns: int) -> int:
        """The basis of `l` columns, the rows of both sketches, and two blocks of columns of the factor."""
        rows, parameters = self.shape
        return 8 * columns * (parameters + 3 * (1 + EMBEDDING) * rows) + 2 * block_bytes()

    def sketches(
        self, sample: Sample, key: PRNGKeyArray, columns: int
    ) -> tuple[Float[Array, "n l"], Float[Array, "n m"]]:
        """The products with a test matrix of `l` columns and with a random matrix of `EMBEDDING` times as many.

        The rows of the test matrix are drawn for each block of columns of the factor and are not kept. Columns that are
        outer products themselves are never formed.
        """
        if sample is khatri_rao:
            both, _ = self.sketch(gaussian, key, (1 + EMBEDDING) * columns, shared=1)
            return both[:, :columns], both[:, columns:]
        range_key, embedding_key = jax.random.split(key)

        def add(total: Array, block: Block) -> Array:
            part_key = jax.random.fold_in(range_key, block.number)
            rows = drawn(sample, part_key, len(block.columns), columns, total.dtype)
            return total + _transposed(rows) @ block.columns

        embedding, _ = self.sketch(gaussian, embedding_key, EMBEDDING * columns, shared=1)
        return self._fold(add, jnp.zeros((columns, self.shape[0]), embedding.dtype)).T, embedding

    def products(
        self, rows: Float[Array, "n m"], *, image: bool, combined: Callable[[Array], Array] = lambda part: part
    ) -> GramianProducts:
        """The products that an eigendecomposition takes, in one sweep over the columns of the factor.

        - `image`: whether to take the second product with the factor.
        - `combined`: a function of a block of rows of `F.T @ rows`. It adds those of factors with other rows.
        """
        count = rows.shape[1]

        def use(total: GramianProducts, block: Block) -> GramianProducts:
            part = combined(block.columns @ rows)
            transposed = _transposed(part)
            products = None if total.image is None else total.image + transposed @ block.columns
            return GramianProducts(block.put(total.columns, part), total.gramian + transposed @ part, products)

        zeros = GramianProducts(
            jnp.zeros((self.shape[1], count)),
            jnp.zeros((count, count)),
            jnp.zeros((count, self.shape[0])) if image else None,
        )
        total = self._fold(use, zeros)
        return total._replace(image=None if total.image is None else total.image.T)

    def kernel(self) -> Float[Array, "n n"]:
        below = {
            (i, j): rows.kernel() if i == j else rows.kernel_with(self.terms[j])
            for i, rows in enumerate(self.terms)
            for j in range(i + 1)
        }
        count = range(len(self.terms))
        return jnp.block([[below[i, j] if j <= i else below[j, i].T for j in count] for i in count])

    def kernel_with(self, other: "LayeredFactor") -> Float[Array, "n m"]:
        """The inner products `F @ H.T` of the rows with those of another factor `H`."""
        return jnp.block([[mine.kernel_with(theirs) for theirs in other.terms] for mine in self.terms])

    @property
    def kernel_operations(self) -> int:
        def pairs_of(rows: _Rows) -> float:
            shapes = [(*pairs.left.shape[1:], pairs.right.shape[2]) for pairs in rows.outer.values()]
            off_diagonal = sum(count * (count - 1) / 2 * (a + b) for count, a, b in shapes)
            return off_diagonal + HALF_GRAMIAN * (sum(count * (a + b) for count, a, b in shapes) + rows.stored.shape[1])

        return int(2 * self.shape[0] ** 2 * max(map(pairs_of, self.terms)))

    @property
    def product_operations(self) -> int:
        layered = sum(2 * np.prod(o.left.shape) * o.right.shape[2] for rows in self.terms for o in rows.outer.values())
        return int(layered) + 2 * sum(rows.stored.size for rows in self.terms)

    @property
    def has_cheap_sketch(self) -> bool:
        return True

    def sketch(
        self, sample: Sample, key: PRNGKeyArray, columns: int, shared: int
    ) -> tuple[Float[Array, "n l"], ProductColumns]:
        """The sketch `F @ M` with a random test matrix `M` of outer products, and `M`.

        The sketch takes `2 n (S w + d) l / g` operations with groups of `g` vectors. A dense test matrix would take
        `2 n p l`.

        - `sample`: a function `sample(key, rows, columns, dtype)` that draws a matrix of independent entries with
          variance one.
        - `columns`: the number of columns of `M`, which may have a few more to fill the last group.
        - `shared`: the number `g`. The columns of one group are uncorrelated, but not independent.
        """
        groups = -(-columns // shared**2)
        dtype, scale = self.terms[0].stored.dtype, (groups * shared**2) ** -0.5
        keys = iter(jax.random.split(key, 2 * len(self.layout.linear) + 2))

        def vectors(size: int) -> Float[Array, "size m g"]:
            return drawn(sample, next(keys), size, groups * shared, dtype).reshape(size, groups, shared)

        def sides_of(rows: int, width: int) -> Sides:
            return scale * vectors(rows), vectors(width)

        sides = {leaf: sides_of(*self.layout.shapes[leaf]) for leaf in sorted(self.layout.linear)}
        test_matrix = ProductColumns(sides, sides_of(self.terms[0].stored.shape[1], 1), self.layout)
        return jnp.concatenate([rows.times_products(test_matrix) for rows in self.terms]), test_matrix

    def _times_vector(self, vector: Float[Array, " p"]) -> Float[Array, " n"]:
        matrices, others = self.layout.split(vector)
        images = []
        for rows in self.terms:
            image = rows.stored @ others
            for leaf, pairs in rows.outer.items():
                image += pairs.times(matrices[leaf])
            images.append(image)
        return jnp.concatenate(images)

    def _combined(self, rows: _Rows, weights: Float[Array, " rows"]) -> Float[Array, " p"]:
        """The weighted sum of the rows."""
        sums = {leaf: pairs.combined(weights) for leaf, pairs in rows.outer.items()}
        return self.layout.assemble(sums, (weights @ rows.stored)[None])[0]

    def _fold(self, use: Callable, total):
        """The last `total` of repeated calls `total = use(total, block)`, one for each block of columns."""
        stored = jnp.concatenate([rows.stored for rows in self.terms])
        return fold_blocks([rows.outer for rows in self.terms], stored, self.layout, use, total)


def _transposed(matrix: Float[Array, "p l"]) -> Float[Array, "l p"]:
    """The transposed matrix, stored."""
    return jax.lax.optimization_barrier(matrix.T)


def layered_rows(
    terms: Sequence[Term], trial: TrialFunction, theta: Float[Array, " p"], linear: frozenset[int]
) -> tuple[_Rows, ...]:
    """The rows of these terms in the form in which a `LayeredFactor` keeps them."""
    layout = leaf_layout(trial, theta, linear)
    return tuple(_rows(term, trial, theta, layout) for term in terms)


def _rows(term: Term, trial: TrialFunction, theta: Float[Array, " p"], layout: LeafLayout) -> _Rows:
    leaves = jax.tree.leaves(trial.unravel(theta))

    def at(*point: Any) -> _Rows:
        return _Rows(*outer_products(lambda given: rows_at(term, trial, theta, given, *point), leaves, layout.linear))

    # All blocks have the same size, because a smaller last block would be compiled separately.
    blocks = term.blocks(_POINTS)
    rows = jax.lax.map(lambda block: jax.vmap(at)(*block.at_points), blocks)
    rows = jax.tree.map(lambda array: array.reshape(-1, *array.shape[3:])[: term.rows], rows)
    missing = {leaf: layout.shapes[leaf] for leaf in layout.linear - rows.outer.keys()}
    none = {leaf: Outer(*(jnp.zeros((len(rows.stored), 0, side)) for side in shape)) for leaf, shape in missing.items()}
    outer = {leaf: pairs.gathered() for leaf, pairs in rows.outer.items()}
    return _Rows(rows.values, outer | none, rows.stored)


def rows_at(term: Term, trial: TrialFunction, theta: Array, leaves: Sequence[Array], *point: Any) -> Array:
    """The rows of a term at one point of its `at_points`, as a function of the leaves of the network."""
    structure = jax.tree.structure(trial.unravel(theta))
    varied = eqx.combine(jax.tree.unflatten(structure, leaves), trial.fixed)
    here = trial.field(theta)
    return term.row(here, here.like(trial.adapt(varied)), *point)
