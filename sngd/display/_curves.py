"""Curves through points that are given with normals, in no order."""

import numpy as np
from jaxtyping import Float, Int

# Neighbors among which the next point is sought, how far ahead it is at least, as a cosine, how much a curve turns
# there at most, and its largest distance, in lengths that points stand for.
_NEIGHBORS, _AHEAD, _TURN, _FAR = 8, 0.3, -0.2, 8.0


def curves_through(
    points: Float[np.ndarray, "n 2"], normals: Float[np.ndarray, "n 2"], distance: float
) -> list[Int[np.ndarray, " k"]]:
    """The numbers of the points on each of some curves, in order. A closed curve ends with its first point.

    - `normals`: of length one. `distance`: a typical one between neighbors.
    """
    following = _next(points, normals, distance)
    starts = [*np.setdiff1d(np.arange(len(points)), following).tolist(), *range(len(points))]
    seen, found = np.zeros(len(points), dtype=bool), []
    for start in starts:
        curve, at = [], start
        while at >= 0 and not seen[at]:
            seen[at] = True
            curve.append(at)
            at = int(following[at])
        if curve and at == start:
            curve.append(at)
        if curve:
            found.append(np.array(curve))
    return found


def _next(
    points: Float[np.ndarray, "n 2"], normals: Float[np.ndarray, "n 2"], distance: float
) -> Int[np.ndarray, " n"]:
    """The number of the nearest point ahead of each point; -1 at the end of a curve."""
    from scipy.spatial import KDTree  # noqa: PLC0415 - takes half a second, which other figures do not need

    count = len(points)
    tangents = np.stack([-normals[:, 1], normals[:, 0]], axis=1)
    distances, near = KDTree(points).query(points, k=min(_NEIGHBORS, count - 1) + 1)
    distances, near = np.asarray(distances).reshape(count, -1), np.asarray(near).reshape(count, -1)
    ahead = np.einsum("nkd,nd->nk", points[near] - points[:, None], tangents)
    turns = np.einsum("nkd,nd->nk", tangents[near], tangents)
    fits = (ahead > _AHEAD * distances) & (turns > _TURN) & (distances <= _FAR * distance)
    chosen = np.argmin(np.where(fits, distances, np.inf), axis=1)
    following = np.where(fits.any(axis=1), near[np.arange(count), chosen], -1)
    # A point follows one alone, the nearest one.
    length = np.where(following >= 0, distances[np.arange(count), chosen], np.inf)
    order = np.argsort(length, kind="stable")
    _, first = np.unique(following[order], return_index=True)
    kept = np.zeros(count, dtype=bool)
    kept[order[first]] = True
    return np.where(kept, following, -1)
