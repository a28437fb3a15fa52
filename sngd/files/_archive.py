"""Files of arrays with a header, read as data: nothing in them is executed, and no array is larger than the file."""

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

# What reading a file that is not one of ours may raise, besides our own errors.
_UNREADABLE = (
    *(ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError, MemoryError, RecursionError),
    *(SyntaxError, RuntimeError, struct.error, zipfile.BadZipFile),
)

Header = TypeVar("Header")


def write_archive(path: Path, header: Any, arrays: dict[str, np.ndarray]) -> None:
    """Write a dataclass and arrays to `path`, atomically: an `.npz` file, not compressed.

    Raises `OSError` where it cannot be written; then `path` is what it was before.
    """
    text = np.array(json.dumps(msgspec.to_builtins(header)))

    def write(partial: Path) -> None:
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **{_HEADER: text}, **arrays)

    write_atomically(path, write)


def read_archive(path: Path, kind: type[Header] | GenericAlias, what: str) -> tuple[Header, dict[str, np.ndarray]]:
    """Read what `write_archive` wrote: a header of the dataclass `kind`, and arrays.

    Raises `ValueError`, saying that the file is not `what`, for one that is damaged, or not of this kind; and
    `FileNotFoundError` where there is none.
    """
    # From memory: in a file, an offset below zero would look like a failure of the disk.
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
    """The dataclass `kind` from JSON; numbers may be `NaN` and `Infinity`. Raises `ValueError` for any other text."""
    try:
        return msgspec.convert(json.loads(text), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(str(error)) from error


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` write a file beside `path`, then put it in its place: there is never half a file.

    Raises `OSError` where it cannot be written; then nothing is left of it.
    """
    partial = path.with_name(f".partial-{path.name}")
    try:
        write(partial)
        # For writing: Windows does not flush a file that is open for reading alone.
        with partial.open("r+b") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
