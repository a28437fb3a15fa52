"""Meshes in the text files of Gmsh, versions 2.2 and 4.1.

Source: C. Geuzaine and J.-F. Remacle, Gmsh reference manual, chapter "Gmsh file formats".
"""

from collections.abc import Iterator

import numpy as np

# The types of elements of a mesh of triangles, quadrilaterals or tetrahedra, with the numbers of their nodes. Points
# and lines are not read.
_KINDS = {2: ("triangle", 3), 3: ("quad", 4), 4: ("tetra", 4)}
_IGNORED = {1: 2, 15: 1, 8: 3}

_WAY_OUT = "write it again, as text of version 4.1 or 2.2"


class _Section:
    """The lines of one section of a file, without its first and last one.

    Each method that reads raises `ValueError` for a section that ends, and for what is no number.
    """

    def __init__(self, lines: list[str], label: str, name: str):
        self._lines, self._where, self._at = lines, f"{label}, section ${name}", 0

    def row(self, kind: type, count: int, more: bool = False) -> list:
        """The next line, of `count` numbers or, if `more` is set, of that many or more."""
        if self._at >= len(self._lines):
            raise ValueError(f"{self._where} ends before the number of lines that it announces; {_WAY_OUT}")
        words = self._lines[self._at].split()
        self._at += 1
        try:
            if any("_" in word or not word.isascii() for word in words):
                raise ValueError
            found = [kind(word) for word in words]
        except ValueError as error:
            raise self.error(f"holds {words!r} where numbers are to be") from error
        if len(found) < count or (len(found) > count and not more):
            raise self.error(f"holds a line of {len(found)} numbers where {count} are to be")
        return found

    def error(self, what: str) -> ValueError:
        return ValueError(f"{self._where} {what}; {_WAY_OUT}")

    def ended(self) -> None:
        """Raises `ValueError` if there are more lines."""
        if self._at < len(self._lines):
            raise self.error("holds more lines than it announces")


def read_gmsh(content: bytes, label: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The vertices, shape `(n, 3)`, and the numbers of the vertices of each kind of cell, from 0.

    - `label`: the words in messages for the file.

    Raises `ValueError` for binary files, for other versions, for damaged files, and for elements of other types.
    """
    sections = _sections(content, label)
    version, is_binary, _ = _section(sections, label, "MeshFormat").row(float, 3)
    if is_binary or version not in (2.2, 4.1):
        kind = "binary" if is_binary else "text"
        raise ValueError(f"{label} is a {kind} file of version {version}; {_WAY_OUT}")
    nodes, elements = (_section(sections, label, name) for name in ("Nodes", "Elements"))
    by_blocks = version == 4.1
    places: dict[int, int] = {}
    vertices: list[list[float]] = []
    for number, point in (_nodes_4 if by_blocks else _nodes_2)(nodes):
        if number in places:
            raise nodes.error(f"holds the node {number} twice")
        places[number] = len(vertices)
        vertices.append(point)
    cells: dict[str, list[list[int]]] = {}
    for kind, corners in (_elements_4 if by_blocks else _elements_2)(elements):
        if kind in _IGNORED:
            continue
        if not all(corner in places for corner in corners):
            raise elements.error(f"holds an element with the nodes {corners}, which are not all there")
        cells.setdefault(_KINDS[kind][0], []).append([places[corner] for corner in corners])
    nodes.ended()
    elements.ended()
    return np.array(vertices).reshape(-1, 3), {kind: np.array(found) for kind, found in cells.items()}


def _sections(content: bytes, label: str) -> dict[str, list[str]]:
    """The lines of each section, by its name."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in content.decode("utf-8", "replace").splitlines():
        text = line.strip()
        if text.startswith("$"):
            if name and text != f"$End{name}":
                raise ValueError(f"{label}, section ${name} does not end before {text[:40]!r}; {_WAY_OUT}")
            name = "" if name else text[1:]
            if name:
                found[name] = []
        elif name and text:
            found[name].append(text)
    if name:
        raise ValueError(f"{label}, section ${name[:40]} does not end, so the file is cut off; {_WAY_OUT}")
    return found


def _section(sections: dict[str, list[str]], label: str, name: str) -> _Section:
    if name not in sections:
        raise ValueError(f"{label} has no section ${name}, so it is no mesh of Gmsh; {_WAY_OUT}")
    return _Section(sections[name], label, name)


def _nodes_2(section: _Section) -> Iterator[tuple[int, list[float]]]:
    (count,) = section.row(int, 1)
    for _ in range(count):
        number, *point = section.row(float, 4)
        yield _whole(section, number), point


def _nodes_4(section: _Section) -> Iterator[tuple[int, list[float]]]:
    blocks, *_ = section.row(int, 4)
    for _ in range(blocks):
        *_, count = section.row(int, 4)
        numbers = [section.row(int, 1)[0] for _ in range(count)]
        for number in numbers:
            yield number, section.row(float, 3, more=True)[:3]


def _elements_2(section: _Section) -> Iterator[tuple[int, list[int]]]:
    (count,) = section.row(int, 1)
    for _ in range(count):
        _, kind, tags, *rest = section.row(int, 3, more=True)
        if len(rest) != max(tags, 0) + _corners(section, kind):
            raise section.error(f"holds an element of type {kind} with {len(rest)} tags and nodes")
        yield kind, rest[max(tags, 0) :]


def _elements_4(section: _Section) -> Iterator[tuple[int, list[int]]]:
    blocks, *_ = section.row(int, 4)
    for _ in range(blocks):
        _, _, kind, count = section.row(int, 4)
        corners = _corners(section, kind)
        for _ in range(count):
            yield kind, section.row(int, corners + 1)[1:]


def _corners(section: _Section, kind: int) -> int:
    if kind in _IGNORED:
        return _IGNORED[kind]
    if kind not in _KINDS:
        raise section.error(f"holds elements of type {kind}, which are no triangles, quadrilaterals or tetrahedra")
    return _KINDS[kind][1]


def _whole(section: _Section, number: float) -> int:
    if not float(number).is_integer():
        raise section.error(f"holds the node number {number}")
    return int(number)
