"""Checks of clouds of points: each error names what is wrong and the way out."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from sngd._arguments import shown
from sngd.geometry._points import require_positive

# The fewest points inside and on the boundary, and how far the length of a normal may be from one.
_FEWEST, _UNIT = 16, 1e-6

# A boundary point is far away from the others at so many times the usual distance from the points inside.
_FAR = 10.0

# A sum of cosines that tells on which side of the boundary the points inside are. Where there is none, steps along the
# normals, in distances of the neighbors; and neighbors on the boundary, with the cosine between normals that are alike.
_CLEAR, _STEPS, _NEIGHBORS, _ALIKE = 0.3, (0.4, 1.3), 12, 0.7


def array_of(name: str, given: Any, dimension: int | None = None) -> Float[np.ndarray, "n d"]:
    """The points as float64. Raises `TypeError` or `ValueError` for anything but finite points, and for too few."""
    try:
        array = np.asarray(given)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} is {shown(given)}, which is no array ({error}); give an array of numbers") from error
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} has the dtype {array.dtype}; give an array of numbers")
    columns = "(n, d) with d of at least 2" if dimension is None else f"(m, {dimension}), as the points have"
    if array.ndim != 2 or (array.shape[1] < 2 if dimension is None else array.shape[1] != dimension):
        raise ValueError(f"{name} has the shape {array.shape}; give {columns}")
    if len(array) < _FEWEST:
        raise ValueError(
            f"{name} holds {len(array)} points; give at least {_FEWEST}, and thousands for an exact result"
        )
    found = array.astype(float)
    wrong = ~np.all(np.isfinite(found), axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"{name} is not finite in row {row}: {found[row].tolist()}; give finite coordinates")
    return found


def weights_of(name: str, given: Any, count: int) -> Float[np.ndarray, " n"] | None:
    """The weights as float64, or `None` if they are left out. Raises `TypeError` or `ValueError` for other ones."""
    if given is None:
        return None
    try:
        found = np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} is {shown(given)}; give an array of numbers, or leave it out") from error
    if found.shape != (count,):
        raise ValueError(f"{name} has the shape {found.shape}; give one for each point, shape ({count},)")
    require_positive(found, f"the argument {name}")
    return found


def require_unit(normals: Float[np.ndarray, "m d"], count: int) -> None:
    """Raises `ValueError` for normals that are not as many as the points, or whose length is not one."""
    if len(normals) != count:
        raise ValueError(f"normals has {len(normals)} rows; give one for each of the {count} boundary points")
    lengths = np.linalg.norm(normals, axis=1)
    wrong = np.abs(lengths - 1) > _UNIT
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"normals holds {normals[row].tolist()} in row {row}, of length {lengths[row]:.6g}; give unit normals, by "
            "normals / np.linalg.norm(normals, axis=1, keepdims=True) if none is zero"
        )


def require_together(points: Float[np.ndarray, "n d"], boundary: Float[np.ndarray, "m d"]) -> None:
    """Raises `ValueError` for boundary points far away from the points inside, and for points inside far from these."""
    from scipy.spatial import KDTree  # noqa: PLC0415 - takes half a second, which other regions do not need

    flat = np.ptp(points, axis=0) <= 0
    if flat.any():
        raise ValueError(f"points have the same coordinate {int(np.argmax(flat))} all; give points that fill a region")
    distances = np.asarray(KDTree(points).query(boundary)[0])
    lower, upper = np.min(boundary, axis=0), np.max(boundary, axis=0)
    far = distances > _FAR * max(float(np.median(distances)), _usual(points))
    if far.any():
        row = int(np.argmax(distances))
        raise ValueError(
            f"boundary holds {boundary[row].tolist()} in row {row}, which is {distances[row]:.3g} away from all points "
            f"inside, and others mostly {np.median(distances):.3g}; remove it, or give points close to it"
        )
    room = _FAR * _usual(boundary)
    outside = np.any((points < lower - room) | (points > upper + room), axis=1)
    if outside.any():
        row = int(np.argmax(outside))
        raise ValueError(
            f"points holds {points[row].tolist()} in row {row}, outside of the box around the boundary points, "
            f"{lower.tolist()} to {upper.tolist()}; give points inside"
        )


def require_outward(
    points: Float[np.ndarray, "n d"], boundary: Float[np.ndarray, "m d"], normals: Float[np.ndarray, "m d"]
) -> None:
    """Raises `ValueError` for normals that point inwards."""
    seen = _heights(points, boundary, normals)
    inwards = seen > _CLEAR
    unseen = np.abs(seen) <= _CLEAR
    if unseen.any():
        inwards[unseen] = _leads_inside(points, boundary[unseen], normals[unseen])
        inwards[unseen] &= ~_agrees(boundary, normals, seen < -_CLEAR, unseen)
    if inwards.any():
        row = int(np.argmax(inwards))
        way_out = "give -normals" if np.mean(inwards) > 0.5 else "reverse these"
        raise ValueError(
            f"normals point inwards in {np.sum(inwards):,} of {len(normals):,} rows, for instance row {row}, "
            f"{normals[row].tolist()} at {boundary[row].tolist()}; {way_out}"
        )


def _heights(
    points: Float[np.ndarray, "n d"], boundary: Float[np.ndarray, "m d"], normals: Float[np.ndarray, "m d"]
) -> Float[np.ndarray, " m"]:
    """The sum of the cosines of the angles between a normal and the directions to the points inside that it is for.

    It is for those points whose nearest boundary point is the one with the normal, without those that are so close that
    the distances of the boundary points matter. Where the normals point outward, the cosines are about minus one.
    """
    from scipy.spatial import KDTree  # noqa: PLC0415 - takes half a second, which other regions do not need

    tree = KDTree(boundary)
    spacing = np.asarray(tree.query(boundary, k=2 ** min(boundary.shape[1] - 1, 3) + 1)[0])[:, -1]
    distances, nearest = (np.asarray(each) for each in tree.query(points))
    far = distances > spacing[nearest]
    nearest, distances = nearest[far], distances[far]
    cosines = np.sum((points[far] - boundary[nearest]) * normals[nearest], axis=1) / distances
    return np.bincount(nearest, cosines, len(boundary))


def _leads_inside(
    points: Float[np.ndarray, "n d"], boundary: Float[np.ndarray, "m d"], normals: Float[np.ndarray, "m d"]
) -> Bool[np.ndarray, " m"]:
    """Whether steps of two lengths along a normal end closer to points inside than the opposite steps."""
    from scipy.spatial import KDTree  # noqa: PLC0415 - takes half a second, which other regions do not need

    tree = KDTree(points)
    spacing = np.asarray(tree.query(boundary, k=2 ** min(points.shape[1], 3))[0])[:, -1:]
    found = np.ones(len(boundary), dtype=bool)
    for step in _STEPS:
        before, behind = (np.asarray(tree.query(boundary + sign * step * spacing * normals)[0]) for sign in (1.0, -1.0))
        found &= before < behind
    return found


def _agrees(
    boundary: Float[np.ndarray, "m d"],
    normals: Float[np.ndarray, "m d"],
    sure: Bool[np.ndarray, " m"],
    chosen: Bool[np.ndarray, " m"],
) -> Bool[np.ndarray, " k"]:
    """Whether a neighbor on the same side of the boundary has almost the same normal, and one that is sure."""
    from scipy.spatial import KDTree  # noqa: PLC0415 - takes half a second, which other regions do not need

    count = min(_NEIGHBORS, len(boundary))
    neighbors = np.asarray(KDTree(boundary).query(boundary[chosen], k=count)[1])
    alike = np.einsum("kd,knd->kn", normals[chosen], normals[neighbors]) > _ALIKE
    return np.any(alike & sure[neighbors], axis=1)


def _usual(points: Float[np.ndarray, "n d"]) -> float:
    """The median distance of neighbors."""
    from scipy.spatial import KDTree  # noqa: PLC0415 - takes half a second, which other regions do not need

    return float(np.median(np.asarray(KDTree(points).query(points, k=2)[0])[:, 1]))
