from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from bmcli.cli.app import run as bm
from bmcli.report.comparison import shown_value
from bmcli.runs.store import RunStore
from tests.cli.test_evaluate import _runs, check_golden, plain  # noqa: F401 (fixture)
from tests.evaluated import evaluate_run
from tests.linear_run import MakeRun

DIGITS: dict[str, Any] = {"data": {"name": "digits", "limit": 150}}


@pytest.fixture
def two(make_run: MakeRun) -> None:
    """A good run and one spoiled by noise, of the same data; the first name has a second run too."""
    evaluate_run(make_run(DIGITS, name="good"))
    worse = {**DIGITS, "seed": 1, "training": {"epochs": 3}}
    evaluate_run(make_run(worse, name="noisy", noise=0.5, precision="bfloat16"))


def test_json_says_what_differs_and_what_is_best(two: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert bm(["compare", "good", "noisy", "--json"]) == 0
    document = json.loads(capsys.readouterr().out, parse_constant=lambda c: pytest.fail(c))
    check_golden("compare", document)
    differing = {(d["section"], d["key"]): d["values"] for d in document["differences"]}
    assert differing["config", "training.epochs"] == ["auto", 3]
    assert differing["config", "seed"] == [0, 1]
    assert differing["training", "precision"] == ["float32", "bfloat16"]
    assert not any(section in ("data", "versions", "code") for section, _ in differing)
    rows = {(m["split"], m["metric"]): m for m in document["metrics"]}
    assert rows["test", "accuracy"]["best"] == [0] and rows["test", "loss"]["best"] == [0]
    assert rows["test", "loss"]["greater_is_better"] is False
    assert document["comparable"] == {"test": True}


def test_the_table_marks_the_best_and_is_plain(two: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert bm(["compare", "good", "noisy"]) == 0
    captured = capsys.readouterr()
    assert "good-v1" in captured.out and "config: training.epochs" in captured.out
    (line,) = [line for line in captured.out.splitlines() if line.startswith("test accuracy")]
    assert line.split()[3] == "★" and line.count("★") == 1
    assert plain(captured.out) and captured.err == ""


def test_other_examples_do_not_compare(
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    evaluate_run(make_run(DIGITS, name="one"))
    evaluate_run(make_run({"data": {"name": "digits", "limit": 149}}, name="other"))
    assert bm(["compare", "one", "other"]) == 3
    captured = capsys.readouterr()
    assert "different test examples" in captured.err and captured.out == ""
    assert bm(["compare", "one", "other", "--unpaired"]) == 0
    captured = capsys.readouterr()
    assert "different test examples" in captured.err and "★" not in captured.out
    assert bm(["compare", "one", "other", "--unpaired", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["paired"] == []


def test_the_difference_is_paired_and_says_what_it_covers(
    two: None,
    capsys: pytest.CaptureFixture[str],
    store: RunStore,
) -> None:
    assert bm(["compare", "good", "noisy", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (paired,) = document["paired"]
    metrics = {one["metric"]: one for one in paired["figures"]}
    values = {m["metric"]: m["values"] for m in document["metrics"]}
    for name, one in metrics.items():
        assert one["difference"] == pytest.approx(values[name][1] - values[name][0]), name
        if name == "ece":
            assert one["interval"] is None and one["p"] is None, "its resamples are biased"
            continue
        assert one["interval"][0] < one["difference"] < one["interval"][1], name
    assert metrics["accuracy"]["interval"][1] < 0 and metrics["accuracy"]["p"] < 0.01
    apart = paired["disagreements"]
    assert apart["only_first_right"] - apart["only_second_right"] == pytest.approx(
        -metrics["accuracy"]["difference"] * paired["examples"]
    )
    assert (
        sum(apart[k] for k in ("both_right", "only_first_right", "only_second_right", "both_wrong"))
        == paired["examples"]
    )
    assert all((one["true"] == one["first"]) != (one["true"] == one["second"]) for one in apart["examples"])
    assert not paired["seeds_measured"] and paired["also_differ"] == ["precision"]
    assert bm(["compare", "noisy", "good"]) == 0
    out = capsys.readouterr().out
    assert "seed-to-seed variation is unknown" in out and "also differ in precision" in out
    assert bm(["compare", "good", "noisy"]) == 0
    out = capsys.readouterr().out
    assert " to −" in out and "– −" not in out, "no dash beside a minus"
    (store.root / "good-v1" / "predictions" / "test.csv").write_bytes(b"id,true\n")
    assert bm(["compare", "good", "noisy"]) == 4


def test_seeds_form_one_column_and_count_as_training_noise(
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for seed in (0, 1, 2):
        evaluate_run(make_run({**DIGITS, "seed": seed}, name="steady", noise=0.01 * seed))
        evaluate_run(
            make_run(
                {**DIGITS, "seed": seed, "training": {"epochs": 3}}, name="shaky", noise=0.3 + 0.1 * seed
            )
        )
    assert bm(["compare", "steady", "shaky", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [group["label"] for group in document["groups"]] == ["steady (3 seeds)", "shaky (3 seeds)"]
    (paired,) = document["paired"]
    assert paired["seeds_measured"]
    (row,) = [m for m in document["metrics"] if m["metric"] == "accuracy"]
    means = [sum(row["values"][i] for i in group["runs"]) / 3 for group in document["groups"]]
    (accuracy,) = [one for one in paired["figures"] if one["metric"] == "accuracy"]
    assert accuracy["difference"] == pytest.approx(means[1] - means[0])
    assert bm(["compare", "steady", "shaky"]) == 0
    assert " ± " in capsys.readouterr().out


def test_a_name_means_all_its_completed_runs(
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_run(DIGITS)
    assert bm(["compare", "trial"]) == 2
    assert "give at least two runs" in (err := capsys.readouterr().err) and "is only trial-v1" in err
    make_run(DIGITS)
    assert bm(["compare", "trial", "trial-v1"]) == 0
    assert "trial-v2" in capsys.readouterr().out


def test_runs_that_differ_in_nothing_are_named(
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for _ in range(2):
        make_run(DIGITS).update(seconds=1.0)
    assert bm(["compare", "trial"]) == 0
    assert capsys.readouterr().out.startswith("trial-v1, trial-v2: same config")


def test_a_lost_evaluation_is_reported(
    two: None,
    store: RunStore,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (store.root / "good-v1" / "evaluation" / "test.json").unlink()
    assert bm(["compare", "good", "noisy"]) == 4
    assert "evaluation/test.json" in capsys.readouterr().err


def test_compare_is_light(two: None) -> None:
    code = (
        "import sys; from bmcli.cli.app import run; assert run(['compare', 'good', 'noisy']) == 0; "
        "assert not {'tensorflow', 'keras', 'sklearn', 'matplotlib', 'scipy.stats'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_a_name_is_read_oldest_first_and_a_baseline_can_be_named(
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for epochs in (2, 3, 4):
        evaluate_run(make_run({**DIGITS, "training": {"epochs": epochs}}, noise=0.1 * epochs))

    def compared(*arguments: str) -> tuple[list[str], list[str]]:
        assert bm(["compare", *arguments, "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        labels = [group["label"] for group in document["groups"]]
        pairs = [f"{labels[one['second']]} − {labels[one['first']]}" for one in document["paired"]]
        return [run["id"] for run in document["runs"]], pairs

    assert compared("trial") == (
        ["trial-v1", "trial-v2", "trial-v3"],
        ["trial-v2 − trial-v1", "trial-v3 − trial-v1"],
    )
    for arguments in (
        ("trial", "--baseline", "trial-v2"),
        ("trial-v1", "trial-v3", "--baseline", "trial-v2"),
    ):
        assert compared(*arguments) == (
            ["trial-v2", "trial-v1", "trial-v3"],
            ["trial-v1 − trial-v2", "trial-v3 − trial-v2"],
        )
    assert compared("trial-v3", "trial-v1")[1] == ["trial-v1 − trial-v3"], "as they were named"
    assert bm(["compare", "trial-v1", "--baseline", "trial-v1"]) == 2
    assert bm(["compare", "trial", "--baseline", "nobody"]) == 2


def test_threads_and_the_kernels_share_of_the_memory_are_not_hardware(
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hardware = {"cpu": "X", "cores": 2, "threads": 1, "memory": 16 * 2**30, "gpus": []}
    one, other = make_run(DIGITS), make_run({**DIGITS, "training": {"epochs": 3}})
    for run in (one, other):
        evaluate_run(run)
        run.update(hardware=hardware)
    other.update(hardware={**hardware, "threads": 2, "memory": 16 * 2**30 - 2**20})

    def differing() -> tuple[dict[tuple[str, str], list[Any]], list[str]]:
        assert bm(["compare", "trial", "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        found = {(d["section"], d["key"]): d["values"] for d in document["differences"]}
        return found, document["paired"][0]["also_differ"]

    found, also = differing()
    assert found["training", "threads"] == [1, 2] and "hardware" not in {section for section, _ in found}
    assert also == []
    for changed in ({"cpu": "Y"}, {"memory": 32 * 2**30}, {"gpus": ["Z"]}):
        other.update(hardware={**hardware, **changed})
        found, also = differing()
        assert [key for section, key in found if section == "hardware"] == list(changed)
        assert also == ["hardware"]


def test_options_of_one_model_alone_are_counted_and_shown_on_demand(
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_run({**DIGITS, "model": "mlp"}).update(seconds=61.0)
    make_run({**DIGITS, "model": {"name": "cnn", "filters": [8]}}).update(seconds=1.0)
    assert bm(["compare", "trial"]) == 0
    short = capsys.readouterr().out
    (line,) = [line for line in short.splitlines() if "--all" in line]
    assert line.startswith("  model mlp → cnn (") and " options that the others lack; --all)" in line
    assert bm(["compare", "trial", "--all"]) == 0
    long = capsys.readouterr().out
    left_out = [line.split()[1] for line in long.splitlines() if line.startswith("config: model.")]
    shown = [line.split()[1] for line in short.splitlines() if line.startswith("config: model.")]
    assert "model.name" in shown and set(shown) < set(left_out)
    assert f"({len(left_out) - len(shown)} options" in line
    assert "1:01" in short and "True" not in long and "False" not in long
    assert [shown_value(of) for of in (True, False, None, 9.0, 1e-5, [1, None])] == [
        "true",
        "false",
        "–",
        "9",
        "1e-05",
        "[1, null]",
    ]


@pytest.mark.parametrize("width", [44, 60, 100, 200])
def test_no_key_and_no_metric_is_broken_in_two(
    two: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert bm(["compare", "good", "noisy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    words = {word for line in lines for word in line.split()}
    for whole in ("training.epochs", "balanced_accuracy", "good-v1", "noisy-v1", "bfloat16", "difference"):
        assert whole in words, whole
    accuracy = lines.index(next(line for line in lines if line.startswith("test accuracy")))
    assert "★" in (lines[accuracy] if width >= 60 else lines[accuracy + 1])


def test_other_questions_of_the_same_examples_do_not_compare(
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Class names that differ, or examples that are not known."""
    evaluate_run(make_run(DIGITS, name="one"))
    evaluate_run(other := make_run({**DIGITS, "training": {"epochs": 3}}, name="other"))
    name = "evaluation/test.json"
    document = json.loads(other.read_text(name))
    for changed in ({"classes": [f"{i}!" for i in range(10)]}, {"examples_sha256": None}):
        other.write_text(name, json.dumps({**document, **changed}))
        assert bm(["compare", "one", "other"]) == 3
        assert "used different test examples" in capsys.readouterr().err
        assert bm(["gate", "other", "--baseline", "one", "--max-drop", "0.9"]) == 7
        assert "different test examples" in capsys.readouterr().out
