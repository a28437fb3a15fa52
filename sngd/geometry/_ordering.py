"""The order of points along a curve that fills space."""

import numpy as np
from jaxtyping import Float, Int

# Bits of each coordinate, and of the place on the curve.
_BITS, _MOST = 16, 62


def along_curve(points: Float[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
    """The numbers of the points in the order in which a curve meets them that fills the box around them.

    Points that follow each other are mostly close to each other, so that every k-th one is an even choice.

    Source: G. M. Morton, A computer oriented geodetic data base and a new technique in file sequencing, IBM, 1966.
    """
    count, dimension = points.shape
    bits = max(min(_BITS, _MOST // dimension), 1)
    lower, upper = np.min(points, axis=0), np.max(points, axis=0)
    unit = (points - lower) / np.maximum(upper - lower, np.finfo(float).tiny)
    cells = np.minimum(unit * 2**bits, 2**bits - 1).astype(np.int64)
    place = np.zeros(count, dtype=np.int64)
    for bit in range(bits):
        for axis in range(min(dimension, _MOST)):
            place |= ((cells[:, axis] >> bit) & 1) << (bit * min(dimension, _MOST) + axis)
    return np.argsort(place, kind="stable")
