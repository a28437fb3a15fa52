"""Checks of vertices and triangles. Nothing is repaired: each error names what is wrong and the way out."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from sngd._arguments import shown
from sngd.geometry._crossings import Crossings
from sngd.geometry._region import STEP
from sngd.geometry._simplices import Simplices

# Coordinates beyond this have areas and volumes that are not finite, and sizes below its inverse have none.
_LARGEST = 1e50

# A triangle has no area if its height is less than this part of its longest edge.
_FLAT = 1e-13

# Triangles at which it is tested whether the surface encloses what is behind them; and their least height, in steps.
_TESTED, _HIGH = 4096, 1000.0


def vertices_of(given: Any) -> Float[np.ndarray, "n d"]:
    """The vertices as float64. Raises `TypeError` or `ValueError` for anything but finite points of two or three."""
    array = _array("vertices", given, "iuf", "numbers")
    if array.ndim != 2 or array.shape[1] not in (2, 3) or len(array) < 3:
        raise ValueError(
            f"vertices has the shape {array.shape}; give at least three points, shape (n, 3) for a surface in space "
            "and (n, 2) for a region of the plane"
        )
    # Adding zero makes equal what was zero and minus zero.
    with np.errstate(invalid="ignore"):
        points = array.astype(float) + 0.0
    wrong = ~np.all(np.isfinite(points), axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"vertices is not finite in row {row}: {points[row].tolist()}; give finite coordinates")
    size = float(np.max(np.abs(points)))
    if size > _LARGEST or float(np.max(np.ptp(points, axis=0))) < 1 / _LARGEST:
        row = int(np.argmax(np.max(np.abs(points), axis=1)))
        raise ValueError(
            f"vertices holds {points[row].tolist()} in row {row}; coordinates are at most {_LARGEST:g}, and they are "
            "not all the same, so give them in other units"
        )
    return points


def triangles_of(
    points: Float[np.ndarray, "n d"], given: Any
) -> tuple[Float[np.ndarray, "k d"], Int[np.ndarray, "m 3"]]:
    """The vertices, each once, and the triangles as int64.

    Raises `TypeError` or `ValueError` for numbers of no vertices, and for triangles that have no area.
    """
    array = _array("triangles", given, "iu", "integers")
    if array.ndim != 2 or array.shape[1] != 3 or not len(array):
        raise ValueError(
            f"triangles has the shape {array.shape}; give the numbers of three vertices for each, shape (m, 3)"
        )
    outside = (array < 0) | (array >= len(points))
    if outside.any():
        row = int(np.argmax(outside.any(axis=1)))
        raise ValueError(
            f"triangles holds {array[row].tolist()} in row {row}, and the vertices have the numbers 0 to "
            f"{len(points) - 1}"
        )
    order = np.lexsort(points.T)
    is_new = np.concatenate([[True], np.any(np.diff(points[order], axis=0) != 0, axis=1)])
    number = np.empty(len(points), dtype=np.int64)
    number[order] = np.cumsum(is_new) - 1
    merged, corners = points[order[is_new]], number[array.astype(np.int64)]
    _require_area(merged, corners)
    return merged, corners


def boundary_of_plane(points: Float[np.ndarray, "n 2"], triangles: Int[np.ndarray, "m 3"]) -> Int[np.ndarray, "k 2"]:
    """The segments around triangles of the plane, with the outside on the right.

    Raises `ValueError` for triangles that overlap.
    """
    along = points[triangles[:, 1:]] - points[triangles[:, :1]]
    clockwise = along[:, 0, 0] * along[:, 1, 1] < along[:, 0, 1] * along[:, 1, 0]
    turned = np.where(clockwise[:, None], triangles[:, ::-1], triangles)
    edges = _Edges(points, turned)
    for wrong, owners in edges.conflicts():
        raise ValueError(f"triangles {owners} overlap at the edge {wrong}; give triangles that do not overlap")
    segments = edges.directed[edges.counts[edges.numbers] == 1]
    if not len(segments):
        raise ValueError("triangles have no boundary; give a region of the plane that does not overlap itself")
    winding = Crossings(points, segments).winding(np.mean(points[turned], axis=1))
    if np.any(winding != 1):
        row = int(np.argmax(winding != 1))
        raise ValueError(f"triangles overlap at that of row {row}, {_corners(points, triangles[row])}; give each once")
    return segments


def require_solid(crossings: Crossings) -> None:
    """Raises `ValueError` for a surface of triangles that encloses no solid with its normals outward."""
    points, triangles = crossings.vertices, crossings.corners
    edges = _Edges(points, triangles)
    _require_two_at_each_edge(edges)
    _require_one_orientation(edges, points, triangles)
    simplices = Simplices(points[triangles])
    if np.sum(simplices.shares) < 0:
        raise ValueError(
            "triangles turn inwards, all of them: seen from outside their corners are clockwise; give "
            "triangles[:, ::-1]"
        )
    step = STEP * float(np.max(np.ptp(points[triangles].reshape(-1, 3), axis=0))) / 2
    heights = 2 * simplices.measures / np.max(_lengths(points, triangles), axis=1)
    tested = np.flatnonzero(heights > _HIGH * step)
    tested = tested[:: max(len(tested) // _TESTED, 1)]
    middles, offsets = np.mean(points[triangles[tested]], axis=1), step * simplices.normals[tested]
    behind, before = crossings.winding(middles - offsets), crossings.winding(middles + offsets)
    wrong = (behind != 1) | (before != 0)
    if wrong.any():
        at = int(np.argmax(wrong))
        row = int(tested[at])
        if (behind[at], before[at]) == (0, -1):
            raise ValueError(
                f"triangles turn inwards in a part of the surface, for instance that of row {row}, "
                f"{_corners(points, triangles[row])}; reverse the corners of all triangles of this part"
            )
        raise ValueError(
            f"triangles cross or cover each other at that of row {row}, {_corners(points, triangles[row])}, or "
            "one part lies in another; reverse the corners of a part that is a hole, and make a mesh of each part that "
            "overlaps another, to be joined by |"
        )


class _Edges:
    """The edges of triangles.

    - `directed`: the numbers of the first and the last vertex of each edge of each triangle, shape `(3 m, 2)`.
    - `numbers`: of the undirected edges that these are. `counts`: how many triangles each of them has.
    """

    def __init__(self, points: Float[np.ndarray, "n d"], triangles: Int[np.ndarray, "m 3"]):
        self._points = points
        self.directed = np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=2).reshape(-1, 2)
        low, high = np.min(self.directed, axis=1), np.max(self.directed, axis=1)
        _, self.numbers, self.counts = np.unique(low * len(points) + high, return_inverse=True, return_counts=True)
        signs = np.where(self.directed[:, 0] == low, 1, -1)
        self.turns = np.bincount(self.numbers, signs)

    def owners(self, edge: int) -> list[int]:
        """The numbers of the triangles at an edge."""
        return (np.flatnonzero(self.numbers == edge) // 3).tolist()

    def shown(self, edge: int) -> str:
        start, end = self._points[self.directed[int(np.argmax(self.numbers == edge))]]
        return f"from {start.tolist()} to {end.tolist()}"

    def conflicts(self) -> "list[tuple[str, str]]":
        """An edge of more than two triangles, or of two on the same side of it, with their numbers; or none."""
        wrong = np.flatnonzero((self.counts > 2) | ((self.counts == 2) & (self.turns != 0)))[:1]
        return [(self.shown(edge), _listed(self.owners(edge))) for edge in wrong]


def _require_two_at_each_edge(edges: _Edges) -> None:
    alone = np.flatnonzero(edges.counts == 1)
    if len(alone):
        (row,) = edges.owners(alone[0])
        raise ValueError(
            f"triangles leave a hole: the edge {edges.shown(alone[0])} belongs to the triangle of row {row} "
            f"alone, one of {len(alone):,} such edges; close the surface, and make vertices equal that are to be one"
        )
    many = np.flatnonzero(edges.counts > 2)
    if len(many):
        raise ValueError(
            f"triangles {_listed(edges.owners(many[0]))} meet at the edge {edges.shown(many[0])}; two meet at each "
            "edge of a surface, so remove what is inside of it or given twice"
        )


def _require_one_orientation(
    edges: _Edges, points: Float[np.ndarray, "n 3"], triangles: Int[np.ndarray, "m 3"]
) -> None:
    """Raises `ValueError` if two neighbors have different orientations, with the triangle that has the rarer one."""
    if not np.any(edges.turns):
        return
    flipped = _flipped(edges, len(triangles))
    # A surface with one side alone has no flipped triangle, but an edge at which the sides change.
    rows = np.flatnonzero(flipped) if flipped.any() else np.array(edges.owners(int(np.argmax(edges.turns != 0))))
    raise ValueError(
        f"triangles are flipped, {len(rows):,} of {len(triangles):,}, for instance that of row {rows[0]}, "
        f"{_corners(points, triangles[rows[0]])}; reverse its corners, so that neighbors have the same orientation"
    )


def _flipped(edges: _Edges, count: int) -> np.ndarray:
    """Which triangles have another orientation than most of those that they are connected with."""
    from scipy import sparse  # noqa: PLC0415 - meshes without errors do not need it
    from scipy.sparse import csgraph  # noqa: PLC0415

    pairs = np.argsort(edges.numbers, kind="stable").reshape(-1, 2) // 3
    ends = (pairs[:, 0], pairs[:, 1])
    met = sparse.csr_matrix((np.ones(len(pairs)), ends), shape=(count, count))
    turned = sparse.csr_matrix((edges.turns != 0, ends), shape=(count, count))
    turned = turned + turned.T
    parts, labels = csgraph.connected_components(met, directed=False)
    flipped = np.zeros(count, dtype=bool)
    for part in range(parts):
        members = np.flatnonzero(labels == part)
        order, before = csgraph.breadth_first_order(met, members[0], directed=False)
        for face in order[1:]:
            flipped[face] = flipped[before[face]] ^ bool(turned[face, before[face]])
        if 2 * np.sum(flipped[members]) > len(members):
            flipped[members] = ~flipped[members]
    return flipped


def _require_area(points: Float[np.ndarray, "n d"], triangles: Int[np.ndarray, "m 3"]) -> None:
    lengths = _lengths(points, triangles)
    longest = np.max(lengths, axis=1)
    along = points[triangles[:, 1:]] - points[triangles[:, :1]]
    scaled = along / np.maximum(longest, np.finfo(float).tiny)[:, None, None]
    area = np.linalg.norm(np.cross(*np.moveaxis(_in_space(scaled), 1, 0)), axis=1)
    flat = (area <= _FLAT) | (np.min(lengths, axis=1) == 0)
    if flat.any():
        row = int(np.argmax(flat))
        raise ValueError(
            f"triangles have no area, {np.sum(flat):,} of {len(triangles):,}, for instance that of row {row}, "
            f"{_corners(points, triangles[row])}; remove them and join their neighbors"
        )


def _in_space(vectors: np.ndarray) -> np.ndarray:
    """Vectors with three components, of which those that are missing are zero."""
    return np.concatenate([vectors, np.zeros((*vectors.shape[:-1], 3 - vectors.shape[-1]))], axis=-1)


def _lengths(points: np.ndarray, triangles: np.ndarray) -> Float[np.ndarray, "m 3"]:
    corners = points[triangles]
    return np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)


def _corners(points: np.ndarray, triangle: np.ndarray) -> str:
    return "with the corners " + ", ".join(str(point.tolist()) for point in points[triangle])


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"


def _array(name: str, given: Any, kinds: str, what: str) -> np.ndarray:
    try:
        found = np.asarray(given)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} is {shown(given)}, which is no array ({error}); give an array of {what}") from error
    if found.dtype.kind not in kinds:
        raise TypeError(f"{name} has the dtype {found.dtype}; give an array of {what}")
    return found
