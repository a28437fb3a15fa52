"""Randomized linear algebra on plain operators.

Two kinds of decompositions are here: eigendecompositions of a symmetric positive semidefinite operator `A` (`LowRank`),
and singular value decompositions of a rectangular factor `F` (`AbstractSVD`). An operator is a function of a block of
columns, `Y -> A @ Y`, and need not be stored as a matrix. All functions may be traced by JAX. None but `drawn` raises
an error of its own: a matrix with numbers that are not finite gives results that are not finite.

The sources are Halko, Martinsson and Tropp, "Finding structure with randomness", SIAM Rev. 53, 2011, and Martinsson and
Tropp, "Randomized numerical linear algebra", Acta Numerica 29, 2020. "The paper" is McKay, Kaur, Greif and Wetton,
"Near-optimal Sketchy Natural Gradients for PINNs", ICML 2025. Axes: `n` rows and `p` columns of `F`, `l` columns of a
sketch, `k` singular triplets or eigenpairs.
"""

from sngd.sketch._eigh import LowRank, dense, single_pass, two_pass
from sngd.sketch._gramian import EMBEDDING, GramianProducts, single_pass_by_factor, two_pass_by_factor
from sngd.sketch._preconditioned import PreconditionedSVD, preconditioned_svd
from sngd.sketch._sharded import ShardedSVD, sharded_svd
from sngd.sketch._svd import SVD, AbstractSVD, dense_svd, kernel_svd, range_finder_svd, sketched_svd
from sngd.sketch._test_matrices import TestMatrix, drawn, gaussian, khatri_rao

__all__ = [
    "EMBEDDING",
    "SVD",
    "AbstractSVD",
    "GramianProducts",
    "LowRank",
    "PreconditionedSVD",
    "ShardedSVD",
    "TestMatrix",
    "dense",
    "dense_svd",
    "drawn",
    "gaussian",
    "kernel_svd",
    "khatri_rao",
    "preconditioned_svd",
    "range_finder_svd",
    "sharded_svd",
    "single_pass",
    "single_pass_by_factor",
    "sketched_svd",
    "two_pass",
    "two_pass_by_factor",
]
