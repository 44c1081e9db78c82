from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bmcli.cli.app import run as bm
from bmcli.evaluation import gate
from bmcli.metrics.paired import Difference
from bmcli.runs.store import RunStore
from tests.cli.test_evaluate import _runs  # noqa: F401 (fixture)
from tests.evaluated import evaluate_run
from tests.linear_run import MakeRun, finished_run

DIGITS: dict[str, Any] = {"data": {"name": "digits", "limit": 150}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two evaluated runs, made once."""
    both = RunStore(tmp_path_factory.mktemp("two") / "runs")
    evaluate_run(finished_run(both, DIGITS, name="good"))
    evaluate_run(finished_run(both, {**DIGITS, "training": {"epochs": 3}}, name="noisy", noise=0.5))
    return both.root


@pytest.fixture
def two(made: Path, store: RunStore) -> None:
    """A copy of them, to do with what one likes."""
    shutil.copytree(made, store.root)


def metrics(store: RunStore, run: str = "good") -> dict[str, Any]:
    return json.loads((store.root / f"{run}-v1" / "evaluation" / "test.json").read_text())


def test_bounds_hold_or_do_not(two: None, store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    accuracy = metrics(store)["metrics"]["accuracy"]
    assert bm(["gate", "good", "--min", f"accuracy={accuracy}", "--max", "log_loss=9"]) == 0
    assert capsys.readouterr().out.count("✓") == 2
    assert bm(["gate", "good", "--min", f"accuracy={accuracy + 1e-9}", "--max", "loss=9"]) == 7
    captured = capsys.readouterr()
    assert captured.out.count("✓") == captured.out.count("✗") == 1 and "1 of 2" in captured.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "accuracy=97%",
            "expected NAME=NUMBER, such as accuracy=0.97\n  write a share as a number: accuracy=0.97",
        ),
        ("accuracy", "expected NAME=NUMBER, such as accuracy=0.97"),
    ],
)
def test_what_a_bound_looks_like_is_said(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert bm(["gate", "nobody", "--min", text]) == 2
    assert said in capsys.readouterr().err
    assert bm(["gate", "nobody"]) == 2
    assert "give at least one check" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("task", "bound", "reason"),
    [
        ("multiclass", "log_loss=9", None),
        ("multilabel", "log_loss=9", None),
        ("regression", "mse=9", None),
        ("regression", "loss=9", None),
        (
            "multiclass",
            "mse=9",
            "the mean squared error is for regression, and the loss of multiclass is the log loss",
        ),
        ("binary", "mse=9", "the mean squared error is for regression"),
        (
            "regression",
            "log_loss=9",
            "the log loss is for classification, and the loss of regression is the mean squared",
        ),
        ("regression", "Loss=9", "did you mean loss?"),
    ],
)
def test_an_alias_means_the_loss_that_it_names(task: str, bound: str, reason: str | None) -> None:
    document = {
        "task": task,
        "metrics": {"loss": 1.0},
        "intervals": {},
        "per_class": [],
        "lower_is_better": ["loss"],
    }
    asked = gate.parse("max", bound)
    check = gate._metric(asked.kind, asked.figure or "", asked.value, document, False)
    assert check.holds is (reason is None)
    assert reason is None or reason in (check.reason or "")
    dropped = gate._drop(asked.figure or "", 0.0, document, [Difference("loss", 0.0, None, None)], False)
    assert dropped.holds is (reason is None), "a drop goes by the same names"
    own = {**document, "metrics": {"mse": 10.0, "log_loss": 10.0, "Loss": 10.0, "loss": 1.0}}
    check = gate._metric("max", asked.figure or "", 9.0, own, False)
    assert check.holds is (asked.figure == "loss"), "a user's metric goes before"


def document(metric: str, value: float, interval: list[float] | None = None) -> dict[str, Any]:
    return {
        "task": "binary",
        "metrics": {metric: value},
        "intervals": {metric: interval},
        "per_class": [],
        "lower_is_better": ["loss"],
    }


def test_metrics_that_are_equal_but_for_rounding_hold() -> None:
    third = 0.1 + 0.2
    assert third > 0.3
    assert gate._metric("max", "loss", 0.3, document("loss", third), False).holds
    assert gate._metric("min", "accuracy", third, document("accuracy", 0.3), False).holds
    assert gate._metric("min", "accuracy", third, document("accuracy", 0.9, [0.3, 1.0]), True).holds
    assert gate._metric("max", "loss", 0.3, document("loss", 0.1, [0.0, third]), True).holds
    assert not gate._metric("max", "loss", 0.3, document("loss", 0.3 + 1e-12), False).holds
    for before, after, drop in ((0.97, 0.96, 0.01), (0.9, 0.6, 0.3), (1.0, 0.9, 0.1), (0.57, 0.28, 0.29)):
        found = Difference("accuracy", after - before, (after - before, after - before), None)
        for lower in (False, True):
            assert gate._drop("accuracy", drop, document("accuracy", after), [found], lower).holds
        beyond = gate._drop("accuracy", drop - 1e-12, document("accuracy", after), [found], False)
        assert not beyond.holds and "worse by" in (beyond.reason or "")
    assert -(0.96 - 0.97) > 0.01, "which is why"


def test_a_negative_drop_asks_for_an_improvement() -> None:
    bound = gate.parse("drop", "accuracy=-0.01")
    better = Difference("accuracy", 0.02, None, None)
    check = gate._drop("accuracy", bound.value, document("accuracy", 0.9), [better], False)
    assert check.holds and check.asked == "accuracy improves by >= 0.01"
    hardly = Difference("accuracy", 0.005, None, None)
    check = gate._drop("accuracy", bound.value, document("accuracy", 0.9), [hardly], False)
    assert check.reason == "accuracy is better by only 0.005, less than 0.01"
    same = Difference("accuracy", -0.0, None, None)
    check = gate._drop("accuracy", 0.0, document("accuracy", 0.9), [same], False)
    assert check.holds and "-" not in check.shown


def test_a_metric_close_to_its_bound_has_all_its_digits() -> None:
    check = gate._metric("min", "accuracy", 0.97, document("accuracy", 0.96999), False)
    assert check.reason == "accuracy is 0.96999, not >= 0.97" and check.shown == "0.96999"
    check = gate._metric("min", "accuracy", 0.5, document("accuracy", 0.55, [0.398291, 0.7]), True)
    assert check.shown == "0.550, at worst 0.398" and check.asked == "accuracy >= 0.5"


def test_bounds_that_cannot_fail_are_said(
    two: None,
    store: RunStore,
    capsys: pytest.CaptureFixture[str],
) -> None:
    drop = ["--baseline", "good", "--max-drop", "1"]
    assert bm(["gate", "good", "--min", "accuracy=0", "--max", "loss=90", *drop]) == 0
    assert capsys.readouterr().err.count("always holds") == 1
    assert bm(["gate", "good", "--max", "accuracy=97", "--min", "accuracy=-1"]) == 0
    assert capsys.readouterr().err.count("accuracy is between 0 and 1") == 2
    assert bm(["gate", "good", "--min", "accuracy=97"]) == 7
    assert "1 of 1 check failed" in capsys.readouterr().err


def test_json_is_the_same_document_whatever_comes_out(two: None, capsys: pytest.CaptureFixture[str]) -> None:
    for bound, code in (("0", 0), ("1.1", 7)):
        assert bm(["gate", "good", "--json", "--min", f"accuracy={bound}"]) == code
        document = json.loads(capsys.readouterr().out, parse_constant=lambda c: pytest.fail(c))
        assert document["holds"] is (code == 0) and document["run"] == "good-v1"
        (check,) = document["checks"]
        assert (check["reason"] is None) == (code == 0) and check["figure"] == "accuracy"


def test_a_class_has_metrics_of_its_own(two: None, store: RunStore) -> None:
    for one in metrics(store)["per_class"][:3]:
        bound = f"per_class.{one['name']}.recall={one['recall']}"
        assert bm(["gate", "good", "--min", bound]) == 0
        assert bm(["gate", "good", "--min", bound, "--lower-bound"]) == 7


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        (["--min", "acuracy=0.1"], "did you mean accuracy?"),
        (["--max", "loss2=9"], "did you mean loss?"),
        (["--max", "mse=9"], "the mean squared error is for regression"),
        (["--min", "per_class.12.recall=0"], "no class '12'"),
        (["--min", "per_class.1.area=0"], "no metric 'area'"),
        (["--min", "accuracy=0", "--split", "train"], "not evaluated on train"),
        (["--min", "accuracy=0", "--split", "../../good-v1/evaluation/test"], "not evaluated on"),
        (["--min", "per_class.1.support=0", "--lower-bound"], "no 95 % interval"),
        (["--baseline", "noisy", "--max-drop", "mae=1"], "no metric 'mae'"),
        (["--baseline", "noisy", "--max-drop", "per_class.1.recall=1"], "not of a class"),
    ],
)
def test_what_is_missing_does_not_hold(
    two: None, capsys: pytest.CaptureFixture[str], bounds: list[str], said: str
) -> None:
    assert bm(["gate", "good", *bounds]) == 7
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--min", "accuracy"],
        ["--min", "=1"],
        ["--min", "accuracy=high"],
        ["--min", "accuracy=nan"],
        ["--min", "accuracy=97%"],
        ["--min", "accuracy=0_9"],
        ["--min", "accuracy>=0.97"],
        ["--max", "loss=inf"],
        ["--min", "accuracy=0", "--tag", "a" * 5_000],
        ["--max-drop", "0.1"],
        ["--baseline", "noisy", "--min", "accuracy=0"],
        ["--min", "accuracy=0", "--tag", "two words"],
        ["--min", "accuracy=0", "--tag", "a/b"],
        ["--min", "accuracy=0", "--tag", "@production"],
        ["--min", "accuracy=0", "--junit", "nowhere/gate.xml"],
        ["--min", "accuracy=0", "--baseline", "nobody", "--max-drop", "1"],
    ],
)
def test_a_question_that_makes_no_sense_is_a_usage_error(two: None, store: RunStore, arguments) -> None:
    assert bm(["gate", "good", *arguments, *(["--tag", "x"] if "--tag" not in arguments else [])]) == 2
    assert store.find("good").record.tags == ()


def test_a_drop_is_measured_on_the_same_examples(
    two: None,
    make_run: MakeRun,
    store: RunStore,
    capsys: pytest.CaptureFixture[str],
) -> None:
    drop = metrics(store)["metrics"]["accuracy"] - metrics(store, "noisy")["metrics"]["accuracy"]
    assert drop > 0.05
    command = ["gate", "noisy", "--baseline", "good", "--max-drop"]
    assert bm([*command, str(drop + 1e-9)]) == 0 and bm([*command, str(drop - 1e-9)]) == 7
    assert bm([*command, f"accuracy={drop + 1e-9}", "--lower-bound"]) == 7, "it may be more"
    assert bm([*command, f"accuracy={drop + 0.3}", "--lower-bound"]) == 0
    assert bm([*command, "loss=0"]) == 7, "more loss is worse"
    assert bm(["gate", "good", "--baseline", "noisy", "--max-drop", "loss=0", "--max-drop", "0"]) == 0
    assert bm(["gate", "good", "--baseline", "good", "--max-drop", "0", "--lower-bound"]) == 0
    evaluate_run(make_run({"data": {"name": "digits", "limit": 149}}, name="other"))
    capsys.readouterr()
    assert bm(["gate", "other", "--baseline", "good", "--max-drop", "1"]) == 7
    assert "different test examples" in capsys.readouterr().out


def test_the_junit_report(two: None, tmp_path: Path) -> None:
    file = tmp_path / "gate.xml"
    bounds = ["--min", "accuracy=0", "--max", "loss=0", "--min", "per_class.<b>&\x1b.recall=0"]
    assert bm(["gate", "good", *bounds, "--junit", str(file)]) == 7
    root = ElementTree.fromstring(file.read_bytes())
    assert root.attrib == {"tests": "3", "failures": "2", "errors": "0"}
    cases = root.findall("testsuite/testcase")
    assert [case.find("failure") is not None for case in cases] == [False, True, True]
    assert cases[0].get("name") == "accuracy >= 0" and cases[0].get("classname") == "good-v1"


def test_the_tag_moves_and_means_the_run(
    two: None,
    store: RunStore,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bm(["gate", "good", "--min", "accuracy=0", "--tag", "production"]) == 0
    assert store.find("@production").id == "good-v1"
    assert bm(["gate", "noisy", "--min", "accuracy=1", "--tag", "production"]) == 7
    assert store.find("@production").id == "good-v1"
    assert bm(["gate", "noisy", "--min", "accuracy=0", "--tag", "production"]) == 0
    assert store.find("@production").id == "noisy-v1"
    assert "production" not in RunStore(store.root).find("good-v1").record.tags
    assert bm(["runs", "verify", "@production"]) in (0, 4)
    capsys.readouterr()
    assert bm(["gate", "@productoin", "--min", "accuracy=0"]) == 2
    assert "did you mean @production?" in capsys.readouterr().err


def test_only_a_completed_run_of_the_folder_can_hold_a_moving_tag(
    store: RunStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store.create("here", seed=0).seal("completed")
    store.create("stopped", seed=0).seal("interrupted")
    elsewhere = RunStore(tmp_path / "elsewhere")
    elsewhere.create("there", seed=0).seal("completed")
    for run, said in (
        ("stopped-v1", "only a completed run"),
        (str(elsewhere.root / "there-v1"), "is not in"),
    ):
        assert bm(["gate", run, "--min", "accuracy=0", "--tag", "production"]) == 2
        assert said in capsys.readouterr().err
    for tag in ("a" * 5_000, " ", "\udcff"):
        assert bm(["train", "digits_cnn", "--tag", tag]) == 2
        assert "cannot be a tag" in capsys.readouterr().err
