"""Surfaces of triangles in STL and OBJ files, from their bytes.

Sources: 3D Systems, StereoLithography interface specification, 1988; Wavefront, Advanced Visualizer manual, appendix
B1.
"""

import itertools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from sngd._arguments import shown

Surface = tuple[Float[np.ndarray, "n d"], Int[np.ndarray, "m 3"]]
"""Vertices, and the numbers of the vertices of each triangle."""

# Bytes of the header of a binary STL file, with the number of triangles at its end; and of each triangle: twelve
# numbers, of which the first three are the normal, and two more bytes.
_HEADER, _FACET = 84, np.dtype([("numbers", "<f4", (4, 3)), ("attribute", "<u2")])

# The first words of the lines of a triangle in an STL file of text.
_LINES = ("facet", "outer", "vertex", "vertex", "vertex", "endloop", "endfacet")


def read_stl(content: bytes, label: str) -> Surface:
    """The triangles of an STL file, each with three vertices of its own. Its normals are not read.

    - `label`: the words in messages for the file.

    Raises `ValueError` for other content, for a file that is cut off, and for text where a number is to be.
    """
    count = int.from_bytes(content[_HEADER - 4 : _HEADER], "little")
    if len(content) == _HEADER + count * _FACET.itemsize:
        numbers = np.frombuffer(content, _FACET, count, _HEADER)["numbers"]
        # Numbers of damaged files may be such that the conversion warns of them.
        with np.errstate(invalid="ignore"):
            vertices = numbers[:, 1:].reshape(-1, 3).astype(float)
    elif content[:1024].lstrip()[:5].lower() == b"solid":
        vertices = np.array(list(_facets(content, label)), dtype=float).reshape(-1, 3)
    else:
        size = f"{_HEADER + count * _FACET.itemsize:,}" if len(content) >= _HEADER else f"at least {_HEADER}"
        raise ValueError(
            f"{label} is no STL file: it does not begin with 'solid', and has {len(content):,} bytes, where a binary "
            f"one with {count:,} triangles has {size}; write it again"
        )
    if not len(vertices):
        raise ValueError(f"{label} holds no triangles; write it again")
    return vertices, np.arange(len(vertices)).reshape(-1, 3)


def read_obj(content: bytes, label: str) -> Surface:
    """The vertices and faces of an OBJ file. A face with more than three corners is divided from its first one.

    Raises `ValueError` for lines that are no vertices or faces where such are to be, and for a file without faces.
    """
    vertices: list[list[float]] = []
    triangles: list[tuple[int, int, int]] = []
    for line, words in _lines(content):
        if words[0] == "v":
            vertices.append(_coordinates(words[1:4], label, line))
        elif words[0] == "f":
            corners = [_vertex(word, len(vertices), label, line) for word in words[1:]]
            if len(corners) < 3:
                raise ValueError(f"{label}, line {line} has a face of {len(corners)} corners; give at least three")
            triangles += [(corners[0], *pair) for pair in itertools.pairwise(corners[1:])]
    if not triangles:
        raise ValueError(f"{label} holds no faces; write it again, with lines such as 'f 1 2 3'")
    return np.array(vertices).reshape(-1, 3), np.array(triangles)


def _facets(content: bytes, label: str) -> Iterator[list[float]]:
    """The vertices in an STL file of text."""
    place, is_open, line = 0, False, 0
    for line, words in _lines(content):
        word = words[0].lower()
        if word in ("solid", "endsolid") and place == 0 and is_open == (word == "endsolid"):
            is_open = not is_open
            continue
        if not is_open or word != _LINES[place]:
            expected = repr(_LINES[place]) if is_open else "'solid'"
            raise ValueError(f"{label}, line {line} begins with {shown(words[0])}, not with {expected}; write it again")
        if word == "vertex":
            yield _coordinates(words[1:], label, line)
        place = (place + 1) % len(_LINES)
    if is_open:
        raise ValueError(f"{label} ends in line {line} without 'endsolid', so it is cut off; write it again")


def _lines(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """The numbers of the lines that are not blank, from 1, and their words."""
    for line, text in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        if words := text.split():
            yield line, words


def _coordinates(words: list[str], label: str, line: int) -> list[float]:
    if len(words) != 3:
        raise ValueError(f"{label}, line {line} has {len(words)} coordinates of a vertex; give three")
    for word in words:
        try:
            if not word.isascii() or "_" in word:
                raise ValueError
            float(word)
        except ValueError as error:
            raise ValueError(
                f"{label}, line {line} holds {shown(word)}, which is no number; write one such as 0.5 or 1e-3"
            ) from error
    return [float(word) for word in words]


def _vertex(word: str, count: int, label: str, line: int) -> int:
    """The number of a vertex from 0, of one from 1, or of one that counts back from the last vertex."""
    try:
        number = int(word.split("/")[0])
        if not word.isascii() or "_" in word or not 1 <= (number if number > 0 else count + 1 + number) <= count:
            raise ValueError
    except ValueError as error:
        raise ValueError(
            f"{label}, line {line} holds {shown(word)}, which is no corner of a face; give a number from 1 to {count}"
        ) from error
    return number - 1 if number > 0 else count + number
