"""Measured data from files equal the arrays that were written; any other file ends in an error of ours."""

import decimal
import io
import random
import sys

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

import sngd
from sngd.files import _tables

NUMBERS = np.random.default_rng(0).normal(size=(40, 5))
NUMBERS[:, 4] = np.abs(NUMBERS[:, 4]) + 0.1
NAMES = ("t", "x", "u", "v", "sigma")
COLUMNS = dict(zip(NAMES, NUMBERS.T, strict=True))


def as_csv(separator=",", ending="\n"):
    lines = [NAMES, *[[repr(float(number)) for number in row] for row in NUMBERS]]
    return ending.join(separator.join(line) for line in lines) + ending


def as_parquet(columns, **options):
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file, **options)
    return file.getvalue()


def read(folder, content, *, ending=".csv", points=("t", "x"), values="u", **options):
    path = folder / f"readings{ending}"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return sngd.read_data(path, points=points, values=values, **options)


def message(folder, content, **options):
    """What a user sees, without the name of the folder."""
    with pytest.raises((TypeError, ValueError)) as caught:
        read(folder, content, **options)
    return str(caught.value).replace(f"{folder}/", "")


def assert_equal(one, other):
    for name in ("points", "values", "noise"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert np.array_equal(mine, theirs), name
        assert mine.dtype == theirs.dtype == np.float64
    assert (one.of, one.operator, one.weight, one.name) == (other.of, other.operator, other.weight, other.name)


WRITTEN = {
    "commas": (as_csv(), ".csv"),
    "semicolons": (as_csv(";"), ".csv"),
    "tabs": (as_csv("\t"), ".tsv"),
    "an ending in capital letters": (as_csv(), ".CSV"),
    "a byte order mark and lines as on Windows": ("\ufeff" + as_csv(";", "\r\n"), ".txt"),
    "spaces and blank lines": (as_csv(" , ") + "\n  \n", ".csv"),
    "quotation marks": ('"t" , "x","u","v","sigma"\n' + as_csv().split("\n", 1)[1], ".csv"),
    "no end of the last line": (as_csv().rstrip(), ".csv"),
    "Parquet": (as_parquet(COLUMNS), ".parquet"),
    "Parquet in groups of rows": (as_parquet(COLUMNS, row_group_size=7, data_page_version="2.0"), ".pq"),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_data_of_a_file_are_those_of_the_arrays(kind, tmp_path):
    content, ending = WRITTEN[kind]
    options = {"of": ("v", "u"), "weight": 2.0}
    found = read(tmp_path, content, ending=ending, values=("v", "u"), noise="sigma", **options)
    name = f"readings{ending}"
    assert_equal(found, sngd.Data(NUMBERS[:, :2], NUMBERS[:, [3, 2]], NUMBERS[:, 4], **options, name=name))
    found = read(tmp_path, content, ending=ending, points=("x", "t"), noise=0.1, operator=sngd.laplacian, name="lab")
    expected = sngd.Data(NUMBERS[:, [1, 0]], NUMBERS[:, 2], 0.1, operator=sngd.laplacian, name="lab")
    assert_equal(found, expected)


def test_one_name_is_one_column_and_noise_may_be_left_out(tmp_path):
    data = read(tmp_path, as_csv(), points="t", values=["u"])
    assert data.noise is None
    assert (data.points.shape, data.values.shape) == ((40, 1), (40, 1))
    assert data.label == "readings.csv"


def test_columns_that_no_argument_names_are_not_read(tmp_path):
    text = 'remark,t,x,"u",,\n"warm, dry",0,+.5,1.,,x\n,-1e-3,2,3E2,nan,\n'
    data = read(tmp_path, text)
    assert data.points.tolist() == [[0.0, 0.5], [-0.001, 2.0]]
    assert data.values.tolist() == [1.0, 300.0]
    columns = {"t": [1], "x": [2], "u": [3], "remark": ["warm"], "missing": pyarrow.array([None], pyarrow.float64())}
    assert read(tmp_path, as_parquet(columns), ending=".parquet").values.tolist() == [3.0]


@pytest.mark.parametrize(
    "kind",
    ["int8", "int64", "uint16", "float16", "float32", "float64", pyarrow.decimal128(9, 2)],
    ids=str,
)
def test_numbers_of_every_type_become_float64(kind, tmp_path):
    values = [decimal.Decimal("1.25"), decimal.Decimal("3.50")] if isinstance(kind, pyarrow.DataType) else [1, 3]
    array = pyarrow.array(values if isinstance(kind, pyarrow.DataType) else np.array(values, kind))
    data = read(tmp_path, as_parquet({"t": array, "x": [1, 2], "u": array}), ending=".parquet")
    assert data.values.tolist() == [float(value) for value in values]
    assert data.values.dtype == np.float64


def test_a_name_with_a_dot_is_a_column(tmp_path):
    columns = {"t.s": [1.0, 2.0], "t": [3.0, 4.0], "u": [5.0, 6.0]}
    data = read(tmp_path, as_parquet(columns), ending=".parquet", points=("t", "t.s"))
    assert data.points.tolist() == [[3.0, 1.0], [4.0, 2.0]]


BAD_TEXT = {
    "t,x,u\n0,1\n": "path 'readings.csv': the header has 3 cells, and line 2 has 2; write one for each column, and "
    "numbers with a decimal point",
    "t,x,u\n0,1,0,2\n": "path 'readings.csv': the header has 3 cells, and line 2 has 4; write one for each column, and "
    "numbers with a decimal point",
    "t;x;u\n0;1;-1,5e3\n": "path 'readings.csv', line 2, column 'u' holds '-1,5e3', which is no number; write a "
    "decimal point, as in -1.5e3",
    "t,x,u\n0,1,2\n0,1,warm\n": "path 'readings.csv', line 3, column 'u' holds 'warm', which is no number; write a "
    "number such as 0.5 or 1e-3, or remove the line",
    "t,x,u\n0,1,1_0\n": "path 'readings.csv', line 2, column 'u' holds '1_0', which is no number; write a number such "
    "as 0.5 or 1e-3, or remove the line",
    "t,x,u\n0,1,٣\n": "path 'readings.csv', line 2, column 'u' holds '٣', which is no number; write a number such "
    "as 0.5 or 1e-3, or remove the line",
    "t,x,u\n0, ,2\n": "path 'readings.csv', line 2, column 'x' is empty; write a number, or remove the line",
    "t,x,u\n0,NaN,2\n": "path 'readings.csv', line 2, column 'x' holds nan; readings are finite numbers, so remove "
    "this one",
    "t,x,u\n0,1,2\n0,1,-1e999\n": "path 'readings.csv', line 3, column 'u' holds -inf; readings are finite numbers, so "
    "remove this one",
    "t,x,u\n0,1,2\n\n0,1,2\n": "path 'readings.csv', line 3 is blank; remove it",
    't,x,u,c\n0,1,2,\'a\n0,1,2,"a\n0,1,2,a"\n': "path 'readings.csv', line 3 is not CSV (unexpected end of data); "
    "correct its quotation marks",
    "t,x,u\n": "path 'readings.csv' holds no readings; write one below the header, in each line",
    "": "path is 'readings.csv', which is empty; give a file with a row for each reading",
    "\r\n\n": "path 'readings.csv' holds blank lines only; name the columns in its first line",
    "t,x\n0,1\n": "values holds 'u', which is no column of path 'readings.csv'; its columns are 't', 'x'",
    "t x u\n0 1 2\n": "points holds 't', which is no column of path 'readings.csv'; its columns are 't x u'",
    ",".join(f"c{at}" for at in range(23)): "points holds 't', which is no column of path 'readings.csv'; its columns "
    "are " + ", ".join(f"'c{at}'" for at in range(20)) + " and 3 more",
    "t,x,u,u\n0,1,2,2\n": "values holds 'u', which several columns of path 'readings.csv' are called; rename them",
    b"t,x,u\n0,1,\xb5\n": "path 'readings.csv', line 2 holds the byte 0xb5, which is not text in UTF-8; save the file "
    "as CSV in UTF-8",
    b"t,x,u\r0,1,2\r0,1,\x002\r": "path 'readings.csv', line 3 holds the byte 0x00, which is not text in UTF-8; save "
    "the file as CSV in UTF-8",
    "t,x,u\n0,1,2\n".encode("utf-16"): "path 'readings.csv', line 1 holds the byte 0xff, which is not text in UTF-8; "
    "save the file as CSV in UTF-8",
}


@pytest.mark.parametrize("content", BAD_TEXT)
def test_text_that_is_no_table_of_readings_is_refused(content, tmp_path):
    assert message(tmp_path, content) == BAD_TEXT[content]


BAD_ARGUMENTS = (
    (
        {"points": ("t", "y")},
        "points holds 'y', which is no column of path 'readings.csv'; its columns are 't', 'x', 'u', 's'",
    ),
    (
        {"noise": "sigma"},
        "noise holds 'sigma', which is no column of path 'readings.csv'; its columns are 't', 'x', 'u', 's'",
    ),
    ({"points": ("t", "t")}, "points holds 't' twice; name each column once"),
    ({"values": ("u", "t")}, "values holds 't', and so does points; name each column once"),
    ({"noise": "u"}, "noise holds 'u', and so does values; name each column once"),
    ({"points": ()}, 'points is (); give the name of a column, or several names, as in points=("t", "x")'),
    ({"values": 3}, 'values is 3; give the name of a column, or several names, as in values="u"'),
    ({"noise": [0.1]}, "noise is [0.1]; give the name of a column, a number, or None to have it estimated"),
    ({"noise": True}, "noise is True; give the name of a column, a number, or None to have it estimated"),
    ({"noise": -0.5}, "noise of readings.csv holds -0.5; a standard deviation is positive, or zero for exact values"),
    (
        {"noise": "s", "values": ("u",), "points": "t"},
        "noise of readings.csv is zero for some readings only; give exact and noisy readings as two conditions",
    ),
    (
        {"points": "t", "noise": "x"},
        "path 'readings.csv', line 3, column 'x' holds -1.0; a standard deviation is "
        "positive, or zero for exact values",
    ),
    ({"weight": 0.0}, "weight of readings.csv is 0.0; it must be positive and finite"),
)


@pytest.mark.parametrize(("options", "stated"), BAD_ARGUMENTS)
def test_arguments_that_do_not_suit_are_refused(options, stated, tmp_path):
    assert message(tmp_path, "t,x,u,s\n0,1,2,0\n0,-1,2,0.5\n", **options) == stated


def test_paths_that_are_no_file_of_readings_are_refused(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"path is '.*none\.csv', which does not exist; give the path of a"):
        sngd.read_data(tmp_path / "none.csv", "t", "u")
    with pytest.raises(ValueError, match="which is not a file; give the path of a file"):
        sngd.read_data(str(tmp_path), "t", "u")
    with pytest.raises(TypeError, match="path is 3; give the path of a file"):
        sngd.read_data(3, "t", "u")
    endings = "path is 'readings.xlsx'; give a file whose name ends in .csv, .tsv, .txt, .parquet or .pq"
    assert message(tmp_path, as_csv(), ending=".xlsx") == endings
    # The file has no blocks on the disk, and reading it would take a gigabyte of memory.
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(2**30 + 1)
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda path: pytest.fail("the file is read"))
    with pytest.raises(ValueError, match="a file of 1,073,741,825 bytes; at most 1,073,741,824 are read, so divide it"):
        sngd.read_data(tmp_path / "large.csv", "t", "u")


BAD_COLUMNS = {
    "warm": (
        ["warm", "cold"],
        "path 'readings.parquet', column 'u' has the type 'string'; give integers, floating-point numbers or decimals",
    ),
    "truth": (
        [True, False],
        "path 'readings.parquet', column 'u' has the type 'bool'; give integers, floating-point numbers or decimals",
    ),
    "times": (
        np.array([0, 1], "datetime64[s]"),
        "path 'readings.parquet', column 'u' has the type 'timestamp[ms]'; "
        "give integers, floating-point numbers or decimals",
    ),
    "nested": (
        [{"a": 1}, {"a": 2}],
        "path 'readings.parquet', column 'u' has the type 'struct<a: int64>'; give "
        "integers, floating-point numbers or decimals",
    ),
    "null": (
        [1.0, None],
        "path 'readings.parquet', row 1 (counted from 0), column 'u' is null; write a number, or remove the row",
    ),
    "nan": (
        [1.0, np.nan],
        "path 'readings.parquet', row 1 (counted from 0), column 'u' holds nan; readings are finite "
        "numbers, so remove this one",
    ),
}


@pytest.mark.parametrize("kind", BAD_COLUMNS)
def test_columns_without_numbers_are_refused(kind, tmp_path):
    values, stated = BAD_COLUMNS[kind]
    assert message(tmp_path, as_parquet({"t": [0.0, 1.0], "x": [0, 1], "u": values}), ending=".parquet") == stated


def test_parquet_files_that_hold_no_table_of_readings_are_refused(tmp_path, monkeypatch):
    def refused(content, **options):
        return message(tmp_path, content, ending=".parquet", **options)

    columns = [pyarrow.array([1.0])] * 3
    twice = pyarrow.Table.from_arrays([*columns, columns[0]], names=["t", "x", "u", "u"])
    file = io.BytesIO()
    pyarrow.parquet.write_table(twice, file)
    assert refused(file.getvalue()) == (
        "values holds 'u', which several columns of path 'readings.parquet' are called; rename them"
    )
    assert refused(as_parquet(COLUMNS), values="w") == (
        "values holds 'w', which is no column of path 'readings.parquet'; its columns are 't', 'x', 'u', 'v', 'sigma'"
    )
    assert refused(as_parquet({name: np.zeros(0) for name in NAMES})) == (
        "path 'readings.parquet' holds no readings; give a file with a row for each reading"
    )
    assert refused(as_parquet(COLUMNS | {"sigma": -COLUMNS["sigma"]}), noise="sigma").startswith(
        "path 'readings.parquet', row 0 (counted from 0), column 'sigma' holds -"
    )
    for content in (as_csv(), "PAR1", as_parquet(COLUMNS)[:-9]):
        assert refused(content).startswith("path 'readings.parquet' is not a Parquet file that can be read (")
    path = tmp_path / "readings.parquet"
    path.write_bytes(as_parquet({name: np.zeros(10**6) for name in "txu"}))
    monkeypatch.setattr(_tables, "_LARGEST", 10**6)
    with pytest.raises(ValueError, match="announces 1,000,000 rows of 3 numbers; at most 125,000 numbers are read"):
        sngd.read_data(path, ("t", "x"), "u")


def test_parquet_files_need_pyarrow_and_csv_files_do_not(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r'install it by pip install "sngd\[parquet\]", or give a CSV file'):
        read(tmp_path, as_parquet(COLUMNS), ending=".parquet")
    assert len(read(tmp_path, as_csv()).points) == 40


def damaged(content, source):
    """The content with one to four places at which bytes are cut, flipped, repeated or put in between."""
    for _ in range(source.randint(1, 4)):
        where, length = source.randrange(len(content) + 1), source.randint(1, 16)
        before, after = content[:where], content[where:]
        kind = source.choice(["end", "cut", "flip", "repeat", "insert"])
        content = {
            "end": before or content,
            "cut": before + after[length:],
            "flip": before + bytes(byte ^ 1 << source.randrange(8) for byte in after[:length]) + after[length:],
            "repeat": before + after[:length] + after,
            "insert": before + source.randbytes(length) + after,
        }[kind]
    return content


def refusal(folder, content, ending):
    """What is said of a file that is refused, or nothing for one that is read to finite numbers."""
    try:
        data = read(folder, content, ending=ending, noise="sigma")
    except ValueError as error:
        return str(error)
    assert all(np.isfinite(each).all() for each in (data.points, data.values, data.noise))
    assert data.values.shape == data.noise.shape == data.points.shape[:1]
    return None


@pytest.mark.parametrize("kind", ["commas", "quotation marks", "Parquet", "Parquet in groups of rows"])
def test_damaged_files_are_read_or_refused(kind, tmp_path):
    content, ending = WRITTEN[kind]
    content, source = content.encode() if isinstance(content, str) else content, random.Random(0)
    said = [refusal(tmp_path, damaged(content, source), ending) for _ in range(100)]
    refusals = [each for each in said if each is not None]
    assert all(f"readings{ending}" in each for each in refusals)
    assert len(refusals) > 50
