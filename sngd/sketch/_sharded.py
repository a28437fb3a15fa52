"""The singular value decomposition of a matrix whose rows are divided between devices."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float

from sngd._rows import DIVIDED, ROWS, WHOLE, RowLayout, on_every_device
from sngd.sketch._lapack import svd
from sngd.sketch._svd import PRECISION, AbstractSVD, damped_by_vectors


class ShardedSVD(AbstractSVD):
    """`F ~ U diag(singular_values) V^T` with the longer side as `Q W`, its frame `Q` divided between the devices.

    - `short`: the shorter side, `(m, m)` for `m = min(n, p)`; `frame`: `Q`, in blocks, and `rotation`: `W`, `(m, m)`.
    - `layout`: of the rows of the frame; `tall`: whether it is that of `U`, else of `V`.
    """

    singular_values: Float[Array, " m"]
    short: Float[Array, "m m"]
    frame: Float[Array, "blocks m"]
    rotation: Float[Array, "m m"]
    layout: RowLayout = eqx.field(static=True)
    tall: bool = eqx.field(static=True)

    @property
    def resolution(self) -> float:
        return PRECISION

    def left_rmatmul(self, residual: Float[Array, " n"]) -> Float[Array, " m"]:
        return self._long_rmatmul(residual) if self.tall else self.short.T @ residual

    def right_matmul(self, coefficients: Float[Array, " m"]) -> Float[Array, " p"]:
        return self.short @ coefficients if self.tall else self._long_matmul(coefficients)

    def right_rmatmul(self, vector: Float[Array, " p"]) -> Float[Array, " m"]:
        return self.short.T @ vector if self.tall else self._long_rmatmul(vector)

    def damped(self, coordinates: Float[Array, " m"], t: Float[Array, ""]) -> Float[Array, " p"]:
        return damped_by_vectors(self, coordinates, t)

    def _long_matmul(self, coefficients: Float[Array, " m"]) -> Array:
        def block(frame: Array, image: Array) -> Array:
            return self.layout.whole(frame @ image)

        return on_every_device(block, self.layout.mesh, 1)(self.frame, self.rotation @ coefficients)

    def _long_rmatmul(self, vector: Array) -> Float[Array, " m"]:
        def block(frame: Array, vector: Array) -> Array:
            return jax.lax.psum(frame.T @ self.layout.part(vector), ROWS)

        return self.rotation.T @ on_every_device(block, self.layout.mesh, 1)(self.frame, vector)


def sharded_svd(blocks: Float[Array, "blocks p"], layout: RowLayout) -> ShardedSVD:
    """All `m = min(n, p)` singular triplets of a matrix whose `n` rows are divided between devices.

    QR along its longer side, then the SVD of the triangle, as in `dense_svd`. Where there are fewer rows than columns,
    devices exchange blocks first, `n p` numbers over all of them, so that each has a part of every row.
    """
    rows, columns = layout.rows, blocks.shape[1]
    tall = rows > columns
    if not tall:
        blocks = on_every_device(lambda block: layout.columns(block).T, layout.mesh, 1, DIVIDED)(blocks)
        layout = RowLayout(layout.mesh, ((columns, 1),))
    frame, triangle = tall_qr(blocks, layout.mesh)
    outer, values, inner = svd(triangle if tall else triangle.T)
    short, rotation = (inner.T, outer) if tall else (outer, inner.T)
    return ShardedSVD(values, short, frame, rotation, layout, tall)


def tall_qr(blocks: Float[Array, "N m"], mesh: Mesh) -> tuple[Float[Array, "N m"], Float[Array, "m m"]]:
    """The QR decomposition of a matrix with `N >= m` rows, divided between devices as they are, and whole `R`.

    Every device decomposes its own rows, and all of them the triangles of all, stacked, at most `m` rows each: TSQR,
    as stable as Householder's (Demmel, Grigori, Hoemmen and Langou, SIAM J. Sci. Comput. 34, 2012).
    """

    def block(rows: Array) -> tuple[Array, Array]:
        frame, triangle = jnp.linalg.qr(rows)
        stacked, triangle = jnp.linalg.qr(jax.lax.all_gather(triangle, ROWS, tiled=True))
        start = jax.lax.axis_index(ROWS) * frame.shape[1]
        return frame @ jax.lax.dynamic_slice_in_dim(stacked, start, frame.shape[1]), triangle

    return on_every_device(block, mesh, 1, (DIVIDED, WHOLE))(blocks)
