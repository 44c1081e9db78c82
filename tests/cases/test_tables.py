"""The table cases: each kind of file, and at least three relatives of it."""

from __future__ import annotations

import csv
import datetime
import io
import json
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import polars as pl
import pytest

from tests.cases.conftest import Understand

Write = Callable[[str, str | bytes], str]

N = 60


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, cut: str = ",", quoted: bool = False) -> str:
    """A CSV as text."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=cut, lineterminator="\n", quoting=csv.QUOTE_ALL if quoted else 0)
    writer.writerow(head)
    writer.writerows(rows)
    return file.getvalue()


def lines(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """JSON Lines as text."""
    return "".join(json.dumps(dict(zip(head, row, strict=True)), ensure_ascii=False) + "\n" for row in rows)


def incomes(write: Callable[[int, float], Any] = lambda i, x: x, n: int = N) -> list[tuple[Any, str]]:
    """Incomes as `write` makes them, and what follows from them."""
    dice = random.Random(0)
    values = [round(dice.uniform(10, 100), 2) for _ in range(n)]
    return [(write(i, x), "good" if x > 55 else "bad") for i, x in enumerate(values)]


@pytest.mark.parametrize("head", ["", "Unnamed: 0", "index", "row_id"])
@pytest.mark.parametrize("cut", [",", "\t"])
def test_an_index_column_is_no_feature_and_its_file_has_a_header(
    head: str, cut: str, write: Write, understand: Understand
) -> None:
    rows = [
        (i, f"the film number {i} was {('great', 'awful')[i % 2]}", ("pos", "neg")[i % 2]) for i in range(N)
    ]
    path = write("t.tsv" if cut == "\t" else "t.csv", table((head, "text", "label"), rows, cut=cut))
    found = understand({"path": path, "text": "text", "target": "label"}, "gru")
    assert (found.kind, found.classes) == ("text", ["neg", "pos"])
    assert sum(found.examples.values()) == N
    assert found.says(f"unused columns: '{head or 'unnamed_0'}'")


@pytest.mark.parametrize("names", [("0", "1"), ("2019", "2020"), ("1.5", "2.5"), ("0", "x")])
@pytest.mark.parametrize("cut", [",", ";"])
def test_numbers_may_be_names_of_columns(
    names: tuple[str, str], cut: str, write: Write, understand: Understand
) -> None:
    dice = random.Random(0)
    pairs = [(f"{dice.random():.3f}", f"{dice.random():.3f}") for _ in range(N)]
    text = table((*names, "target"), [(a, b, "hi" if a > b else "lo") for a, b in pairs], cut=cut)
    found = understand({"path": write("t.csv", text), "target": "target"})
    assert (found.kind, found.classes, found.input_shape) == ("table", ["hi", "lo"], [2])
    assert sum(found.examples.values()) == N


@pytest.mark.parametrize("mark", ["NA", "N/A", "<NA>", "NaN", "null", ""])
def test_a_missing_class_is_no_class(mark: str, write: Write, understand: Understand) -> None:
    rows = [(i, f"{i % 7 / 10}", mark if i % 17 == 0 else ("up", "down")[i % 2]) for i in range(N)]
    path = write("t.csv", table(("", "x", "grade"), rows, quoted=True))
    found = understand({"path": path, "target": "grade"})
    assert found.code == 3 and found.says("row 1: target 'grade' is missing")
    found = understand({"path": path, "target": "grade", "skip_unusable": True})
    assert (found.task, found.classes, found.input_shape) == ("binary", ["down", "up"], [1])


def test_plain_numbers(write: Write, understand: Understand) -> None:
    found = understand({"path": write("t.csv", table(("income", "credit"), incomes())), "target": "credit"})
    assert (found.task, found.input_shape) == ("binary", [1])


@pytest.mark.parametrize(
    "mark", ["#N/A", "NA", "-", "?", "n/a", "missing", "unknown", "None", "", " ", "#DIV/0!"]
)
def test_marks_for_missing_numbers(mark: str, write: Write, understand: Understand) -> None:
    rows = incomes(lambda i, x: mark if i % 6 == 0 else x)
    found = understand({"path": write("t.csv", table(("income", "credit"), rows)), "target": "credit"})
    assert found.input_shape == [2], "the number, and whether it is missing"
    assert not mark.strip() or found.says(f"words for missing values: 'income' \\('{mark[:2]}")


@pytest.mark.parametrize("blank", ["", " ", None, "NA", "n/a"])
@pytest.mark.parametrize("quoted", [False, True])
def test_a_blank_among_numbers_in_json(
    blank: str | None, quoted: bool, write: Write, understand: Understand
) -> None:
    rows = incomes(lambda i, x: blank if i == 7 else str(x) if quoted else x)
    found = understand(
        {"path": write("t.jsonl", lines(("income", "credit"), rows)), "target": "credit", "test": 0}
    )
    assert found.input_shape in ([1], [2])


@pytest.mark.parametrize(
    "written",
    [
        lambda i, x: f"${x * 1000:,.2f}",
        lambda i, x: f"{x * 1000:,.2f} USD",
        lambda i, x: f"CHF {x * 1000:,.2f}".replace(",", "'"),
        lambda i, x: f"({x * 1000:,.2f})",
        lambda i, x: f"{x * 1000:,.2f} €".translate(str.maketrans(",.", ".,")),
        lambda i, x: f"{x:.1f} %",
        lambda i, x: f"{x * 1000:,.2f}".translate(str.maketrans(",.", "\u00a0,")),
    ],
)
def test_numbers_as_people_write_them(written: Any, write: Write, understand: Understand) -> None:
    found = understand(
        {"path": write("t.csv", table(("income", "credit"), incomes(written))), "target": "credit"}
    )
    assert found.input_shape == [1]


@pytest.mark.parametrize(("name", "cut"), [("t.csv", ";"), ("t.csv", ","), ("t.tsv", "\t"), ("t.jsonl", "")])
@pytest.mark.parametrize("thousands", ["", "."])
def test_decimal_commas(name: str, cut: str, thousands: str, write: Write, understand: Understand) -> None:
    rows = incomes(lambda i, x: f"{x * 100:,.2f}".translate(str.maketrans(",.", f"{thousands or ' '},")))
    text = table(("income", "credit"), rows, cut=cut) if cut else lines(("income", "credit"), rows)
    found = understand({"path": write(name, text), "target": "credit"})
    assert found.input_shape == [1]
    assert found.says("numbers with a decimal comma: 'income'")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (lambda x: f"${round(x)}0,000", "in \\$"),
        (lambda x: f"{x:.1f}".replace(".", ","), "decimal comma"),
        (lambda x: f"{x:.1f}%", "in %"),
        (lambda x: f"{round(x)}0.000,00 €", "decimal comma in €"),
    ],
)
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_targets_as_people_write_them(
    written: Any, said: str, name: str, write: Write, understand: Understand
) -> None:
    rows = [(i % 6, f"{i % 9}.5", written(10 + 1.3 * i)) for i in range(N)]
    text = (lines if name == "t.jsonl" else table)(("rooms", "area", "price"), rows)
    found = understand({"path": write(name, text), "target": "price"})
    assert found.task == "regression"
    assert found.says(f"numbers (with a )?{said}: 'price'")


@pytest.mark.parametrize(
    ("usual", "odd"), [("{}.5%", "0.5"), ("{},5", "1.2.3"), ("${}.50", "€5"), ("{},5", "7.5")]
)
def test_targets_in_another_unit_are_named(
    usual: str, odd: str, write: Write, understand: Understand
) -> None:
    rows = [(f"{i % 9}.25", odd if i == 7 else usual.format(i)) for i in range(N)]
    path = write("t.csv", table(("x", "y"), rows))
    found = understand({"path": path, "target": "y"})
    assert found.code == 3 and found.says(f"row 8: target 'y' holds '{odd}', not a number")
    found = understand({"path": path, "target": "y", "skip_unusable": True})
    assert found.task == "regression" and sum(found.examples.values()) == N - 1


ZIPS = ("01067", "01099", "04109", "10115", "20095", "80331")


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.tsv"])
def test_leading_zeros_make_a_code(name: str, write: Write, understand: Understand) -> None:
    rows = [(ZIPS[i % 6], f"{i % 7 / 10}", ("east", "west")[i % 2]) for i in range(N)]
    head = ("zip", "x", "region")
    text = lines(head, rows) if name == "t.jsonl" else table(head, rows, cut="\t" if name == "t.tsv" else ",")
    found = understand({"path": write(name, text), "target": "region"})
    assert found.input_shape == [len(ZIPS) + 1 + 1]
    assert found.says("codes with leading zeros, read as categories: 'zip'")


@pytest.mark.parametrize(("said", "inputs"), [("category", 8), ("number", 2), ("ignore", 1), (None, 2)])
def test_a_key_says_what_a_column_means(
    said: str | None, inputs: int, write: Write, understand: Understand
) -> None:
    rows = [(ZIPS[i % 6].lstrip("0"), f"{i % 7 / 10}", ("east", "west")[i % 2]) for i in range(N)]
    path = write("t.csv", table(("district", "x", "region"), rows))
    keys = {"columns": {"district": said}} if said else {}
    assert understand({"path": path, "target": "region", **keys}).input_shape == [inputs]
    found = understand({"path": path, "target": "region", "columns": {"distrikt": "category"}})
    assert found.code == 3 and found.says("no column 'distrikt'") and found.says("did you mean district")


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y-%m-%d %H:%M", "%b %d, %Y", "%d %B %Y", "%Y/%m/%d"]
)
def test_dates_become_numbers(form: str, write: Write, understand: Understand) -> None:
    first = datetime.datetime(2024, 1, 1)
    rows = [((first + datetime.timedelta(i)).strftime(form), i % 4, f"{i * 2.5:.1f}") for i in range(N)]
    path = write("t.csv", table(("date", "store", "units"), rows))
    found = understand({"path": path, "target": "units"})
    assert (found.task, found.input_shape) == ("regression", [2])
    assert found.says("dates become a number of days: 'date'")
    parts = {"columns": {"date": {"type": "date", "day_first": form != "%m/%d/%Y", "parts": ["weekday"]}}}
    assert understand({"path": path, "target": "units", **parts}).input_shape == [9]


def test_dates_that_could_be_read_in_two_ways_are_asked_for(write: Write, understand: Understand) -> None:
    rows = [(f"{i % 12 + 1:02d}/{(i * 5) % 12 + 1:02d}/2024", i % 4, f"{i * 2.5:.1f}") for i in range(N)]
    found = understand({"path": write("t.csv", table(("date", "store", "units"), rows)), "target": "units"})
    assert found.code == 3 and found.says("column 'date'") and found.says("day_first: true")


@pytest.mark.parametrize("head", ["", "id", "Unnamed: 0", "row_id"])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_shuffled_row_numbers_are_no_feature(
    head: str, name: str, write: Write, understand: Understand
) -> None:
    numbers = random.Random(1).sample(range(N), N)
    rows = [(i, round(i % 7 / 10, 1), "a" if i < N / 2 else "b") for i in numbers]
    text = (lines if name == "t.jsonl" else table)((head, "x", "label"), rows)
    found = understand({"path": write(name, text), "target": "label"})
    assert found.input_shape == [1]
    name = head or "unnamed_0"
    assert found.says(f"not used as features \\(row numbers\\): '{name}'")


@pytest.mark.parametrize(
    "words", [("train", "test"), ("Train", "Valid", "Test"), ("TRAINING", "dev"), ("fit", "holdout")]
)
def test_a_column_that_says_the_split(words: Sequence[str], write: Write, understand: Understand) -> None:
    rows = [(words[i % len(words)], i % 7 / 10, ("hi", "lo")[i % 5 % 2]) for i in range(N)]
    path = write("t.csv", table(("split", "x", "label"), rows))
    found = understand({"path": path, "target": "label"})
    assert found.input_shape == [1] and found.says("data.split: split uses it as the split")
    found = understand({"path": path, "target": "label", "split": "split"})
    assert found.says(f"splits by column 'split': train {N // len(words)}")
    if words[-1] in ("test", "Test", "holdout"):
        assert found.examples["test"] == N // len(words)


def test_a_split_column_that_makes_no_sense(write: Write, understand: Understand) -> None:
    rows = [(("train", "maybe")[i % 2], i % 7 / 10, ("hi", "lo")[i // 2 % 2]) for i in range(N)]
    path = write("t.csv", table(("split", "x", "label"), rows))
    found = understand({"path": path, "target": "label", "split": "split"})
    assert found.code == 3 and found.says("column 'split' is 'maybe', not train, validation or test")
    found = understand({"path": path, "target": "label", "split": "label"})
    assert found.code == 2 and found.says("column 'label' is the target")
    found = understand({"path": path, "target": 2, "split": "label"})
    assert found.code == 3 and found.says("both data.target and data.split")
    found = understand({"path": path, "target": "label", "split": "split", "features": ["split", "x"]})
    assert found.code == 3 and found.says("both data.split and one of data.features")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((">50K", ">50K.", "<=50K"), "'>50K' \\(20\\), '>50K.' \\(20\\)"),
        (("Spam", "spam", "ham"), "'Spam' \\(20\\), 'spam' \\(20\\)"),
        (("New York", "new  york", "Bonn"), "'New York' \\(20\\), 'new  york' \\(20\\)"),
    ],
)
def test_spellings_of_one_class_are_named(
    words: Sequence[str], named: str, write: Write, understand: Understand
) -> None:
    rows = [(i % 7 / 10, words[i % 3]) for i in range(N)]
    found = understand({"path": write("t.csv", table(("x", "y"), rows)), "target": "y"})
    assert found.code == 0 and sorted(found.classes) == sorted(words)
    assert found.says(named)
    test = write("test.csv", table(("x", "y"), [(0.1, f"{words[-1].upper()}."), (0.2, words[0])]))
    found = understand({"path": "t.csv", "target": "y", "test": test})
    assert found.code == 3 and found.says(f"unknown class '{words[-1].upper()}.'; '{words[-1]}' is known")


@pytest.mark.parametrize(
    ("words", "classes"),
    [
        (("True", "False", "TRUE", "False"), ["False", "True"]),
        (("yes", "no", "1", "0"), ["no", "yes"]),
        (("t", "f", "T", "F"), ["f", "t"]),
    ],
)
def test_booleans_are_two_classes(
    words: Sequence[str], classes: list[str], write: Write, understand: Understand
) -> None:
    ranked = (words[0], words[1], *words)  # the first two are the most frequent
    rows = [(i % 7 / 10, ranked[i % 6]) for i in range(N)]
    data = {"path": write("t.csv", table(("x", "y"), rows)), "target": "y", "columns": {"y": "boolean"}}
    found = understand(data)
    assert (found.task, found.classes) == ("binary", classes)
    assert found.says(f"'{words[2]}' is read as '{words[0]}' \\(10 rows\\)")


@pytest.mark.parametrize("later", [("1", "0"), ("1.0", "0.0"), ("true", "false"), ("YES", "NO")])
def test_a_test_file_with_other_words_for_the_same_classes(
    later: Sequence[str], write: Write, understand: Understand
) -> None:
    write("t.csv", table(("x", "y"), [(i % 7 / 10, i % 2) for i in range(N)]))
    write("test.csv", table(("x", "y"), [(i % 7 / 10, later[i % 2]) for i in range(10)]))
    found = understand({"path": "t.csv", "target": "y", "test": "test.csv"})
    assert (found.classes, found.examples["test"]) == (["0", "1"], 10)
    assert later[0] != "1.0" or found.says(f"test: target 'y': '{later[0]}' is read as '1' \\(5 rows\\)")


def test_a_class_that_training_does_not_have_is_named(write: Write, understand: Understand) -> None:
    write("t.csv", table(("x", "y"), [(i % 7 / 10, "ab"[i % 2]) for i in range(N)]))
    write("test.csv", table(("x", "y"), [(i % 7 / 10, "abc"[i % 3]) for i in range(9)]))
    found = understand({"path": "t.csv", "target": "y", "test": "test.csv"})
    assert found.code == 3 and found.says("no training example has the class 'c'")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.5, 1.5, 2.5), "labels, columns of 0 and 1, and 'a' holds 3 values such as"),
        (("red", "blue"), "labels, columns of 0 and 1, and 'a' holds 2 values such as 'red'"),
        (("$5", "$7", "$9"), "labels, columns of 0 and 1, and 'a' holds 3 values such as"),
        ((0, 1, 2), "labels, columns of 0 and 1, and 'a' holds 3 values such as '2'"),
    ],
)
def test_several_targets_that_are_no_labels(
    values: Sequence[Any], said: str, write: Write, understand: Understand
) -> None:
    rows = [(i % 7 / 10, values[i % len(values)], i // 2 % 2) for i in range(N)]
    found = understand({"path": write("t.csv", table(("x", "a", "b"), rows)), "target": ["a", "b"]})
    assert found.code == 3 and found.says(said)


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d.%m.%Y", "%Y-%m-%d %H:%M"])
def test_a_date_is_no_target(form: str, write: Write, understand: Understand) -> None:
    first = datetime.datetime(2024, 1, 1)
    rows = [(i % 7 / 10, (first + datetime.timedelta(i % 20)).strftime(form)) for i in range(N)]
    path = write("t.csv", table(("x", "when"), rows))
    found = understand({"path": path, "target": "when"})
    assert found.code == 3 and found.says("target 'when' holds dates")
    assert understand({"path": path, "target": "when", "columns": {"when": "category"}}).code == 0
    found = understand({"path": path, "target": "when", "columns": {"when": "ignore"}})
    assert found.code == 2 and found.says("column 'when' is used and cannot be ignored")


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
@pytest.mark.parametrize("mark", [-99, -99.0, "-99"])
def test_missing_values_that_the_config_names(
    mark: Any, name: str, write: Write, understand: Understand, tmp_path: Any
) -> None:
    rows = [(-99 if i % 5 == 0 else i / 7, "n.b." if i % 7 == 0 else "ab"[i % 2], i * 1.5) for i in range(N)]
    if name == "t.parquet":
        pl.DataFrame(rows, schema=["v", "w", "y"], orient="row", strict=False).write_parquet(tmp_path / name)
    else:
        write(name, (lines if name == "t.jsonl" else table)(("v", "w", "y"), rows))
    found = understand({"path": name, "target": "y", "missing": [mark, "N.B."]})
    assert found.input_shape == [2 + 3], "v, v is missing; a, b, other"
    assert found.says(r"cells missing by data.missing: 'v' \(12\), 'w' \(9\)")
