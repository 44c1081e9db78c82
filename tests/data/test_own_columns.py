"""How a config names the columns of a table of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bmcli.config.schema import DataConfig
from bmcli.core.errors import DataError
from bmcli.core.spec import DataSpec
from bmcli.data import read_labelled
from tests.data.test_own_tables import (
    Load,
    messages,
    write,
)


def test_columns_that_say_nothing_are_left_out_and_said(load: Load, tmp_path: Path) -> None:
    text = ",name,same,size,kind\n" + "\n".join(f"{i},n{i},x,{i % 7},{'ab'[i % 2]}" for i in range(20))
    path = write(tmp_path / "t.csv", text)
    bundle = load(path=path)
    assert list(bundle.train.examples.columns) == ["size"]  # type: ignore[union-attr]
    said = "\n".join(bundle.notes)
    assert "'unnamed_0'" in said and "'name'" in said and "'same'" in said
    chosen = load(path=path, features=["name", 3])
    assert list(chosen.train.examples.columns) == ["name", "size"]  # type: ignore[union-attr]


def test_a_column_of_groups(load: Load, tmp_path: Path) -> None:
    text = "who,x,y\n" + "\n".join(f"p{i // 4},{i % 7},{'ab'[i % 2]}" for i in range(80))
    bundle = load(path=write(tmp_path / "t.csv", text), group="who")
    people = [
        {(int(i.split(":")[1]) - 1) // 4 for i in s.ids}
        for s in (bundle.train, bundle.validation, bundle.test)
        if s
    ]
    assert sum(map(len, people)) == len(set.union(*people)) == 20
    assert "who" not in bundle.train.examples.columns  # type: ignore[union-attr]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_text_of_several_columns(load: Load, tmp_path: Path, suffix: str) -> None:
    frame = pl.DataFrame(
        {
            "title": [f"Title {i}" for i in range(20)] + [None, "only a title", None],
            "body": [f"the body,\n number {i}" for i in range(20)] + ["only a body", "", None],
            "stars": list(range(23)),
            "label": ["a", "b"] * 11 + ["a"],
        }
    )
    path = tmp_path / f"t{suffix}"
    {".csv": frame.write_csv, ".jsonl": frame.write_ndjson, ".parquet": frame.write_parquet}[suffix](path)
    with pytest.raises(DataError) as error:
        load(path=path, text=["body", "title"], target="label")
    assert [message for _, message in messages(error)] == ["row 23: columns 'body', 'title' are empty"]
    bundle = load(path=path, text=["title", "body"], target="label", skip_unusable=True)
    assert bundle.kind == "text"
    texts = {
        name: text
        for split in (bundle.train, bundle.validation, bundle.test)
        for name, text in zip(split.ids, split.examples.texts, strict=True)  # type: ignore[union-attr]
    }
    assert texts[f"t{suffix}:1"] == "Title 0\nthe body,\n number 0"
    assert texts[f"t{suffix}:21"] == "only a body" and texts[f"t{suffix}:22"] == "only a title"
    assert "unused columns: 'stars'" in bundle.notes
    assert bundle.train.beside is not None and bundle.train.beside.columns == ["stars"]
    one, same = (load(path=path, text=t, target="label", skip_unusable=True) for t in ("body", ["body"]))
    assert one.fingerprint == same.fingerprint
    with pytest.raises(DataError, match="no column 'titel'"):
        load(path=path, text=["titel", "body"], target="label")
    spec = DataSpec.single("text", bundle.task, (None,), bundle.classes, "label")
    config = DataConfig(path=str(path), text=["title", "body"], target="label", skip_unusable=True)
    assert read_labelled(path, config, spec).examples.texts[0] == texts[f"t{suffix}:1"]  # type: ignore[union-attr]


def years(folder: Path, *names: str) -> Path:
    rows = [[*(str(i * (n + 3) % 19 + n) for n in range(len(names) - 1)), str(i % 2)] for i in range(60)]
    return write(folder / "years.csv", "\n".join(map(",".join, [list(names), *rows])) + "\n")


@pytest.mark.parametrize("key", ["target", "features", "group"])
def test_a_number_that_is_no_index_is_a_name(key: str, tmp_path: Path, load: Load) -> None:
    path = years(tmp_path, "a", "2020", "2021", "b")
    given: dict[str, Any] = {"target": "b", "task": "multiclass"}
    given[key] = [2021] if key == "features" else 2021
    bundle = load(path=path, **given)
    columns = bundle.train.examples.columns  # type: ignore[union-attr]
    assert ("2021" in columns) == (key == "features")
    given[key] = ["2021"] if key == "features" else "2021"
    assert load(path=path, **given).fingerprint == bundle.fingerprint


def test_a_number_that_may_mean_two_columns_is_asked_for(tmp_path: Path, load: Load) -> None:
    path = years(tmp_path, "row", "0", "1", "2")
    with pytest.raises(
        DataError, match="target: 2 may mean the column '2', or the one at index 2, '1'"
    ) as error:
        load(path=path, target=2, task="multiclass")
    assert error.value.hint is not None and 'write "2"' in error.value.hint
    for name in ("2", "1"):
        assert load(path=path, target=name, task="multiclass").target_name == name


def test_a_number_that_means_one_column_twice(tmp_path: Path, load: Load) -> None:
    path = years(tmp_path, "0", "1", "2")
    assert load(path=path, target=2, task="multiclass").target_name == "2"


@pytest.mark.parametrize("number", [2022, -1, 4])
def test_a_number_that_is_nothing(number: int, tmp_path: Path, load: Load) -> None:
    with pytest.raises(DataError, match=f"has no column {number}") as error:
        load(path=years(tmp_path, "a", "2020", "2021", "b"), target=number)
    assert error.value.hint is not None and f"mean {number}?" not in error.value.hint


def test_a_text_column_by_a_number_that_is_its_name(tmp_path: Path, load: Load) -> None:
    rows = "".join(f"so many words {i},k{i % 2}\n" for i in range(40))
    path = write(tmp_path / "t.csv", f"1999,kind\n{rows}")
    assert load(path=path, text=1999, target="kind").kind == "text"
