"""JSON Lines and Parquet as people have them, and files that are not what their suffix says."""

from __future__ import annotations

import bz2
import datetime
import decimal
import gzip
import io
import json
import lzma
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bmcli.core.errors import DataError
from bmcli.files import tables
from bmcli.files.columns import facts_of
from bmcli.files.tables import Frame

OBJECTS = [{"size": i * 1.5, "colour": ("red", "green")[i % 2], "n": i * 7 % 5} for i in range(12)]
LINES = "\n".join(map(json.dumps, OBJECTS)) + "\n"

Read = Callable[..., Frame]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_(content: str | bytes, name: str = "t.jsonl") -> Frame:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tables.read(path)

    return read_


def packed(name: str, content: str = "x") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
    return out.getvalue()


CSV = "a,b\n1,2\n3,4\n"


@pytest.mark.parametrize(
    ("content", "what", "todo"),
    [
        (gzip.compress(CSV.encode(), mtime=0), "compressed by gzip", "gunzip"),
        (bz2.compress(CSV.encode()), "compressed by bzip2", "bunzip2"),
        (lzma.compress(CSV.encode()), "compressed by xz", "unxz"),
        (packed("xl/workbook.xml"), "an Excel workbook", "CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(900), "an Excel workbook", "CSV"),
        (packed("data.csv", CSV), "a ZIP archive", "unpack"),
        (b"PAR1" + bytes(90) + b"PAR1", "a Parquet file", ".parquet"),
        (pickle.dumps({"a": [1] * 90}), "a pickle", "Parquet or CSV"),
        (b"SQLite format 3\0" + bytes(90), "an SQLite database", "CSV"),
        (b"%PDF-1.4\n1 0 obj\n", "a PDF", "CSV"),
        ("<!DOCTYPE html>\n<html><table><tr><td>1, 2</td></tr></table></html>", "an HTML page", "CSV"),
        ("<table><tr><td>1</td></tr></table>", "an HTML page", "CSV"),
        ('<?xml version="1.0"?>\n<rows/>', "XML", "CSV"),
        (LINES, "JSON", ".jsonl"),
        (json.dumps(OBJECTS, indent=1), "JSON", ".jsonl"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:4d\n", "a Git LFS pointer", "git lfs"),
        ("@relation x\n@attribute a numeric\n@data\n1\n", "an ARFF file", "CSV"),
        (r"{\rtf1\ansi a,b}", "rich text", "plain text"),
    ],
)  # fmt: skip
def test_other_formats_are_named(content: str | bytes, what: str, todo: str, read: Read) -> None:
    with pytest.raises(DataError) as error:
        read(content, "t.csv")
    assert what in error.value.message and todo in (error.value.hint or "")


@pytest.mark.parametrize(
    ("name", "what"),
    [("t.csv.gz", "gzip"), ("t.xlsx", "Excel"), ("t.json", "JSON"), ("t.ods", "spreadsheet")],
)
def test_other_suffixes_are_named(name: str, what: str, read: Read) -> None:
    with pytest.raises(DataError, match=what) as error:
        read(b"x", name)
    assert error.value.hint


@pytest.mark.parametrize("content", ["[1, 2]\n3\n", "{not json\n", "#,a\n1,2\n", "{'a': 1},2\n{'a': 2},3\n"])
def test_a_csv_that_looks_a_little_like_json_is_a_csv(content: str, read: Read) -> None:
    try:
        read(content, "t.csv")
    except DataError as error:
        assert "JSON" not in error.message


def test_a_csv_called_jsonl(read: Read) -> None:
    with pytest.raises(DataError, match="delimited text") as error:
        read(CSV)
    assert error.value.hint == "name it .csv or .tsv"


@pytest.mark.parametrize(
    "content",
    [
        LINES,
        LINES.replace("\n", "\r\n"),
        LINES.replace("\n", "\r"),
        LINES.replace("\n", "\n\n"),
        "\ufeff" + LINES,
        LINES.encode("utf-16"),
        "".join(f"\x1e{line}\n" for line in LINES.splitlines()),
        json.dumps(OBJECTS),
        json.dumps(OBJECTS, indent=2),
        "[\n" + ",\n".join(map(json.dumps, OBJECTS)) + "\n]\n",
        "\n".join(json.dumps(each, indent=2) for each in OBJECTS),
        "".join(map(json.dumps, OBJECTS)),
        ",\n".join(map(json.dumps, OBJECTS)) + ",\n",
    ],
)
def test_objects_however_they_stand_in_a_file(content: str | bytes, read: Read) -> None:
    frame = read(content)
    assert frame.data.to_dicts() == OBJECTS and not frame.problems
    plain = (
        isinstance(content, bytes)
        or content.replace("\r", "\n").replace("\n\n", "\n").strip("\ufeff") == LINES
    )
    assert any("not JSON Lines" in note for note in frame.notes) != plain


def test_objects_over_several_lines_know_their_lines(read: Read) -> None:
    frame = read(json.dumps(OBJECTS, indent=2))
    assert frame.lines is not None and frame.lines[:3].tolist() == [2, 7, 12]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ("null", "not a JSON object"),
        ('{"size": 1, "size": 2}', "the key 'size' occurs twice"),
        ('{"size": 1, "colour": "\\ud83d"}', "half of a surrogate pair"),
        ("// a comment", "not JSON"),
        ("[" * 5000, "not JSON"),
    ],
)
def test_a_line_that_is_wrong_is_named(bad: str, message: str, read: Read) -> None:
    frame = read(LINES.replace(json.dumps(OBJECTS[4]), bad))
    (problem,) = frame.problems
    assert problem.message.startswith("row 5: ") and message in problem.message
    assert problem.place is not None and problem.place.line == 5 and frame.data.height == 11


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({name: [each[name] for each in OBJECTS] for name in OBJECTS[0]}),
        json.dumps(
            {name: {str(i): each[name] for i, each in enumerate(OBJECTS)} for name in OBJECTS[0]}, indent=1
        ),
        json.dumps({"data": OBJECTS}),
    ],
)
def test_a_whole_table_in_one_object(content: str, read: Read) -> None:
    with pytest.raises(DataError, match="one object with the") as error:
        read(content)
    assert "orient='records'" in (error.value.hint or "")


def lines(*values: Any) -> str:
    return "\n".join(json.dumps({"a": value, "y": i % 2}) for i, value in enumerate(values))


@pytest.mark.parametrize(
    ("values", "type_", "first"),
    [
        ([i * 3 % 7 for i in range(12)], "number", 0),
        ([2**64 + i for i in range(12)], "identifier", str(2**64)),
        ([True if i % 3 else i for i in range(12)], "category", "0"),
        ([str(i * 3 % 7) if i % 3 else i * 3 % 7 for i in range(12)], "number", "0"),
        (["" if i % 3 == 0 else i * 3 % 7 for i in range(12)], "number", None),
        ([None] * 12, "empty", None),
        ([{"b": i} for i in range(12)], "nested", {"nested": None}),
        ([[i, 1] for i in range(12)], "nested", ["0", "1"]),
        ([10**400] + [1.5] * 11, "number", float("inf")),
    ],
)
def test_what_a_key_holds(values: list[Any], type_: str, first: object, read: Read) -> None:
    frame = read(lines(*values))
    assert facts_of(frame.data)["a"].type == type_
    assert frame.data["a"].to_list()[0] == first


def test_keys_that_differ_and_have_no_name(read: Read) -> None:
    frame = read('{"a": 1}\n{"b": "x", "": 2}\n{"a": 3, "b": "y"}\n')
    assert frame.data.columns == ["a", "b", "unnamed_2"]
    assert frame.data["a"].to_list() == [1, None, 3] and frame.data["unnamed_2"].to_list() == [None, 2, None]


def test_nan_and_infinity_in_json(read: Read) -> None:
    frame = read('{"x": NaN}\n{"x": Infinity}\n{"x": 1.5}\n')
    assert str(frame.data["x"].to_list()) == "[nan, inf, 1.5]"


DAY = datetime.date(2020, 1, 1)


@pytest.mark.parametrize(
    ("column", "type_"),
    [
        (pl.Series(["a", "b"] * 6, dtype=pl.Categorical), "category"),
        (pl.Series(["a", "b"] * 6, dtype=pl.Enum(["a", "b"])), "category"),
        (pl.Series([decimal.Decimal("1.25"), decimal.Decimal("2.50")] * 6), "number"),
        (pl.Series([DAY, DAY.replace(day=3)] * 6), "date"),
        (pl.Series([datetime.datetime(2020, 1, 1), None] * 6), "date"),
        (pl.Series([datetime.timedelta(hours=5), None] * 6), "date"),
        (pl.Series([datetime.time(5), datetime.time(6)] * 6), "date"),
        (pl.Series([[1, 2], [3]] * 6), "nested"),
        (pl.Series([{"a": 1}, {"a": 2}] * 6), "nested"),
        (pl.Series([b"a", b"b"] * 6), "nested"),
        (pl.Series([2**63, 1] * 6, dtype=pl.UInt64), "number"),
        (pl.Series([1, 2] * 6, dtype=pl.Int8), "number"),
        (pl.Series([1.5, float("nan")] * 6, dtype=pl.Float32), "number"),
        (pl.Series([None] * 12), "empty"),
        (pl.Series([" ", ""] * 6), "empty"),
        (pl.Series([True, None] * 6), "boolean"),
        (pl.Series(range(12)).alias("__index_level_0__"), "identifier"),
    ],
)
def test_types_of_parquet(column: pl.Series, type_: str, tmp_path: Path) -> None:
    name = column.name or "x"
    pl.DataFrame({name: column, "y": ["p", "q"] * 6}).write_parquet(tmp_path / "t.parquet")
    frame = tables.read(tmp_path / "t.parquet")
    assert facts_of(frame.data)[name].type == type_ and frame.data.height == 12
