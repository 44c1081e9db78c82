"""One table written in eight ways is one table: the same columns, types, examples, targets and
predictions."""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bmcli
from bmcli import data
from bmcli.config.schema import DataConfig
from bmcli.data.bundle import Table
from bmcli.files import tables
from bmcli.files.columns import facts_of
from bmcli.inference import inputs
from bmcli.inference.inputs import Reading
from bmcli.inference.opened import OpenedRun
from bmcli.inference.predictor import Predictor, open_predictor
from bmcli.runs.store import RunStore

Row = dict[str, Any]

TYPES = {
    "number": "number",
    "gaps": "number",
    "kind": "category",
    "flag": "boolean",
    "when": "date",
    "code": "category",
    "note": "text",
    "y": "number",
}
ROWS = 24


def _cell(value: object, decimal: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).replace(".", decimal)
    return "" if value is None else str(value)


def _csv(
    delimiter: str, decimal: str = ".", *, everything: bool = False, end: str = "\n", codec: str = "utf-8"
) -> Any:
    def write(rows: list[Row], path: Path) -> None:
        out = io.StringIO()
        quoting = csv.QUOTE_ALL if everything else csv.QUOTE_MINIMAL
        writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)
        writer.writerow(rows[0])
        writer.writerows([_cell(value, decimal) for value in row.values()] for row in rows)
        path.write_bytes(out.getvalue().encode(codec))

    return write


def _json_lines(rows: list[Row], path: Path) -> None:
    path.write_text(
        "\n".join(json.dumps(row, default=str, ensure_ascii=False) for row in rows) + "\n", encoding="utf-8"
    )


def _parquet(rows: list[Row], path: Path) -> None:
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)


FORMS: dict[str, Callable[[list[Row], Path], None]] = {
    "comma.csv": _csv(","),
    "semicolon.csv": _csv(";", ","),
    "tab.csv": _csv("\t"),
    "pipe.csv": _csv("|", everything=True),
    "utf16.csv": _csv(",", end="\r\n", codec="utf-16"),
    "t.tsv": _csv("\t"),
    "t.jsonl": _json_lines,
    "t.parquet": _parquet,
}

# Of categories: delimiters, quotation marks, line breaks and letters of any script, but nothing invisible at
# their ends, where blanks do not count.
odd = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp"), include_characters="\n"),
    max_size=6,
)
names = st.lists(
    odd.map(lambda text: f"a{text}z"), min_size=2, max_size=4, unique_by=lambda name: name.lower()
)
numbers = st.integers(-(10**7), 10**7).map(lambda hundredths: hundredths / 100)
words = st.sampled_from(
    ["so", "many", 'words, "quoted"', "it's", "über", "two\nlines", "語", "a; b", "x | y"]
)
texts = st.lists(words, min_size=3, max_size=6)


@st.composite
def frames(draw: st.DrawFn) -> list[Row]:
    kinds = draw(names)
    codes = draw(st.lists(st.integers(0, 9999).map("{:05}".format), min_size=2, max_size=4, unique=True))
    rows = []
    for i in range(ROWS):
        day = datetime.date(1990, 1, 1) + datetime.timedelta(draw(st.integers(0, 20_000)))
        rows.append(
            {
                "number": draw(numbers),
                "gaps": None if i % 5 == 3 else draw(numbers),
                "kind": kinds[i % len(kinds)],
                "flag": i % 3 == 0,
                "when": day,
                "code": codes[(i // 2) % len(codes)],
                "note": f"text number {i} of {' '.join(draw(texts))} in all",
                "y": draw(numbers),
            }
        )
    # Columns that are the same in every row, or whole throughout, are other types.
    rows[0] |= {"number": 0.5, "gaps": 1.25, "y": 0.75}
    rows[1] |= {"number": 1.5, "gaps": 2.75, "y": 3.25}
    return rows


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Predictor, Reading]:
    """A run of another table of these columns, written with decimal points."""
    folder = tmp_path_factory.mktemp("trained")
    random = np.random.default_rng(0)
    rows = [
        {
            "number": round(float(random.normal()), 2),
            "gaps": None if i % 5 == 3 else round(float(random.normal()), 2),
            "kind": ("az", "abz", "a,z")[i % 3],
            "flag": i % 2 == 0,
            "when": datetime.date(1990, 1, 1) + datetime.timedelta(100 * i),
            "code": f"0{i % 4}",
            "note": f"text number {i} of so many words",
            "y": round(float(random.normal()), 2),
        }
        for i in range(60)
    ]
    _csv(",")(rows, folder / "t.csv")
    config = {
        "name": "round",
        "data": {"path": str(folder / "t.csv"), "target": "y", "task": "regression"},
        "model": {"name": "linear", "solver": "closed_form"},
    }
    run = bmcli.train(config, runs_dir=folder / "runs")
    opened = OpenedRun(RunStore(folder / "runs").find(run.id))
    return open_predictor(opened), opened.reading(texts=False, lines=False)


@given(frames())
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_the_same_columns_types_examples_targets_and_predictions(
    trained: tuple[Predictor, Reading], tmp_path_factory: pytest.TempPathFactory, rows: list[Row]
) -> None:
    predictor, reading = trained
    folder = tmp_path_factory.mktemp("forms")
    found: dict[str, Any] = {}
    for name, write in FORMS.items():
        write(rows, folder / name)
        frame = tables.read(folder / name)
        assert not frame.problems, (name, frame.problems)
        facts = facts_of(frame.data)
        assert {column: about.type for column, about in facts.items()} == TYPES, name
        counts = {column: (about.filled, about.missing) for column, about in facts.items()}
        config = DataConfig(path=str(folder / name), target="y", task="regression", test=0, validation=0)
        bundle = data.load(config)
        examples = bundle.train.examples
        assert isinstance(examples, Table)
        order = np.argsort([int(name.rsplit(":", 1)[1]) for name in bundle.train.ids])
        columns = {column: values[order].tolist() for column, values in examples.columns.items()}
        assert columns["number"] == [row["number"] for row in rows], name
        assert bundle.train.targets[order] == pytest.approx([row["y"] for row in rows]), name
        found[name] = repr((counts, columns))
        # Predictions: of the same rows, by a run that was trained on another file.
        pieces = inputs.read([str(folder / name)], reading)
        values = []
        for piece in pieces:
            answers, problems = predictor.predict(piece)
            assert not problems, (name, problems)
            values += [each.value for each in answers]
        assert len(values) == ROWS, name
        found[f"{name} predicted"] = values
    first = next(iter(FORMS))
    for name in FORMS:
        assert found[name] == found[first], name
        assert found[f"{name} predicted"] == pytest.approx(found[f"{first} predicted"], rel=1e-6), name
