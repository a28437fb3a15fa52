"""Measured data from tables: CSV and Parquet files whose columns are coordinates, values and standard deviations."""

import array
import contextlib
import csv
import dataclasses
import importlib
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from sngd._arguments import shown
from sngd.files._paths import file_to_read
from sngd.problem import Data

# The largest size in bytes of a file, and of the numbers that are read from a Parquet file.
_LARGEST = 2**30

_TEXT, _PARQUET = (".csv", ".tsv", ".txt"), (".parquet", ".pq")

# The separators of cells. A header with more than one of them is divided at the first one of this list.
_SEPARATORS = ("\t", ";", ",")

# The largest number of columns that a message lists.
_LISTED = 20

# What reading a damaged Parquet file may raise, beside `pyarrow.ArrowException`.
_UNREADABLE = (OSError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError, RuntimeError, EOFError)


@dataclasses.dataclass(frozen=True)
class _Table:
    """Columns of a file.

    - `label`: the words in messages for the file. `columns`: arrays of shape `(n,)` and dtype float64, by their names.
    - `place`: a function that returns the words in messages for a row, whose number counts from 0.
    """

    label: str
    columns: dict[str, np.ndarray]
    place: Callable[[int], str]

    def require(self, name: str, valid: np.ndarray, way_out: str) -> None:
        """Raises `ValueError` for the first row that is not valid."""
        if not valid.all():
            row = int(np.argmin(valid))
            raise ValueError(
                f"{self.label}, {self.place(row)}, column {name!r} holds {self.columns[name][row]}; {way_out}"
            )


def read_data(
    path: str | os.PathLike[str],
    points: str | Sequence[str],
    values: str | Sequence[str],
    noise: str | float | None = None,
    *,
    of: str | Sequence[str] | None = None,
    operator: Callable[..., Any] | None = None,
    huber: float | None = None,
    weight: float = 1.0,
    name: str = "",
) -> Data:
    """The measured data in a CSV or Parquet file, with one reading in each row.

    - `path`: a file whose name ends in `.csv`, `.tsv`, `.txt`, `.parquet` or `.pq`, of at most 1 GiB.
    - `points`: the names of the columns that hold the points, in the order of the axes of the domain.
    - `values`: the name of the column that holds the values, which then have the shape `(n,)`; or several names, for
      values of shape `(n, m)`.
    - `noise`: the standard deviation of a reading: the name of a column, or a number. If it is left out, it is
      estimated.
    - `of`, `operator`, `huber`, `weight`: as in `Data`.
    - `name`: the name of the condition in messages. If it is left out, it is the name of the file.

    A CSV file is text in UTF-8. Its first line names the columns, and each other line is a reading. Cells are separated
    by tabs, semicolons or commas: by the first of these three that the first line holds. Numbers have a decimal point.
    No cell holds a line break. Spaces around cells and blank lines at the end of the file are ignored. The columns of a
    Parquet file are integers, floating-point numbers or decimals. All numbers become float64. Columns that no argument
    names are not read.

    Raises `FileNotFoundError` if there is no file. Raises `TypeError` for an argument of another type. Raises
    `ImportError` for a Parquet file if `pyarrow` is not installed. Raises `ValueError` for another ending, for a file
    that is damaged or too large, for columns that do not exist or are named twice, for cells that hold no finite
    number, for negative noise, and as `Data` does.
    """
    file = file_to_read(
        path, _TEXT + _PARQUET, _LARGEST, smaller="divide it into several files", content="a row for each reading"
    )
    if not (noise is None or isinstance(noise, str | Real)) or isinstance(noise, bool):
        raise TypeError(f"noise is {shown(noise)}; give the name of a column, a number, or None to have it estimated")
    wanted = {
        "points": _names("points", points, '("t", "x")'),
        "values": _names("values", values, '"u"'),
        "noise": (noise,) if isinstance(noise, str) else (),
    }
    _require_distinct(wanted)
    table = (_read_parquet if file.suffix.lower() in _PARQUET else _read_text)(file, wanted)
    for column, numbers in table.columns.items():
        table.require(column, np.isfinite(numbers), "readings are finite numbers, so remove this one")
    for column in wanted["noise"]:
        way_out = "a standard deviation is positive, or zero for exact values"
        table.require(column, table.columns[column] >= 0, way_out)
    stacked = lambda names: np.stack([table.columns[column] for column in names], axis=1)
    return Data(
        stacked(wanted["points"]),
        table.columns[values] if isinstance(values, str) else stacked(wanted["values"]),
        noise=table.columns[noise] if isinstance(noise, str) else noise,
        of=of,
        operator=operator,
        huber=huber,
        weight=weight,
        name=name or file.name,
    )


def _names(argument: str, given: Any, example: str) -> tuple[str, ...]:
    """The names of columns, at least one. Raises `TypeError` for anything else."""
    names = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Sequence) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError(
            f"{argument} is {shown(given)}; give the name of a column, or several names, as in {argument}={example}"
        )
    return names


def _require_distinct(wanted: dict[str, tuple[str, ...]]) -> None:
    """Raises `ValueError` for a column that is named twice in the arguments."""
    first: dict[str, str] = {}
    for argument, names in wanted.items():
        for name in names:
            if name in first:
                also = " twice" if first[name] == argument else f", and so does {first[name]}"
                raise ValueError(f"{argument} holds {name!r}{also}; name each column once")
            first[name] = argument


def _require_columns(wanted: dict[str, tuple[str, ...]], columns: Sequence[str], label: str) -> list[str]:
    """The names of all columns that are wanted. Raises `ValueError` for one that is not there, or there twice."""
    for argument, names in wanted.items():
        for name in names:
            if name not in columns:
                listed = ", ".join(shown(column) for column in columns[:_LISTED])
                more = f" and {len(columns) - _LISTED:,} more" if len(columns) > _LISTED else ""
                raise ValueError(
                    f"{argument} holds {name!r}, which is no column of {label}; its columns are {listed}{more}"
                )
            if columns.count(name) > 1:
                raise ValueError(f"{argument} holds {name!r}, which several columns of {label} are called; rename them")
    return [name for names in wanted.values() for name in names]


def _read_text(path: Path, wanted: dict[str, tuple[str, ...]]) -> _Table:
    """The columns of a CSV file."""
    label = f"path {str(path)!r}"
    content = path.read_bytes()
    _require_text(content, label)
    rows = _rows(io.TextIOWrapper(io.BytesIO(content), "utf-8-sig"), label)
    _, columns = next(rows, (0, []))
    if not columns:
        raise ValueError(f"{label} holds blank lines only; name the columns in its first line")
    names = _require_columns(wanted, columns, label)
    at = {name: columns.index(name) for name in names}
    found, numbers = {name: array.array("d") for name in names}, array.array("q")
    for line, cells in rows:
        if len(cells) != len(columns):
            raise ValueError(
                f"{label}: the header has {len(columns)} cells, and line {line} has {len(cells)}; write one for each "
                "column, and numbers with a decimal point"
            )
        for name, column in found.items():
            column.append(_number(cells[at[name]], label, line, name))
        numbers.append(line)
    if not numbers:
        raise ValueError(f"{label} holds no readings; write one below the header, in each line")
    return _Table(label, {name: np.array(column) for name, column in found.items()}, lambda row: f"line {numbers[row]}")


def _require_text(content: bytes, label: str) -> None:
    """Raises `ValueError` for bytes that are not text in UTF-8."""
    try:
        content.decode()
        wrong = content.find(b"\0")
    except UnicodeDecodeError as error:
        wrong = error.start
    if wrong >= 0:
        line = len(content[: wrong + 1].splitlines())
        raise ValueError(
            f"{label}, line {line} holds the byte {content[wrong]:#04x}, which is not text in UTF-8; save the file as "
            "CSV in UTF-8"
        )


def _rows(lines: Iterable[str], label: str) -> Iterator[tuple[int, list[str]]]:
    """The number of each line, from 1, and its cells, without the blank lines at the end.

    Raises `ValueError` for blank lines elsewhere, and for lines that are not CSV. No cell may hold a line break, so a
    quotation mark that is not closed hides no readings.
    """
    separator, blank = "", 0
    for line, text in enumerate(lines, start=1):
        if not text.strip():
            blank = blank or line
            continue
        if blank:
            raise ValueError(f"{label}, line {blank} is blank; remove it")
        separator = separator or _separator(text)
        try:
            yield line, _cells(text.rstrip("\n"), separator)
        except csv.Error as error:
            raise ValueError(f"{label}, line {line} is not CSV ({error}); correct its quotation marks") from error


def _separator(header: str) -> str:
    """The separator of cells, which is one that stands outside of quotation marks in the header."""
    unquoted = re.sub(r'"[^"]*"', "", header)
    return next((each for each in _SEPARATORS if each in unquoted), ",")


def _cells(text: str, separator: str) -> list[str]:
    """The cells of one line, without the spaces around them. Raises `csv.Error` for a line that is not CSV."""
    if '"' in text:
        # Spaces between a quotation mark and the end of its cell would be an error.
        text = re.sub(rf'" +(?={separator}|$)', '"', text)
        (cells,) = csv.reader([text], delimiter=separator, skipinitialspace=True, strict=True)
    else:
        cells = text.split(separator)
    return [cell.strip() for cell in cells]


def _number(cell: str, label: str, line: int, column: str) -> float:
    """The number in a cell, which may be `nan` or infinite. Raises `ValueError` for anything else."""
    # Python reads digits of any script, and underscores between them.
    if cell.isascii() and "_" not in cell:
        with contextlib.suppress(ValueError):
            return float(cell)
    if not cell:
        raise ValueError(f"{label}, line {line}, column {column!r} is empty; write a number, or remove the line")
    way_out = "write a number such as 0.5 or 1e-3, or remove the line"
    if re.fullmatch(r"[+-]?\d*,\d+([eE][+-]?\d+)?", cell):
        way_out = f"write a decimal point, as in {cell.replace(',', '.')}"
    raise ValueError(f"{label}, line {line}, column {column!r} holds {shown(cell)}, which is no number; {way_out}")


def _read_parquet(path: Path, wanted: dict[str, tuple[str, ...]]) -> _Table:
    """The columns of a Parquet file."""
    label, arrow = f"path {str(path)!r}", _arrow(path)
    # The file is read from memory, so that an error of the disk is not taken for one of the content.
    content = path.read_bytes()
    with _refusing(arrow, label):
        file = arrow.parquet.ParquetFile(arrow.BufferReader(content), pre_buffer=False, page_checksum_verification=True)
        schema, header = file.schema_arrow, file.metadata
        count = sum(header.row_group(group).num_rows for group in range(header.num_row_groups))
        if count != header.num_rows:
            raise ValueError(f"it announces {header.num_rows} rows, and {count} in its groups of rows")
    names = _require_columns(wanted, schema.names, label)
    for name in names:
        kind, types = schema.field(name).type, arrow.types
        if not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
            raise ValueError(
                f"{label}, column {name!r} has the type {shown(str(kind))}; give integers, floating-point numbers or "
                "decimals"
            )
    if count * len(names) * 8 > _LARGEST:
        raise ValueError(
            f"{label} announces {count:,} rows of {len(names)} numbers; at most {_LARGEST // 8:,} numbers are read, so "
            "divide it into several files"
        )
    with _refusing(arrow, label):
        table = file.read(columns=names, use_threads=False)
        if len(table) != count:
            raise ValueError(f"it announces {count} rows, and holds {len(table)}")
        found = {name: table.column(name).cast(arrow.float64(), safe=False) for name in names}
    if not count:
        raise ValueError(f"{label} holds no readings; give a file with a row for each reading")
    for name, column in found.items():
        if column.null_count:
            row = int(np.argmax(column.is_null().to_numpy()))
            raise ValueError(f"{label}, {_row(row)}, column {name!r} is null; write a number, or remove the row")
    return _Table(label, {name: column.to_numpy() for name, column in found.items()}, _row)


def _row(row: int) -> str:
    return f"row {row} (counted from 0)"


def _arrow(path: Path) -> ModuleType:
    """The package `pyarrow`. Raises `ImportError` if it is not installed."""
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError as error:
        raise ImportError(
            f"path is {str(path)!r}, and pyarrow, which reads Parquet files, cannot be imported ({error}); install it "
            'by pip install "sngd[parquet]", or give a CSV file'
        ) from error


@contextlib.contextmanager
def _refusing(arrow: ModuleType, label: str) -> Iterator[None]:
    """A context in which whatever a damaged Parquet file raises is raised as `ValueError`."""
    try:
        yield
    except (arrow.ArrowException, *_UNREADABLE) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ValueError(f"{label} is not a Parquet file that can be read ({reason}); write it again") from error
