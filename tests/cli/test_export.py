"""bm export as a command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bmcli.runs.store import RunStore

GOLDEN = Path(__file__).parent / "golden"
CONFIG = """
name: tiny
data: diabetes
model: linear
training: {epochs: 1, precision: float32}
evaluation: {splits: [test]}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from bmcli.config import resolve
    from bmcli.core import quiet
    from bmcli.experiments import train

    quiet.prepare()
    folder = tmp_path_factory.mktemp("export")
    (folder / "tiny.yaml").write_text(CONFIG)
    train.train(resolve.load(folder / "tiny.yaml"), RunStore(folder / "runs"), device="cpu")
    return folder / "runs"


def test_the_document_and_the_folder(bm, trained, tmp_path):
    done = bm("export", "tiny", "--format", "onnx", "--output", "out", "--json", "--runs-dir", str(trained))
    assert done.code == 0, done.err
    document = done.json
    golden = json.loads((GOLDEN / "export.json").read_text("utf-8"))
    shown = {
        key: [type(value[0]).__name__] if isinstance(value, list) else type(value).__name__
        for key, value in document.items()
    }
    assert shown == golden
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == document["files"]
    assert "labels.txt" not in document["files"]  # a regression has none


def test_the_path_alone_on_stdout(bm, trained, tmp_path):
    done = bm("export", "tiny", "-f", "onnx", "-o", "out", "--runs-dir", str(trained))
    assert done.out == "out\n"
    assert "matches Keras" in done.err


def test_no_tensorflow_for_a_model_that_is_there(bm, trained, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nfor name in ('tensorflow', 'keras'): sys.modules[name] = None\n"
    )
    done = bm(
        "export", "tiny", "-f", "onnx", "-o", "out", "--runs-dir", str(trained),
        env={"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.code == 0, done.err


def test_an_unknown_format_is_a_usage_error(bm, trained):
    assert bm("export", "tiny", "--format", "pmml", "--runs-dir", str(trained)).code == 2


OWN = """
from bmcli.models import MODELS, Model

@MODELS.register("own")
class Own(Model):
    \"\"\"One layer.\"\"\"

    kinds = ("table",)

    def build(self, spec):
        import keras
        inputs = keras.Input(spec.input_shape, name="input")
        return keras.Model(inputs, keras.layers.Dense(spec.units, name="head", dtype="float32")(inputs))
"""


def test_the_users_own_model_is_exported_once_trusted(invoke, tmp_path):
    from bmcli.config import resolve
    from bmcli.experiments import train
    from bmcli.models import MODELS

    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "own.yaml").write_text(CONFIG.replace("linear", "own") + "code: own.py\n")
    train.train(resolve.load(tmp_path / "own.yaml", run_code=True), RunStore(tmp_path / "runs"), device="cpu")
    MODELS._classes.pop("own")
    assert invoke("export", "tiny", "-f", "onnx", "-o", "a").code == 0
    refused = invoke("export", "tiny", "-f", "saved_model", "-o", "b")
    assert refused.code == 2
    assert "--trust-code" in refused.err
    assert "own" not in MODELS
    assert not (tmp_path / "b").exists()
    trusted = invoke("export", "tiny", "-f", "saved_model", "-o", "b", "--trust-code")
    assert trusted.code == 0, trusted.err
    assert (tmp_path / "b" / "saved_model" / "saved_model.pb").is_file()
    MODELS._classes.pop("own", None)
