"""The Python API, where it is more than a call onwards."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import bmcli
from bmcli.core.errors import BmError, ConfigError, DataError, IntegrityError, Place, Problem, UsageError
from bmcli.experiments.display import Began, Event, Finished, Progress
from bmcli.terminal.render import error_text
from bmcli.training.events import EpochDone

ROW = {name: [1.0, 2.0] for name in ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")}
DIGITS = {"data": {"name": "digits", "limit": 150}}


@pytest.fixture
def digits(make_run: Any) -> bmcli.Run:
    """A run of grey images of 8 × 8."""
    return bmcli.Run(make_run(DIGITS, name="digits"))


@pytest.fixture
def diabetes(make_run: Any) -> bmcli.Run:
    return bmcli.Run(make_run({"data": {"name": "diabetes"}}, name="sugar"))


def test_it_trains_loads_and_predicts(tmp_path: Path) -> None:
    run = bmcli.train("diabetes_linear", ["name=sugar"], runs_dir=tmp_path, tags=["a"], display=None)
    assert run.id == "sugar-v1" and run.status == "completed" and run.record["tags"] == ["a"]
    assert 0.3 < run.metrics["test"]["r2"] < 0.7
    again = bmcli.load("sugar", runs_dir=tmp_path)
    first = [p.value for p in again.predict(ROW)]
    inputs = again.evaluate().metrics
    assert inputs["r2"] == pytest.approx(run.metrics["test"]["r2"])
    assert len(first) == 2 and np.isfinite(first).all()  # type: ignore[arg-type]
    assert again.keras_model().output_shape == (None, 1)
    twin = bmcli.train(run.config, {"seed": run.config["seed"]}, name="twin", runs_dir=tmp_path, display=None)
    assert twin.record["weights_sha256"] == run.record["weights_sha256"], "a run's config trains it again"


def test_code_that_came_with_a_run_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "x-v1"
    (run / "code").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    witness = tmp_path / "witness"
    (run / "code/own.py").write_text(f"from pathlib import Path\nPath({str(witness)!r}).touch()\n")
    config = {"name": "x", "data": {"name": "digits"}, "model": "mlp", "code": [str(run / "code/own.py")]}
    with pytest.raises(UsageError, match="is stored in a run"):
        bmcli.train(config, runs_dir=tmp_path / "runs")
    assert not witness.exists()


def test_columns_of_different_lengths(diabetes: bmcli.Run) -> None:
    with pytest.raises(UsageError, match="different lengths"):
        diabetes.predict({"age": [1.0], "bmi": [1.0, 2.0]})


# === errors ===


def test_an_error_says_all_that_the_command_line_shows() -> None:
    problems = [
        Problem("unknown key 'epoch'", Place("x.yaml", 12, 5, "    epoch: 3"), "did you mean epochs?"),
        Problem("too large", Place("x.yaml", 3, 1, "seed: 1e99")),
    ]
    error = ConfigError("2 mistakes", problems=problems, hint="see docs")
    assert f"error: {error}" == error_text(error)
    assert "x.yaml:12:5" in str(error) and "      ^" in str(error) and "did you mean epochs?" in str(error)
    many = DataError("none fits", problems=[Problem(f"{i}.png") for i in range(1234)])
    assert str(many).endswith("1,214 more (all in .problems)")
    with pytest.raises(bmcli.BmError) as caught:
        bmcli.check({"data": {"name": "digits"}, "model": "cnn", "epocs": 3, "sed": 1})
    assert "unknown key 'epocs'" in str(caught.value) and "did you mean seed?" in str(caught.value)


def test_an_error_survives_pickling() -> None:
    import pickle

    error = DataError("odd", hint="even", problems=[Problem("x", Place("f", 1))])
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    "call, said, hint",
    [
        (lambda run: bmcli.train("digits_cnn", device="cuda"), "unknown device 'cuda'", "did you mean gpu?"),
        (lambda run: bmcli.train("digits_cnn", device="cpus"), "unknown device", "did you mean cpu?"),
        (lambda run: bmcli.train("digits_cnn", display="loud"), "display='loud'", ""),
        (lambda run: bmcli.train("digits_cnn", {"seed": object()}), "not plain data", ""),
        (lambda run: run.evaluate("tset"), "unknown split 'tset'", "did you mean test?"),
        (lambda run: bmcli.evaluate(run, "tset"), "unknown split 'tset'", "did you mean test?"),
        (lambda run: run.predictions("tset"), "was not evaluated on 'tset'", "evaluated: nothing"),
        (lambda run: run.report(split="test"), "was not evaluated on 'test'", "evaluated: nothing"),
        (lambda run: run.export("tflite"), "unknown format 'tflite'", "litert"),
        (lambda run: bmcli.runs(status="done"), "unknown status 'done'", "known: running"),
        (lambda run: bmcli.gate(run), "no condition given", "min={'accuracy': 0.97}"),
        (lambda run: bmcli.gate(run, min={"accuracy": "high"}), "expected a number", "min="),
        (lambda run: bmcli.gate(run, max_drop=0.1), "need each other", ""),
        (lambda run: bmcli.compare(run), "at least two runs", ""),
        (lambda run: bmcli.load(7), "got int", ""),
        (lambda run: bmcli.doctor(run=run), "need a config", ""),
        (lambda run: run.predict(np.zeros((8, 8)), top_k=0), "top_k=0", ""),
        (lambda run: run.predict(np.zeros((8, 8)), top_k="a"), "top_k='a'", ""),
        (lambda run: run.predict(np.zeros((8, 8)), threshold=2), "expected a probability", ""),
        (lambda run: run.predict(np.zeros((8, 8)), threshold=0.5), "threshold is for two classes", ""),
        (lambda run: run.predict(np.zeros((8, 8)), text=True), "text=True is for text runs", ""),
        (lambda run: run.predict(np.zeros((8, 8)), strict=True), "input statistics", ""),
        (lambda run: run.predict(np.zeros((8, 8)), display="bar"), "display='bar'", ""),
        (lambda run: run.resume(), "is complete", "init_from"),
    ],
)
def test_what_is_asked_wrongly_is_said_in_words_of_python(
    digits: bmcli.Run, call: Any, said: str, hint: str
) -> None:
    with pytest.raises(BmError) as caught:
        call(digits)
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")
    assert "--" not in str(caught.value)


# === a run ===


def test_what_a_run_tells(digits: bmcli.Run) -> None:
    assert pd.DataFrame(digits.history)["loss"].tolist() == [1.5, 0.7]
    assert digits.config["data"]["limit"] == 150 and digits.config["seed"] == 0
    assert digits.classes == tuple("0123456789") and digits.tags == () and digits.name == "digits"
    assert digits.evaluations == {}
    evaluation = digits.evaluate()
    assert digits.evaluations["test"]["metrics"]["accuracy"] == evaluation.metrics["accuracy"]
    found = digits.predictions("test")
    assert np.mean(found.outputs.argmax(1) == found.targets) == pytest.approx(evaluation.metrics["accuracy"])
    assert digits.report().read_text().startswith("<!doctype html>")
    verdict = bmcli.gate(digits, min={"accuracy": 0.1}, tag="best")
    assert verdict.holds and digits.tags == ("best",)
    assert [run.id for run in bmcli.runs(tag="best", runs_dir=digits.path.parent)] == ["digits-v1"]


def test_an_epoch_that_is_just_being_written_is_not_in_the_history(digits: bmcli.Run) -> None:
    path = digits.path / "metrics.jsonl"
    whole = path.read_text()
    manifest = json.loads((digits.path / "manifest.json").read_text())
    del manifest["files"]["metrics.jsonl"]  # as it is not in there while a run trains
    (digits.path / "manifest.json").write_text(json.dumps(manifest))
    path.write_text(whole + '{"epoch": 3, "lo')
    assert [record["epoch"] for record in digits.history] == [1, 2]
    path.write_text("{\n" + whole)
    with pytest.raises(IntegrityError, match=r"metrics\.jsonl"):
        _ = digits.history


def test_runs_are_listed_and_a_damaged_one_hides_none(digits: bmcli.Run, diabetes: bmcli.Run) -> None:
    folder = digits.path.parent
    assert [run.id for run in bmcli.runs(runs_dir=folder)] == ["sugar-v1", "digits-v1"]
    (diabetes.path / "run.json").write_text("{")
    found = bmcli.runs(runs_dir=folder)
    assert [(run.id, run.status) for run in found] == [("digits-v1", "completed"), ("sugar-v1", "damaged")]
    assert [run.id for run in bmcli.runs(status="damaged", runs_dir=folder)] == ["sugar-v1"]
    assert [run.id for run in bmcli.runs("digits", runs_dir=folder)] == ["digits-v1"]


def test_runs_are_compared_and_reported(digits: bmcli.Run, make_run: Any, tmp_path: Path) -> None:
    other = bmcli.Run(make_run(DIGITS, name="other", noise=0.05))
    for run in (digits, other):
        run.evaluate()
    comparison = bmcli.compare(digits, other)
    assert [run["id"] for run in comparison.runs] == ["digits-v1", "other-v1"]
    assert bmcli.compare(["digits", "other"], runs_dir=digits.path.parent).runs == comparison.runs
    page = bmcli.report(digits, other, output=tmp_path / "both.html")
    assert "other-v1" in page.read_text()
    assert not bmcli.gate(other, baseline=digits, max_drop={"accuracy": -1.0}).holds
    card = digits.report(tmp_path / "card.md", card=True)
    with pytest.raises(UsageError, match="exists"):
        digits.report(card, card=True)


def test_a_config_is_checked_and_its_data_examined(tmp_path: Path) -> None:
    checked = bmcli.check("diabetes_linear", {"seed": 3}, build=True, display=None)
    assert checked.config["seed"] == 3 and checked.built is not None and checked.built["parameters"] == 11
    assert bmcli.check("diabetes_linear").built is None
    assert bmcli.doctor("diabetes_linear").bundle.task == "regression"
    assert bmcli.doctor(runs_dir=tmp_path)[0].what == "bm"


def test_a_function_may_bear_the_name_of_a_room() -> None:
    script = """
        import bmcli
        import bmcli.runs.store
        from bmcli import report, runs
        from bmcli.export import formats
        import inspect
        assert bmcli.runs() == [] and runs is bmcli.runs and runs.store.RunStore
        assert "least" not in inspect.signature(bmcli.report).parameters
        assert list(inspect.signature(bmcli.runs).parameters) == ["name", "status", "tag", "runs_dir"]
        assert all(callable(getattr(bmcli, name)) for name in bmcli.__all__ if name != "__version__")
        assert set(bmcli.__all__) <= set(dir(bmcli))
    """
    nowhere = {**os.environ, "BM_RUNS_DIR": "/nowhere"}
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, env=nowhere)


def test_the_import_is_as_cheap_as_the_help() -> None:
    script = (
        "import sys, bmcli; bmcli.Run, bmcli.runs, bmcli.train\n"
        "heavy = {'numpy', 'tensorflow', 'keras', 'polars', 'pandas', 'PIL', 'pydantic', 'typer', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# === prediction ===


def test_images_as_people_have_them(digits: bmcli.Run, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(image).save(path)
    (wanted,) = digits.predict(path, display=None)
    assert wanted.label == wanted.top[0].label and wanted.index == wanted.top[0].index
    assert wanted.probability == wanted.top[0].probability and wanted.value is None
    for form in (
        image,
        image[None],
        image[..., None],
        [image],
        Image.fromarray(image),
        path.read_bytes(),
        [path],
    ):
        (found,) = digits.predict(form, display=None)
        assert found.top == wanted.top
    many = digits.predict([image] * 300, display=None)
    assert [one.top for one in many] == [wanted.top] * 300


def test_the_command_gives_the_same_numbers(diabetes: bmcli.Run, invoke: Any, tmp_path: Path) -> None:
    rows = pd.DataFrame({name: np.random.default_rng(0).normal(size=20) for name in ROW})
    rows.loc[3, "bmi"] = np.nan
    rows.to_csv(tmp_path / "rows.csv", index=False)
    said = [json.loads(line)["value"] for line in invoke("predict", "rows.csv", "--json").out.splitlines()]
    assert len(said) == 20
    for form in (rows, rows.to_dict("list"), rows.to_dict("records"), tmp_path / "rows.csv"):
        assert [one.value for one in diabetes.predict(form, display=None)] == said
    (one,) = diabetes.predict(rows.iloc[5], display=None)
    assert one.value == said[5] and one.label is None and one.probability is None and one.index is None


def test_inputs_that_cannot_be_used_are_all_named(digits: bmcli.Run, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"x")
    with pytest.raises(DataError) as caught:
        digits.predict([np.zeros((8, 8)), tmp_path / "broken.png", None])
    assert "2 of 3 inputs cannot be used" in str(caught.value) and "broken.png" in str(caught.value)
    assert "input 2  the image is missing" in str(caught.value)


def test_what_was_inferred_is_said_once_and_not_with_display_none(
    digits: bmcli.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    first = np.zeros((2, 3, 20, 20), np.uint8)
    digits.predict(first, display=None)
    assert capsys.readouterr() == ("", "")
    digits.predict(first)
    digits.predict(first)
    out, err = capsys.readouterr()
    assert out == "" and err.count("channels first") == 1


class Watching:
    """A display of one's own."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def handle(self, event: Event) -> None:
        self.events.append(event)


def test_a_display_of_ones_own(digits: bmcli.Run, tmp_path: Path) -> None:
    watching = Watching()
    digits.predict(np.zeros((600, 8, 8), np.uint8), display=watching)
    told = [event for event in watching.events if isinstance(event, Progress)]
    assert [(event.done, event.total) for event in told[-1:]] == [(600, 600)] and len(told) == 3
    bmcli.train("diabetes_linear", runs_dir=tmp_path, display=watching)
    (began,) = (event for event in watching.events if isinstance(event, Began))
    assert (began.run.id, began.kind, began.class_sizes) == ("diabetes-linear-v1", "table", None)
    assert began.closed_form and sum(began.splits.values()) == 442
    assert any(isinstance(event, EpochDone) for event in watching.events)
    assert isinstance(watching.events[-1], Finished)


# === training that is watched ===


def test_in_a_pipe_a_line_per_epoch_goes_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bmcli.train("diabetes_linear", runs_dir=tmp_path)
    out, err = capsys.readouterr()
    assert (
        out == "" and "epoch 1/1  loss" in err and "diabetes-linear-v1 completed" in err and "\x1b" not in err
    )
    bmcli.train("diabetes_linear", runs_dir=tmp_path, display=None)
    assert capsys.readouterr() == ("", "")


def test_two_trainings_in_threads(tmp_path: Path) -> None:
    runs: list[bmcli.Run] = []

    def work(name: str) -> None:
        runs.append(bmcli.train("diabetes_linear", name=name, runs_dir=tmp_path))

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hashes = {run.record["weights_sha256"] for run in runs}
    assert sorted(run.id for run in runs) == ["one-v1", "two-v1"] and len(hashes) == 1


def test_ctrl_c_keeps_the_state_and_the_run_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = f"""
        import bmcli, os, signal
        folder = {str(tmp_path)!r}
        short = {{"training.epochs": 2, "data.limit": 200}}
        from bmcli.experiments.display import Silent
        from bmcli.training.events import EpochDone, Resumed

        class Stop(Silent):
            resumed = None
            def handle(self, event):
                if isinstance(event, EpochDone) and event.epoch == 1 and not self.resumed:
                    os.kill(os.getpid(), signal.SIGINT)
                if isinstance(event, Resumed):
                    self.resumed = event

        before = signal.getsignal(signal.SIGINT)
        try:
            bmcli.train("digits_cnn", short, runs_dir=folder, display=Stop())
        except bmcli.BmError as error:
            print(type(error).__name__, error)
        assert signal.getsignal(signal.SIGINT) is before
        (run,) = bmcli.runs(status="interrupted", runs_dir=folder)
        again = Stop()
        run.resume(display=again)
        print(run.status, again.resumed.epoch, len(again.resumed.records), len(run.history))
    """
    exec(textwrap.dedent(script), {})
    first, hint, last = capsys.readouterr().out.splitlines()
    assert first.startswith("InterruptedRunError digits-cnn-v1 was stopped in epoch 2")
    assert hint.strip() == f"bmcli.load('{tmp_path}/digits-cnn-v1').resume()"
    assert last == "completed 2 1 2"


def test_the_page_in_docs_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docs = Path(__file__).parents[1] / "docs"
    blocks = re.findall(r"```python\n(.*?)```", (docs / "python.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "docs").symlink_to(docs)  # what they name lies there
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(
            compile(block.replace('"training.epochs": 10', '"training.epochs": 1'), "docs/python.md", "exec"),
            names,
        )
    assert len(blocks) >= 5 and names["run"].status == "completed"


@pytest.mark.parametrize(
    ("config", "tags", "said"),
    [
        (None, (), "got NoneType"),
        (3, (), "got int"),
        ("diabetes_linear", [3], "texts as tags, got int"),
        ("diabetes_linear", "a" * 200, "cannot be a tag"),
        ("diabetes_linear", ["\ud800"], "cannot be a tag"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_data_is_loaded(
    config: Any, tags: Any, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        bmcli.train(config, tags=tags, runs_dir=tmp_path, display=None)
    assert not list(tmp_path.iterdir())
