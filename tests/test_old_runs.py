"""Runs of an older bm are read by every command, with the answers they gave then: see fixtures/old_runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bmcli
from tests.conftest import Done

OLD = Path(__file__).parent / "fixtures" / "old_runs"
EXPECTED: dict[str, Any] = json.loads((OLD / "expected.json").read_text("utf-8"))
INPUTS = {
    "image": ["three.png", "inverted.png"],
    "text": ["--text", "a lovely warm town of the fine", "dull and slow", "zzz qqq vvv"],
    "table": ["odd.csv"],
}
LABELLED = {"image": "digits", "text": "notes.csv", "table": "rows.csv"}
METRIC = {"image": ("accuracy", 0.7733), "text": ("accuracy", 1.0), "table": ("r2", 0.8959)}
"""The headline of the test split, as it stands in the record."""

pytestmark = pytest.mark.parametrize("kind", ["image", "text", "table"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all of it, which the tests share; `again/` holds a second copy of the runs."""
    copy = tmp_path_factory.mktemp("old")
    shutil.copytree(OLD, copy, dirs_exist_ok=True)
    shutil.copytree(OLD / "runs", copy / "again")
    return copy


@pytest.fixture
def tmp_path(folder: Path) -> Path:
    """Where `invoke` runs bm."""
    return folder


Invoke = Callable[..., Done]


def lines(done: Done) -> list[dict[str, Any]]:
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def same_metrics(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found["metrics"].keys() >= expected["metrics"].keys()
    for name, value in expected["metrics"].items():
        assert found["metrics"][name] == pytest.approx(value, rel=1e-5), name
    for key in ("examples", "examples_sha256", "task", "classes", "headline", "confusion_matrix", "split"):
        assert found[key] == expected[key], key


def same_answers(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert [(one["input"], one["run"]) for one in found] == [(one["input"], one["run"]) for one in expected]
    for now, then in zip(found, expected, strict=True):
        assert ("unfamiliar" in now) == ("unfamiliar" in then)  # in which words may change
        assert now.get("label") == then.get("label")
        assert (
            [c["label"] for c in now["top"]] == [c["label"] for c in then["top"]] if "top" in then else True
        )
        for key in {"probability", "value"} & then.keys():
            assert now[key] == pytest.approx(then[key], rel=1e-5)


def test_it_is_listed_and_shown(kind: str, invoke: Invoke) -> None:
    listed = {one["run"]: one for one in invoke("runs", "--json").json["runs"]}
    assert listed[f"old-{kind}-v1"]["status"] == "completed"
    shown = invoke("runs", "show", f"old-{kind}-v1", "--json").json
    metric, value = METRIC[kind]
    assert shown["record"]["metrics"]["test"][metric] == pytest.approx(value, abs=1e-4)
    assert f"old-{kind}-v1" in invoke("runs", "show", f"old-{kind}-v1").out


def test_it_is_intact_and_repeats_its_samples(kind: str, invoke: Invoke) -> None:
    verified = invoke("runs", "verify", f"old-{kind}-v1", "--json").json
    assert verified["ok"]
    now, then = verified["repeated"], EXPECTED[kind]["verify"]
    assert [(one["form"], one["samples"]) for one in now] == [(o["form"], o["samples"]) for o in then]


def test_it_predicts_the_same(kind: str, invoke: Invoke, folder: Path) -> None:
    done = invoke("predict", *INPUTS[kind], "--run", f"old-{kind}-v1", "--json")
    same_answers(lines(done), EXPECTED[kind]["predict"])
    inputs: Any = [text for text in INPUTS[kind] if text != "--text"]
    if kind != "text":
        inputs = [folder / name for name in inputs]
    run = bmcli.load(f"old-{kind}-v1", runs_dir=folder / "runs")
    answers = [one.to_json() for one in run.predict(inputs, display=None)]
    same_answers(
        [
            {**one, "input": then["input"]}
            for one, then in zip(answers, EXPECTED[kind]["predict"], strict=True)
        ],
        EXPECTED[kind]["predict"],
    )


def test_it_is_evaluated_with_the_same_metrics(kind: str, invoke: Invoke, folder: Path) -> None:
    done = invoke("evaluate", f"old-{kind}-v1", "--data", LABELLED[kind], "--json")
    assert done.code == 0, done.err
    same_metrics(done.json, EXPECTED[kind]["evaluate"])
    run = bmcli.load(f"old-{kind}-v1", runs_dir=folder / "runs")
    same_metrics(
        run.evaluate(data=folder / LABELLED[kind], display=None).to_json(), EXPECTED[kind]["evaluate"]
    )


def test_it_is_compared_and_passes_a_gate(kind: str, invoke: Invoke) -> None:
    compared = invoke("compare", f"./runs/old-{kind}-v1", f"./again/old-{kind}-v1", "--json").json
    metric, value = METRIC[kind]
    (row,) = [one for one in compared["metrics"] if (one["split"], one["metric"]) == ("test", metric)]
    assert row["values"] == pytest.approx([value, value], abs=1e-4)
    assert invoke("gate", f"old-{kind}-v1", "--min", f"{metric}={value - 0.01}").code == 0
    assert invoke("gate", f"old-{kind}-v1", "--min", f"{metric}=1.01").code == 7


def test_it_is_explained(kind: str, invoke: Invoke) -> None:
    inputs = INPUTS[kind][:2] if kind == "text" else INPUTS[kind][:1]
    found = lines(invoke("explain", *inputs, "--run", f"old-{kind}-v1", "--json"))
    assert len(found) == len(EXPECTED[kind]["explain"])
    for now, then in zip(found, EXPECTED[kind]["explain"], strict=True):
        assert (now["input"], now["label"]) == (then["input"], then["label"])
        assert now["value"] == pytest.approx(then["value"], rel=1e-5)
        if kind == "table":  # counted from another row today: the old run keeps no shares of categories
            weights = [one["weight"] for one in now["features"]]
            assert sum(weights) == pytest.approx(now["difference"], rel=0.01)
            continue
        assert now["difference"] == pytest.approx(then["difference"], rel=1e-3)
        assert [one["token"] for one in now.get("tokens", [])] == [o["token"] for o in then.get("tokens", [])]
        weights = [one["weight"] for one in now.get("tokens", [])]
        assert weights == pytest.approx([one["weight"] for one in then.get("tokens", [])], abs=1e-3)


def test_it_has_a_report(kind: str, invoke: Invoke, folder: Path) -> None:
    assert invoke("report", f"old-{kind}-v1", "--output", f"{kind}.html").code == 0
    page = (folder / f"{kind}.html").read_text("utf-8")
    assert f"old-{kind}-v1" in page and "<svg" in page


def test_it_is_exported(kind: str, invoke: Invoke, folder: Path) -> None:
    assert invoke("export", f"old-{kind}-v1", "--format", "onnx", "--output", f"out-{kind}").code == 0
    published = folder / "runs" / f"old-{kind}-v1" / "model.onnx"
    assert (folder / f"out-{kind}" / "model.onnx").read_bytes() == published.read_bytes()


def test_python_reads_all_of_it(kind: str, folder: Path) -> None:
    run = bmcli.load(f"old-{kind}-v1", runs_dir=folder / "runs")
    metric, value = METRIC[kind]
    assert run.status == "completed" and len(run.history) == run.record["epochs"]
    assert run.evaluations["test"]["metrics"][metric] == pytest.approx(value, abs=1e-4)
    predictions = run.predictions()
    assert len(predictions.ids) == len(predictions.outputs) == run.evaluations["test"]["examples"]
    assert run.keras_model().count_params() == run.record["parameters"]
    assert run.config["model"]["name"] == run.record["model"]
