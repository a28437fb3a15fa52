"""Matrices of the paper's appendices, for piecewise linear functions on `N` equal intervals of `[-1, 1]`, zero at -1.

Two bases span these functions. One consists of the hat functions `psi_i`, `i = 1 ... N`, of which the last is half a
hat at 1. The other consists of the ReLU units `phi_i(x) = max(x - x_i, 0)`, `i = 0 ... N-1`, with `x_i = -1 + i h` and
`h = 2 / N`. All matrices have the shape `(N, N)`.
"""

import numpy as np
from jaxtyping import Float


def finite_element_mass(intervals: int) -> Float[np.ndarray, "N N"]:
    """The matrix `M1` of the integrals of `psi_i psi_j`."""
    h = 2 / intervals
    matrix = h * (np.diag(np.full(intervals, 2 / 3)) + _beside_diagonal(intervals, 1 / 6))
    matrix[-1, -1] /= 2
    return matrix


def finite_element_stiffness(intervals: int) -> Float[np.ndarray, "N N"]:
    """The matrix `K1` of the integrals of `psi_i' psi_j'`."""
    h = 2 / intervals
    matrix = (np.diag(np.full(intervals, 2.0)) + _beside_diagonal(intervals, -1.0)) / h
    matrix[-1, -1] /= 2
    return matrix


def relu_mass(intervals: int) -> Float[np.ndarray, "N N"]:
    """The matrix `M2` of the integrals of `phi_i phi_j`."""
    starts = _starts(intervals)
    later, earlier = np.maximum.outer(starts, starts), np.minimum.outer(starts, starts)
    length = 1 - later
    return length**3 / 3 + (later - earlier) * length**2 / 2


def relu_stiffness(intervals: int) -> Float[np.ndarray, "N N"]:
    """The matrix `K2` of the integrals of `phi_i' phi_j'`."""
    starts = _starts(intervals)
    return 1 - np.maximum.outer(starts, starts)


def second_difference(intervals: int, *, as_printed: bool = False) -> Float[np.ndarray, "N N"]:
    """The matrix `D2` of second differences of `c_0 ... c_(N-1)`.

    The first row is `c_1 - c_0`, the inner rows are `c_(j-1) - 2 c_j + c_(j+1)`, and the last row is
    `c_(N-2) - 2 c_(N-1)`.

    - `as_printed`: whether the last row is `2 c_(N-1) - c_(N-2)` as in the paper, which has the other sign.
    """
    matrix = np.diag(np.full(intervals, -2.0)) + _beside_diagonal(intervals, 1.0)
    matrix[0, 0] = -1.0
    if as_printed:
        matrix[-1] *= -1
    return matrix


def hats_from_relu(intervals: int) -> Float[np.ndarray, "N N"]:
    """The matrix `S` with `psi_i = sum_j S_ij phi_j`: `h psi_i` is the second difference of the `phi` around `x_i`."""
    h = 2 / intervals
    return (np.eye(intervals) + np.diag(np.full(intervals - 1, -2.0), 1) + np.diag(np.ones(intervals - 2), 2)) / h


def _starts(intervals: int) -> np.ndarray:
    return -1 + 2 / intervals * np.arange(intervals)


def _beside_diagonal(size: int, value: float) -> np.ndarray:
    return np.diag(np.full(size - 1, value), 1) + np.diag(np.full(size - 1, value), -1)
