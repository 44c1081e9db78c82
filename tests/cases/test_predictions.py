"""What was learnt from one spelling, asked in another: the same answer, or a word about it."""

from __future__ import annotations

import csv
import datetime
import json
import random
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import bmcli
from bmcli.core.errors import DataError
from tests.conftest import Done

TOWNS = ("Köln", "Bonn", "New York")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs solved in closed form, of rows whose answer is 100 where `member` holds, plus the price, plus 10
    times the town's number, plus the weekday."""
    folder = tmp_path_factory.mktemp("learnt")
    dice = random.Random(0)
    rows = []
    for i in range(120):
        member, town = dice.random() < 0.5, i % 3
        day = datetime.date(2024, 1, 1) + datetime.timedelta(i)
        price = round(dice.uniform(1, 99), 1)
        answer = 100 * member + price + 10 * town + day.weekday()
        rows.append((f"id{i}", member, TOWNS[town], day.strftime("%d.%m.%Y"), price, round(answer, 1)))
    head = ("key", "member", "town", "when", "price", "y")
    comma = [
        [str(cell).replace(".", ",") if isinstance(cell, float) else cell for cell in row] for row in rows
    ]
    with (folder / "words.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows([head, *comma])
    flags = [[key, int(member), *rest] for key, member, *rest in rows]
    with (folder / "flags.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *flags])
    for name in ("words", "flags"):
        config = {
            "name": name,
            "data": {
                "path": str(folder / f"{name}.csv"),
                "target": "y",
                "id": "key",
                "columns": {"when": {"type": "date", "parts": ["weekday"]}},
                "missing": [-99, "n.b."],
            },
            "model": {"name": "linear", "solver": "closed_form"},
        }
        bmcli.train(config, runs_dir=folder / "runs")
    return folder


@pytest.fixture
def ask(runs: Path, invoke: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`bm predict` of a file's content: answers by value, or the error's message; and the whole ending."""
    monkeypatch.setenv("BM_RUNS_DIR", str(runs / "runs"))

    def run(
        content: str | pl.DataFrame, *more: str, run: str = "words", suffix: str = ".csv"
    ) -> tuple[list[Any], Done]:
        path = tmp_path / f"asked{suffix}"
        if isinstance(content, pl.DataFrame):
            content.write_parquet(path)
        else:
            path.write_text(content, encoding="utf-8")
        done = invoke("predict", path.name, "--run", run, "--json", *more)
        documents = [json.loads(line) for line in done.out.splitlines()]
        return [round(d["value"], 1) if "value" in d else d["error"]["message"] for d in documents], done

    return run


HEAD = "key;member;town;when;price\n"
TRUE, FALSE = 100 + 12.5 + 0 + 1, 12.5 + 0 + 1
"""A Tuesday in Köln at 12.5."""


def row(member: str, town: str = "Köln", when: str = "05.03.2024", price: str = "12,5", key: str = "") -> str:
    return f"{key};{member};{town};{when};{price}\n"


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        ("True", "False"),
        ("TRUE", "FALSE"),
        ("true", " false "),
        ("yes", "no"),
        ("1", "0"),
        ("t", "F"),
        ("1.0", "0.0"),
    ],
)
@pytest.mark.parametrize("run", ["words", "flags"])
def test_booleans_in_every_spelling(yes: str, no: str, run: str, ask: Any) -> None:
    text = HEAD + row(yes) + row(no)
    if run == "flags":
        text = text.replace(",", ".").replace(";", ",")
    answers, done = ask(text, "--strict", run=run)
    assert (answers, done.code) == ([TRUE, FALSE], 0)


@pytest.mark.parametrize("run", ["words", "flags"])
@pytest.mark.parametrize(("yes", "no"), [(True, False), (1, 0), (1.0, 0.0), ("yes", "no")])
def test_booleans_in_every_format(yes: Any, no: Any, run: str, ask: Any, runs: Path) -> None:
    cells = {"member": [yes, no], "town": ["Köln"] * 2, "price": [12.5] * 2}
    when = [datetime.date(2024, 3, 5)] * 2
    rows = [{**{k: v[i] for k, v in cells.items()}, "when": "2024-03-05"} for i in range(2)]
    text = "".join(json.dumps(one) + "\n" for one in rows)
    assert ask(text, "--strict", run=run, suffix=".jsonl")[0] == [TRUE, FALSE]
    frame = pl.DataFrame({**cells, "when": when})
    assert ask(frame, "--strict", run=run, suffix=".parquet")[0] == [TRUE, FALSE]
    known = bmcli.load(run, runs_dir=runs / "runs")
    for asked in (frame, {**cells, "when": when}, {**cells, "when": np.array(when, "M8[D]")}):
        assert [round(p.value or 0, 1) for p in known.predict(asked)] == [TRUE, FALSE]  # type: ignore[arg-type]
    if isinstance(yes, bool):
        numpys = {**cells, "when": when, "member": [np.bool_(yes), np.bool_(no)]}
        assert [round(p.value or 0, 1) for p in known.predict(numpys)] == [TRUE, FALSE]


@pytest.mark.parametrize("word", ["maybe", "2", "on", "wahr"])
def test_a_word_that_is_no_boolean_is_said(word: str, ask: Any) -> None:
    _, done = ask(HEAD + row(word))
    assert done.code == 0 and f"column 'member': training has no '{word}'" in done.err
    assert json.loads(done.out)["unfamiliar"] == [f"column 'member': training has no '{word}'"]
    assert ask(HEAD + row(word), "--strict")[1].code == 3


@pytest.mark.parametrize(
    ("town", "noted"),
    [("köln", True), (" Köln ", False), (unicodedata.normalize("NFD", "Köln"), False), ("KÖLN", True)],
)
def test_a_category_in_another_spelling(town: str, noted: bool, ask: Any) -> None:
    answers, done = ask(HEAD + row("True", town), "--strict")
    assert (answers, done.code) == ([TRUE], 0)
    assert (f"column 'town': '{town}' is read as 'Köln' (1 example)" in done.err) == noted


@pytest.mark.parametrize("town", ["Koeln", "Köln-Deutz", "NA", "1"])
def test_a_category_that_training_does_not_have(
    town: str, ask: Any, invoke: Callable[..., Done], tmp_path: Path
) -> None:
    said = f"column 'town': training has no '{town}'"
    text = HEAD + row("True") + row("True", town)
    answers, done = ask(text)
    assert answers[0] == TRUE and done.code == 0
    assert f"asked.csv:2: {said}" in done.err
    documents = [json.loads(line) for line in done.out.splitlines()]
    assert "unfamiliar" not in documents[0] and documents[1]["unfamiliar"] == [said]
    answers, done = ask(text, "--strict")
    assert done.code == 3 and answers[0] == TRUE and said in answers[1]
    lines = "key;member;town;when;price;y\n" + "".join(
        row("True", town if i % 3 else "Köln", key=f"k{i}").rstrip() + f";{i},5\n" for i in range(9)
    )
    (tmp_path / "later.csv").write_text(lines, encoding="utf-8")
    done = invoke("evaluate", "words", "--data", "later.csv")
    assert done.code == 0 and f"later.csv: {said} (6 examples)" in done.err


def test_cells_that_do_not_fit_are_named_in_order_and_the_others_answered(ask: Any) -> None:
    text = (
        HEAD + row("True", key="a") + row("True", when="soon", key="b") + row("False", price="abc", key="c")
    )
    text += (
        row("False", key="d") + row("True", price="12.5", key="e") + row("True", when="2024-03-05", key="f")
    )
    answers, done = ask(text)
    assert done.code == 3 and [a for a in answers if not isinstance(a, str)] == [TRUE, FALSE, TRUE]
    problems = [line.split("  ")[1:3] for line in done.err.splitlines() if line.startswith("  ")]
    assert [name for name, _ in problems] == ["b", "c", "e"]
    assert "holds 'soon', not a date (day first)" in problems[0][1]
    assert "holds 'abc', not a number (decimal comma)" in problems[1][1]


@pytest.mark.parametrize("mark", ["-99", "-99.0", "-99,0", "n.b.", "N.B.", ""])
def test_missing_numbers_at_prediction(mark: str, ask: Any) -> None:
    (empty,), done = ask(HEAD + row("True", price=""))
    assert done.code == 0
    assert ask(HEAD + row("True", price=mark))[0] == [empty]
    assert ask('{"member": true, "town": "Köln", "when": "2024-03-05", "price": -99}\n', suffix=".jsonl")[
        0
    ] == [empty]


def test_missing_values_through_python(runs: Path) -> None:
    known = bmcli.load("words", runs_dir=runs / "runs")
    rows = {
        "member": [True, None, "TRUE", True],
        "town": ["Köln", float("nan"), None, "köln"],
        "when": ["2024-03-05", np.datetime64("NaT"), None, "05.03.2024"],
        "price": [12.5, "n.b.", -99, "12,5"],
    }
    answers = [round(p.value or 0, 1) for p in known.predict(rows)]
    assert answers[0] == answers[3] == TRUE
    # A number is a number, whatever mark the texts of its column use for thousands.
    mixed = {**{k: v[:1] * 2 for k, v in rows.items()}, "price": [1.234, "1,234"]}
    assert len({round(p.value or 0, 2) for p in known.predict(mixed)}) == 1
    with pytest.raises(DataError) as error:
        known.predict({**rows, "price": [1, 2, 3, "x"]})
    assert "holds 'x', not a number" in error.value.problems[0].message


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d %b %Y", "parquet", "%d.%m.%Y", "%m/%d/%Y"])
def test_days_and_months_that_training_does_not_tell_apart(form: str, tmp_path: Path) -> None:
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(i) for i in range(80)]
    frame = pl.DataFrame({"when": days, "y": [i * 1.5 for i in range(80)]})
    if form == "parquet":
        frame.write_parquet(tmp_path / "t.parquet")
    else:
        texts = frame.with_columns(pl.Series("when", [day.strftime(form) for day in days]))
        texts.write_csv(tmp_path / "t.csv")
    known = bmcli.train(
        {
            "name": "days",
            "data": {"path": str(next(tmp_path.glob("t.*"))), "target": "y"},
            "model": {"name": "linear", "solver": "closed_form"},
        },
        runs_dir=tmp_path / "runs",
    )

    def asked(text: str) -> float:
        return round(known.predict({"when": [text]})[0].value or 0.0, 1)

    assert asked("2024-02-03") == asked("3 Feb 2024") == 33 * 1.5
    if form == "%m/%d/%Y":
        assert asked("02/03/2024") == 33 * 1.5
    elif form == "%d.%m.%Y":
        assert asked("03.02.2024") == asked("03/02/2024") == 33 * 1.5
    else:
        assert asked("03.02.2024") == 33 * 1.5, "with dots the day comes first"
        assert asked("31/01/2024") == asked("01/31/2024") == 30 * 1.5
        with pytest.raises(DataError, match="1 input cannot be used") as error:
            asked("02/03/2024")
        assert "not a date with an unambiguous day and month" in error.value.problems[0].message


# --- names of examples, and columns carried along ---


def test_ids_name_the_examples_everywhere(
    runs: Path, ask: Any, invoke: Callable[..., Done], tmp_path: Path
) -> None:
    kept = pl.read_csv(runs / "runs" / "words-v1" / "predictions" / "test.csv")
    assert all(name.startswith("id") for name in kept["id"])
    worst = json.loads((runs / "runs" / "words-v1" / "predictions" / "test-worst.json").read_text())
    assert all(name.startswith("id") for name in worst["examples"])
    assert all("when 2024-" in text for text in worst["examples"].values()), "a date, not a number of days"
    text = HEAD + row("True", key="first") + row("True") + row("False", key="7")
    names = [json.loads(line)["input"] for line in ask(text)[1].out.splitlines()]
    assert names == ["first", "asked.csv:2", "7"]
    without = "".join(line.split(";", 1)[1] + "\n" for line in text.splitlines())
    names = [json.loads(line)["input"] for line in ask(without)[1].out.splitlines()]
    assert names == ["asked.csv:1", "asked.csv:2", "asked.csv:3"]
    done = invoke("explain", "asked.csv", "--run", "words")
    assert "2024-03-05" in done.out


@pytest.fixture
def noted(tmp_path: Path) -> str:
    """Rows with columns of their own; every fourth cannot be used. Its name."""
    lines = ["key;member;town;when;price;note;value;input"]
    for i in range(12):
        when = "soon" if i % 4 == 3 else "05.03.2024"
        lines.append(f"k{i};yes;Köln;{when};{i},5;n{i};{i * 10};in{i}")
    (tmp_path / "noted.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "noted.csv"


def kept_rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix == ".jsonl":
        for line in path.read_text().splitlines():
            document = json.loads(line)
            yield {**document["columns"], "input": document["input"]}
    else:
        read = pl.read_csv if path.suffix == ".csv" else pl.read_parquet
        yield from read(path).rows(named=True)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_columns_are_carried_along_in_their_rows(
    suffix: str, noted: str, ask: Any, invoke: Callable[..., Done], tmp_path: Path
) -> None:
    done = invoke(
        "predict", noted, "--run", "words", "--keep", "note", "--keep", "value", "--output", f"o{suffix}"
    )
    assert done.code == 3 and "3 of 12 inputs cannot be used" in done.err
    rows = list(kept_rows(tmp_path / f"o{suffix}"))
    assert len(rows) == 9
    assert all(one["note"] == one["input"].replace("k", "n") for one in rows)
    if suffix != ".jsonl":
        assert all(
            str(one["value (input)"]) == f"{one['note'][1:]}0".lstrip("0") or one["note"] == "n0"
            for one in rows
        )
    done = invoke("predict", noted, "--run", "words", "--keep", "nothing", "--output", f"o{suffix}")
    assert done.code == 2 and "no such column" in done.err


def test_all_columns_of_files_that_differ(
    noted: str, ask: Any, invoke: Callable[..., Done], tmp_path: Path
) -> None:
    (tmp_path / "more.csv").write_text("key;member;town;when;price;other\nz;yes;Köln;05.03.2024;3,5;o1\n")
    done = invoke("predict", noted, "more.csv", "--run", "words", "--keep", "all", "--output", "o.parquet")
    assert "the table of z differs in" in done.err
    last = list(kept_rows(tmp_path / "o.parquet"))[-1]
    assert (last["key"], last["note"]) == ("z", None) and "other" not in last


# --- what is looked at afterwards ---


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_a_file_in_another_format_is_measured_alike(
    suffix: str, runs: Path, ask: Any, invoke: Callable[..., Done], tmp_path: Path
) -> None:
    rows = [
        {"key": f"k{i}", "member": i % 2 == 0, "town": "Köln", "when": "2024-03-05", "price": i + 0.125}
        for i in range(8)
    ]
    rows = [{**one, "y": 100 * one["member"] + one["price"] + 1} for one in rows]
    frame = pl.DataFrame(rows)
    if suffix == ".jsonl":
        (tmp_path / "e.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    elif suffix == ".parquet":
        frame.with_columns(pl.col("when").str.to_date()).write_parquet(tmp_path / "e.parquet")
    else:
        comma = frame.with_columns(pl.col("price", "y").cast(pl.String).str.replace(".", ",", literal=True))
        comma.write_csv(tmp_path / "e.csv", separator=";")
    done = invoke("evaluate", "words", "--data", f"e{suffix}", "--json")
    assert done.code == 0 and done.json["metrics"]["r2"] == pytest.approx(1)


def test_rows_that_cannot_be_measured_are_named(
    ask: Any, invoke: Callable[..., Done], tmp_path: Path
) -> None:
    head = "key;member;town;when;price;y\n"
    text = head + row("yes", key="a").strip() + ";1,5\n" + row("yes", when="soon", key="b").strip() + ";2,5\n"
    (tmp_path / "e.csv").write_text(text, encoding="utf-8")
    done = invoke("evaluate", "words", "--data", "e.csv")
    assert done.code == 3 and "1 row cannot be used in e.csv" in done.err
    assert "b  column 'when' holds 'soon', not a date (day first)" in done.err


def test_a_split_column_is_not_looked_at_in_a_file_that_is_measured(
    tmp_path: Path, invoke: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["part,x,y"] + [f"{'test' if i % 3 == 0 else 'train'},{i % 7}.5,{i * 1.5}" for i in range(60)]
    (tmp_path / "s.csv").write_text("\n".join(lines) + "\n")
    made = bmcli.train(
        {
            "name": "parted",
            "data": {"path": str(tmp_path / "s.csv"), "target": "y", "split": "part"},
            "model": {"name": "linear", "solver": "closed_form"},
        },
        runs_dir=tmp_path / "runs",
    )
    assert "splits by column 'part': train 40, test 20 rows" in made.record["notes"]
    monkeypatch.setenv("BM_RUNS_DIR", str(tmp_path / "runs"))
    done = invoke("evaluate", "parted", "--data", "s.csv")
    assert done.code == 0 and "all 60 rows are used, 40 of which it marks as training" in done.err


def test_slices_of_dates_and_of_numbers_in_a_file(runs: Path, ask: Any, invoke: Callable[..., Done]) -> None:
    done = invoke("evaluate", "words", "--slice", "when")
    assert "2024-01-" in done.out
    done = invoke("evaluate", "words", "--data", str(runs / "words.csv"), "--slice", "price")
    assert done.out.count("price  ") == 4, "in quarters, as those of a split"


def test_spellings_and_crowds_of_categories_are_said(tmp_path: Path) -> None:
    dice = random.Random(0)
    names = ["Bonn", "bonn", *(f"t{i}" for i in range(150))]
    lines = ["town,y"] + [f"{dice.choice(names)},{i % 17}.5" for i in range(900)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    config = {"name": "t", "data": {"path": str(tmp_path / "t.csv"), "target": "y"}}
    made = bmcli.train(
        {**config, "model": {"name": "linear", "solver": "closed_form"}}, runs_dir=tmp_path / "runs"
    )
    said = "\n".join(made.record["notes"])
    assert "column 'town': the 100 most frequent of 149 different values are told apart" in said
    config["preprocessing"] = {"table": {"max_categories": 200}}
    made = bmcli.train(
        {**config, "model": {"name": "linear", "solver": "closed_form"}}, runs_dir=tmp_path / "runs"
    )
    said = "\n".join(made.record["notes"])
    assert "'Bonn', 'bonn' differ only in case or spacing" in said and "most frequent" not in said


def test_a_date_that_is_a_number_in_a_typed_file(tmp_path, invoke) -> None:
    import polars as pl

    days = [20240101 + i % 28 + 100 * (i % 12) for i in range(120)]
    frame = pl.DataFrame({"date": days, "y": [float(i % 28 + 30 * (i % 12)) for i in range(120)]})
    frame.write_csv(tmp_path / "d.csv")
    config = "name: d\ndata: {path: d.csv, target: y}\nmodel: {name: linear, solver: closed_form}\n"
    (tmp_path / "d.yaml").write_text(config)
    assert invoke("train", "d.yaml").code == 0
    answers = []
    for name in ("n.csv", "n.parquet", "n.jsonl"):
        some = frame.head(5).drop("y")
        {"csv": some.write_csv, "parquet": some.write_parquet, "jsonl": some.write_ndjson}[name[2:]](
            tmp_path / name
        )
        done = invoke("predict", name, "--run", "d", "--json")
        assert done.code == 0, done.err
        answers.append([json.loads(line)["value"] for line in done.out.splitlines()])
    assert answers[0] == answers[1] == answers[2]
    assert abs(answers[0][0] - answers[0][1]) < 100
