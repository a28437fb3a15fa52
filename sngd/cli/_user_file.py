"""A user's file: its execution, and error messages with the lines that fail."""

import linecache
import runpy
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sngd.problem import AbstractProblem

# The largest number of lines of a file that a message shows.
_LINES = 4


class UserError(Exception):
    """An exception that lines of a user's file led to. Its message begins with these lines."""


def read_problem(file: Path) -> tuple[AbstractProblem, Any]:
    """The problem that a file defines, and its network or `None`. The function executes the file.

    Raises `ValueError` if there is no such file, or if the file assigns no problem. Raises any exception of the file.
    """
    if not file.is_file():
        raise ValueError(f"file is {str(file)!r}, which is not a file; give a Python file that assigns problem")
    names = runpy.run_path(str(file))
    problem = names.get("problem")
    if not isinstance(problem, AbstractProblem):
        raise ValueError(f"file {str(file)!r} does not assign a Problem or an Energy to the name problem")
    return problem, names.get("network")


def blamed(error: Exception, file: Path) -> UserError | None:
    """The same error with the lines of the file that led to it, the innermost line first.

    It is `None` if no line of the file led to the error.
    """
    lines = list(dict.fromkeys(_lines(error, file)))
    if not lines:
        return None
    said = error.msg if isinstance(error, SyntaxError) else error
    return UserError("\n".join([*lines[:_LINES], f"{type(error).__name__}: {said}"]))


def _lines(error: BaseException | None, file: Path) -> Iterator[str]:
    """The lines of the file in the traceback of an exception, after those of its cause."""
    if error is None:
        return
    yield from _lines(error.__cause__ or (None if error.__suppress_context__ else error.__context__), file)
    if isinstance(error, SyntaxError) and _is(error.filename, file):
        yield f"{file}, line {error.lineno}: {(error.text or '').strip()}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if _is(frame.filename, file):
            source = frame.line or linecache.getline(frame.filename, frame.lineno or 0).strip()
            yield f"{file}, line {frame.lineno}, in {frame.name}: {source}"


def _is(name: str | None, file: Path) -> bool:
    return name is not None and Path(name).resolve() == file.resolve()
