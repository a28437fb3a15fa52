"""Random matrices of outer products, and the positions in a row of the derivatives for each leaf of a network."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd.linearize._trial import TrialFunction

# The left and the right vectors of the outer products that form the random matrix for one leaf, in `m` groups of `g`.
Sides = tuple[Float[Array, "_a m g"], Float[Array, "_b m g"]]


class LeafLayout(eqx.Module):
    """The layout of a row of the factor: the shapes of all leaves of the network, and which are outer products."""

    shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    linear: frozenset[int] = eqx.field(static=True)

    @property
    def starts(self) -> tuple[int, ...]:
        """The index in a row of the first parameter of each leaf."""
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        return tuple(int(end) - size for end, size in zip(np.cumsum(sizes), sizes, strict=True))

    def assemble(self, by_leaf: dict[int, Array], stored: Float[Array, "rows d"]) -> Float[Array, "rows p"]:
        """The rows, shape `(rows, p)`, from their parts.

        - `by_leaf`: the derivatives with respect to the linear leaves, of shapes `(rows, a, b)`.
        - `stored`: the derivatives with respect to the other leaves, one after the other, shape `(rows, d)`.
        """
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
        """The parts of a vector of shape `(p,)`: the matrices of the linear leaves, and all other entries in a row."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])[:-1]
        parts = jnp.split(vector, ends)
        others = [part for leaf, part in enumerate(parts) if leaf not in self.linear]
        matrices = {leaf: parts[leaf].reshape(self.shapes[leaf]) for leaf in self.linear}
        return matrices, jnp.concatenate([*others, jnp.zeros(0)])


class ProductColumns(eqx.Module):
    """A random test matrix `M`, shape `(p, l)`, whose products with rows of outer products are cheap.

    For each linear leaf, a column of `M` is the outer product of two vectors of independent standard normal entries.
    The other leaves, one after the other, count as one matrix with one column.

    The vectors come in groups of `g` left and `g` right vectors, which make `g^2` columns. The matrix is scaled so that
    `||M^T x||` equals `||x||` on average.

    - `sides`: for each linear leaf of shape `(a, b)`, the `m = l / g^2` groups of vectors, of shapes `(a, m, g)` and
      `(b, m, g)`.
    - `rest`: the groups of vectors for the other leaves, of shapes `(d, m, g)` and `(1, m, g)`.
    """

    sides: dict[int, Sides]
    rest: Sides
    layout: LeafLayout

    def matmul(self, coefficients: Float[Array, " l"]) -> Float[Array, " p"]:
        """The product `M @ z`."""
        groups, shared = self.rest[0].shape[1:]
        pairs = coefficients.reshape(groups, shared, shared)

        def combined(sides: Sides) -> Array:
            # The combinations of the vectors of a group are written out, because XLA is slow at many small products.
            left, right = sides
            terms = [right[..., j, None] * pairs[..., j] for j in range(shared)]
            return jnp.tensordot(left, functools.reduce(jnp.add, terms), ((1, 2), (1, 2)))

        matrices = {leaf: combined(sides) for leaf, sides in self.sides.items()}
        return self.layout.assemble(matrices, combined(self.rest).T)[0]

    def rmatmul(self, vector: Float[Array, " p"]) -> Float[Array, " l"]:
        """The product `M.T @ x`."""
        matrices, others = self.layout.split(vector)

        def products(sides: Sides, matrix: Array) -> Array:
            left, right = sides
            return jnp.einsum("ami,amj->mij", left, jnp.tensordot(matrix, right, 1)).ravel()

        images = [products(sides, matrices[leaf]) for leaf, sides in self.sides.items()]
        return functools.reduce(jnp.add, images, products(self.rest, others[:, None]))


def leaf_layout(trial: TrialFunction, theta: Float[Array, " p"], linear: frozenset[int]) -> LeafLayout:
    """The layout of the leaves of a network.

    - `linear`: the indices of the leaves whose derivatives are kept as outer products.
    """
    return LeafLayout(tuple(leaf.shape for leaf in jax.tree.leaves(trial.unravel(theta))), linear)


def of_pairs(left: Float[Array, "rows m g"], right: Float[Array, "#rows m g"]) -> Float[Array, "rows l"]:
    """The products of each left vector with each right vector of the same group."""
    return (left[..., :, None] * right[..., None, :]).reshape(len(left), -1)
