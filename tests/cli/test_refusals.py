"""What `bm train` refuses at once, `bm check --build` refuses in the same words."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from bmcli.models import MODELS
from tests.conftest import Done

Invoke = Callable[..., Done]

PRETRAINED = {
    "backbone": "{name: backbone, architecture: mobilenet_v3_small, weights: random}",
    "encoder": f"{{name: encoder, weights: {Path(__file__).parents[1] / 'pretrained/folders/bert'}}}",
}
"""Models that need weights, with some."""

OWN_METRIC = """
from bmcli.metrics.metric import METRICS, Metric

@METRICS.register("{name}")
class Own(Metric):
    '''A metric.'''
    tasks = ("{task}",)
    def compute(self, targets, outputs, classes):
        return 0.0
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Data of every kind, in the forms people have."""
    rng = random.Random(0)
    words = ["good", "bad", "fine", "poor", "film", "plot", "it", "was"]
    texts = [" ".join(rng.choices(words, k=6)) + f" {i}" for i in range(40)]
    kinds = ["up" if "good" in text else "down" for text in texts]
    pl.DataFrame({"body": texts, "kind": kinds}).write_csv(tmp_path / "texts.csv")
    pl.DataFrame({"body": texts, "kind": kinds}).write_ndjson(tmp_path / "texts.jsonl")
    pl.DataFrame({"body": texts, "kind": kinds}).write_parquet(tmp_path / "texts.parquet")
    numbers = {"a": [i % 7 for i in range(60)], "kind": [f"k{i % 3}" for i in range(60)]}
    pl.DataFrame({**numbers, "y": [i * 0.37 for i in range(60)]}).write_csv(tmp_path / "table.csv")
    pl.DataFrame({"a": numbers["a"], "bit": [i % 2 for i in range(60)]}).write_csv(tmp_path / "bits.csv")
    pl.DataFrame({"a": numbers["a"], "on": [i % 2 == 0 for i in range(60)]}).write_parquet(
        tmp_path / "on.parquet"
    )
    for label in "ab":
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "essays" / label).mkdir(parents=True)
        for i in range(8):
            Image.new("RGB", (6, 6), (i, 20 * i, i)).save(tmp_path / f"photos/{label}/{i}.png")
            (tmp_path / f"essays/{label}/{i}.txt").write_text(f"{texts[i]} {label}")
    rows = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    np.savez(tmp_path / "rows.npz", x=rows, y=np.arange(40) % 2)
    images = np.random.default_rng(0).integers(0, 255, (40, 5, 5), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", x=images, y=np.arange(40) % 2)
    return tmp_path


def config(data: str, model: str, more: str = "") -> str:
    return f"name: trial\ndata: {data}\nmodel: {model}\n{more}"


def refused(files: Path, invoke: Invoke, text: str, *, commands: tuple[tuple[str, ...], ...]) -> list[Done]:
    (files / "c.yaml").write_text(text)
    done = [invoke(command[0], "c.yaml", *command[1:]) for command in commands]
    for command, one in zip(commands, done, strict=True):
        assert one.code in (2, 3), (command, one.code, one.err)
        assert "Traceback" not in one.err and "fault" not in one.err
    assert not (files / "runs").exists()
    return done


def error_of(done: Done) -> str:
    return done.err[done.err.index("error: ") :]


DATA = {
    "texts.csv": ("{path: texts.csv, target: kind}", "text"),
    "texts.jsonl": ("{path: texts.jsonl, target: kind}", "text"),
    "texts.parquet": ("{path: texts.parquet, target: kind}", "text"),
    "texts.csv, named": ("{path: texts.csv, target: kind, text: body}", "text"),
    "essays": ("{path: essays}", "text"),
    "table.csv": ("{path: table.csv, target: kind, features: [a]}", "table"),
    "photos": ("{path: photos}", "image"),
    "rows.npz": ("{path: rows.npz}", "table"),
    "images.npz": ("{path: images.npz}", "image"),
}
BUILT_IN = [name for name in MODELS.names() if MODELS.get(name).__module__.startswith("bmcli.")]
MISFITS = [
    (data, model) for data in DATA for model in BUILT_IN if DATA[data][1] not in MODELS.get(model).kinds
]


@pytest.mark.parametrize(("data", "model"), MISFITS)
def test_a_model_for_other_data(data: str, model: str, files: Path, invoke: Invoke) -> None:
    written = DATA[data][0]
    build, train, smoke = refused(
        files,
        invoke,
        config(written, PRETRAINED.get(model, model)),
        commands=(("check", "--build"), ("train",), ("train", "--smoke")),
    )
    assert error_of(build) == error_of(train) == error_of(smoke)
    assert f"{model} takes " in build.err
    assert "write model: " in build.err or "data.text" in build.err
    if data in ("texts.csv", "texts.jsonl", "texts.parquet"):
        # A model that no table suits is refused before the data is read.
        column = "body" if "table" in MODELS.get(model).kinds else "COLUMN"
        assert f"data.text: {column}" in build.err and "model: transformer" in build.err
    assert invoke("check", "c.yaml").code in (0, 2)


@pytest.mark.parametrize("name", ["texts.csv", "texts.jsonl", "texts.parquet"])
def test_a_text_model_where_no_column_is_named(name: str, files: Path, invoke: Invoke) -> None:
    commands = (("check",), ("check", "--build"), ("train",), ("train", "--smoke"))
    for done in refused(files, invoke, config(DATA[name][0], "transformer"), commands=commands):
        assert "name the column with the texts: data.text" in done.err


TABLE = "{path: table.csv, target: kind, features: [a]}"
AT_ONCE: dict[str, tuple[str, tuple[str, ...]]] = {
    "a class there is none of": (
        config(TABLE, "mlp", "training: {class_weights: {K1: 5, k2: 2}}\n"),
        ("there is no class 'K1'", "did you mean k1?"),
    ),
    "all of them wrong": (
        config(TABLE, "mlp", "training: {class_weights: {red: 5, blue: 2}}\n"),
        ("'red'", "'blue'", "classes: k0, k1, k2"),
    ),
    "a number for a class": (
        config("{path: bits.csv, target: bit}", "mlp", "training: {class_weights: {0: 1, 2: 5}}\n"),
        ("there is no class '2'", "classes: 0, 1"),
    ),
    "weights of a regression": (
        config("{path: table.csv, target: y}", "mlp", "training: {class_weights: {k1: 5}}\n"),
        ("a regression has no classes to weigh",),
    ),
    "smoothing in a regression": (
        config("{path: table.csv, target: y}", "mlp", "training: {label_smoothing: 0.1}\n"),
        ("label smoothing is for classes",),
    ),
    "a monitored metric of another task": (
        config(TABLE, "mlp", "training: {monitor: val_mae}\n"),
        ("there is no metric 'val_mae' for a multiclass task",),
    ),
    "augmented rows": (
        config("{path: rows.npz, augment: [flip]}", "mlp"),
        ("augmentation is for images, but the data consists of table rows",),
    ),
    "views of rows": (
        config("{path: rows.npz}", "mlp", "evaluation: {views: flip}\n"),
        ("views are for images",),
    ),
    "lengths of rows": (
        config("{path: rows.npz}", "mlp", "training: {batch_by_length: true}\n"),
        ("only texts have lengths",),
    ),
    "small images": (
        config("{path: images.npz}", "{name: cnn, filters: [4, 4, 4, 4], padding: valid}"),
        ("model",),
    ),
    "a run there is none of": (config(TABLE, "mlp", "init_from: base\n"), ("no runs in runs",)),
    "a metric of another task": (
        config(TABLE, "mlp", "code: own.py\nevaluation: {metrics: [cost]}\n"),
        ("metric cost is for binary tasks, but this task is multiclass",),
    ),
    "a metric with a name that is taken": (
        config("{path: bits.csv, target: bit}", "mlp", "code: taken.py\nevaluation: {metrics: [accuracy]}\n"),
        ("has the name of a built-in metric",),
    ),
    "nothing is frozen by it": (
        config(TABLE, "mlp", "init_from: {run: base, freeze: [conv*]}\n"),
        ("no runs in runs",),
    ),
}


@pytest.mark.parametrize("mistake", AT_ONCE)
def test_what_training_refuses_at_once(mistake: str, files: Path, invoke: Invoke) -> None:
    (files / "own.py").write_text(OWN_METRIC.format(name="cost", task="binary"))
    (files / "taken.py").write_text(OWN_METRIC.format(name="accuracy", task="binary"))
    text, fragments = AT_ONCE[mistake]
    build, train = refused(files, invoke, text, commands=(("check", "--build"), ("train",)))
    assert error_of(build) == error_of(train)
    for fragment in fragments:
        assert fragment in build.err, build.err


@pytest.mark.parametrize("tracker", ["mlflow", "wandb"])
def test_a_missing_extra(tracker: str, files: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None if name == tracker else real(name))
    for done in refused(
        files,
        invoke,
        config(TABLE, "mlp", f"trackers: [{tracker}]\n"),
        commands=(("check", "--build"), ("train",)),
    ):
        assert f"pip install 'bmcli[{tracker}]'" in done.err


def test_another_runs_network_or_kind(files: Path, invoke: Invoke) -> None:
    (files / "base.yaml").write_text(config(TABLE, "{name: mlp, hidden: [3]}", "training: {epochs: 1}\n"))
    assert invoke("train", "base.yaml", "--name", "base").code == 0
    (files / "c.yaml").write_text(config(TABLE, "{name: mlp, hidden: [4]}", "init_from: base\n"))
    (files / "d.yaml").write_text(config("{path: photos}", "mlp", "init_from: base\n"))
    (files / "e.yaml").write_text(
        config(TABLE, "{name: mlp, hidden: [3]}", "init_from: {run: base, freeze: [conv*]}\n")
    )
    for name, fragment in (("c", "network differs"), ("d", "data is table"), ("e", "no layer matches")):
        build, train = (
            invoke(*words) for words in (("check", f"{name}.yaml", "--build"), ("train", f"{name}.yaml"))
        )
        assert build.code == train.code == 2 and error_of(build) == error_of(train)
        assert fragment in build.err
    (files / "f.yaml").write_text(config(TABLE, "{name: mlp, hidden: [3]}", "init_from: base\n"))
    done = invoke("check", "f.yaml", "--build")
    assert done.code == 0 and "weights from base-v1" in done.err, done.err
    assert sorted(path.name for path in (files / "runs").glob("*-v*")) == ["base-v1"]


@pytest.mark.parametrize(
    ("data", "weights", "said"),
    [
        ("{path: bits.csv, target: bit}", "{0: 1.0, 1: 5.0}", None),
        ("{path: bits.csv, target: bit}", "{1: 5}", "classes without a weight get 1: 0"),
        ("{path: on.parquet, target: on}", "{true: 2, false: 1}", None),
        (TABLE, "{k1: 3}", "classes without a weight get 1: k0, k2"),
    ],
)
def test_weights_by_class(data: str, weights: str, said: str | None, files: Path, invoke: Invoke) -> None:
    (files / "c.yaml").write_text(config(data, "mlp", f"training: {{class_weights: {weights}}}\n"))
    done = invoke("check", "c.yaml", "--build")
    assert done.code == 0, done.err
    assert (said or "") in done.err and ("without a weight" in done.err) == (said is not None)


def test_the_same_class_twice(files: Path, invoke: Invoke) -> None:
    weights = 'training: {class_weights: {1: 5, "1": 2}}\n'
    text = config("{path: bits.csv, target: bit}", "mlp", weights)
    (done,) = refused(files, invoke, text, commands=(("check",),))
    assert "'1' is given twice" in done.err
