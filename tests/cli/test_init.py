"""`bm init`: what it writes passes `bm check`, and is never written over anything."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bmcli.config import shipped
from bmcli.config.resolve import load

pytestmark = pytest.mark.usefixtures("nothing_pretrained")


def rows(make: Callable[[int, random.Random], list[Any]], count: int = 200) -> list[list[str]]:
    generator = random.Random(0)
    return [[str(cell) for cell in make(i, generator)] for i in range(count)]


def flowers(i: int, r: random.Random) -> list[Any]:
    return [f"{r.random():.3f}", f"{r.random():.3f}", f"c{i % 20}", i, r.choice(["iris", "rose", "=evil"])]


def reviews(i: int, r: random.Random) -> list[Any]:
    return [f"the film number {i} was {r.random()} for me", r.choice(["good", "bad"])]


def houses(i: int, r: random.Random) -> list[Any]:
    return [f"{r.random() * 100:.2f}", i % 5, f"{r.random() * 1e5:.2f}"]


def lines(table: list[list[str]], delimiter: str, head: list[str] | None = None) -> str:
    return "".join(delimiter.join(row) + "\n" for row in ([head] if head else []) + table)


def jsonl(table: list[list[str]], head: list[str]) -> str:
    return "".join(json.dumps(dict(zip(head, row, strict=True))) + "\n" for row in table)


HEAD = ["sepal", "petal", "customer", "row_id", "species"]

FILES: dict[str, tuple[str, dict[str, Any], str]] = {
    "f.csv": (
        lines(rows(flowers), ";", HEAD),
        {
            "target": "species",
            "delimiter": ";",
            "group": "customer",
            "features": ["sepal", "petal"],
            "task": "multiclass",
        },
        "mlp",
    ),
    "r.tsv": (
        lines(rows(reviews), "\t"),
        {"text": 0, "target": 1, "header": False, "task": "binary", "delimiter": None},
        "transformer",
    ),
    "h.csv": (
        lines(rows(houses), ",", ["area", "rooms", "price"]),
        {"target": "price", "task": "regression", "delimiter": None, "header": None},
        "linear",
    ),
    "q.jsonl": (
        jsonl(rows(reviews), ["body", "queue"]),
        {"text": "body", "target": "queue", "task": "binary"},
        "transformer",
    ),
    "no: #'x.csv": (
        lines(rows(houses), ",", ["a: b", "#", "y es"]),
        {"target": "y es", "task": "regression"},
        "linear",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_tables(invoke: Callable, tmp_path: Path, name: str) -> None:
    text, expected, model = FILES[name]
    (tmp_path / name).write_text(text)
    done = invoke("init", name, "--name", "mine")
    assert done.code == 0, done.err
    assert "200 rows" in done.out
    config = load(tmp_path / "mine.yaml")
    assert config.name == "mine"
    assert config.data.path == str(tmp_path / name)
    assert {key: getattr(config.data, key) for key in expected} == expected
    assert config.model.registry_name == model
    assert "# " in (tmp_path / "mine.yaml").read_text()


def test_rows_of_several_lines_are_counted_as_one(invoke: Callable, tmp_path: Path) -> None:
    cells = "".join(f'"a text,\nover {i} ""lines""\n",{"ab"[i % 2]}\n' for i in range(100))
    (tmp_path / "q.csv").write_text("body,topic\n" + cells)
    assert "100 rows, 2 columns" in invoke("init", "q.csv").out


def test_a_file_larger_than_the_sample_with_long_texts(invoke: Callable, tmp_path: Path) -> None:
    cells = "".join(f'"{"word " * 40_000}{i}",{"ab"[i % 2]}\n' for i in range(20))
    (tmp_path / "long.csv").write_text("text,label\n" + cells)
    assert "20 rows, 2 columns" in invoke("init", "long.csv").out


def test_json_lines_end_at_line_feeds_alone(invoke: Callable, tmp_path: Path) -> None:
    lines = [json.dumps({"body": f"a\u2028b c d {i}", "y": i % 2}, ensure_ascii=False) for i in range(40)]
    (tmp_path / "u.ndjson").write_text("\n".join(lines), encoding="utf-8")
    done = invoke("init", "u.ndjson")
    assert done.code == 0, done.err
    assert "40 rows" in done.out
    assert invoke("check", "u.yaml", "--build").code == 0


@pytest.mark.parametrize(
    ("cells", "delimiter"),
    [
        (["rain|wind", "sun", "", "rain", "wind|sun"], "|"),
        (["a; b", "a", "b", "b; a"], ";"),
        (["Bern, CH", "Paris, F", "Rome, I"], None),
        (["rain", "sun"], None),
    ],
)
def test_several_labels_in_a_cell(
    invoke: Callable, tmp_path: Path, cells: list[str], delimiter: str | None
) -> None:
    body = "".join(f'{i % 7}.5,"{cells[i % len(cells)]}"\n' for i in range(60))
    (tmp_path / "m.csv").write_text("x,tags\n" + body)
    assert invoke("init", "m.csv").code == 0
    data = load(tmp_path / "m.yaml").data
    assert data.label_delimiter == delimiter
    assert (data.task == "multilabel") == (delimiter is not None)
    assert invoke("check", "m.yaml", "--build").code == 0


def test_parquet(invoke: Callable, tmp_path: Path) -> None:
    import polars

    polars.DataFrame({"age": [1.5, 2.5, None] * 20, "y": ["a", "b", "c"] * 20}).write_parquet(
        tmp_path / "p.parquet"
    )
    assert invoke("init", "p.parquet").code == 0
    config = load(tmp_path / "p.yaml")
    assert (config.data.target, config.data.task) == ("y", "multiclass")


def test_npz(invoke: Callable, tmp_path: Path) -> None:
    import numpy as np

    images = np.zeros((40, 28, 28), np.uint8)
    np.savez(
        tmp_path / "i.npz", x_train=images, y_train=np.arange(40) % 2, x_test=images, y_test=np.arange(40) % 2
    )
    done = invoke("init", "i.npz")
    assert done.code == 0, done.err
    assert "x_train: 40 × 28 × 28" in done.out
    assert load(tmp_path / "i.yaml").model.registry_name == "cnn"


def write_images(folder: Path, count: int = 3) -> None:
    from PIL import Image

    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (200 + i, 150)).save(folder / name / f"{i}.jpg")


def test_the_line_for_editors_where_the_schema_was_saved(invoke: Callable, tmp_path: Path) -> None:
    write_images(tmp_path / "photos")
    line = "# yaml-language-server: $schema=bm.schema.json\n"
    assert invoke("init", "digits_cnn", "--name", "without").code == 0
    (tmp_path / "bm.schema.json").write_text(invoke("schema").out)
    assert invoke("init", "photos").code == invoke("init", "digits_cnn").code == 0
    for name in ("photos", "digits_cnn"):
        assert (tmp_path / f"{name}.yaml").read_text().startswith(line)
        assert load(tmp_path / f"{name}.yaml")
    assert line not in (tmp_path / "without.yaml").read_text()


@pytest.mark.parametrize("name", shipped.names())
def test_templates(invoke: Callable, tmp_path: Path, name: str) -> None:
    done = invoke("init", name, "--name", "mine")
    assert done.code == 0, done.err
    config = load(tmp_path / "mine.yaml", paths_exist=False)
    assert config.name == "mine"
    made, rest = config.to_dict(), load(name, paths_exist=False).to_dict()
    for one in (made, rest):  # paths are relative to the file
        one["model"].pop("weights", None)
    assert {**made, "name": "", "data": ""} == {**rest, "name": "", "data": ""}


def test_lists_templates(bm: Callable) -> None:
    done = bm("init")
    assert done.code == 0
    assert "digits_cnn" in done.out
    assert "bm init PATH" in done.err
    listed = bm("init", "--json").json["templates"]
    assert [one["name"] for one in listed] == shipped.names()
    assert all(one["summary"] for one in listed)


def test_never_over_another(invoke: Callable, tmp_path: Path) -> None:
    (tmp_path / "digits_cnn.yaml").write_text("mine")
    done = invoke("init", "digits_cnn")
    assert done.code == 2
    assert "--name" in done.err
    assert (tmp_path / "digits_cnn.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("source", "code", "fragment"),
    [
        ("digits_cn", 2, "did you mean digits_cnn?"),
        ("empty.csv", 3, "empty"),
        ("one.csv", 3, "only one column"),
        ("broken.jsonl", 3, "not JSON"),
        ("broken.npz", 3, "not an .npz"),
        ("broken.parquet", 3, "Parquet"),
        ("folder", 3, "neither images nor"),
        ("x.docx", 3, "cannot tell"),
    ],
)
def test_what_is_no_data(invoke: Callable, tmp_path: Path, source: str, code: int, fragment: str) -> None:
    contents = {
        "empty.csv": b"",
        "one.csv": b"a\n1\n2\n",
        "broken.jsonl": b"{\n",
        "broken.npz": b"PK",
        "broken.parquet": b"PAR1",
        "x.docx": b"x",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    done = invoke("init", source, "--name", "mine")
    assert done.code == code, done.err
    assert fragment in done.err
    assert not (tmp_path / "mine.yaml").exists()


def test_illegal_name(invoke: Callable) -> None:
    done = invoke("init", "digits_cnn", "--name", "../x")
    assert done.code == 2
    assert "--name" in done.err
