"""Texts as Python has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from bmcli.core.errors import DataError, UsageError
from bmcli.inference.inputs import Reading
from bmcli.modalities import python_inputs

READING = Reading("text", text_column="body")
TEXTS = ["a fine film", "dull, dull", "so so"]


def texts(inputs: Any, reading: Reading = READING) -> list[str]:
    found = list(python_inputs.read(inputs, reading))
    assert not [problem for piece in found for problem in piece.problems]
    return [text for piece in found for text in piece.examples.texts]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "form",
    [
        TEXTS,
        tuple(TEXTS),
        (text for text in TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, object),
        pd.Series(TEXTS),
        pd.Index(TEXTS),
        pd.Series(TEXTS, dtype="string"),
        pl.Series(TEXTS),
        pd.DataFrame({"body": TEXTS, "n": [1, 2, 3]}),
        pl.DataFrame({"body": TEXTS}),
        pl.LazyFrame({"body": TEXTS}),
        {"body": TEXTS},
        [{"body": text} for text in TEXTS],
    ],
    ids=lambda form: type(form).__name__,
)
def test_many_texts(form: Any) -> None:
    assert texts(form) == TEXTS


def test_one_text() -> None:
    for form in (TEXTS[0], np.str_(TEXTS[0]), np.array(TEXTS[0]), {"body": TEXTS[0]}):
        assert texts(form) == TEXTS[:1]


def test_a_path_is_a_file_and_a_str_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.txt").write_text(TEXTS[0])
    Path("good").write_text("a file")
    pl.DataFrame({"body": TEXTS}).write_csv("all.csv")
    assert texts(Path("one.txt")) == TEXTS[:1]
    assert texts(Path("all.csv")) == TEXTS
    assert texts([TEXTS[2], Path("one.txt"), TEXTS[1]]) == [TEXTS[2], TEXTS[0], TEXTS[1]]
    assert texts("good") == ["good"], "whatever file is called so"
    assert texts("none.txt") == ["none.txt"]
    with pytest.raises(UsageError, match="could be a text, or the file") as caught:
        texts(["all.csv"])
    assert "Path('all.csv')" in (caught.value.hint or "") and "text=True" in (caught.value.hint or "")
    assert texts(["all.csv"], Reading("text", texts=True)) == ["all.csv"]
    Path("lines.txt").write_text("\n".join(TEXTS))
    for form in ("lines.txt", Path("lines.txt"), ["lines.txt"]):
        assert texts(form, Reading("text", lines=True)) == TEXTS


@pytest.mark.parametrize(
    "inputs, said, hint",
    [
        (5, "got an int", ""),
        ([1, 2], "input 0: expected a text, got an int", ""),
        (b"x", "got a bytes", "decode"),
        (["a", b"x"], "input 1: expected a text, got a bytes", "decode"),
        ([["a", "film"]], "got a list", "' '.join(x)"),
        (np.zeros(3), "an array of float64", ""),
        ({"a", "b"}, "no order", "list"),
    ],
)
def test_what_is_no_text(inputs: Any, said: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        texts(inputs)
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")


def test_missing_and_empty_texts_are_problems_of_their_own() -> None:
    found = list(python_inputs.read([TEXTS[0], None, float("nan"), pd.NA, " "], READING))
    assert [problem.message for piece in found for problem in piece.problems] == [
        *["the text is missing"] * 3,
        "the text is empty",
    ]


def test_a_frame_without_the_runs_column() -> None:
    with pytest.raises(DataError, match="no column 'body'"):
        texts(pd.DataFrame({"text": TEXTS}))
