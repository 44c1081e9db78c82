"""Evaluations that somebody else wrote: as documented, or an error that names the file and the key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bmcli.cli.app import run as bm
from bmcli.core.errors import IntegrityError
from bmcli.evaluation import stored_evaluations as stored
from bmcli.evaluation.stored_evaluations import read_closer, read_evaluation
from bmcli.runs import layout
from bmcli.runs.run import Run
from tests.cli.test_evaluate import _runs  # noqa: F401 (fixture)
from tests.evaluated import evaluate_run
from tests.linear_run import MakeRun

DIGITS: dict[str, Any] = {"data": {"name": "digits", "limit": 150}}

DAMAGE: dict[str, tuple[str, Any]] = {
    "a word for a number": ("metrics.accuracy", "0.9"),
    "a number beyond all": ("metrics.accuracy", 10**400),
    "infinity": ("metrics.loss", 1e999),
    "true for a number": ("metrics.accuracy", True),
    "a list for a map": ("metrics", []),
    "a metric that is a list": ("metrics.roc_auc", [[0.5]]),
    "an interval of one": ("intervals.accuracy", [0.5]),
    "an interval of words": ("intervals.accuracy", ["low", "high"]),
    "examples beyond all": ("examples", 10**400),
    "fewer than no examples": ("examples", -1),
    "an unknown task": ("task", "magic"),
    "classes as text": ("classes", "abc"),
    "a class without metrics": ("per_class.0", {"name": "0"}),
    "a class that is nothing": ("per_class.3", None),
    "half an example": ("per_class.0.support", 1.5),
    "a class beyond the classes": ("per_class.0.index", 10),
    "a ragged matrix": ("confusion_matrix.0", [1, 2]),
    "a matrix of words": ("confusion_matrix.0.0", "many"),
    "a matrix of numbers": ("confusion_matrix.0", 5),
    "another format": ("format", 2),
    "a baseline that is a number": ("baseline", 3),
    "bins that are a map": ("calibration.bins", {}),
    "counts of words": ("training_targets.counts", ["a"]),
    "a name that is a map": ("headline", {}),
}


def damage(run: Run, path: str, value: Any) -> None:
    """Puts a value into evaluation/test.json, and the file into the manifest: nobody's checksum finds it."""
    document = json.loads(run.read_text(layout.evaluation_of("test")))
    *above, last = path.split(".")
    place = document
    for part in above:
        place = place[int(part)] if isinstance(place, list) else place[part]
    place[int(last) if isinstance(place, list) else last] = value
    # 1e999 is strict JSON, and infinite all the same.
    run.write_text(layout.evaluation_of("test"), json.dumps(document).replace("Infinity", "1e999"))


@pytest.fixture
def run(make_run: MakeRun) -> Run:
    found = make_run(DIGITS, name="good")
    evaluate_run(found)
    return found


def test_what_is_damaged_is_named(run: Run) -> None:
    name = layout.evaluation_of("test")
    whole = run.read_text(name)
    for what, (path, value) in DAMAGE.items():
        run.write_text(name, whole)
        damage(run, path, value)
        with pytest.raises(IntegrityError) as caught:
            read_evaluation(run, "test")
        key = path.split(".")[0]
        assert "evaluation/test.json" in str(caught.value) and key in str(caught.value), what
    for text in ("", "[]", "null", "{}", "[" * 100_000, '{"metrics": NaN}', "9" * 5_000, '{"a": ' * 50_000):
        run.write_text(name, text)
        with pytest.raises(IntegrityError, match=r"evaluation/test\.json"):
            read_evaluation(run, "test")


def test_every_command_that_reads_it_ends_with_4(
    run: Run,
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    evaluate_run(make_run({**DIGITS, "training": {"epochs": 3}}, name="other"))
    whole = run.read_text(layout.evaluation_of("test"))
    for damaged in ("a word for a number", "a ragged matrix", "a class that is nothing"):
        run.write_text(layout.evaluation_of("test"), whole)
        damage(run, *DAMAGE[damaged])
        for command in (
            ["compare", "good", "other"],
            ["compare", "good", "other", "--unpaired"],
            ["gate", "good", "--min", "accuracy=0"],
            ["gate", "other", "--baseline", "good", "--max-drop", "1"],
            ["report", "good"],
            ["report", "good", "other"],
        ):
            assert bm(command) == 4, command
            said = capsys.readouterr().err
            assert "good-v1/evaluation/test.json" in said and "Traceback" not in said, command


def test_predictions_that_fit_no_evaluation_are_damage(
    run: Run,
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    evaluate_run(make_run({**DIGITS, "training": {"epochs": 3}}, name="other"))
    name = layout.predictions_of("test")
    text = run.read_text(name)
    spoil: list[Callable[[str], str]] = [
        lambda text: "\n".join(text.splitlines()[:-1]),
        lambda text: text[: text.rindex(",")] + ",nan",
        lambda text: text[: text.rindex(",")],
    ]
    for change in spoil:
        run.write_text(name, change(text))
        assert bm(["compare", "good", "other"]) == 4
        assert "good-v1/predictions/test.csv is damaged" in capsys.readouterr().err


def test_closer_looks_are_checked(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"by": "size", "value": "8", "examples": 9, "metric": "accuracy", "figure": 0.5, "few": True}
    run.write_text(layout.evaluation_of("test-slices"), json.dumps({"slices": [{**row, "interval": None}]}))
    assert read_closer(run, "test", "slices")[0]["by"] == "size"
    assert read_closer(run, "test", "corruptions") == []
    assert read_evaluation(run, "test-slices") is None
    run.write_text(layout.evaluation_of("test-slices"), json.dumps({"slices": [{**row, "interval": "wide"}]}))
    assert bm(["report", "good"]) == 4
    assert "slices.0.interval is not a list" in capsys.readouterr().err


def test_keys_of_other_versions_and_intervals_without_values_are_kept(run: Run) -> None:
    damage(run, "intervals.accuracy", None)
    damage(run, "no_interval", {"accuracy": "too few examples"})
    found = read_evaluation(run, "test")
    assert found is not None and found["no_interval"] == {"accuracy": "too few examples"}
    assert bm(["gate", "good", "--min", "accuracy=0", "--lower-bound"]) == 7
    assert bm(["gate", "good", "--min", "accuracy=0"]) == 0
    assert bm(["report", "good"]) == 0


@pytest.mark.parametrize(
    ("typed", "checked"),
    [
        (stored.StoredEvaluation, stored._Evaluation),
        (stored.StoredClass, stored._Class),
        (stored.StoredBaseline, stored._Baseline),
        (stored.StoredWeakest, stored._Weakest),
        (stored.StoredConfusion, stored._Confused),
        (stored.StoredCalibration, stored._Calibration),
        (stored.StoredBin, stored._Bin),
        (stored.StoredTargets, stored._Targets),
    ],
)
def test_the_types_have_the_keys_that_are_checked(typed: type, checked: type[stored._Part]) -> None:
    assert set(typed.__annotations__) == set(checked.model_fields)
