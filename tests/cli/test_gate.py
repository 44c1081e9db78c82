from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bmcli.cli.app import run as bm
from bmcli.evaluation.run import evaluate_run
from bmcli.runs.store import RunStore
from tests.cli.test_evaluate import _runs  # noqa: F401 (fixture)
from tests.evaluation.conftest import MakeRun, make_run, store  # noqa: F401 (fixtures)

DIGITS: dict[str, Any] = {"data": {"name": "digits", "limit": 150}}


@pytest.fixture
def two(make_run: MakeRun) -> None:  # noqa: F811
    evaluate_run(make_run(DIGITS, name="good"))
    evaluate_run(make_run({**DIGITS, "training": {"epochs": 3}}, name="noisy", noise=0.5))


def figures(store: RunStore, run: str = "good") -> dict[str, Any]:  # noqa: F811
    return json.loads((store.root / f"{run}-v1" / "evaluation" / "test.json").read_text())


def test_bounds_hold_or_do_not(two: None, store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    accuracy = figures(store)["metrics"]["accuracy"]
    assert bm(["gate", "good", "--min", f"accuracy={accuracy}", "--max", "log_loss=9"]) == 0
    assert capsys.readouterr().out.count("✓") == 2
    assert bm(["gate", "good", "--min", f"accuracy={accuracy + 1e-9}", "--max", "loss=9"]) == 7
    captured = capsys.readouterr()
    assert captured.out.count("✓") == captured.out.count("✗") == 1 and "1 of 2" in captured.err


def test_json_is_the_same_document_whatever_comes_out(two: None, capsys: pytest.CaptureFixture[str]) -> None:
    for bound, code in (("0", 0), ("1.1", 7)):
        assert bm(["gate", "good", "--json", "--min", f"accuracy={bound}"]) == code
        document = json.loads(capsys.readouterr().out, parse_constant=lambda c: pytest.fail(c))
        assert document["holds"] is (code == 0) and document["run"] == "good-v1"
        (check,) = document["checks"]
        assert (check["reason"] is None) == (code == 0) and check["figure"] == "accuracy"


def test_a_class_has_figures_of_its_own(two: None, store: RunStore) -> None:  # noqa: F811
    for one in figures(store)["per_class"][:3]:
        bound = f"per_class.{one['name']}.recall={one['recall']}"
        assert bm(["gate", "good", "--min", bound]) == 0
        assert bm(["gate", "good", "--min", bound, "--lower-bound"]) == 7


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        (["--min", "acuracy=0.1"], "did you mean accuracy?"),
        (["--max", "loss2=9"], "did you mean loss?"),
        (["--min", "per_class.12.recall=0"], "no class '12'"),
        (["--min", "per_class.1.area=0"], "no figure 'area'"),
        (["--min", "accuracy=0", "--split", "train"], "not measured on train"),
        (["--min", "accuracy=0", "--split", "../../good-v1/evaluation/test"], "not measured on"),
        (["--min", "per_class.1.support=0", "--lower-bound"], "no 95 % interval"),
        (["--baseline", "noisy", "--max-drop", "mae=1"], "no figure 'mae'"),
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
        ["--max-drop", "0.1"],
        ["--baseline", "noisy", "--min", "accuracy=0"],
        ["--min", "accuracy=0", "--tag", "two words"],
        ["--min", "accuracy=0", "--tag", "a/b"],
        ["--min", "accuracy=0", "--tag", "@production"],
        ["--min", "accuracy=0", "--junit", "nowhere/gate.xml"],
        ["--min", "accuracy=0", "--baseline", "nobody", "--max-drop", "1"],
    ],
)
def test_a_question_that_makes_no_sense_is_a_usage_error(two: None, store: RunStore, arguments) -> None:  # noqa: F811
    assert bm(["gate", "good", *arguments, *(["--tag", "x"] if "--tag" not in arguments else [])]) == 2
    assert store.find("good").record.tags == ()


def test_a_drop_is_measured_on_the_same_examples(
    two: None,
    make_run: MakeRun,  # noqa: F811
    store: RunStore,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    drop = figures(store)["metrics"]["accuracy"] - figures(store, "noisy")["metrics"]["accuracy"]
    assert drop > 0.05
    gate = ["gate", "noisy", "--baseline", "good", "--max-drop"]
    assert bm([*gate, str(drop + 1e-9)]) == 0 and bm([*gate, str(drop - 1e-9)]) == 7
    assert bm([*gate, f"accuracy={drop + 1e-9}", "--lower-bound"]) == 7, "it may be more"
    assert bm([*gate, f"accuracy={drop + 0.3}", "--lower-bound"]) == 0
    assert bm([*gate, "loss=0"]) == 7, "more loss is worse"
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
    store: RunStore,  # noqa: F811
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
