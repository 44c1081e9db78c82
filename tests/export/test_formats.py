"""Exports of a run: reloaded, compared, in place in full or not at all."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bmcli.core.errors import IntegrityError, MissingExtraError, UsageError
from bmcli.export import engines, formats
from bmcli.export.samples import Samples
from bmcli.export.verify import compare, verify
from bmcli.inference.opened import OpenedRun
from bmcli.inference.session import OnnxSession
from bmcli.runs import layout


def everything(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_the_readme_prepares_inputs_as_bm_does(run, tmp_path, monkeypatch):
    """Its program runs in the export's folder, and the model answers what `bm predict` does."""
    import re

    from PIL import Image

    from bmcli.data.bundle import Images
    from bmcli.inference.inputs import Inputs
    from bmcli.inference.predictor import open_predictor

    exported = formats.export(OpenedRun(run), "onnx", tmp_path / "out")
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(exported.path / "photo.jpg")
    monkeypatch.chdir(exported.path)
    call, prepare = re.findall(r"```python\n(.*?)```", (exported.path / "README.md").read_text(), re.S)
    names: dict = {}
    exec(prepare + call, names)
    (expected,), _ = open_predictor(OpenedRun(run)).predict(
        Inputs(Images(paths=("photo.jpg",)), ("photo.jpg",))
    )
    assert names["output"][0].max() == pytest.approx(expected.probability, abs=1e-6)


def spoiled_samples(run) -> None:
    samples = Samples.from_bytes(run.read_bytes(layout.SAMPLES))
    run.write_bytes(layout.SAMPLES, Samples(samples.inputs, samples.outputs + np.float32(0.1)).to_bytes())


def test_onnx_comes_with_all_it_needs(run, tmp_path):
    exported = formats.export(OpenedRun(run), "onnx")
    assert exported.path == run.path / "exports" / "onnx"
    assert exported.files == ("README.md", "export.json", "labels.txt", "model.onnx", "preprocessing.json")
    assert exported.bytes == sum(path.stat().st_size for path in exported.path.iterdir())
    samples = Samples.from_bytes(run.read_bytes(layout.SAMPLES))
    outputs = OnnxSession(exported.model.read_bytes()).predict(samples.inputs)
    assert compare(outputs, samples.outputs).agrees
    assert (exported.path / "labels.txt").read_text() == "".join(f"{i}\n" for i in range(10))
    about = json.loads((exported.path / "export.json").read_text())
    assert about["weights_sha256"] == run.record.weights_sha256
    assert not run.verify().problems
    assert not run.verify().unverified


def test_an_export_can_be_made_again(run):
    formats.export(OpenedRun(run), "onnx")
    (run.path / "exports/onnx/stray").write_text("old")
    assert formats.export(OpenedRun(run), "onnx").files.count("stray") == 0
    assert not run.verify().problems
    assert everything(run.path / "exports") == ["onnx", *(f"onnx/{n}" for n in sorted(
        ("README.md", "export.json", "labels.txt", "model.onnx", "preprocessing.json")))]  # fmt: skip


def test_saved_model_runs_in_plain_tensorflow(run, tmp_path):
    exported = formats.export(OpenedRun(run), "saved_model", tmp_path / "out")
    samples = Samples.from_bytes(run.read_bytes(layout.SAMPLES))
    outputs = engines.SavedModel(exported.model).predict(samples.inputs, batch_size=7)
    assert compare(outputs, samples.outputs).agrees
    assert exported.samples == len(samples)


def test_litert_runs_in_its_own_runtime(run, tmp_path):
    pytest.importorskip("ai_edge_litert")
    exported = formats.export(OpenedRun(run), "litert", tmp_path / "out")
    samples = Samples.from_bytes(run.read_bytes(layout.SAMPLES))
    assert compare(engines.LiteRT(exported.model).predict(samples.inputs), samples.outputs).agrees


def test_without_litert_the_extra_is_named(run, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="litert"):
        formats.export(OpenedRun(run), "litert")


@pytest.mark.parametrize("inside", [True, False])
def test_disagreement_leaves_nothing(run, tmp_path, inside):
    spoiled_samples(run)
    output = None if inside else tmp_path / "deep" / "out"
    with pytest.raises(IntegrityError, match="differs from Keras"):
        formats.export(OpenedRun(run), "onnx", output)
    folder = run.path / "exports" if inside else tmp_path / "deep"
    assert everything(folder) == []
    assert not run.verify().problems


def test_a_failed_export_keeps_the_earlier_one(run):
    formats.export(OpenedRun(run), "onnx")
    spoiled_samples(run)
    with pytest.raises(IntegrityError):
        formats.export(OpenedRun(run), "onnx")
    assert (run.path / "exports/onnx/model.onnx").is_file()
    assert not run.verify().problems


def test_other_peoples_folders_are_not_replaced(run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "mine", tmp_path / "file"):
        with pytest.raises(UsageError, match="was not made by bm export"):
            formats.export(OpenedRun(run), "onnx", output)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"
    (tmp_path / "empty").mkdir()
    formats.export(OpenedRun(run), "onnx", tmp_path / "empty")
    formats.export(OpenedRun(run), "onnx", tmp_path / "empty")


@pytest.mark.parametrize("damage", ["damaged", "missing"])
def test_a_lost_model_onnx_is_made_anew(run, damage):
    path = run.path / layout.MODEL_ONNX
    if damage == "damaged":
        path.write_bytes(b"\0" + path.read_bytes()[1:])
    else:
        run.remove_file(layout.MODEL_ONNX)
    notes: list[str] = []
    formats.export(OpenedRun(run), "onnx", note=notes.append)
    assert "exporting it again" in notes[0]
    samples = Samples.from_bytes(run.read_bytes(layout.SAMPLES))
    assert verify(OpenedRun(run).session, samples).agrees
    assert not run.verify().problems


def test_damaged_weights_are_not_exported(run, tmp_path):
    path = run.path / layout.MODEL_KERAS
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(IntegrityError):
        formats.export(OpenedRun(run), "saved_model", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unfinished_run_is_not_exported(run):
    run.update(status="interrupted")
    with pytest.raises(UsageError, match="is interrupted"):
        formats.export(OpenedRun(run), "onnx")


def test_labels_stay_one_to_a_line():
    assert formats._one_line("jardín [red]") == "jardín [red]"
    assert formats._one_line("a\nb\x1b") == "a\\nb\\u001b"
