from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bmcli.config.schema import DataConfig
from bmcli.core.errors import ConfigError, DataError
from bmcli.core.spec import DataSpec
from bmcli.data import read_labelled
from bmcli.data.bundle import DataBundle
from bmcli.files import tables
from bmcli.files.dialect import Options

Load = Callable[..., DataBundle]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows(n: int = 30) -> list[dict[str, Any]]:
    colours = ("red", "green", "blue")
    return [{"size": i * 0.5, "colour": colours[i % 3], "kind": f"k{i % 2}"} for i in range(n)]


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    lines = ["size,colour,kind"] + [f"{r['size']},{r['colour']},{r['kind']}" for r in rows()]
    return write(tmp_path / "t.csv", "\n".join(lines) + "\n")


def whole(bundle: DataBundle) -> dict[str, Any]:
    """id -> (row of raw values, target), over all splits."""
    out: dict[str, Any] = {}
    for split in (bundle.train, bundle.validation, bundle.test):
        if split is not None:
            for i, name in enumerate(split.ids):
                out[name] = ({c: v[i] for c, v in split.examples.columns.items()}, split.targets[i])  # type: ignore[union-attr]
    return out


def messages(error: pytest.ExceptionInfo[DataError]) -> list[tuple[int | None, str]]:
    return [(p.place.line if p.place else None, p.message) for p in error.value.problems]


def test_a_csv_with_numbers_and_categories(csv_file: Path, load: Load) -> None:
    bundle = load(path=csv_file)
    assert (bundle.kind, bundle.task, bundle.classes, bundle.target_name) == (
        "table",
        "binary",
        ("k0", "k1"),
        "kind",
    )
    columns = bundle.train.examples.columns  # type: ignore[union-attr]
    assert columns["size"].dtype == np.float64 and columns["colour"].dtype == object
    values, target = whole(bundle)["t.csv:4"]
    assert values == {"size": 1.5, "colour": "red"} and target == 1
    assert any("target: column 'kind'" in note for note in bundle.notes)


def test_every_form_holds_the_same_data(csv_file: Path, load: Load, tmp_path: Path) -> None:
    data = pl.DataFrame(rows())
    data.write_parquet(tmp_path / "t.parquet")
    data.write_csv(tmp_path / "t.tsv", separator="\t")
    data.write_csv(tmp_path / "semi.csv", separator=";")
    data.write_csv(tmp_path / "bare.csv", include_header=False)
    write(tmp_path / "t.jsonl", "\n".join(map(json.dumps, rows())))
    expected = [v for _, v in sorted(whole(load(path=csv_file)).items())]
    for name, keys in {
        "t.parquet": {}, "t.tsv": {}, "t.jsonl": {}, "semi.csv": {"delimiter": ";"},
        "bare.csv": {"header": False, "target": 2},
    }.items():  # fmt: skip
        bundle = load(path=tmp_path / name, **keys)
        found = sorted(whole(bundle).items())
        assert [(list(v.values()), t) for _, (v, t) in found] == [
            (list(v.values()), t) for v, t in expected
        ], name
        assert bundle.kind == "table" and bundle.task == "binary"


def test_all_malformed_rows_are_named_at_once(load: Load, tmp_path: Path) -> None:
    good = [f"{i},red,k{i % 2}" for i in range(40)]
    good[3] = "3,red"
    good[7] = "7,red,k1,more"
    good[9] = "much,red,k1"
    good[11] = "inf,red,k0"
    good[13] = "13,red,"
    good[15] = '15,"two\nlines",k1'
    good[17] = "17,r\udcffd,k0"
    text = "﻿size,colour,kind\r\n" + "\r\n".join(good) + "\r\n\r\n"
    path = write(tmp_path / "t.csv", text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError) as error:
        load(path=path)
    assert messages(error) == [
        (5, "row 4: 2 cells instead of 3"),
        (9, "row 8: 4 cells instead of 3"),
        (11, "row 10: column 'size' holds 'much', not a number"),
        (13, "row 12: column 'size' is infinite"),
        (15, "row 14: target 'kind' is missing"),
        (20, "row 18: not UTF-8"),
    ]
    assert error.value.exit_code == 3
    bundle = load(path=path, skip_unusable=True)
    found = whole(bundle)
    assert len(found) == 34 and len(bundle.skipped) == 6
    assert found["t.csv:16"][0]["colour"] == "two\nlines"
    assert any("6 rows left out" in note for note in bundle.notes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("a,b\n", "no rows"),
        ("a,a\n1,2\n", "two columns are called 'a'"),
        ('a,b\n1,"never closed\n2,3\n', "never closed"),
        ('a,b\n"x"y,2\n', "cannot be read from line 2"),
        ("a\n1\n2\n", "single column"),
        (b"a,b\n\x00\x01,2\n", "not a text file"),
    ],
)
def test_files_that_are_no_table(load: Load, tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(path=write(tmp_path / "t.csv", content))


def test_missing_cells(load: Load, tmp_path: Path) -> None:
    cells = ["", "NA", "n/a", "NaN", "?", " 7 ", "-1e3", "+.5"]
    text = "x,c,y\n" + "\n".join(
        f"{c},{'' if i == 2 else 'NA' if i % 3 else 'EU'},{i % 2}" for i, c in enumerate(cells * 3)
    )
    bundle = load(path=write(tmp_path / "t.csv", text), test=0, validation=0)
    x = bundle.train.examples.columns["x"]  # type: ignore[union-attr]
    assert np.isnan(x[:5]).all() and x[5:8].tolist() == [7.0, -1000.0, 0.5]
    c = bundle.train.examples.columns["c"]  # type: ignore[union-attr]
    assert c[2] is None and c[1] == "NA", "in a column of categories NA is a name"


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["0", "1"] * 15, "binary", ("0", "1")),
        (["10", "9", "1"] * 10, "multiclass", ("1", "9", "10")),
        ([str(i * 3) for i in range(30)], "regression", ()),
        (["0.5", "1.5"] * 15, "regression", ()),
        (["1.0", "0.0"] * 15, "binary", ("0.0", "1.0")),
        (["01", "1"] * 15, "binary", ("01", "1")),
        (["true", "false"] * 15, "binary", ("false", "true")),
        (["b", "a", "c"] * 10, "multiclass", ("a", "b", "c")),
    ],
)
def test_the_task_follows_from_the_target(
    load: Load, tmp_path: Path, values: list[str], task: str, classes: tuple[str, ...]
) -> None:
    text = "x,target,z\n" + "\n".join(f"{i % 5},{v},{i % 3}" for i, v in enumerate(values))
    bundle = load(path=write(tmp_path / "t.csv", text))
    assert (bundle.task, bundle.classes, bundle.target_name) == (task, classes, "target")
    assert bundle.train.targets.dtype == (np.float64 if task == "regression" else np.int64)
    assert any(f"task: {task}" in note for note in bundle.notes)


def test_regression_targets_that_are_no_numbers(load: Load, tmp_path: Path) -> None:
    text = "x,y\n" + "\n".join(f"{i % 5},{i / 7}" for i in range(40)) + "\n1,much\n1,nan\n1,inf\n1,\n"
    path = write(tmp_path / "t.csv", text)
    with pytest.raises(DataError) as error:
        load(path=path)
    assert [m for _, m in messages(error)] == [
        "row 41: the target is 'much', not a number",
        "row 42: target 'y' is missing",
        "row 43: the target is inf",
        "row 44: target 'y' is missing",
    ]
    assert len(whole(load(path=path, skip_unusable=True))) == 40


def test_a_target_of_names_is_an_error_not_a_thousand_classes(load: Load, tmp_path: Path) -> None:
    text = "x,y\n" + "\n".join(f"{i % 5},name{i}" for i in range(300))
    with pytest.raises(DataError, match="300 different values"):
        load(path=write(tmp_path / "t.csv", text))


def test_multilabel_in_its_three_forms(load: Load, tmp_path: Path) -> None:
    labels = [["a"], ["b", "c"], [], ["a", "c"]] * 8
    records = [{"x": i % 6, "labels": few} for i, few in enumerate(labels)]
    write(tmp_path / "lists.jsonl", "\n".join(map(json.dumps, records)))
    write(
        tmp_path / "cells.csv",
        "x,labels\n" + "\n".join(f"{i % 6},{'|'.join(few)}" for i, few in enumerate(labels)),
    )
    write(
        tmp_path / "columns.csv",
        "x,a,b,c\n"
        + "\n".join(f"{i % 6}," + ",".join("01"[n in few] for n in "abc") for i, few in enumerate(labels)),
    )
    bundles = [
        load(path=tmp_path / "lists.jsonl", test=0, validation=0),
        load(path=tmp_path / "cells.csv", label_delimiter="|", test=0, validation=0),
        load(path=tmp_path / "columns.csv", target=["a", "b", "c"], test=0, validation=0),
    ]
    for bundle in bundles:
        assert (bundle.task, bundle.classes) == ("multilabel", ("a", "b", "c"))
        assert bundle.train.targets.dtype == np.float32
        assert bundle.train.targets[:4].tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 0, 1]]
    with pytest.raises(DataError, match="does not fit"):
        load(path=tmp_path / "cells.csv", label_delimiter="|", task="multiclass")
    write(tmp_path / "columns.csv", "x,a,b\n1,0,1\n2,5,1\n3,,0\n")
    with pytest.raises(DataError) as error:
        load(path=tmp_path / "columns.csv", target=["a", "b"])
    assert [m for _, m in messages(error)] == [
        "row 2: target 'a' is '5', not 0 or 1",
        "row 3: target 'a' is missing",
    ]


def test_texts(load: Load, tmp_path: Path) -> None:
    lines = [f'"this is, number {i}, of several",{"ab"[i % 2]}' for i in range(20)]
    path = write(tmp_path / "t.csv", "body,queue\n" + "\n".join(lines))
    for keys in ({}, {"text": "body"}, {"text": 0, "target": "queue"}, {"kind": "text"}):
        bundle = load(path=path, **keys)
        assert (bundle.kind, bundle.task) == ("text", "binary"), keys
        assert "this is, number" in bundle.train.examples.texts[0]  # type: ignore[union-attr]
    assert load(path=path, kind="table", features=["body"]).kind == "table"
    write(path, "body,queue\n" + "\n".join(lines) + '\n"  ",a\n')
    with pytest.raises(DataError) as error:
        load(path=path, text="body")
    assert messages(error) == [(22, "row 21: column 'body' is empty")]


def test_json_lines_pathologies(load: Load, tmp_path: Path) -> None:
    lines = [json.dumps({"x": i, "s": "abc"[i % 3], "y": "pq"[i % 2]}) for i in range(30)]
    lines[2] = "{"
    lines[4] = "[1, 2]"
    lines[6] = '{"x": 1e999, "s": "a", "y": "p"}'
    lines[8] = '{"s": "a", "y": "p"}'
    lines[10] = '{"x": 1, "s": "a"}'
    lines[12] = "[" * 5000
    path = write(tmp_path / "t.jsonl", "\n".join(lines) + "\n\n")
    with pytest.raises(DataError) as error:
        load(path=path)
    found = messages(error)
    assert [line for line, _ in found] == [3, 5, 7, 11, 13]
    assert "not JSON" in found[0][1] and "not a JSON object" in found[1][1] and "infinite" in found[2][1]
    x = whole(load(path=path, skip_unusable=True))["t.jsonl:9"][0]["x"]
    assert np.isnan(x)
    write(path, "\n".join(json.dumps({"x": {"deep": i}, "y": "pq"[i % 2]}) for i in range(9)))
    with pytest.raises(DataError, match="'x' holds nested"):
        load(path=path)


def test_parquet_pathologies(load: Load, tmp_path: Path) -> None:
    from datetime import date

    path = tmp_path / "t.parquet"
    base = {
        "x": [1.0, float("nan"), None, 4.0] * 5,
        "flag": [True, False] * 10,
        "y": pl.Series(["a", "b"] * 10, dtype=pl.Categorical),
    }
    pl.DataFrame({**base, "when": [date(2020, 1, 1), date(1970, 1, 3)] * 10}).write_parquet(path)
    bundle = load(path=path, target="y", test=0, validation=0)
    assert np.isnan(bundle.train.examples.columns["x"][1:3]).all()  # type: ignore[union-attr]
    assert bundle.train.examples.columns["flag"][0] == "true"  # type: ignore[union-attr]
    assert bundle.train.examples.columns["when"][:2].tolist() == [18262.0, 2.0]  # type: ignore[union-attr]
    assert "dates become a number of days: 'when'" in "\n".join(bundle.notes)
    pl.DataFrame({**base, "deep": [{"a": 1}] * 20}).write_parquet(path)
    with pytest.raises(DataError, match="'deep' holds nested"):
        load(path=path, target="y")
    write(path, b"PAR1 no parquet at all PAR1")
    with pytest.raises(DataError, match="not a readable Parquet"):
        load(path=path)


def test_validation_and_test_files(csv_file: Path, load: Load, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write(other / "t.csv", "kind,colour,size\nk1,red,3\nk0,violet,4\n")
    bundle = load(path=csv_file, test=other / "t.csv")
    assert bundle.test is not None and bundle.test.targets.tolist() == [1, 0]
    assert list(bundle.test.examples.columns) == ["size", "colour"]  # type: ignore[union-attr]
    assert len(bundle.train) + len(bundle.validation or ()) == 30
    assert bundle.splits_from["test"] == "given: t.csv"
    every = [i for s in (bundle.train, bundle.validation, bundle.test) if s for i in s.ids]
    assert len(set(every)) == len(every), "two files of the same name"
    write(other / "t.csv", "kind,size\nk1,3\n")
    with pytest.raises(DataError, match="lacks the column colour"):
        load(path=csv_file, test=other / "t.csv")
    write(other / "t.csv", "kind,colour,size\nk9,red,3\n")
    with pytest.raises(DataError, match="no training example has the class 'k9'"):
        load(path=csv_file, test=other / "t.csv")


def test_scoring_a_labelled_table(csv_file: Path, tmp_path: Path) -> None:
    spec = DataSpec.single("table", "binary", (4,), ("k0", "k1"), "kind")
    path = write(tmp_path / "new.csv", "kind,size,colour,note\nk1,3,red,x\nk0,NA,blue,y\n")
    split = read_labelled(path, DataConfig(path=str(csv_file)), spec)
    assert split.targets.tolist() == [1, 0] and split.ids == ("new.csv:1", "new.csv:2")
    assert split.examples.columns["size"].tolist() == ["3", "NA"]  # type: ignore[union-attr]
    write(path, "kind,size,colour\nk1,3,red\nk7,3,red\n")
    with pytest.raises(DataError) as error:
        read_labelled(path, DataConfig(path=str(csv_file)), spec)
    assert [(str(p.place), p.message) for p in error.value.problems] == [
        (f"{path}:3", "row 2: unknown class 'k7'")
    ]


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_what_the_data_cannot_do_is_a_config_error(load: Load, tmp_path: Path) -> None:
    from bmcli.data.named import DATASETS

    with pytest.raises(ConfigError, match=r"data\.group"):
        load(name=DATASETS.get("digits")(), group="who")
    x = np.zeros((20, 4, 4), np.uint8)
    path = npz(tmp_path / "a.npz", x_train=x, y_train=np.arange(20) % 2, x_test=x, y_test=np.arange(20) % 2)
    with pytest.raises(ConfigError, match="test split of its own"):
        load(path=path, test=str(path))


cells = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), include_characters="\t\r\n"), max_size=12
)


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=30), st.sampled_from(",;\t|"))
@settings(max_examples=80, deadline=None)
def test_any_csv_that_was_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str, str]], delimiter: str
) -> None:
    import csv

    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerow("abc")
        writer.writerows(table)
    frame = tables.read(path, Options(delimiter=delimiter, header=True))
    assert not frame.problems and frame.rows.tolist() == list(range(1, len(table) + 1))
    for name, column in zip("abc", zip(*table, strict=True), strict=True):
        assert [v or "" for v in frame.data[name].to_list()] == [c if c.strip() else "" for c in column]


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_table_or_a_data_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    for suffix in (".csv", ".tsv", ".jsonl"):
        path = write(folder / f"t{suffix}", data)
        try:
            frame = tables.read(path)
        except DataError:
            continue
        assert frame.data.height == len(frame.rows) == len(frame.ids())


def test_columns_that_are_not_there(csv_file: Path, load: Load) -> None:
    with pytest.raises(DataError, match="no column 'kid'") as error:
        load(path=csv_file, target="kid")
    assert error.value.hint == "did you mean kind?"
    for keys in ({"text": "zzzz"}, {"features": ["zzzz"]}, {"group": "zzzz"}, {"target": 7}):
        with pytest.raises(DataError, match="no column") as error:
            load(path=csv_file, **keys)
        assert "'size', 'colour', 'kind'" in (error.value.hint or "")
