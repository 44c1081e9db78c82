"""Tables of texts: quotation marks, scripts, and columns that only look like texts."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.cases.conftest import Understand, Understood
from tests.cases.test_tables import N, Write, table

Drafted = Callable[[str], Understood]


@pytest.mark.parametrize("first", ['" the start is slow ,', 'a 5" disk', '"quoted" words', 'both " and "'])
def test_quotation_marks_in_a_tsv_are_text(first: str, write: Write, understand: Understand) -> None:
    rows = [
        f"{first}\t0",
        'but i loved the end "\t1',
        *(f"{('good', 'bad')[i % 2]} film {i}\t{i % 2}" for i in range(40)),
    ]
    path = write("t.tsv", "sentence\tlabel\n" + "\n".join(rows) + "\n")
    for keys in ({}, {"quoting": False}):
        found = understand({"path": path, "text": "sentence", "target": "label", **keys}, "gru")
        assert found.code == 0 and sum(found.examples.values()) == 42


def test_a_quotation_mark_that_is_not_closed_in_a_csv_is_named(write: Write, understand: Understand) -> None:
    rows = [f"{('good', 'bad')[i % 2]} film {i},{i % 2}" for i in range(20)]
    rows[7] = '"never closed,1'
    found = understand(
        {
            "path": write("t.csv", "sentence,label\n" + "\n".join(rows) + "\n"),
            "text": "sentence",
            "target": "label",
        },
        "gru",
    )
    assert found.code == 3 and found.says("never closed|row 8|line 9")


@pytest.mark.parametrize(
    "words",
    [
        "この えいが は とても たのしい おんがく きのう みた です",
        "ภาพยนตร์ เรื่อง นี้ สนุก มาก เพลง เมื่อวาน ดู",
        "ភាពយន្ត រឿង នេះ សប្បាយ ណាស់ តន្ត្រី ម្សិលមិញ",
        "ຮູບເງົາ ເລື່ອງ ນີ້ ມ່ວນ ຫຼາຍ ເພງ ມື້ວານ",
    ],
)
def test_scripts_without_spaces_are_cut_into_pieces(words: str, write: Write, drafted: Drafted) -> None:
    dice = random.Random(0)
    rows = [("".join(dice.choices(words.split(), k=9)), ("pos", "neg")[i % 2]) for i in range(200)]
    found = drafted(write("t.csv", table(("review", "label"), rows)))
    assert found.code == 0 and found.kind == "text"
    assert found.says("without spaces") and found.says("pieces")


@pytest.mark.parametrize("head", ["subject", "what_they_said", "0", "内容"])
def test_a_text_column_that_is_not_named(
    head: str, write: Write, understand: Understand, drafted: Drafted
) -> None:
    rows = [(f"please help me with case {i}", ("low", "high")[i % 2]) for i in range(N)]
    data = {"path": write("t.csv", table((head, "priority"), rows)), "target": "priority"}
    found = understand(data, "gru")
    assert found.code == 2 and found.says("data.text")
    found = understand(data, "mlp")
    assert found.code == 2 and found.says(f"text: column '{head}'") and found.says("data consists of texts")
    found = drafted("t.csv")
    assert found.kind == "text" and f"text: {head}" in found.draft.replace('"', "").replace("'", "")


@pytest.mark.parametrize(
    ("head", "value"),
    [
        ("Name", lambda i: f"Family{i}, Mr. First Second"),
        ("author", lambda i: f"Jane Q. Writer {i}"),
        ("address", lambda i: f"{i} Main Street, Springfield"),
        ("ticket", lambda i: f"A/5 {21171 + i}"),
    ],
)
def test_names_are_no_texts(head: str, value: Any, write: Write, drafted: Drafted) -> None:
    rows = [
        (i, i % 2, i % 3 + 1, value(i), ("male", "female")[i // 2 % 2], 20 + i * 7 % 50) for i in range(1, 90)
    ]
    found = drafted(write("t.csv", table(("PassengerId", "Survived", "Pclass", head, "Sex", "Age"), rows)))
    assert found.code == 0 and found.kind == "table"
    assert "target: Survived" in found.draft
    assert found.input_shape == [1 + 3 + 1]


def test_a_name_in_other_letters_is_what_was_meant(write: Write, understand: Understand) -> None:
    path = write("t.csv", table(("Age", "Fare", "y"), [(i % 7, i % 5, i % 2) for i in range(N)]))
    found = understand({"path": path, "target": "y", "columns": {"Agee": "number"}})
    assert found.code == 3 and found.says(r"did you mean Age\?")
