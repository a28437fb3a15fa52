"""Randomized linear algebra on plain operators."""

from sngd.sketch._eigh import LowRank, dense, single_pass, two_pass
from sngd.sketch._test_matrices import TestMatrix, gaussian

__all__ = ["LowRank", "TestMatrix", "dense", "gaussian", "single_pass", "two_pass"]
