"""Randomized linear algebra on plain operators."""

from sngd.sketch._eigh import LowRank, dense, single_pass, two_pass
from sngd.sketch._preconditioned import PreconditionedSVD, preconditioned_svd
from sngd.sketch._sharded import ShardedSVD, sharded_svd
from sngd.sketch._svd import SVD, AbstractSVD, dense_svd, kernel_svd, range_finder_svd, sketched_svd
from sngd.sketch._test_matrices import TestMatrix, gaussian

__all__ = [
    "SVD",
    "AbstractSVD",
    "LowRank",
    "PreconditionedSVD",
    "ShardedSVD",
    "TestMatrix",
    "dense",
    "dense_svd",
    "gaussian",
    "kernel_svd",
    "preconditioned_svd",
    "range_finder_svd",
    "sharded_svd",
    "single_pass",
    "sketched_svd",
    "two_pass",
]
