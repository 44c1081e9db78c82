"""Fine-tuning from the command line: what is trained, kept, shown and refused, and runs that are stopped."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from bmcli.config.resolve import load
from bmcli.core.errors import ConfigError
from bmcli.experiments import fit as fitting
from bmcli.experiments.display import Silent
from bmcli.experiments.finetuning import feature_cache, tuned
from bmcli.experiments.prepare import build, prepare
from bmcli.inference.weights import best_of, from_bytes, sha256_of
from bmcli.pretrained import made_up
from bmcli.runs import layout
from bmcli.runs.run import Run
from bmcli.training.events import FeaturesDone
from bmcli.training.trainer import Trainer
from tests.conftest import Done
from tests.experiments.test_resume import cells, record, spoil, stop_when_saved, train_in
from tests.pretrained.architectures import BERT

Invoke = Callable[..., Done]

BASE = """\
name: base
data: {path: cells.csv, target: kind}
model: {name: mlp, hidden: [6, 5], dropout: 0.3}
training: {epochs: 2, batch_size: 8}
evaluation: {splits: [test]}
"""
FINE = BASE.replace("name: base", "name: fine\ninit_from: base").replace(
    "epochs: 2,", "epochs: 3, ema: 0.9, finetune: {layers: LAYERS},"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a run to start from, and configs."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "cells.csv").write_text(cells())
    (folder / "base.yaml").write_text(BASE)
    for layers in ("none", "all", "1"):
        (folder / f"{layers}.yaml").write_text(FINE.replace("LAYERS", layers))
    (folder / "adapters.yaml").write_text(FINE.replace("LAYERS", "all, adapters: {rank: 2}"))
    assert train_in(folder, "base.yaml") == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, with a data home of its own."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BM_DATA_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture(scope="module")
def whole(made: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The records of runs that were never stopped, by layers."""
    found = {}
    for layers in ("none", "all", "1", "adapters"):
        folder = tmp_path_factory.mktemp("whole")
        shutil.copytree(made, folder, dirs_exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BM_DATA_HOME", str(folder / "home"))
            assert train_in(folder, f"{layers}.yaml") == 0
        found[layers] = record(folder / "runs/fine-v1")
    return found


def best(run: Path) -> dict[str, np.ndarray]:
    """As they are kept: of an unfinished run, without the frozen ones."""
    file = run / layout.BEST
    return from_bytes(file.read_bytes()) if file.exists() else best_of(Run(run))


def test_what_is_trained_is_said_once_and_recorded(folder: Path, invoke: Invoke) -> None:
    done = invoke("train", "1.yaml")
    assert done.code == 0, done.err
    assert done.err.count("fine-tuning: ") == 1
    assert "head alone at 1e-3 in epoch 1, then dense2 1e-4; frozen: dense1" in done.err
    told = record(folder / "runs/fine-v1")["finetune"]
    assert (told["layers"], told["head_epochs"], told["head_rate"]) == (1, 1, 1e-3)
    assert [group["rate"] for group in told["groups"]] == [None, 1e-4]
    assert told["trained"] + told["frozen"] == record(folder / "runs/fine-v1")["parameters"]
    resolved = (folder / "runs/fine-v1/config.yaml").read_text()
    assert "name: adamw" in resolved and "name: linear" in resolved and "warmup_epochs: 0.3" in resolved
    run, base = best(folder / "runs/fine-v1"), best(folder / "runs/base-v1")
    assert run.keys() == base.keys(), "the weights of a complete run are whole"
    same = {path for path in base if run[path].tobytes() == base[path].tobytes()}
    assert same == {"dense1/kernel", "dense1/bias"}
    assert not (folder / "runs/fine-v1" / layout.FROZEN).exists()
    assert invoke("runs", "verify", "fine").code == 0


def test_check_shows_what_is_trained_and_frozen(folder: Path, invoke: Invoke) -> None:
    done = invoke("check", "none.yaml", "--build", "--json")
    built = done.json["build"]
    assert built["trained"] + built["frozen"] == built["parameters"] and built["frozen"] > built["trained"]
    assert f"{built['frozen']:,} frozen" in invoke("check", "none.yaml", "--build").out
    frozen = invoke("check", "base.yaml", "init_from={run: base, freeze: [dense1]}", "--build", "--json")
    assert frozen.json["build"]["frozen"] > 0
    assert "frozen" not in invoke("check", "base.yaml", "--build", "--json").json["build"]
    assert not (folder / "home").exists(), "nothing is computed before the first step"


def test_without_finetune_nothing_is_said_of_it(folder: Path, invoke: Invoke) -> None:
    done = invoke("train", "base.yaml", "name=other")
    assert "fine-tuning" not in done.err and record(folder / "runs/other-v1")["finetune"] is None
    assert (
        record(folder / "runs/other-v1")["weights_sha256"]
        == record(folder / "runs/base-v1")["weights_sha256"]
    )


WRONG = {
    "more groups than there are": (["training.finetune.layers=3"], "3 groups of layers, but the model has 2"),
    "random weights": (["init_from=null"], "fine-tuning needs known weights"),
    "no epoch left": (["training.epochs=1"], "1 epochs of the head alone leave none of the 1"),
    "head epochs of a head alone": (
        ["training.finetune={layers: none, head_epochs: 2}"],
        "with layers: none, all epochs train only the head",
    ),
    "an optimizer that forgets": (["training.optimizer=muon"], "muon cannot fine-tune"),
    "all frozen": (["init_from={run: base, freeze: [dense*]}"], "freezes all of these layers"),
    "a warm-up that is too long": (["training.schedule.warmup_epochs=2.5"], "longer than the training (2)"),
    "adapters of no layer": (
        ["training.finetune={adapters: {layers: [conv*]}}"],
        "no layer that can have an adapter matches 'conv*'",
    ),
    "adapters of a head alone": (
        ["training.finetune={layers: none, adapters: {rank: 2}}"],
        "with layers: none, only the head is trained, so no layer gets an adapter",
    ),
    "a number of no group": (["training.finetune.layers=0"], "training.finetune.layers"),
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_mistakes_are_errors_of_the_config(
    changes: tuple[list[str], str], folder: Path, invoke: Invoke
) -> None:
    done = invoke("train", "all.yaml", *changes[0])
    assert done.code == 2 and changes[1] in done.err, done.err
    assert not (folder / "runs/fine-v1").exists()


def test_a_mistake_has_a_line(folder: Path, invoke: Invoke) -> None:
    (folder / "wrong.yaml").write_text(FINE.replace("init_from: base\n", "").replace("LAYERS", "all"))
    assert "wrong.yaml:4:" in invoke("check", "wrong.yaml").err


@pytest.mark.parametrize("layers", ["none", "all", "1"])
@pytest.mark.parametrize("saves", [1, 2, 3])
def test_stopped_and_resumed_in_each_phase(
    layers: str, saves: int, folder: Path, whole: dict[str, dict[str, Any]], invoke: Invoke
) -> None:
    """Before the first step, after the epoch of the head alone, in the middle of the layers below it."""
    with pytest.MonkeyPatch.context() as patch:
        stop_when_saved(saves, patch)
        assert invoke("train", f"{layers}.yaml").code == 143
    run = folder / "runs/fine-v1"
    frozen = set(from_bytes((run / layout.FROZEN).read_bytes()))
    assert frozen == {f"dense{n}/{part}" for n in (1, 2) for part in ("kernel", "bias")}
    held = {name for name in from_bytes((run / layout.LAST).read_bytes()) if name.startswith("model/dense")}
    trained = {"none": set(), "all": {1, 2}, "1": {2}}[layers] if saves > 1 else set()
    assert held == {f"model/dense{n}/{part}" for n in trained for part in ("kernel", "bias")}
    shutil.rmtree(folder / "runs/base-v1")
    shutil.rmtree(folder / "home", ignore_errors=True)
    done = invoke("train", "--resume", "fine")
    assert done.code == 0, done.err
    assert record(run)["weights_sha256"] == whole[layers]["weights_sha256"]
    assert record(run)["exact"] is True


@pytest.mark.parametrize("saves", [1, 2, 3])
def test_adapters_stopped_and_resumed_in_each_phase(
    saves: int, folder: Path, whole: dict[str, dict[str, Any]], invoke: Invoke
) -> None:
    """Checkpoints hold adapters and head; best weights that someone starts from have them merged."""
    with pytest.MonkeyPatch.context() as patch:
        stop_when_saved(saves, patch)
        assert invoke("train", "adapters.yaml").code == 143
    run, base = folder / "runs/fine-v1", best(folder / "runs/base-v1")
    own = {f"dense{n}/{part}" for n in (1, 2) for part in ("kernel", "bias")}
    assert set(from_bytes((run / layout.FROZEN).read_bytes())) == own
    held = {name for name in from_bytes((run / layout.LAST).read_bytes()) if name.startswith("model/")}
    small = {f"dense{n}/{part}" for n in (1, 2) for part in ("adapter_down", "adapter_up")}
    assert held == {f"model/{name}" for name in (*small, "head/kernel", "head/bias")}
    if saves > 1:
        assert set(best(run)) == {*small, "head/kernel", "head/bias"}
        merged = best_of(Run(run))
        assert merged.keys() == base.keys()
        assert np.array_equal(merged["dense2/kernel"], base["dense2/kernel"]) == (saves == 2)
    shutil.rmtree(folder / "home", ignore_errors=True)
    done = invoke("train", "--resume", "fine")
    assert done.code == 0, done.err
    assert record(run)["weights_sha256"] == whole["adapters"]["weights_sha256"]
    assert record(run)["exact"] is True


def test_adapters_leave_a_plain_model(folder: Path, invoke: Invoke) -> None:
    done = invoke("train", "adapters.yaml")
    assert done.code == 0, done.err
    assert "then adapters of rank 2 in dense2 5e-4, dense1 4.5e-4; frozen: all their own weights" in done.err
    about, base = (record(folder / "runs" / name) for name in ("fine-v1", "base-v1"))
    assert about["parameters"] == base["parameters"]
    told = about["finetune"]
    assert told["adapters"] == {"rank": 2, "alpha": 4.0, "layers": ["dense2", "dense1"]}
    shapes = {path: array.shape for path, array in best(folder / "runs/base-v1").items()}
    sums = sum(2 * sum(shapes[f"dense{n}/kernel"]) for n in (1, 2))
    assert told["trained"] == sums + np.prod(shapes["head/kernel"]) + np.prod(shapes["head/bias"])
    assert told["frozen"] == sum(np.prod(shape) for path, shape in shapes.items() if "head" not in path)
    new, old = best(folder / "runs/fine-v1"), best(folder / "runs/base-v1")
    assert {path for path in old if not np.array_equal(old[path], new[path])} == {
        "dense1/kernel", "dense2/kernel", "head/kernel", "head/bias"
    }  # fmt: skip
    change = new["dense1/kernel"] - old["dense1/kernel"]
    assert np.linalg.matrix_rank(change, tol=1e-6) == 2
    graphs = [onnx.load(folder / "runs" / name / "model.onnx").graph for name in ("fine-v1", "base-v1")]
    assert [node.op_type for node in graphs[0].node] == [node.op_type for node in graphs[1].node]
    assert [list(one.dims) for one in graphs[0].initializer] == [
        list(one.dims) for one in graphs[1].initializer
    ]


def test_a_network_without_a_layer_for_them_is_refused(folder: Path) -> None:
    (folder / "cnn.yaml").write_text(
        "data: {name: digits, limit: 20}\nmodel: {name: cnn, filters: [4], dense: []}\ninit_from: base\n"
        "training: {epochs: 2, finetune: {adapters: {rank: 2}}}\n"
    )
    experiment = prepare(load(folder / "cnn.yaml"), display=Silent())
    network, _ = build(experiment)
    with pytest.raises(ConfigError, match="adapters: cnn has no dense layer and no 1x1 convolution"):
        tuned(experiment, network)


def test_stopped_while_features_are_computed(
    folder: Path, whole: dict[str, dict[str, Any]], invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Trainer.run

    def stopping(trainer: Trainer) -> Any:
        for event in run(trainer):
            if isinstance(event, FeaturesDone):
                signal.raise_signal(signal.SIGTERM)
            yield event

    monkeypatch.setattr(Trainer, "run", stopping)
    done = invoke("train", "none.yaml")
    assert done.code == 143 and "--resume" in done.err
    assert list((folder / "home").rglob("*.npy")) == []
    monkeypatch.setattr(Trainer, "run", run)
    assert invoke("train", "--resume", "fine").code == 0
    assert record(folder / "runs/fine-v1")["weights_sha256"] == whole["none"]["weights_sha256"]


def test_an_interrupted_run_s_best_weights_are_whole_to_whoever_starts_from_them(
    folder: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_when_saved(2, patch)
        assert invoke("train", "none.yaml").code == 143
    assert set(best(folder / "runs/fine-v1")) == {"head/kernel", "head/bias"}
    done = invoke("train", "base.yaml", "name=next", "init_from=runs/fine-v1", "training.epochs=1")
    assert done.code == 0 and "6 weights from fine-v1" in done.err, done.err


def test_damaged_frozen_weights_are_refused(folder: Path, invoke: Invoke) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_when_saved(2, patch)
        assert invoke("train", "none.yaml").code == 143
    spoil(folder / "runs/fine-v1" / layout.FROZEN)
    done = invoke("train", "--resume", "fine")
    assert done.code == 4 and "frozen.safetensors" in done.err


def test_features_are_kept_for_the_next_run(
    folder: Path, whole: dict[str, dict[str, Any]], invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert invoke("train", "none.yaml").code == 0
    kept = sorted((folder / "home").rglob("*.npy"))
    assert len(kept) == 2
    seen: list[str] = []
    shown = fitting._shown
    monkeypatch.setattr(fitting, "_shown", lambda event: (seen.append(type(event).__name__), shown(event))[1])
    assert invoke("train", "none.yaml", "seed=0").code == 0
    assert "FeaturesDone" not in seen and "EpochDone" in seen
    assert record(folder / "runs/fine-v2")["weights_sha256"] == whole["none"]["weights_sha256"]
    spoil(kept[0])
    done = invoke("train", "none.yaml")
    assert done.code == 0 and "are damaged, and computed again" in done.err
    assert record(folder / "runs/fine-v3")["weights_sha256"] == whole["none"]["weights_sha256"]


def test_features_of_a_part_of_the_data_are_other_features(folder: Path) -> None:
    """A fold of the doctor has the data's fingerprint, but not all of its examples."""
    experiment = prepare(load(folder / "none.yaml"), display=Silent())
    train = experiment.bundle.train
    some = [replace(experiment.bundle, train=train.take(np.arange(first, first + 9))) for first in (0, 9)]
    keys = [feature_cache(replace(experiment, bundle=one), 1, Silent()).key for one in some]
    assert keys[0]["data"] == keys[1]["data"] and keys[0] != keys[1]


def test_smoke_runs_both_phases(folder: Path, invoke: Invoke) -> None:
    done = invoke("train", "all.yaml", "--smoke", f"init_from={folder / 'runs/base-v1'}")
    assert done.code == 0, done.err


def test_json_of_the_record(folder: Path, invoke: Invoke) -> None:
    assert invoke("train", "none.yaml", "-q").code == 0
    told = json.loads((folder / "runs/fine-v1" / layout.RECORD).read_text())["finetune"]
    assert told["head_epochs"] is None and [group["rate"] for group in told["groups"]] == [None, None]


ENCODER = """\
name: texts
data: {path: texts.csv, text: text, target: kind}
preprocessing: {text: {max_length: 12}}
model: {name: encoder, weights: FOLDER}
training: {epochs: 3, batch_size: 8, batch_by_length: true, finetune: {layers: 1}}
evaluation: {splits: [test]}
"""


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with texts and a config of a tiny pretrained encoder."""
    rows = [f"{'good' if i % 2 else 'bad'} {'film ' * (i % 5)}number {i},{i % 2}" for i in range(60)]
    (tmp_path / "texts.csv").write_text("text,kind\n" + "\n".join(rows) + "\n")
    (tmp_path / "c.yaml").write_text(ENCODER.replace("FOLDER", str(BERT)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BM_DATA_HOME", str(tmp_path / "home"))
    return tmp_path


def test_a_pretrained_encoder_in_each_phase(texts: Path, invoke: Invoke) -> None:
    """Its blocks are the groups; it needs no run to start from, and a stopped one is resumed exactly."""
    assert invoke("train", "c.yaml").code == 0
    told = record(texts / "runs/texts-v1")["finetune"]["groups"]
    assert told[0]["layers"][0] == "token_embedding" and told[0]["rate"] is None
    assert told[-1]["rate"] == 1e-4 and told[-1]["layers"][0].startswith("block")
    for number, saves in ((2, 2), (3, 3)):
        with pytest.MonkeyPatch.context() as patch:
            stop_when_saved(saves, patch)
            assert invoke("train", "c.yaml").code == 143
        shutil.rmtree(texts / "home")
        done = invoke("train", "--resume", f"texts-v{number}")
        assert done.code == 0, done.err
        ours, theirs = (record(texts / f"runs/texts-v{n}")["weights_sha256"] for n in (1, number))
        assert ours == theirs


def test_what_a_complete_run_weighs(texts: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """model.keras and model.onnx hold all weights, adapters merged; nothing else does."""
    import keras

    monkeypatch.setitem(made_up.OPTIONS, "max_position_embeddings", 30_000)
    (texts / "large").mkdir()
    made_up.write(texts / "large")
    changes = ["model.weights=large", "training.epochs=2", "training.finetune.adapters={rank: 4}"]
    assert invoke("train", "c.yaml", *changes).code == 0
    run = Run(texts / "runs/texts-v1")
    weights = 4 * (run.record.parameters or 0)
    assert 2 * weights < run.size() < 2.2 * weights
    assert [path.name for path in (run.path / "checkpoints").iterdir()] == ["best.json"]
    assert sha256_of(best_of(run)) == run.record.weights_sha256
    assert not run.verify().problems
    plain = keras.models.load_model(run.path / layout.MODEL_KERAS)
    assert sorted(variable.path for variable in plain.weights) == sorted(best_of(run))
