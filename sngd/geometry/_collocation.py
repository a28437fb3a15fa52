"""The points at which a condition is imposed."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Collocation:
    """The points at which one condition is imposed.

    - `points`: shape `(n, d)`.
    - `normals`: the outward unit normals on the boundary, and zeros in the interior, shape `(n, d)`.
    - `weights`: positive numbers, shape `(n,)`. A weighted sum over the points approximates an integral.
    - `tabulated`: the values at the points of data that JAX cannot trace, by their names. Each array has the shape
      `(n, ...)`.
    """

    points: np.ndarray
    normals: np.ndarray
    weights: np.ndarray
    tabulated: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def kept(self, chosen: np.ndarray) -> "Collocation":
        """Some of the points, by a mask or by their numbers."""
        tabulated = {name: values[chosen] for name, values in self.tabulated.items()}
        return Collocation(self.points[chosen], self.normals[chosen], self.weights[chosen], tabulated)


def joined(parts: "list[Collocation]") -> Collocation:
    """The points of several collocations with the same data, one after the other."""
    names = parts[0].tabulated
    return Collocation(
        points=np.concatenate([part.points for part in parts]),
        normals=np.concatenate([part.normals for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        tabulated={name: np.concatenate([part.tabulated[name] for part in parts]) for name in names},
    )
