"""A pretrained text encoder from its folder to a prediction, and what is wrong with a folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bmcli
from bmcli.config import resolve
from bmcli.core.errors import ConfigError, IntegrityError, InterruptedRunError
from bmcli.models import MODELS
from bmcli.pretrained import tensors, tokenizer
from bmcli.pretrained.folder import architecture_of, licence_of, name_of, weights_of
from bmcli.runs import layout
from tests.experiments.test_resume import stop_when_saved
from tests.hub import COMMIT, HubServer
from tests.pretrained.make_folders import FOLDERS

BERT = FOLDERS / "bert"
NAME = "org/tiny-bert"
TRAINING = {"epochs": 2, "batch_size": 16, "precision": "float32"}


def films(folder: Path, count: int = 64) -> dict[str, object]:
    kinds = (("good", "yes"), ("bad", "no"))
    rows = [f"a {kinds[i % 2][0]} film {'the ' * (i % 7)},{kinds[i % 2][1]}" for i in range(count)]
    (folder / "films.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    return {"path": str(folder / "films.csv"), "text": "text", "target": "label", "kind": "text"}


def config(folder: Path, weights: Path | str, **options: object) -> dict[str, Any]:
    model = {"name": "encoder", "weights": str(weights), **options}
    return {"name": "films", "data": films(folder), "model": model, "training": TRAINING}


def copied(folder: Path, name: str = "bert") -> Path:
    shutil.copytree(FOLDERS / name, folder / name)
    return folder / name


@contextmanager
def on_a_hub(folder: Path) -> Iterator[HubServer]:
    """A hub that has NAME, and a data home in `folder`, which is gone afterwards; so is the hub."""
    hub = HubServer()
    readme = b"---\nlanguage: en\nlicense: apache-2.0\n---\n# Tiny\n"
    hub.add(NAME, BERT, README__md=readme)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("HF_ENDPOINT", hub.url), ("HF_HOME", os.devnull), ("BM_OFFLINE", "0")):
            patch.setenv(name, value)
        patch.setenv("BM_DATA_HOME", str(folder / "home"))
        yield hub
    hub.close()
    shutil.rmtree(folder / "home")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> bmcli.Run:
    """Trained from a name whose files are gone afterwards."""
    folder = tmp_path_factory.mktemp("encoder")
    with on_a_hub(folder):
        return bmcli.train(config(folder, f"hf:{NAME}"), runs_dir=folder / "runs", display=None)


def test_a_run_needs_its_folder_no_longer(run: bmcli.Run) -> None:
    assert run.record["onnx"]["published"], run.record["onnx"]
    said = run.record["pretrained"]
    assert (said["name"], said["revision"], said["licence"]) == (NAME, COMMIT, "apache-2.0")
    assert f"weights: hf:{NAME}@{COMMIT}" in (run.path / layout.CONFIG).read_text()
    assert said["family"] == "bert"
    assert said["sha256"] == tensors.sha256(BERT)
    assert said["unused"] == ["pooler.dense.bias", "pooler.dense.weight"]
    alone = run.predict("a good film", text=True, display=None)[0]
    beside = run.predict(["a good film", "a bad film " * 12], text=True, display=None)[0]
    assert alone.probability == pytest.approx(beside.probability, rel=1e-5)
    encoder, spec = bmcli.load_preprocessing(run.path)
    assert spec.max_length == architecture_of(BERT).longest  # less than preprocessing.text.max_length
    ids = next(encoder.token_ids(["a good film"]))
    network = run.keras_model()
    found = np.asarray(network(np.array([ids], np.int32)))
    assert found.max() == pytest.approx(alone.probability, rel=1e-4)
    import keras

    plain = keras.saving.load_model(run.path / layout.MODEL_KERAS)  # of nothing but what ships with Keras
    assert np.allclose(np.asarray(plain(np.array([ids], np.int32))), found, atol=1e-6)
    (said,) = run.explain("a good film", text=True, display=None)
    assert said.tokens == ("a", "good", "film") and len(said.weights) == 3 and len(ids) >= 5
    assert said.weights.sum() + said.special == pytest.approx(said.difference, abs=0.02)
    assert said.to_json()["special_tokens"] == said.special
    assert run.evaluate("test", display=None)


def test_an_encoder_begins_with_the_folders_weights(tmp_path: Path) -> None:
    import keras

    component, findings = MODELS.get("encoder")(weights=str(BERT), pooling="mean").resolved(files=True)
    assert findings == []
    from bmcli.core.spec import DataSpec, InputSpec, Target

    tokens = InputSpec((None,), "int32", "input", 0, 1, 200, 24)
    model = component.build(DataSpec("text", (tokens,), Target("binary", ("no", "yes"))))
    component.initialise(model, None)
    pooled = keras.Model(model.input, model.get_layer("head").input)
    kept = np.load(BERT / "reference.npz")
    found = np.asarray(pooled(kept["ids"]))
    used = kept["used"][..., None]
    assert np.allclose(found, (kept["states"] * used).sum(1) / used.sum(1), atol=1e-5)
    stages = component.stages(model)
    assert [len(group) for group in stages] == [4, 8, 8]
    with_weights = {layer.name for layer in model.layers if layer.weights}
    assert {name for group in stages for name in group} == with_weights - {"head"}


def test_resuming_is_exact_and_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bmcli.train(config(tmp_path, copied(tmp_path)), runs_dir=tmp_path / "whole", display=None)
    with on_a_hub(tmp_path) as hub:
        with monkeypatch.context() as patch, pytest.raises(InterruptedRunError):
            stop_when_saved(1, patch)
            bmcli.train(config(tmp_path, f"hf:{NAME}"), runs_dir=tmp_path / "runs", display=None)
        shutil.rmtree(tmp_path / "home/huggingface")
        asked, hub.status = len(hub.asked), 500
        resumed = bmcli.load(tmp_path / "runs/films-v1").resume(display=None)
        assert len(hub.asked) == asked
    assert resumed.record["weights_sha256"] == whole.record["weights_sha256"], "wherever they are from"
    assert resumed.record["exact"]
    assert resumed.record["pretrained"]["sha256"] == whole.record["pretrained"]["sha256"]
    assert resumed.record["pretrained"]["revision"] == COMMIT


def without(folder: Path, *names: str, **others: np.ndarray) -> None:
    """The weights of a folder without some tensors, and with others."""
    from safetensors.numpy import load_file, save_file

    kept = {name: one for name, one in load_file(folder / tensors.WEIGHTS).items() if name not in names}
    save_file({**kept, **others}, folder / tensors.WEIGHTS)


def changed(folder: Path, **options: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **options}))


def truncated(folder: Path) -> None:
    data = (folder / tensors.WEIGHTS).read_bytes()
    (folder / tensors.WEIGHTS).write_bytes(data[:-100])


def pickled(folder: Path) -> None:
    (folder / tensors.WEIGHTS).rename(folder / "pytorch_model.bin")


def hostile_header(folder: Path) -> None:
    (folder / tensors.WEIGHTS).write_bytes((2**62).to_bytes(8, "little") + b"{}")


def sharded(folder: Path) -> None:
    """Two shards, of which one is missing."""
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / tensors.WEIGHTS)
    (folder / tensors.WEIGHTS).unlink()
    half = dict(list(weights.items())[::2])
    save_file(half, folder / "model-00001-of-00002.safetensors")
    names = {name: f"model-0000{1 if name in half else 2}-of-00002.safetensors" for name in weights}
    (folder / tensors.INDEX).write_text(json.dumps({"metadata": {}, "weight_map": names}))


def words(folder: Path, more: int) -> None:
    """More words in vocab.txt than the model knows."""
    text = (folder / "vocab.txt").read_text("utf-8")
    (folder / "vocab.txt").write_text(text + "".join(f"w{i}\n" for i in range(more)), "utf-8")


def swapped(folder: Path) -> None:
    lines = (folder / "vocab.txt").read_text("utf-8").splitlines()
    (folder / "vocab.txt").write_text("\n".join([lines[1], lines[0], *lines[2:]]) + "\n", "utf-8")


def library(folder: Path, more: int) -> None:
    """A tokenizer.json of that many more tokens, instead of vocab.txt."""
    text = tokenizer.tokenizer_json(folder, architecture_of(folder))
    (folder / "vocab.txt").unlink()
    document = json.loads(text)
    vocabulary = document["model"]["vocab"]
    vocabulary |= {f"w{i}": len(vocabulary) + i for i in range(more)}
    (folder / "tokenizer.json").write_text(json.dumps(document), "utf-8")


QUERY = "encoder.layer.1.attention.self.query.weight"
WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "a tensor missing": (lambda folder: without(folder, QUERY), f"{QUERY} is missing"),
    "a tensor too many": (lambda folder: without(folder, more=np.ones(2)), "more has no place"),
    "a tensor misshapen": (
        lambda folder: without(folder, QUERY, **{QUERY: np.ones((16, 4), np.float32)}),
        rf"{QUERY} is \[16, 4\], but by config.json it should be \[16, 16\]",
    ),
    "a dtype": (
        lambda folder: without(folder, QUERY, **{QUERY: np.ones((16, 16), np.int64)}),
        f"{QUERY} is I64",
    ),
    "a block less": (lambda folder: changed(folder, num_hidden_layers=1), r"layer\.1\..* has no place"),
    "a block more": (lambda folder: changed(folder, num_hidden_layers=3), r"layer\.2\..* is missing"),
    "huge": (lambda folder: changed(folder, vocab_size=3_900_000), r"it should be \[3900000, 16\]"),
    "beyond all": (lambda folder: changed(folder, hidden_size=10**12), "width is 1000000000000"),
    "a size that is text": (lambda folder: changed(folder, hidden_size="16"), "hidden_size is '16'"),
    "a negative size": (lambda folder: changed(folder, num_hidden_layers=-1), "blocks is -1"),
    "an activation": (lambda folder: changed(folder, hidden_act="mish"), "hidden_act is 'mish'"),
    "positions": (
        lambda folder: changed(folder, position_embedding_type="relative_key"),
        "position_embedding_type 'relative_key'",
    ),
    "a decoder": (lambda folder: changed(folder, is_decoder=True), "is_decoder True"),
    "code": (lambda folder: changed(folder, auto_map={"AutoModel": "x.Y"}), "auto_map"),
    "a family": (lambda folder: changed(folder, model_type="gpt2"), "'gpt2' is not supported; known: bert, "),
    "pickled": (pickled, r"pytorch_model\.bin is pickled.*torch\.load"),
    "truncated": (truncated, "is truncated"),
    "a hostile header": (hostile_header, "is truncated, or not a safetensors file"),
    "a shard missing": (sharded, "model-00002-of-00002.safetensors is missing"),
    "another vocabulary": (lambda folder: words(folder, 50), "vocab.txt is the tokenizer of another"),
    "another padding": (
        lambda folder: swapped(folder),
        r"of another vocabulary: \[PAD\] has id 1, and pad_token_id is 0",
    ),
    "no tokenizer": (lambda folder: (folder / "vocab.txt").unlink(), r"has no tokenizer\.json, vocab\.txt"),
    "another tokenizer.json": (lambda folder: library(folder, 80), "tokenizer.json is the tokenizer of"),
    "not a number": (
        lambda folder: changed(folder, layer_norm_eps=float("nan")),
        "epsilon is nan, not a number above 0",
    ),
    "infinite": (lambda folder: changed(folder, hidden_size=float("inf")), "hidden_size is inf"),
    "a size that is a list": (lambda folder: changed(folder, vocab_size=[[9]]), "vocab_size is"),
    "a size that is true": (
        lambda folder: changed(folder, num_hidden_layers=True),
        "num_hidden_layers is True",
    ),
    "a number of many digits": (
        lambda folder: (folder / "config.json").write_text(
            '{"model_type": "bert", "hidden_size": ' + "9" * 9_000
        ),
        "is damaged",
    ),
    "no config": (lambda folder: (folder / "config.json").unlink(), "there is no file .*config.json"),
    "a config too large": (
        lambda folder: (folder / "config.json").write_text(" " * 2_000_000),
        "has more than 1,048,576 bytes",
    ),
    "a config nested": (lambda folder: (folder / "config.json").write_text("[" * 100_000), "is damaged"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_folder_is_found_without_loading(case: str, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    spoil, message = WRONG[case]
    spoil(folder)
    with pytest.raises(ConfigError) as error:
        resolve.load(config(tmp_path, folder))
    problem = error.value.problems[0]
    assert re.search(message, problem.message), problem.message


def test_a_check_of_an_encoder_computes_nothing(tmp_path: Path) -> None:
    """It reads the header of the weights, and loads neither them nor NumPy."""
    made = config(tmp_path, copied(tmp_path))
    (tmp_path / "c.json").write_text(json.dumps(made))
    code = (
        "import json, sys; from bmcli.config import resolve; "
        "made = resolve.load(json.load(open('c.json'))); assert made.model.architecture['blocks'] == 2; "
        "assert not {'numpy', 'keras', 'tensorflow', 'tokenizers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60)


def test_what_cannot_be_is_an_error_at_its_line(tmp_path: Path) -> None:
    films(tmp_path)
    text = "data: {path: films.csv, text: text, target: label}\nmodel:\n  name: encoder\n  weights: %s\n"
    for weights, message in (("nowhere", "there is no folder"), ("hf:name", "is not hf:ORG/NAME")):
        (tmp_path / "c.yaml").write_text(text % weights)
        with pytest.raises(ConfigError, match=message) as error:
            resolve.load(tmp_path / "c.yaml")
        place = error.value.problems[0].place
        assert place is not None and place.line == 4
    (tmp_path / "c.yaml").write_text(text.split("  weights")[0])
    with pytest.raises(ConfigError, match="write the path of a folder"):
        resolve.load(tmp_path / "c.yaml")


def test_shards_f16_and_bf16_are_read(tmp_path: Path) -> None:
    import ml_dtypes
    from safetensors.numpy import load_file, save_file

    folder = copied(tmp_path)
    whole = load_file(folder / tensors.WEIGHTS)
    (folder / tensors.WEIGHTS).unlink()
    dtypes = (np.float32, np.float16, ml_dtypes.bfloat16)
    made = {name: one.astype(dtypes[i % 3]) for i, (name, one) in enumerate(whole.items())}
    names = {}
    for shard in range(2):
        part = dict(list(made.items())[shard::2])
        save_file(part, folder / f"model-{shard}.safetensors")
        names |= dict.fromkeys(part, f"model-{shard}.safetensors")
    (folder / tensors.INDEX).write_text(json.dumps({"weight_map": names}))
    found = tensors.listed(folder)
    assert set(found) == set(whole)
    for name, stored in found.items():
        assert np.array_equal(stored.read(), made[name].astype(np.float32)), name
    weights_of(folder, architecture_of(folder))


def test_old_names_of_normalisations(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = copied(tmp_path)
    old = {}
    for name, one in load_file(folder / tensors.WEIGHTS).items():
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        old[f"bert.{name}"] = one
    save_file({**old, "cls.predictions.bias": np.zeros(3, np.float32)}, folder / tensors.WEIGHTS)
    found = weights_of(folder, architecture_of(folder))
    assert found.by_variable["embedding_norm/beta"].name == "bert.embeddings.LayerNorm.beta"
    assert "cls.predictions.bias" in found.unused and "bert.pooler.dense.bias" in found.unused


def test_the_tokenizer_of_another_vocabulary(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    lines = (folder / "vocab.txt").read_text("utf-8").splitlines()
    architecture = architecture_of(folder)
    (folder / "vocab.txt").write_text("\n".join([*lines, *(f"w{i}" for i in range(50))]) + "\n", "utf-8")
    with pytest.raises(IntegrityError, match="another vocabulary: it has"):
        tokenizer.tokenizer_json(folder, architecture)
    (folder / "vocab.txt").write_text("\n".join([lines[1], lines[0], *lines[2:]]) + "\n", "utf-8")
    with pytest.raises(IntegrityError, match=r"another vocabulary: \[PAD\] has id 1"):
        tokenizer.tokenizer_json(folder, architecture)
    (folder / "vocab.txt").unlink()
    with pytest.raises(ConfigError, match=r"has no tokenizer\.json, vocab\.txt"):
        tokenizer.tokenizer_json(folder, architecture)


def test_a_tokenizer_lower_cases_where_nobody_has_said(tmp_path: Path) -> None:
    """As transformers 5.24.0: the default of BertTokenizer goes before what tokenizer.json says."""
    folder = copied(tmp_path, "bert-cased")
    architecture, options = architecture_of(folder), folder / "tokenizer_config.json"
    said = json.loads(options.read_text())
    assert said["do_lower_case"] is False

    def lower(**keys: object) -> bool:
        options.write_text(json.dumps(keys))
        document = json.loads(tokenizer.tokenizer_json(folder, architecture))
        return bool(document["normalizer"]["lowercase"])

    assert not lower(**said)
    library(folder, 0)
    assert not lower(do_lower_case=False)
    assert lower() and lower(tokenizer_class="BertTokenizer")
    document = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    assert document["normalizer"]["lowercase"] is False
    assert not lower(tokenizer_class="PreTrainedTokenizerFast")


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    without(folder, QUERY, **{QUERY: np.full((16, 16), np.nan, np.float32)})
    with pytest.raises(IntegrityError, match=f"{QUERY} has values that are not finite"):
        bmcli.train(config(tmp_path, folder), runs_dir=tmp_path / "runs", display=None)


def test_names_and_licences(tmp_path: Path) -> None:
    cached = tmp_path / "models--org--some-model" / "snapshots" / "abc123"
    cached.mkdir(parents=True)
    assert name_of(cached) == "org/some-model@abc123"
    assert (name_of(BERT), name_of(BERT / "model")) == ("bert", "bert/model")
    assert licence_of(cached) is None
    (cached / "README.md").write_text("# license: none\n")
    assert licence_of(cached) is None


def test_a_changed_config_of_the_folder_is_said(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    given = architecture_of(folder).to_dict()
    changed(folder, layer_norm_eps=1e-3)
    with pytest.raises(ConfigError, match=r"not what config\.json says"):
        resolve.load(config(tmp_path, folder, architecture=given))
    with pytest.raises(ConfigError, match="blocks is 0"):
        resolve.load(config(tmp_path, folder, architecture={**given, "blocks": 0}))
