"""The decomposition of a stored factor, on one device or several."""

from sngd.linearize import AbstractFactor, DenseFactor, ShardedFactor
from sngd.sketch import AbstractSVD, dense_svd, sharded_svd


def is_stored(factor: AbstractFactor) -> bool:
    """Whether the rows of a factor are kept as a matrix."""
    return isinstance(factor.local if isinstance(factor, ShardedFactor) else factor, DenseFactor)


def stored_svd(factor: AbstractFactor) -> AbstractSVD | None:
    """All singular triplets of a stored factor; `None` for any other."""
    match factor:
        case DenseFactor(matrix=matrix):
            return dense_svd(matrix)
        case ShardedFactor(local=DenseFactor(matrix=blocks), layout=layout):
            return sharded_svd(blocks, layout)
        case _:
            return None
