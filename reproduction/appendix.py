"""Matrices of the paper's appendices: piecewise linear functions on `N` equal intervals of `[-1, 1]`, zero at -1.

They are spanned by hat functions `psi_i`, `i = 1 ... N`, the last one half a hat at 1, and by ReLU units
`phi_i(x) = max(x - x_i, 0)`, `x_i = -1 + i h`, `i = 0 ... N-1`, with `h = 2 / N`.
"""

import numpy as np
from jaxtyping import Float


def finite_element_mass(intervals: int) -> Float[np.ndarray, "N N"]:
    """`M1`, the integrals of `psi_i psi_j`."""
    h = 2 / intervals
    matrix = h * (np.diag(np.full(intervals, 2 / 3)) + _beside_diagonal(intervals, 1 / 6))
    matrix[-1, -1] /= 2
    return matrix


def finite_element_stiffness(intervals: int) -> Float[np.ndarray, "N N"]:
    """`K1`, the integrals of `psi_i' psi_j'`."""
    h = 2 / intervals
    matrix = (np.diag(np.full(intervals, 2.0)) + _beside_diagonal(intervals, -1.0)) / h
    matrix[-1, -1] /= 2
    return matrix


def relu_mass(intervals: int) -> Float[np.ndarray, "N N"]:
    """`M2`, the integrals of `phi_i phi_j`."""
    starts = _starts(intervals)
    later, earlier = np.maximum.outer(starts, starts), np.minimum.outer(starts, starts)
    length = 1 - later
    return length**3 / 3 + (later - earlier) * length**2 / 2


def relu_stiffness(intervals: int) -> Float[np.ndarray, "N N"]:
    """`K2`, the integrals of `phi_i' phi_j'`."""
    starts = _starts(intervals)
    return 1 - np.maximum.outer(starts, starts)


def second_difference(intervals: int, *, as_printed: bool = False) -> Float[np.ndarray, "N N"]:
    """`D2` on `c_0 ... c_(N-1)`: `c_(j-1) - 2 c_j + c_(j+1)` inside, `c_1 - c_0` first, `c_(N-2) - 2 c_(N-1)` last.

    - `as_printed`: the last row as in the paper, `2 c_(N-1) - c_(N-2)`, which has the other sign.
    """
    matrix = np.diag(np.full(intervals, -2.0)) + _beside_diagonal(intervals, 1.0)
    matrix[0, 0] = -1.0
    if as_printed:
        matrix[-1] *= -1
    return matrix


def hats_from_relu(intervals: int) -> Float[np.ndarray, "N N"]:
    """`S` with `psi_i = sum_j S_ij phi_j`: `h psi_i` is the second difference of the `phi` around `x_i`."""
    h = 2 / intervals
    return (np.eye(intervals) + np.diag(np.full(intervals - 1, -2.0), 1) + np.diag(np.ones(intervals - 2), 2)) / h


def _starts(intervals: int) -> np.ndarray:
    return -1 + 2 / intervals * np.arange(intervals)


def _beside_diagonal(size: int, value: float) -> np.ndarray:
    return np.diag(np.full(size - 1, value), 1) + np.diag(np.full(size - 1, value), -1)
