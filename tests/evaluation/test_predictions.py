"""The CSV must give back what went in, to every reader."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from bmcli.core.errors import IntegrityError
from bmcli.core.sanitize import safe, safe_cell
from bmcli.evaluation.predictions import read, to_csv
from bmcli.runs.store import RunStore
from bmcli.tasks import of


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def multiclass(n: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.integers(0, classes, n), random.dirichlet(np.full(classes, 0.2), n).astype(np.float32)


@pytest.mark.filterwarnings("ignore:The y_prob values do not sum to one")
def test_metrics_recomputed_from_the_csv_are_the_metrics() -> None:
    y, p = multiclass(300, 4)
    names = ("daisy", "=aster", "rose, red", 'the "tulip"')
    text, arrays = to_csv("multiclass", names, [f"photos/{i}.jpg" for i in range(300)], y, p)
    assert arrays is None
    rows = rows_of(text)
    assert list(rows[0]) == ["id", "true", "predicted", "p_0", "p_1", "p_2", "p_3"]
    true, predicted = [r["true"] for r in rows], [r["predicted"] for r in rows]
    found = of("multiclass").measure(y, p, names)
    read = np.array([[float(r[f"p_{i}"]) for i in range(4)] for r in rows])
    shown = [safe_cell(name) for name in names]
    codes = [shown.index(name) for name in true]
    assert sk.accuracy_score(true, predicted) == pytest.approx(found["accuracy"], abs=1e-6)
    assert sk.f1_score(true, predicted, average="macro") == pytest.approx(found["f1_macro"], abs=1e-6)
    assert sk.log_loss(codes, read, labels=range(4)) == pytest.approx(found["loss"], abs=1e-6)
    areas = [sk.roc_auc_score(np.equal(codes, i), read[:, i]) for i in range(4)]
    assert np.mean(areas) == pytest.approx(found["roc_auc"], abs=1e-6)
    np.testing.assert_array_equal(read.astype(np.float32), p)


def test_regression_keeps_nine_digits() -> None:
    y, p = np.array([1 / 3, -1e-7]), np.array([[2 / 3], [123456.789]], np.float32)
    text, _ = to_csv("regression", (), ["a:1", "a:2"], y, p)
    assert text == "id,true,predicted\r\na:1,0.333333333,0.666666687\r\na:2,-1e-07,123456.789\r\n"


def test_multilabel_has_a_pair_of_columns_per_label() -> None:
    y = np.array([[1, 0], [0, 0]], np.float32)
    p = np.array([[0.5, 0.25], [0.125, 1]], np.float32)
    text, _ = to_csv("multilabel", ("x", "y"), ["1", "2"], y, p)
    assert text == "id,true_0,true_1,p_0,p_1\r\n1,1,0,0.5,0.25\r\n2,0,0,0.125,1\r\n"


def test_many_classes_keep_the_top_five_and_all_in_the_npz() -> None:
    y, p = multiclass(7, 51)
    names = tuple(f"c{i}" for i in range(51))
    text, arrays = to_csv("multiclass", names, [str(i) for i in range(7)], y, p)
    rows = rows_of(text)
    assert list(rows[0])[3:7] == ["top_1", "p_top_1", "top_2", "p_top_2"] and len(rows[0]) == 13
    for row, probabilities in zip(rows, p, strict=True):
        best = np.argsort(-probabilities, kind="stable")[:5]
        assert [row[f"top_{k}"] for k in range(1, 6)] == [names[i] for i in best]
        assert row["predicted"] == row["top_1"]
        assert [np.float32(row[f"p_top_{k}"]) for k in range(1, 6)] == [probabilities[i] for i in best]
    with np.load(io.BytesIO(arrays), allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["probabilities"], p)
        assert tuple(stored["classes"]) == names and list(stored["targets"]) == list(y)
    fifty = to_csv("multiclass", names[:50], ["0"], y[:1] % 50, p[:1, :50])
    assert fifty[1] is None and "p_49" in fifty[0]


def test_many_labels_are_listed_by_index() -> None:
    y, p = np.zeros((1, 60), np.float32), np.full((1, 60), 0.1, np.float32)
    y[0, [3, 17]], p[0, 17] = 1, 0.9
    (row,) = rows_of(to_csv("multilabel", tuple("ab" * 30), ["x"], y, p)[0])
    assert (row["true"], row["predicted"], row["p_top_1"]) == ("3 17", "17", "0.899999976")


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", "\rx"])
def test_formulas_are_disarmed(name: str) -> None:
    text, _ = to_csv("binary", ("a", name), [name], np.array([1]), np.array([[0.5, 0.5]], np.float32))
    (row,) = rows_of(text)
    assert row["id"] == row["true"] == "'" + safe(name)


def test_no_cell_reaches_a_terminal_as_a_code() -> None:
    name = "\x1b[31mred\u202e"
    text, _ = to_csv("binary", ("a", name), [name], np.array([1]), np.array([[0.5, 0.5]], np.float32))
    (row,) = rows_of(text)
    assert row["id"] == row["true"] == r"\x1b[31mred\u202e"


@pytest.mark.parametrize("name", ["-1", "+1", "-0.5", "1e-3", "a-b", "x=1"])
def test_numbers_and_plain_names_stay(name: str) -> None:
    assert safe_cell(name) == name


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_any_id_comes_back(ids: list[str]) -> None:
    y, p = multiclass(len(ids), 2)
    text, _ = to_csv("binary", ("a", "b"), ids, y, p)
    text.encode("utf-8")
    assert [row["id"] for row in rows_of(text)] == [safe_cell(name) for name in ids]


def test_an_undecodable_file_name_can_be_written() -> None:
    y, p = multiclass(1, 2)
    to_csv("binary", ("a", "b"), ["caf\udce9.jpg"], y, p)[0].encode("utf-8")


@pytest.mark.parametrize("task", ["binary", "multiclass", "many", "multilabel", "many labels", "regression"])
def test_what_was_written_is_read_back(tmp_path: Path, task: str) -> None:
    rng = np.random.default_rng(0)
    count = 60 if task.startswith("many") else 2 if task == "binary" else 3
    classes = ("=cmd|' /C calc'!A0", 'with "quotes", and commas', *(f"c{i}" for i in range(2, count)))[:count]
    kind = {"many": "multiclass", "many labels": "multilabel"}.get(task, task)
    if kind == "regression":
        classes, targets, outputs = (), rng.normal(size=40), rng.normal(size=(40, 1)).astype(np.float32)
    elif kind == "multilabel":
        targets = (rng.random((40, count)) < 0.5).astype(np.float32)
        outputs = rng.random((40, count), np.float32)
    else:
        targets, outputs = rng.integers(0, count, 40), rng.dirichlet(np.ones(count), 40).astype(np.float32)
    run = RunStore(tmp_path).create("trial")
    text, arrays = to_csv(kind, classes, [f"e\n{i}" for i in range(40)], targets, outputs)
    run.write_text("predictions/test.csv", text)
    if arrays is not None:
        run.write_bytes("predictions/test.npz", arrays)
    found = read(run, "test", kind, classes)
    assert len(found.ids) == 40 and found.outputs.dtype == np.float32
    assert (found.outputs == outputs).all()
    np.testing.assert_allclose(found.targets, targets, rtol=1e-8)
    run.write_text("predictions/test.csv", "id,true,predicted,p_0\ne0,nobody,c1,0.5\n")
    if not arrays:
        with pytest.raises(IntegrityError):
            read(run, "test", kind, classes)
