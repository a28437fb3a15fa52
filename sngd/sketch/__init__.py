"""Randomized linear algebra on plain operators."""

from sngd.sketch._eigh import LowRank, single_pass, two_pass
from sngd.sketch._test_matrices import TestMatrix, gaussian

__all__ = ["LowRank", "TestMatrix", "gaussian", "single_pass", "two_pass"]
