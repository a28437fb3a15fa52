"""Sketch sizes: few of them, so that few are ever compiled."""

from typing import NamedTuple

import numpy as np


class SketchState(NamedTuple):
    """How large the next sketch is.

    - `size`: its columns; zero where the factor is decomposed in full.
    - `largest`: the most columns that make sense, `min(n, p)`.
    - `oversampling`: columns beyond the rank; -1 where that is not known before the first step.
    """

    size: int
    largest: int
    oversampling: int = -1


def sketch_size_on_ladder(wanted: int, largest: int, rungs: int = 4) -> int:
    """The smallest size on the ladder that is at least `wanted`, but never above `largest`.

    The ladder is 32 times powers of the fourth root of two, or of whichever root `rungs` says: with four a size exceeds
    what was asked for by a fifth at most (above 32), and each one that a run visits compiles once.
    """
    rung = max(0, int(np.ceil(rungs * np.log2(max(wanted, 1) / 32))))
    return min(int(np.ceil(32 * 2 ** (rung / rungs))), largest)
