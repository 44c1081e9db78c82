"""model.onnx is there only if it says what Keras says."""

from __future__ import annotations

import pytest

from bmcli.export import publish as publishing
from bmcli.export.samples import Samples
from bmcli.inference.opened import OpenedRun
from bmcli.inference.session import OnnxSession
from bmcli.runs import layout


@pytest.fixture
def samples(run) -> Samples:
    return Samples.from_bytes(run.read_bytes(layout.SAMPLES))


def test_a_training_publishes_what_it_verified(run, samples):
    assert run.record.onnx["published"] is True
    assert run.record.onnx["max_difference"] < 1e-5
    assert run.record.onnx["samples"] == len(samples)
    assert OpenedRun(run).session.engine == "onnx"


def test_the_file_says_what_it_is(run):
    import onnx

    model = onnx.load_from_string(run.read_bytes(layout.MODEL_ONNX))
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["task"] == "multiclass"
    assert about["classes"] == str([str(i) for i in range(10)]).replace("'", '"')
    (start,), (end,) = model.graph.input, model.graph.output
    assert (start.name, end.name) == ("input", "output")
    assert [d.dim_param or d.dim_value for d in start.type.tensor_type.shape.dim] == ["batch", 8, 8, 1]
    assert [d.dim_param or d.dim_value for d in end.type.tensor_type.shape.dim] == ["batch", 10]


def test_disagreement_leaves_no_file(run, samples, monkeypatch):
    model, spec = OpenedRun(run).model, OpenedRun(run).spec
    other = OpenedRun(run).model
    bias = other.get_layer("head").weights[1]
    bias.assign([1.0] + [0.0] * 9)
    wrong = publishing.to_onnx(other, spec)
    monkeypatch.setattr(publishing, "to_onnx", lambda *_: wrong)
    status = publishing.publish_verified(run, model, spec, samples)
    assert not status.published
    assert "differs from Keras on" in status.reason
    assert status.max_difference > 1e-3
    assert not run.exists(layout.MODEL_ONNX)
    run.update(onnx=status.to_json())
    session = OpenedRun(run).session
    assert session.engine == "keras"
    assert publishing.verify(session, samples).agrees


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            NotImplementedError("\nno such layer\nmore"),
            "the export failed: NotImplementedError: no such layer",
        ),
        (ValueError(), "the export failed: ValueError: "),
    ],
)
def test_a_failed_export_is_told_in_one_line(run, samples, monkeypatch, error, reason):
    def fail(*_: object) -> bytes:
        raise error

    monkeypatch.setattr(publishing, "to_onnx", fail)
    status = publishing.publish_verified(run, OpenedRun(run).model, OpenedRun(run).spec, samples)
    assert status == publishing.OnnxStatus(False, reason, None, len(samples))
    assert not run.exists(layout.MODEL_ONNX)


def test_out_of_memory_is_not_mistaken_for_a_failed_export(run, samples, monkeypatch):
    def fail(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(publishing, "to_onnx", fail)
    with pytest.raises(MemoryError):
        publishing.publish_verified(run, None, OpenedRun(run).spec, samples)


def test_export_says_nothing(run, capfd):
    OnnxSession(publishing.to_onnx(OpenedRun(run).model, OpenedRun(run).spec))
    said = capfd.readouterr()
    assert said.out == said.err == ""
