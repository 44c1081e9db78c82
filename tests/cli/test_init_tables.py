"""`bm init` of tables whose columns could mean several things."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bmcli.config.resolve import load

pytestmark = pytest.mark.usefixtures("nothing_pretrained")


def noisy(i: int) -> int:
    return (i * 37) % 101


TABLES: dict[str, tuple[list[str], Callable[[int], list[Any]], dict[str, Any], str]] = {
    "title and body": (
        ["title", "body", "queue"],
        lambda i: [f"about the thing {i}", f"it does not work since {noisy(i)} days now", "ab"[i % 2]],
        {"text": ["title", "body"], "target": "queue"},
        "",
    ),
    "names are not texts": (
        ["name", "age", "kind"],
        lambda i: [f"{('Anna', 'Ben', 'Carl')[i % 3]} {chr(65 + i % 26)}. Smith{i}", noisy(i), "ab"[i % 2]],
        {"text": None, "target": "kind", "features": ["age"]},
        "",
    ),
    "a column of splits": (
        ["x", "part", "kind"],
        lambda i: [noisy(i) / 10, ["train", "train", "valid", "test"][i % 4], "ab"[i % 3 % 2]],
        {"split": "part", "target": "kind", "features": None},
        "",
    ),
    "ids": (
        ["order_id", "x", "kind"],
        lambda i: [f"K{i:05d}", noisy(i) / 10, "ab"[i % 2]],
        {"id": "order_id", "features": None},
        "",
    ),
    "groups": (
        ["patient_id", "x", "kind"],
        lambda i: [f"p{i % 30}", noisy(i) / 10, "ab"[i % 7 % 2]],
        {"group": "patient_id", "features": ["x"]},
        "",
    ),
    "thousands or thousandths": (
        ["amount", "kind"],
        lambda i: [f'"{i % 9 + 1},{noisy(i) + 100}"', "ab"[i % 2]],
        {"target": "kind"},
        "columns: {amount: {type: number, decimal: .}}",
    ),
    "day or month": (
        ["when", "kind"],
        lambda i: [f"{i % 12 + 1:02d}/{i % 11 + 1:02d}/2024", "ab"[i % 2]],
        {"target": "kind"},
        "columns: {when: {type: date, day_first: true}}",
    ),
    "a unit": (
        ["weight", "kind"],
        lambda i: [f"{noisy(i)} kg", "ab"[i % 2]],
        {"target": "kind"},
        "columns: {weight: {type: number, unit: kg}}",
    ),
    "a unit that YAML would not read as a text": (
        ["weight", "kind"],
        lambda i: [f"~{noisy(i)}", "ab"[i % 2]],
        {"target": "kind"},
        "unit: '~'",
    ),
    "a price with a unit": (
        ["x", "price"],
        lambda i: [noisy(i), f"{noisy(i) * 3} pts"],
        {"target": "price", "task": "regression"},
        "unit: pts",
    ),
    "a word for missing numbers": (
        ["age", "kind"],
        lambda i: ["refused" if i % 6 == 0 else noisy(i), "ab"[i % 2]],
        {"missing": ["refused"], "skip_unusable": False},
        "texts that mean a missing value in 'age'",
    ),
    "a word for missing numbers that is a class": (
        ["age", "kind"],
        lambda i: ["refused" if i % 6 == 0 else noisy(i), ["refused", "b"][i % 2]],
        {"missing": [], "skip_unusable": True},
        "34 rows cannot be used",
    ),
    "odd cells with digits": (
        ["age", "kind"],
        lambda i: ["90+" if i % 20 == 0 else noisy(i) % 89, "ab"[i % 2]],
        {"missing": [], "skip_unusable": True},
        "10 rows cannot be used, such as those where 'age' says '90+'",
    ),
    "infinite numbers": (
        ["ratio", "kind"],
        lambda i: ["inf" if i % 20 == 0 else noisy(i) / 8, "ab"[i % 2]],
        {"missing": [], "skip_unusable": True},
        "10 rows cannot be used",
    ),
    "several labels, none of them in some rows": (
        ["text", "genres"],
        lambda i: [f"the story number {i} of a man in the city", ["a|b", "a", "", "b"][i % 4]],
        {"label_delimiter": "|", "task": "multilabel", "skip_unusable": False},
        "",
    ),
    "prices": (
        ["rooms", "price"],
        lambda i: [i % 6, f'"${noisy(i) * 1000:,}"'],
        {"target": "price", "task": "regression"},
        "",
    ),
    "codes": (
        ["plz", "x", "kind"],
        lambda i: [f"{1000 + noisy(i) % 9:05d}", noisy(i), "ab"[i % 2]],
        {"target": "kind"},
        "",
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_draft_for_a_table_passes(invoke: Callable, tmp_path: Path, name: str) -> None:
    head, make, expected, said = TABLES[name]
    body = [",".join(str(cell) for cell in make(i)) for i in range(200)]
    (tmp_path / "t.csv").write_text("\n".join([",".join(head), *body]) + "\n")
    done = invoke("init", "t.csv")
    assert done.code == 0, done.err
    config = load(tmp_path / "t.yaml")
    assert {key: getattr(config.data, key) for key in expected} == expected
    assert said in (tmp_path / "t.yaml").read_text()
    checked = invoke("check", "t.yaml", "--build")
    assert checked.code == 0, checked.err


@pytest.mark.parametrize("count", [5, 8, 12, 16, 25])
@pytest.mark.parametrize("target", ["year", "kind", "flag"])
def test_short_tables(invoke: Callable, tmp_path: Path, count: int, target: str) -> None:
    cells = {"year": lambda i: 1950 + i, "kind": lambda i: "ab"[i % 2], "flag": lambda i: i % 2}[target]
    lines = [f"{noisy(i)},{noisy(i + 7)},{cells(i)}" for i in range(count)]
    (tmp_path / "t.csv").write_text("\n".join([f"x,z,{target}", *lines]) + "\n")
    done = invoke("init", "t.csv")
    assert done.code == 0, done.err
    checked = invoke("check", "t.yaml", "--build")
    assert checked.code == 0, checked.err


@pytest.mark.parametrize("name", ["3", "1e5", "true", "null", "2024-01-01"])
def test_names_that_yaml_would_not_read_as_texts(invoke: Callable, tmp_path: Path, name: str) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{noisy(i)},{'ab'[i % 2]}\n" for i in range(60)))
    done = invoke("init", "t.csv", "--name", name)
    assert done.code == 0, done.err
    assert load(tmp_path / f"{name}.yaml").name == name
