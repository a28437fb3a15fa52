"""The files that a user names to be read."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sngd._arguments import shown


def file_to_read(path: Any, endings: Sequence[str], largest: int, *, smaller: str, content: str) -> Path:
    """The path of a file that may be read, before anything of it is.

    - `endings`: of names. `largest`: bytes at most.
    - `smaller`, `content`: in messages, what to do with a larger file, and what a file holds.

    Raises `TypeError`, `FileNotFoundError` or `ValueError` for any other path.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path is {shown(path)}; give the path of a file")
    file = Path(path)
    if not file.exists():
        raise FileNotFoundError(f"path is {str(path)!r}, which does not exist; give the path of a file")
    if not file.is_file():
        raise ValueError(f"path is {str(path)!r}, which is not a file; give the path of a file")
    if file.suffix.lower() not in endings:
        listed = f"{', '.join(endings[:-1])} or {endings[-1]}"
        raise ValueError(f"path is {str(path)!r}; give a file whose name ends in {listed}")
    size = file.stat().st_size
    if size > largest:
        raise ValueError(f"path is {str(path)!r}, a file of {size:,} bytes; at most {largest:,} are read, so {smaller}")
    if not size:
        raise ValueError(f"path is {str(path)!r}, which is empty; give a file with {content}")
    return file
