"""An encoder as a Hugging Face folder: read back, compared, and refused for other models."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from bmcli.core.errors import IntegrityError, UsageError
from bmcli.export import engines, formats
from bmcli.export.engines import Format
from bmcli.export.samples import Samples
from bmcli.export.verify import Agreement, verify
from bmcli.inference.opened import OpenedRun
from bmcli.models.encoder import Encoder
from bmcli.pretrained import folder as folders
from bmcli.pretrained import tensors, writing
from bmcli.runs import layout
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore
from tests.pretrained.architectures import BERT

CONFIG = """\
name: texts
data: {path: texts.csv, text: text, target: kind}
preprocessing: {text: {max_length: 12}}
model: {name: encoder, weights: FOLDER, pooling: mean}
training: {epochs: 1, batch_size: 16, optimizer: {name: adam, learning_rate: 0.01}}
evaluation: {splits: [test]}
"""


@pytest.fixture(scope="module")
def trained_texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from bmcli.config import resolve
    from bmcli.core import quiet
    from bmcli.experiments import train

    quiet.prepare()
    folder = tmp_path_factory.mktemp("texts")
    rows = [f"{'good' if i % 2 else 'bad'} {'film ' * (i % 5)}number {i},{i % 2}" for i in range(40)]
    (folder / "texts.csv").write_text("text,kind\n" + "\n".join(rows) + "\n")
    (folder / "c.yaml").write_text(CONFIG.replace("FOLDER", str(BERT)))
    return train.train(resolve.load(folder / "c.yaml"), RunStore(folder / "runs"), device="cpu").path


@pytest.fixture
def texts(trained_texts: Path, tmp_path: Path) -> Run:
    shutil.copytree(trained_texts, tmp_path / "runs" / trained_texts.name)
    return RunStore(tmp_path / "runs").find("texts")


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read exports again here, where Keras is imported already."""

    def check(format: Format, model: Path, samples: Path) -> Agreement:
        stored = Samples.from_bytes(samples.read_bytes())
        return verify(engines.load(format, model, tuple(stored.inputs)), stored)

    monkeypatch.setattr(formats, "check_in_new_process", check)


def test_an_encoder_is_read_back_from_its_folder(texts: Run) -> None:
    notes: list[str] = []
    exported = formats.export(OpenedRun(texts), "hf", note=notes.append)
    assert len(notes) == 1 and "the head is in head.safetensors" in notes[0]
    assert exported.model.name == "model.safetensors" and exported.max_difference < 1e-6
    folder = exported.path
    assert set(exported.files) == {
        "1_Pooling/config.json", "README.md", "config.json", "export.json", "head.safetensors", "labels.txt",
        "model.safetensors", "modules.json", "preprocessing.json", "sentence_bert_config.json",
        "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    model, findings = Encoder(weights=str(folder)).resolved(files=True)
    assert findings == [] and model._architecture().pooling == "mean"
    opened = OpenedRun(texts)
    weights = folders.weights_of(folder, model._architecture())
    trained = {variable.path: variable.numpy() for variable in opened.network.variables}
    assert trained.keys() == {*weights.by_variable, "head/kernel", "head/bias"} | {
        path for path in trained if path.endswith("seed_generator_state")
    }
    for path, stored in weights.by_variable.items():
        assert np.array_equal(weights._values(path, stored), trained[path]), path
    assert not texts.verify().problems and not texts.verify().unverified


def test_the_page_says_how_to_use_it(texts: Run, tmp_path: Path, in_this_process: None) -> None:
    """Its arithmetic, done with NumPy on the hidden states, gives the run's raw outputs."""
    import keras

    formats.export(OpenedRun(texts), "hf", tmp_path / "out")
    page = (tmp_path / "out/README.md").read_text()
    assert "float32 [batch, 1]: the logit of the second class." in page
    (code,) = re.findall(r"```python\n(import torch.*?)```", page, re.S)
    assert "AutoModel.from_pretrained" in code and "max_length=12" in code
    opened = OpenedRun(texts)
    samples = Samples.from_bytes(texts.read_bytes(layout.SAMPLES))
    inputs = next(iter(samples.inputs.values()))[:5]
    last = opened.network.get_layer("block2_feed_forward_norm").output
    states = np.asarray(keras.Model(opened.network.input, last)(inputs))
    head = {name: one.read() for name, one in tensors.header(tmp_path / "out" / writing.HEAD).items()}
    mask = (inputs != 0)[..., None]
    pooled = (states * mask).sum(1) / mask.sum(1)
    output = pooled @ head["weight"].T + head["bias"]
    assert np.abs(output - np.asarray(opened.network(inputs))).max() < 1e-5


def test_a_folder_that_computes_something_else_is_not_exported(
    texts: Run, tmp_path: Path, in_this_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = writing._write_json

    def other(path: Path, document: object) -> None:
        if path.name == "config.json" and isinstance(document, dict) and "hidden_act" in document:
            document = {**document, "hidden_act": "relu"}
        written(path, document)

    monkeypatch.setattr(writing, "_write_json", other)
    with pytest.raises(IntegrityError, match="reloaded as hf, it differs from Keras"):
        formats.export(OpenedRun(texts), "hf", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_model_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"small-v1 cannot be exported as hf.* encoder.* cnn") as caught:
        formats.export(OpenedRun(run), "hf", tmp_path / "out")
    assert caught.value.hint == "it can be exported as onnx, saved_model, litert"
    assert not (tmp_path / "out").exists()
    about = json.loads((run.path / layout.RECORD).read_text())
    assert about["status"] == "completed"
