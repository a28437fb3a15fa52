"""Sketch sizes on a short ladder, so that a run compiles few of them."""

from typing import NamedTuple

import numpy as np


class SketchState(NamedTuple):
    """The size of the next sketch: the state of `SNGD` and `FactorDescent`.

    - `size`: the number of columns `l`. Zero means that the factor is decomposed in full.
    - `largest`: the largest number of columns, `min(n, p)`.
    - `oversampling`: the number of columns beyond the rank. It is -1 before the first step if that step sets it.
    """

    size: int
    largest: int
    oversampling: int = -1


def sketch_size_on_ladder(wanted: int, largest: int, rungs: int = 4) -> int:
    """The smallest size on the ladder that is at least `wanted`, but at most `largest`.

    The ladder has the sizes `32 * 2^(i / rungs)`, rounded up, for `i = 0, 1, ...`. With four rungs to a factor of two,
    a size above 32 exceeds `wanted` by a fifth at most. Each size that a run visits compiles once.
    """
    rung = max(0, int(np.ceil(rungs * np.log2(max(wanted, 1) / 32))))
    return min(int(np.ceil(32 * 2 ** (rung / rungs))), largest)
