"""Regions from files of meshes: STL, OBJ, PLY, VTK and Gmsh."""

import contextlib
import importlib
import io
import os
import re
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np
from jaxtyping import Int

from sngd._arguments import shown
from sngd.files._gmsh import read_gmsh
from sngd.files._paths import file_to_read
from sngd.files._surfaces import Surface, read_obj, read_stl
from sngd.geometry import Mesh, mesh

# The largest size of a file in bytes.
_LARGEST = 2**28

# The endings of files that this package reads, and of those that a module of meshio reads.
_SURFACES, _GMSH = {".stl": read_stl, ".obj": read_obj}, ".msh"
_BY_MESHIO = {".ply": "meshio.ply", ".vtk": "meshio.vtk", ".vtu": "meshio.vtu"}
_ENDINGS = (*_SURFACES, _GMSH, *_BY_MESHIO)

# What meshio may raise for a damaged file, beside `meshio.ReadError`.
_UNREADABLE = (
    *(ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError, MemoryError, RuntimeError),
    *(EOFError, OSError, ParseError, zlib.error),
)

# The corners of the faces of a tetrahedron whose fourth corner is on the left of the first three.
_FACES = ((0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2))


def read_mesh(path: str | os.PathLike[str], *, name: str = "boundary", axes: Sequence[str] | None = None) -> Mesh:
    """The solid inside of the closed surface in a file, or the region of the plane that triangles in it cover.

    - `path`: a file whose name ends in `.stl`, `.obj`, `.msh` (of Gmsh, as text), `.ply`, `.vtk` or `.vtu`, of at most
      256 MiB. The last three need the package `meshio`.
    - `name`: of the boundary. `axes`: the names of the axes; left out, `x`, `y` and in space `z`.

    The surface consists of triangles and quadrilaterals, or it is that of tetrahedra. If all of the third coordinates
    are the same, the region is one of the plane. Vertices at the same place are one, and nothing else is repaired.

    Raises `FileNotFoundError` if there is no file. Raises `TypeError` for an argument of another type. Raises
    `ImportError` for a file that `meshio` reads if that is not installed. Raises `ValueError` for another ending, for a
    file that is damaged or too large, and for a surface that `mesh` refuses.
    """
    file = file_to_read(
        path, _ENDINGS, _LARGEST, smaller="give a surface of fewer triangles", content="a surface of triangles"
    )
    if not isinstance(name, str):
        raise TypeError(f"name is {shown(name)}; it must be a text")
    label, ending = f"path {str(path)!r}", file.suffix.lower()
    if ending in _SURFACES:
        vertices, triangles = _SURFACES[ending](file.read_bytes(), label)
    else:
        is_gmsh = ending == _GMSH
        cells = read_gmsh(file.read_bytes(), label) if is_gmsh else _read_by_meshio(file, _BY_MESHIO[ending], label)
        vertices, triangles = _surface(*cells, label)
    is_flat = vertices.shape[1] == 3 and bool(np.all(vertices[:, 2] == vertices[0, 2]))
    try:
        return mesh(vertices[:, :2] if is_flat else vertices, triangles, name=name, axes=axes)
    except ValueError as error:
        raise ValueError(f"{label}: {error}") from error


def _read_by_meshio(file: Path, module: str, label: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The vertices, and the numbers of the vertices of each kind of cell. Raises `ValueError` for damaged files."""
    reader = _meshio(module, label)
    if module == "meshio.ply" and not re.search(rb"^end_header\s*$", file.read_bytes(), re.MULTILINE):
        # The reader would look for this line forever.
        raise ValueError(f"{label} has no line 'end_header', so it is no PLY file; write it again")
    quiet = io.StringIO()
    try:
        # The reader writes some of its warnings to the terminal.
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = reader.read(file)
            vertices = np.asarray(found.points, dtype=float)
            cells = {kind: np.asarray(found.get_cells_type(kind), dtype=np.int64) for kind in _kinds(found)}
    except (*_UNREADABLE, importlib.import_module("meshio").ReadError) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ValueError(f"{label} cannot be read ({reason}); write it again") from error
    return vertices, cells


def _kinds(found: Any) -> set[str]:
    """The kinds of cells, without points and lines."""
    return {block.type for block in found.cells} - {"vertex", "line"}


def _surface(vertices: np.ndarray, cells: dict[str, np.ndarray], label: str) -> Surface:
    """The triangles of a surface, from triangles and quadrilaterals or from tetrahedra."""
    others = sorted(cells.keys() - {"triangle", "quad", "tetra"})
    if others or not cells:
        raise ValueError(
            f"{label} holds cells of the kinds {', '.join(others) or 'point and line alone'}; give triangles, "
            "quadrilaterals or tetrahedra"
        )
    for kind, numbers in cells.items():
        if numbers.size and not (vertices.ndim == 2 and numbers.min() >= 0 and numbers.max() < len(vertices)):
            raise ValueError(
                f"{label} holds cells of the kind {kind} with corners that are no vertices; write it again"
            )
    if "tetra" in cells:
        return vertices, _around(vertices, cells["tetra"])
    parts = [cells["triangle"]] if "triangle" in cells else []
    parts += [cells["quad"][:, chosen] for chosen in ((0, 1, 2), (0, 2, 3))] if "quad" in cells else []
    return vertices, np.concatenate(parts)


def _around(vertices: np.ndarray, tetrahedra: Int[np.ndarray, "k 4"]) -> Int[np.ndarray, "m 3"]:
    """The triangles that belong to one tetrahedron alone, with counterclockwise corners seen from outside."""
    edges = vertices[tetrahedra[:, 1:]] - vertices[tetrahedra[:, :1]]
    turned = np.linalg.det(edges) < 0
    corners = np.where(turned[:, None], tetrahedra[:, [1, 0, 2, 3]], tetrahedra)
    faces = corners[:, _FACES].reshape(-1, 3)
    _, first, counts = np.unique(np.sort(faces, axis=1), axis=0, return_index=True, return_counts=True)
    return faces[first[counts == 1]]


def _meshio(module: str, label: str) -> ModuleType:
    """A module of `meshio`. Raises `ImportError` if that is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{label} is read by meshio, which cannot be imported ({error}); install it by "
            'pip install "sngd[mesh]", or give an STL, OBJ or Gmsh file'
        ) from error
