"""Random matrices of outer products, and where the derivatives by each leaf of a network stand in a row."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd.linearize._trial import TrialFunction

# The vectors on either side of the outer products that make a random matrix for one leaf, in groups.
Sides = tuple[Float[Array, "_a m g"], Float[Array, "_b m g"]]


class LeafLayout(eqx.Module):
    """Where the derivatives by each leaf of the network stand: which are outer products, and all shapes."""

    shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    linear: frozenset[int] = eqx.field(static=True)

    @property
    def starts(self) -> tuple[int, ...]:
        """The place of each leaf's first parameter."""
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        return tuple(int(end) - size for end, size in zip(np.cumsum(sizes), sizes, strict=True))

    def assemble(self, by_leaf: dict[int, Array], stored: Float[Array, "rows d"]) -> Float[Array, "rows p"]:
        """Rows, from their parts of shape `(rows, a, b)` for linear leaves and the stored ones for the others."""
        parts, start = [], 0
        for leaf, shape in enumerate(self.shapes):
            size = int(np.prod(shape))
            if leaf in self.linear:
                parts.append(by_leaf[leaf].reshape(-1, size))
            else:
                parts.append(stored[:, start : start + size])
                start += size
        return jnp.concatenate(parts, axis=1)

    def split(self, vector: Float[Array, " p"]) -> tuple[dict[int, Array], Float[Array, " d"]]:
        """A parameter vector as the matrices of the linear leaves, and the others one after the other."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])[:-1]
        parts = jnp.split(vector, ends)
        others = [part for leaf, part in enumerate(parts) if leaf not in self.linear]
        matrices = {leaf: parts[leaf].reshape(self.shapes[leaf]) for leaf in self.linear}
        return matrices, jnp.concatenate([*others, jnp.zeros(0)])


class ProductColumns(eqx.Module):
    """A random test matrix `M`, shape `(p, l)`: every column is the outer product of two normal vectors for each linear
    leaf, so that its products with rows of outer products are cheap. The other leaves, one after the other, are a
    matrix of one column.

    The vectors come in groups of `g`, and every pair of a group makes a column. Scaled so that `||M^T x||` is `||x||`
    on average.

    - `sides`: for every linear leaf of shape `(a, b)` the `m = l / g^2` groups of vectors, `(a, m, g)` and `(b, m, g)`;
      `rest`: `(d, m, g)` and `(1, m, g)`.
    """

    sides: dict[int, Sides]
    rest: Sides
    layout: LeafLayout

    def matmul(self, coefficients: Float[Array, " l"]) -> Float[Array, " p"]:
        """`M @ z`."""
        groups, shared = self.rest[0].shape[1:]
        pairs = coefficients.reshape(groups, shared, shared)

        def combined(sides: Sides) -> Array:
            # The combinations of the vectors of a group, written out: XLA is slow at many small products.
            left, right = sides
            terms = [right[..., j, None] * pairs[..., j] for j in range(shared)]
            return jnp.tensordot(left, functools.reduce(jnp.add, terms), ((1, 2), (1, 2)))

        matrices = {leaf: combined(sides) for leaf, sides in self.sides.items()}
        return self.layout.assemble(matrices, combined(self.rest).T)[0]

    def rmatmul(self, vector: Float[Array, " p"]) -> Float[Array, " l"]:
        """`M.T @ x`."""
        matrices, others = self.layout.split(vector)

        def products(sides: Sides, matrix: Array) -> Array:
            left, right = sides
            return jnp.einsum("ami,amj->mij", left, jnp.tensordot(matrix, right, 1)).ravel()

        images = [products(sides, matrices[leaf]) for leaf, sides in self.sides.items()]
        return functools.reduce(jnp.add, images, products(self.rest, others[:, None]))


def leaf_layout(trial: TrialFunction, theta: Float[Array, " p"], linear: frozenset[int]) -> LeafLayout:
    """The layout of the leaves of a network, where those in `linear` are kept as outer products."""
    return LeafLayout(tuple(leaf.shape for leaf in jax.tree.leaves(trial.unravel(theta))), linear)


def of_pairs(left: Float[Array, "rows m g"], right: Float[Array, "#rows m g"]) -> Float[Array, "rows l"]:
    """The products of every two of a group, one from the left and one from the right."""
    return (left[..., :, None] * right[..., None, :]).reshape(len(left), -1)
