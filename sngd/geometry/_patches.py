"""Patches: smooth maps from a unit cube to curves and surfaces, of which boundaries are made."""

import abc
import dataclasses

import numpy as np
from jaxtyping import Float


class AbstractPatch(abc.ABC):
    """A map from `[0, 1]^k` to points of space."""

    @property
    @abc.abstractmethod
    def parameters(self) -> int:
        """The number `k` of parameters."""

    @abc.abstractmethod
    def at(self, unit: Float[np.ndarray, "n k"]) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n k d"]]:
        """The points, and their derivatives by the parameters."""

    def inverse(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"] | None:
        """The parameters of points of the patch, and for others of points close by; `None` without a formula."""
        return None


@dataclasses.dataclass(frozen=True, eq=False)
class Flat(AbstractPatch):
    """A point, a segment, a parallelogram, or one of more dimensions: `origin + unit @ edges`.

    - `origin`: shape `(d,)`. `edges`: shape `(k, d)`.
    """

    origin: Float[np.ndarray, " d"]
    edges: Float[np.ndarray, "k d"]

    @property
    def parameters(self) -> int:
        return len(self.edges)

    def at(self, unit: Float[np.ndarray, "n k"]) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n k d"]]:
        return self.origin + unit @ self.edges, np.broadcast_to(self.edges, (len(unit), *self.edges.shape))


@dataclasses.dataclass(frozen=True, eq=False)
class Ellipse(AbstractPatch):
    """An ellipse whose axes are those of the plane, counterclockwise.

    - `center`, `radii`: shape `(2,)`.
    """

    center: Float[np.ndarray, " 2"]
    radii: Float[np.ndarray, " 2"]

    @property
    def parameters(self) -> int:
        return 1

    def at(self, unit: Float[np.ndarray, "n 1"]) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 1 2"]]:
        angle = 2 * np.pi * unit[:, 0]
        points = self.center + self.radii * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        slopes = 2 * np.pi * self.radii * np.stack([-np.sin(angle), np.cos(angle)], axis=1)
        return points, slopes[:, None]

    def inverse(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 1"]:
        x, y = ((points - self.center) / self.radii).T
        return (np.arctan2(y, x) / (2 * np.pi) % 1.0)[:, None]


@dataclasses.dataclass(frozen=True, eq=False)
class Ellipsoid(AbstractPatch):
    """The surface of an ellipsoid whose axes are those of space, by height and longitude.

    Equal areas of the parameters are equal areas of a sphere (Archimedes).

    - `center`, `radii`: shape `(3,)`.
    """

    center: Float[np.ndarray, " 3"]
    radii: Float[np.ndarray, " 3"]

    @property
    def parameters(self) -> int:
        return 2

    def at(self, unit: Float[np.ndarray, "n 2"]) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 2 3"]]:
        height, angle = 2 * unit[:, 0] - 1, 2 * np.pi * unit[:, 1]
        round_ = np.sqrt(np.maximum(1 - height**2, np.finfo(float).tiny))
        cosine, sine, zero = np.cos(angle), np.sin(angle), np.zeros_like(angle)
        points = np.stack([round_ * cosine, round_ * sine, height], axis=1)
        up = 2 * np.stack([-height / round_ * cosine, -height / round_ * sine, np.ones_like(angle)], axis=1)
        around = 2 * np.pi * np.stack([-round_ * sine, round_ * cosine, zero], axis=1)
        return self.center + self.radii * points, self.radii * np.stack([around, up], axis=1)[:, ::-1]

    def inverse(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
        x, y, z = ((points - self.center) / self.radii).T
        # The height as an angle, which is exact at the poles.
        height = np.sin(np.arctan2(z, np.hypot(x, y)))
        return np.stack([(height + 1) / 2, np.arctan2(y, x) / (2 * np.pi) % 1.0], axis=1)


def cross(slopes: Float[np.ndarray, "n k d"]) -> Float[np.ndarray, "n d"]:
    """The vectors that are orthogonal to the `k = d - 1` derivatives, as long as the volume that these span."""
    dimension = slopes.shape[2]
    minors = [np.linalg.det(np.delete(slopes, axis, axis=2)) if dimension > 1 else 1.0 for axis in range(dimension)]
    signs = (-1.0) ** np.arange(dimension)
    return signs * np.stack(np.broadcast_arrays(*minors), axis=-1).reshape(len(slopes), dimension)
