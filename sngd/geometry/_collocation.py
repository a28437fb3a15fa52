"""The points at which a condition is imposed."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Collocation:
    """The points at which one condition is imposed.

    - `points`: shape `(n, d)`.
    - `normals`: the outward unit normals on faces, and zeros in the interior, shape `(n, d)`.
    - `weights`: positive numbers, shape `(n,)`. A weighted sum over the points approximates an integral.
    - `tabulated`: the values at the points of data that JAX cannot trace, by their names. Each array has the shape
      `(n, ...)`.
    """

    points: np.ndarray
    normals: np.ndarray
    weights: np.ndarray
    tabulated: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
