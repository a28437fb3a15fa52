"""Randomized linear algebra on plain operators."""

from sngd.sketch._eigh import LowRank, dense, single_pass, two_pass
from sngd.sketch._svd import SVD, dense_svd, range_finder_svd
from sngd.sketch._test_matrices import TestMatrix, gaussian

__all__ = [
    "SVD",
    "LowRank",
    "TestMatrix",
    "dense",
    "dense_svd",
    "gaussian",
    "range_finder_svd",
    "single_pass",
    "two_pass",
]
