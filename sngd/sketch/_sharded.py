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
    """A singular value decomposition `F = U diag(singular_values) V^T` over several devices, with `m = min(n, p)`.

    The longer one of `U` and `V` is the product `Q W`, whose first matrix `Q` is divided between the devices. All other
    arrays are whole on every device.

    - `singular_values`: shape `(m,)`, in falling order.
    - `short`: the shorter one of `U` and `V`, shape `(m, m)`.
    - `frame`: the matrix `Q` with `m` orthonormal columns. The rows are in blocks, one for each device.
    - `rotation`: the orthogonal matrix `W`, shape `(m, m)`.
    - `layout`: which device holds which rows of `Q`.
    - `tall`: whether `Q W` is `U`, which holds for `n > p`. Otherwise `Q W` is `V`.
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
    """All `m = min(n, p)` singular triplets of a matrix `F` whose `n` rows are divided between devices.

    The algorithm is that of `dense_svd`: a QR decomposition along the longer side, then the SVD of the triangle. If `F`
    has no more rows than columns, the devices first exchange blocks, so that each device has a part of every row. The
    exchange moves `n p` numbers over all devices together.

    - `blocks`: the blocks of all devices, one below the other, each with all `p` columns.
    - `layout`: which device holds which rows.
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
    """The QR decomposition of a matrix with `N >= m` rows that are divided between the devices of `mesh`.

    `Q`, shape `(N, m)`, is divided like the matrix. `R`, shape `(m, m)`, is whole on every device. The algorithm is
    TSQR, which is as stable as Householder's QR (Demmel, Grigori, Hoemmen and Langou, SIAM J. Sci. Comput. 34, 2012).
    Each device decomposes its own rows. Then every device decomposes the stacked triangles of all devices, each of
    which has at most `m` rows.
    """

    def block(rows: Array) -> tuple[Array, Array]:
        frame, triangle = jnp.linalg.qr(rows)
        stacked, triangle = jnp.linalg.qr(jax.lax.all_gather(triangle, ROWS, tiled=True))
        start = jax.lax.axis_index(ROWS) * frame.shape[1]
        return frame @ jax.lax.dynamic_slice_in_dim(stacked, start, frame.shape[1]), triangle

    return on_every_device(block, mesh, 1, (DIVIDED, WHOLE))(blocks)
