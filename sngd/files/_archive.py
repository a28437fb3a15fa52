"""Files of arrays with a header.

They are read as data: no code in them is executed, and no array may be larger than the file.
"""

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import GenericAlias
from typing import Any, TypeVar

import msgspec
import numpy as np

_HEADER = "header"
_SUFFIX = ".npy"

# The exceptions that reading a foreign or damaged file may raise.
_UNREADABLE = (
    *(ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError, MemoryError, RecursionError),
    *(SyntaxError, RuntimeError, struct.error, zipfile.BadZipFile),
)

Header = TypeVar("Header")


def write_archive(path: Path, header: Any, arrays: dict[str, np.ndarray]) -> None:
    """Write a header and arrays to `path`, atomically, as an `.npz` file without compression.

    - `header`: a dataclass, which is written as JSON.
    - `arrays`: arrays of any shape and numeric dtype, by their names.

    Raises `OSError` if the file cannot be written. Then `path` is unchanged.
    """
    text = np.array(json.dumps(msgspec.to_builtins(header)))

    def write(partial: Path) -> None:
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **{_HEADER: text}, **arrays)

    write_atomically(path, write)


def read_archive(path: Path, kind: type[Header] | GenericAlias, what: str) -> tuple[Header, dict[str, np.ndarray]]:
    """The header and the arrays of a file that `write_archive` wrote.

    - `kind`: the dataclass of the header.
    - `what`: the words in messages for a file of this kind, such as "a checkpoint".

    Raises `ValueError` for a file that is damaged or of another kind. Raises `FileNotFoundError` if there is no file.
    """
    # The archive is read from memory. In a file, an offset below zero would raise the same error as a failing disk.
    content = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise ValueError("it is compressed")
            if sum(member.file_size for member in members) > len(content):
                raise ValueError("it announces more than it holds")
            arrays = {member.filename.removesuffix(_SUFFIX): _array(archive.read(member)) for member in members}
        return from_json(str(arrays.pop(_HEADER)), kind), arrays
    except _UNREADABLE as error:
        raise ValueError(f"path {str(path)!r} is not {what}: {error or type(error).__name__}") from error


def _array(content: bytes) -> np.ndarray:
    return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)


def from_json(text: str | bytes, kind: type[Header] | GenericAlias) -> Header:
    """The dataclass `kind` from JSON, whose numbers may be `NaN` and `Infinity`.

    Raises `ValueError` for text that is not JSON, and for JSON that does not fit `kind`.
    """
    try:
        return msgspec.convert(json.loads(text), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(str(error)) from error


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file such that `path` never holds a part of it.

    - `write`: a function that writes to the path that it is given. This path lies in the folder of `path` and is
      renamed to `path` afterwards.

    Raises `OSError` if the file cannot be written. Then the file at the other path is removed, and `path` is unchanged.
    """
    partial = path.with_name(f".partial-{path.name}")
    try:
        write(partial)
        # The file is opened for writing, because Windows does not flush a file that is open only for reading.
        with partial.open("r+b") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
