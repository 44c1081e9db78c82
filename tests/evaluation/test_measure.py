"""Measuring whole runs: real files, a real ONNX model."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from bmcli.core.errors import DataError, DivergedError, IntegrityError, UsageError
from bmcli.evaluation.measure import Prepared, measure
from bmcli.evaluation.metrics import evaluate, summarize
from bmcli.plots.learning_curves import draw_learning_curves
from bmcli.runs.store import RunStore, open_path
from bmcli.runs.trust import Trust
from tests.evaluated import evaluate_run
from tests.linear_run import MakeRun

pytestmark = pytest.mark.draws

DIGITS: dict[str, Any] = {"data": {"name": "digits", "limit": 200}}


def strict(text: str) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def flowers(folder: Path, n: int = 60, shift: int = 0) -> Path:
    """A CSV of two numbers, a category and a class."""
    random = np.random.default_rng(shift)
    path = folder / f"flowers{shift or ''}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["length", "width", "soil", "kind"])
        for _ in range(n):
            kind = int(random.integers(0, 3))
            length, width = random.normal(kind, 0.5), random.normal(-kind, 0.5)
            writer.writerow(
                [length, width, "clay" if length > 1 else "sand", ("aster", "daisy", "=rose")[kind]]
            )
    return path


def test_everything_is_written_and_agrees_with_the_csv(make_run: MakeRun) -> None:
    run = make_run(DIGITS)
    found = evaluate_run(run)
    document = strict(run.read_text("evaluation/test.json"))
    assert document == json.loads(json.dumps(found.to_json()))
    with (run.path / "predictions/test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    true, predicted = [r["true"] for r in rows], [r["predicted"] for r in rows]
    assert len(rows) == document["examples"]
    assert sk.accuracy_score(true, predicted) == pytest.approx(document["metrics"]["accuracy"], abs=1e-9)
    np.testing.assert_array_equal(
        sk.confusion_matrix(true, predicted, labels=document["classes"]), document["confusion_matrix"]
    )
    assert document["metrics"]["accuracy"] > 0.6 > document["baseline"]["value"]
    for name in ("confusion_matrix-test", "sample_predictions-test"):
        assert (run.path / f"plots/{name}.png").read_bytes().startswith(b"\x89PNG")
    assert open_path(run.path).record.metrics["test"] == document["metrics"]
    assert open_path(run.path).record.headline == "accuracy"
    assert not run.verify().problems


def test_a_second_time_gives_the_same_bytes(make_run: MakeRun) -> None:
    run = make_run(DIGITS)
    evaluate_run(run, "validation")
    names = [n for n in run.files() if n.startswith(("evaluation", "predictions", "plots"))]
    first = {name: run.read_bytes(name) for name in names}
    evaluate_run(run, "validation")
    assert len(names) == 5 and {name: run.read_bytes(name) for name in names} == first


def test_a_moved_run_works_by_its_path(make_run: MakeRun, store: RunStore, tmp_path: Path) -> None:
    run = make_run(DIGITS)
    before = evaluate_run(run)
    moved = tmp_path / "elsewhere" / "model"
    moved.parent.mkdir()
    shutil.move(run.path, moved)
    shutil.rmtree(store.root)
    assert evaluate_run(open_path(moved)) == before


def test_changed_data_is_refused_and_can_be_scored_as_it_is(make_run: MakeRun, tmp_path: Path) -> None:
    path = flowers(tmp_path)
    run = make_run({"data": {"path": str(path), "target": "kind"}})
    evaluate_run(run)
    text = path.read_text()
    path.write_text(text + "5.0,1.0,clay,daisy\n")
    with pytest.raises(DataError, match="has changed since training") as caught:
        evaluate_run(run)
    assert "--data" in str(caught.value.hint)
    path.write_text(text)
    evaluate_run(run)
    path.unlink()
    with pytest.raises(DataError):
        evaluate_run(run)


def test_own_files_are_scored_with_the_runs_classes(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run({"data": {"path": str(flowers(tmp_path)), "target": "kind"}})
    evaluate_run(run)
    recorded = open_path(run.path).record.metrics
    found = evaluate_run(run, data=flowers(tmp_path, 40, shift=7))
    assert found.split.startswith("flowers7-") and len(found.split) == len("flowers7-") + 8
    assert found.examples == 40 and found.baseline is not None and found.metrics["accuracy"] > 0.7
    assert run.exists(f"evaluation/{found.split}.json") and run.exists(f"predictions/{found.split}.csv")
    assert open_path(run.path).record.metrics == recorded
    with (run.path / f"predictions/{found.split}.csv").open(newline="") as file:
        assert {row["true"] for row in csv.DictReader(file)} == {"aster", "daisy", "'=rose"}
    with pytest.raises(DataError, match="does not exist"):
        evaluate_run(run, data=tmp_path / "nothing.csv")
    with pytest.raises(UsageError, match="cannot be used together"):
        evaluate_run(run, "test", data=tmp_path / "flowers.csv")


def test_regression_goes_all_the_way(make_run: MakeRun) -> None:
    run = make_run({"data": {"name": "diabetes"}})
    found = evaluate_run(run)
    assert found.headline == "r2" and found.confusion_matrix is None and not found.per_class
    assert found.metrics["r2"] > 0.3 > found.baseline.value
    with (run.path / "predictions/test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    true, predicted = ([float(r[k]) for r in rows] for k in ("true", "predicted"))
    assert sk.r2_score(true, predicted) == pytest.approx(found.metrics["r2"], abs=1e-6)
    assert run.exists("plots/regression-test.png")


def test_multilabel_goes_all_the_way(make_run: MakeRun, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 2))
    lines = ["a,b,warm,wet", *(f"{a},{b},{int(a > 0)},{int(b > 0.5)}" for a, b in x)]
    path = tmp_path / "weather.csv"
    path.write_text("\n".join(lines) + "\n")
    run = make_run({"data": {"path": str(path), "target": ["warm", "wet"]}})
    found = evaluate_run(run)
    assert found.task == "multilabel" and found.headline == "f1_macro" and found.metrics["f1_macro"] > 0.8
    assert found.weakest_class is None or found.weakest_class.metric == "f1"
    assert np.shape(found.confusion_matrix) == (2, 2, 2)
    assert run.exists("plots/class_figures-test.png")


METRIC = """
from bmcli.metrics.metric import METRICS, Metric
from pathlib import Path

Path({witness!r}).write_text("ran")

@METRICS.register("mistakes")
class Mistakes(Metric):
    "How many mistakes."
    greater_is_better = False

    def compute(self, targets, outputs, classes):
        return float((outputs.argmax(axis=1) != targets).sum())
"""


def test_the_runs_code_runs_only_when_trusted(make_run: MakeRun, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    (tmp_path / "mine.py").write_text(METRIC.format(witness=str(witness)))
    run = make_run({**DIGITS, "code": ["mine.py"], "evaluation": {"metrics": ["mistakes"]}})
    witness.unlink()
    with pytest.raises(UsageError, match="contains Python files") as caught:
        evaluate_run(run)
    assert "--trust-code" in str(caught.value.hint) and not witness.exists()
    found = evaluate_run(run, trust=Trust(code=True))
    wrong = found.examples - np.trace(np.array(found.confusion_matrix))
    assert found.metrics["mistakes"] == wrong and "mistakes" in found.lower_is_better


def test_code_named_by_a_config_alone_needs_trust_too(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(DIGITS)
    (tmp_path / "evil.py").write_text("raise SystemExit")
    run.write_text("config.yaml", run.read_text("config.yaml") + "")
    text = run.read_text("config.yaml").replace("code: []", f"code: ['{tmp_path / 'evil.py'}']")
    run.write_text("config.yaml", text)
    with pytest.raises(UsageError, match="Python files"):
        evaluate_run(run)


def test_a_damaged_run_says_so(make_run: MakeRun) -> None:
    run = make_run(DIGITS)
    (run.path / "model.onnx").write_bytes(b"broken")
    with pytest.raises(IntegrityError):
        evaluate_run(run)


def test_a_missing_split_is_named(make_run: MakeRun) -> None:
    run = make_run({"data": {"name": "digits", "limit": 200, "validation": 0}})
    with pytest.raises(UsageError, match="has no validation split") as caught:
        evaluate_run(run, "validation")
    assert caught.value.hint == "it has: train, test"


def test_after_training_and_later_are_the_same(make_run: MakeRun) -> None:
    from bmcli import data
    from bmcli.config import resolve
    from bmcli.inference.opened import OpenedRun
    from bmcli.modalities import preprocessing

    run = make_run(DIGITS)
    config = resolve.load(run.path / "config.yaml")
    bundle = data.load(config.data)
    prepared, spec = preprocessing.load({"preprocessing.json": run.read_text("preprocessing.json")})
    training = summarize(spec.task, spec.classes, bundle.train.targets)
    session = OpenedRun(run).session
    during = measure(Prepared(run, "test", bundle.test, spec, prepared, session, config.evaluation, training))
    text = run.read_text("evaluation/test.json")
    assert evaluate_run(run) == during and run.read_text("evaluation/test.json") == text


def test_learning_curves_are_drawn_from_the_log(make_run: MakeRun) -> None:
    run = make_run(DIGITS)
    draw_learning_curves(run)
    first = run.read_bytes("plots/learning_curves.png")
    draw_learning_curves(run)
    assert first.startswith(b"\x89PNG") and run.read_bytes("plots/learning_curves.png") == first


def test_baseline_weakest_and_most_confused() -> None:
    classes = ("aster", "daisy", "rose")
    y = np.array([0, 0, 0, 1, 1, 1, 1, 2])
    predicted = np.array([1, 1, 0, 1, 1, 1, 0, 2])
    training = summarize("multiclass", classes, np.array([0, 1, 1, 2]))
    found = evaluate(
        "multiclass",
        classes,
        y,
        np.eye(3, dtype=np.float32)[predicted],
        split="test",
        training_targets=training,
    )
    assert found.baseline.name == "always 'daisy'" and found.baseline.value == 0.5
    assert (found.weakest_class.name, found.weakest_class.value) == ("aster", pytest.approx(1 / 3))
    assert found.weakest_class.few
    assert (found.most_confused.true, found.most_confused.predicted) == ("aster", "daisy")
    assert found.most_confused.count == 2
    assert "top_5_accuracy" not in found.metrics


def test_a_perfect_model_has_no_weakness_and_absent_classes_no_metrics() -> None:
    y = np.array([0, 1, 1])
    found = evaluate("multiclass", ("a", "b", "never"), y, np.eye(3, dtype=np.float32)[y], split="test")
    assert found.weakest_class is None and found.most_confused is None and found.baseline is None
    never = found.per_class[2]
    assert (never.precision, never.recall, never.f1, never.support) == (None, None, None, 0)
    strict(json.dumps(found.to_json()))


def test_outputs_that_are_not_finite_are_no_evaluation() -> None:
    outputs = np.array([[0.5, 0.5], [np.nan, 1]], np.float32)
    with pytest.raises(DivergedError, match="1 of 2 examples"):
        evaluate("binary", ("a", "b"), np.array([0, 1]), outputs, split="test")


def test_too_few_examples_are_said_in_place_of_an_interval(make_run: MakeRun, tmp_path: Path) -> None:
    from bmcli.cli.commands.evaluate import metrics_text
    from bmcli.evaluation.gate import Bound, judge
    from bmcli.report.page import model_card, report
    from bmcli.terminal.summary import evaluation_lines

    random = np.random.default_rng(0)
    rows = [f"{x},{2 * x + e}" for x, e in random.normal(size=(200, 2)).round(3).tolist()]
    (tmp_path / "lines.csv").write_text("\n".join(["x,y", *rows]))
    run = make_run({"data": {"path": str(tmp_path / "lines.csv"), "target": "y", "test": 0.2}})
    found = evaluate_run(run)
    assert 20 <= found.examples < 50
    why = f"too few: {found.examples} examples, 50 are needed"
    document = strict(run.read_text("evaluation/test.json"))
    assert document["intervals"]["r2"] is None and document["no_interval"]["r2"] == why
    assert document["intervals"]["mae"] is not None and "mae" not in document["no_interval"]
    assert why in metrics_text(found) and why in "\n".join(evaluation_lines(found, "table"))
    verdict = judge(run, [Bound("min", "r2", -9.0), Bound("max", "mse", 1e9)], lower_bound=True)
    assert [check.holds for check in verdict.checks] == [False, False]
    assert all(check.reason is not None and why in check.reason for check in verdict.checks)
    for page in (report(run), model_card(run)):
        assert "too few" in page and f"no interval of loss, rmse, r2 ({why})" in page
