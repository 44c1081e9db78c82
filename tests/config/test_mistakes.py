"""Broken configs: each mistake is told at its place, in plain words, and nothing is written."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bmcli.config.resolve import load
from bmcli.core.errors import ConfigError, Problem

HEAD = "data: digits\nmodel: mlp\n"  # two good lines; what follows begins at line 3
TABLE = "data:\n  path: t.csv\n  target: y\n"  # three good lines
FOLDER = "model: cnn\ndata:\n  path: photos\n"

MISTAKES = {
    # typos
    "unknown top key": (HEAD + "trainning: {}\n", 3, 1, "unknown key 'trainning'"),
    "unknown key": (HEAD + "training:\n  epohcs: 3\n", 4, 3, "unknown key 'epohcs'"),
    "unknown deep key": (HEAD + "preprocessing: {image: {sise: 3}}\n", 3, 25, "unknown key 'sise'"),
    "unknown data key": (
        "model: mlp\ndata: {name: digits, validaton: 0.1}\n",
        2,
        22,
        "unknown key 'validaton'",
    ),
    "unknown option": ("data: digits\nmodel: {name: cnn, dropuot: 0.1}\n", 2, 20, "unknown key 'dropuot'"),
    "path too long": (
        f"data: {{path: {'a' * 5000}.csv, target: y}}\nmodel: mlp\n",
        1,
        14,
        "there is no file",
    ),
    "code too long": (HEAD + f"code: {'a' * 5000}\n", 3, 7, "there is no file"),
    "extends too long": (f"extends: {'a' * 5000}\n" + HEAD, 1, 10, "no config file"),
    "run too long": (HEAD + f"init_from: {{run: x/{'a' * 5000}}}\n", 3, 18, "no run directory"),
    "line in a name": ('name: "a\\nb"\n' + HEAD, 1, 7, 'found "a\\nb"'),
    "unknown model": ("data: digits\nmodel: cnnn\n", 2, 8, "unknown model 'cnnn'"),
    "unknown dataset": ("model: cnn\ndata: {name: digit}\n", 2, 14, "unknown dataset 'digit'"),
    "unknown optimizer": (HEAD + "training: {optimizer: adm}\n", 3, 23, "unknown optimizer 'adm'"),
    "unknown schedule": (HEAD + "training:\n  schedule: {name: cosinus}\n", 4, 20, "unknown schedule"),
    "unknown augmentation": (
        "model: mlp\ndata:\n  name: digits\n  augment: [flp]\n",
        4,
        13,
        "unknown augmentation",
    ),
    "unknown metric": (HEAD + "evaluation: {metrics: [cost]}\n", 3, 24, "unknown metric 'cost'"),
    "unknown choice": (HEAD + "training: {precision: float8}\n", 3, 23, "float32"),
    "unknown split": (HEAD + "evaluation: {splits: [tset]}\n", 3, 23, "train, validation or test"),
    # types
    "text for int": (
        HEAD + "training: {epochs: ten}\n",
        3,
        20,
        'a whole number of at least 1 or auto, found "ten"',
    ),
    "quoted int": (HEAD + 'seed: "10"\n', 3, 7, 'found "10"'),
    "float for int": (HEAD + "training: {epochs: 1.0}\n", 3, 20, "found 1.0"),
    "bool for int": (HEAD + "training: {epochs: true}\n", 3, 20, "found true"),
    "int for bool": ("data: digits\nmodel: {name: cnn, batch_norm: 1}\n", 2, 32, "true or false"),
    "yes for bool": ("data: digits\nmodel: {name: cnn, batch_norm: yes}\n", 2, 32, 'found "yes"'),
    "scalar for list": ("data: digits\nmodel: {name: cnn, filters: 32}\n", 2, 29, "a list of whole numbers"),
    "text in list": ("data: digits\nmodel: {name: cnn, filters: [8, x]}\n", 2, 33, 'found "x"'),
    "list for map": (HEAD + "training: []\n", 3, 11, "expected keys and values"),
    "text for map": (HEAD + "preprocessing: x\n", 3, 16, 'found "x"'),
    "number for text": ("name: 7\n" + HEAD, 1, 7, "found 7"),
    "bare augment": ("model: mlp\ndata: {name: digits, augment: flip}\n", 2, 31, "expected a list"),
    "list as model": ("data: digits\nmodel: [cnn]\n", 2, 8, "the name of a model"),
    "number as model": ("data: digits\nmodel: 3\n", 2, 8, "the name of a model"),
    "size of one": (HEAD + "preprocessing: {image: {size: [8]}}\n", 3, 31, "a list of 2 whole numbers"),
    "size of text": (HEAD + "preprocessing: {image: {size: [8, x]}}\n", 3, 35, 'found "x"'),
    "thousands": (HEAD + "training: {epochs: 1_000}\n", 3, 20, 'found "1_000"'),
    "infinity": (HEAD + "training: {gradient_clipping: .inf}\n", 3, 31, "a number above 0"),
    # ranges
    "zero epochs": (HEAD + "training: {epochs: 0}\n", 3, 20, "of at least 1 or auto, found 0"),
    "share of one": ("model: mlp\ndata: {name: digits, test: 1.0}\n", 2, 28, "below 1"),
    "negative rate": (HEAD + "training: {optimizer: {learning_rate: -1}}\n", 3, 39, "above 0, found -1"),
    "kernel": ("data: digits\nmodel: {name: cnn, kernel_size: 99}\n", 2, 33, "from 1 to 63"),
    "reserved name": ("name: latest\n" + HEAD, 1, 7, "latest"),
    "numbered name": ("name: cnn-v2\n" + HEAD, 1, 7, "cnn-v2"),
    "capital name": ("name: CNN\n" + HEAD, 1, 7, "lower-case letters"),
    "class weight": (HEAD + "training: {class_weights: {3: 0}}\n", 3, 31, "above 0"),
    # missing
    "no data": ("model: cnn\n", None, None, "'data' is missing"),
    "no model": ("data: digits\n", None, None, "'model' is missing"),
    "empty data": ("model: cnn\ndata: {}\n", 2, 7, "which data?"),
    "no component name": (
        "data: digits\nmodel: {filters: [3]}\n",
        2,
        8,
        "'name' is missing: the model to use",
    ),
    # combinations
    "name and path": ("model: mlp\ndata:\n  name: digits\n  path: photos\n", 4, 9, "both given"),
    "text model on images": ("data: digits\nmodel: gru\n", 2, 8, "gru takes texts"),
    "image model on table": (TABLE + "model: cnn\n", 4, 8, "cnn takes images"),
    "quotes between cells": (
        TABLE + "  delimiter: '\"'\nmodel: mlp\n",
        4,
        14,
        "cannot separate cells",
    ),
    "columns of a dataset": (
        "model: mlp\ndata:\n  name: digits\n  target: y\n",
        4,
        11,
        "is for your own files",
    ),
    "columns of a folder": (FOLDER + "  target: y\n", 4, 11, "a folder has no columns"),
    "no target": ("model: mlp\ndata:\n  path: t.csv\n", 3, 3, "'target' is missing"),
    "header": ("model: mlp\ndata:\n  path: t.csv\n  header: false\n  target: y\n", 5, 11, "no column 'y'"),
    "target as feature": (TABLE + "  features: [a, y]\nmodel: mlp\n", 4, 17, "is the target"),
    "target as text": (TABLE + "  text: [a, y]\nmodel: gru\n", 4, 13, "same column"),
    "a text column twice": (TABLE + "  text: [a, a]\nmodel: gru\n", 4, 13, "is given twice"),
    "no text columns": (TABLE + "  text: []\nmodel: gru\n", 4, 9, "an empty list"),
    "other task": ("model: mlp\ndata:\n  name: digits\n  task: regression\n", 4, 9, "is a multiclass task"),
    "all cut off": (
        "model: mlp\ndata:\n  name: digits\n  test: 0.5\n  validation: 0.5\n",
        5,
        15,
        "all of the data",
    ),
    "stop on nothing": (
        "model: mlp\ndata: {name: digits, validation: 0}\ntraining:\n  early_stopping: {patience: 2}\n",
        *(4, 19, "needs a validation split"),
    ),
    "monitor nothing": (
        "model: mlp\ndata: {name: digits, validation: 0}\ntraining: {monitor: val_accuracy}\n",
        *(3, 21, "needs a validation split"),
    ),
    "unknown monitor": (
        HEAD + "training: {monitor: val_acuracy}\n",
        3,
        21,
        "no metric 'val_acuracy'",
    ),
    "monitor of another task": (
        HEAD + "training: {monitor: val_r2}\n",
        3,
        21,
        "for a multiclass task",
    ),
    "kernel too large": ("data: digits\nmodel: {name: cnn, kernel_size: 9}\n", 2, 33, "8×8"),
    "augmented table": (TABLE + "  augment: [flip]\nmodel: mlp\n", 4, 12, "augmentation is for images"),
    "smoothed regression": (
        "data: diabetes\nmodel: linear\ntraining: {label_smoothing: 0.1}\n",
        *(3, 29, "regression"),
    ),
    "weighed regression": (
        "data: diabetes\nmodel: linear\ntraining: {class_weights: balanced}\n",
        3,
        27,
        "weigh",
    ),
    "unknown class": (HEAD + "training: {class_weights: {12: 2}}\n", 3, 28, "no class '12'"),
    "long warm-up": (
        HEAD + "training:\n  epochs: 2\n  schedule: {name: cosine, warmup_epochs: 5}\n",
        *(5, 43, "longer than the training"),
    ),
    "no such file": ("model: mlp\ndata:\n  path: none.csv\n  target: y\n", 3, 9, "there is no file"),
    "no such code": (HEAD + "code: none.py\n", 3, 7, "there is no file"),
    "not a regex": (FOLDER + "  group: '('\n", 4, 10, "regular expression"),
    # YAML
    "duplicate": (HEAD + "seed: 1\nseed: 2\n", 4, 1, "is given twice; first at line 3"),
    "tab": (HEAD + "training:\n\tepochs: 3\n", 4, 1, "tab"),
    "tag": (HEAD + "seed: !!int 3\n", 3, 7, "tag"),
    "empty": ("", 1, 1, "a config is a map"),
    "list": ("- a\n", 1, 1, "found a list"),
    "extends nothing": ("extends: none.yaml\n" + HEAD, 1, 10, "no config file"),
    "extends itself": ("extends: c.yaml\n" + HEAD, 1, 10, "circular"),
}


def problems_of(text: str, folder: Path, *overrides: str) -> tuple[Problem, ...]:
    (folder / "c.yaml").write_text(text)
    before = sorted(folder.rglob("*"))
    with pytest.raises(ConfigError) as caught:
        load("c.yaml", overrides)
    assert sorted(folder.rglob("*")) == before
    return caught.value.problems


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(name: str, folder: Path) -> None:
    text, line, column, fragment = MISTAKES[name]
    problems = problems_of(text, folder)
    assert len(problems) == 1, problems
    (problem,) = problems
    assert fragment in problem.message
    assert problem.place is not None
    assert Path(problem.place.file).name == "c.yaml"
    assert (problem.place.line, problem.place.column) == (line, column)
    if line is not None:
        assert problem.place.text == (text.split("\n")[line - 1])


def test_there_are_fifty() -> None:
    assert len(MISTAKES) >= 50


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (HEAD + "training: {epohcs: 3}\n", "did you mean epochs?"),
        (HEAD + "task: multilabel\n", "did you mean data.task?"),
        (
            HEAD + "learning_rate: 0.1\n",
            "did you mean training.optimizer.learning_rate or training.finetune.learning_rate?",
        ),
        (HEAD + "batch_size: 8\n", "did you mean training.batch_size or evaluation.batch_size?"),
        (HEAD + "training: {seed: 3}\n", "did you mean seed at the top level or data.seed?"),
        ("data: digits\nmodel: {name: mlp, epochs: 3}\n", "did you mean training.epochs?"),
        (HEAD + "training: {epochs: 1e3}\n", "write 1000"),
        (HEAD + 'training: {epochs: "10"}\n', "write 10"),
        (HEAD + "training: {precision: bfloat}\n", "did you mean bfloat16?"),
        ("data: digits\nmodel: {name: cnn, batch_norm: no}\n", "write false"),
        ("data: digits\nmodel: {name: cnn, dense: 64}\n", "write [64]"),
        ("name: 007\n" + HEAD, 'write "007" if it is text'),
        ("model: mlp\ndata: {path: t.csv, target: y, validation: '0.1'}\n", "without quotes"),
    ],
)
def test_hint(text: str, hint: str, folder: Path) -> None:
    (problem,) = problems_of(text, folder)
    assert hint in (problem.hint or "")


def test_all_mistakes_come_at_once_in_the_order_of_the_file(folder: Path) -> None:
    text = (
        "name: latest\nseed: x\ndata: {name: digits, tset: 0.1}\n"
        "model: {name: cnn, kernel_size: 9}\n"
        "training:\n  epochs: 0\n  monitor: val_acuracy\n"
    )
    problems = problems_of(text, folder, "training.batch_size=x", "seeed=3")
    places = [str(p.place) for p in problems]
    assert places == [
        *("c.yaml:1:7", "c.yaml:2:7", "c.yaml:3:22", "c.yaml:4:33"),
        *("c.yaml:6:11", "c.yaml:7:12"),
        "command line: training.batch_size=x",
        "command line: seeed=3",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "data: digits\nmodel: {name: cnn, kernel_size: x}\n",
        "data: {name: digits, validaton: 0.1}\nmodel: mlp\ntraining: {early_stopping: {}}\n",
        "data: {name: digits, validation: x.csv}\nmodel: mlp\ntraining: {early_stopping: {}}\n",
    ],
)
def test_one_mistake_is_told_once(text: str, folder: Path) -> None:
    assert len(problems_of(text, folder)) == 1


def test_what_follows_from_a_mistake_is_not_told(folder: Path) -> None:
    problems = problems_of("data: {name: digit, augment: [flip]}\nmodel: gru\n", folder)
    assert [p.message for p in problems] == ["unknown dataset 'digit'"]


MANY = 40_000
HOSTILE = {
    "unknown keys": HEAD + "".join(f"epohcs{i}: 1\n" for i in range(MANY)),
    "unknown data keys": "model: mlp\ndata:\n  name: digits\n" + "".join(f"  k{i}: 1\n" for i in range(MANY)),
    "unknown options": "data: digits\nmodel:\n  name: mlp\n" + "".join(f"  k{i}: 1\n" for i in range(MANY)),
    "wrong items": "data: digits\nmodel: {name: mlp, hidden: [" + "x," * MANY + "]}\n",
    "wrong components": "model: mlp\ndata: {name: digits, augment: [" + "flp," * MANY + "]}\n",
    "wrong weights": HEAD + "training:\n  class_weights:\n" + "".join(f"    k{i}: -1\n" for i in range(MANY)),
    "unknown classes": HEAD
    + "training:\n  class_weights:\n"
    + "".join(f"    k{i}: 1\n" for i in range(MANY)),
    "wrong columns": TABLE
    + "  header: false\n  features: ["
    + ",".join(f"k{i}" for i in range(MANY))
    + "]\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_very_many_mistakes_are_told_quickly(name: str, folder: Path) -> None:
    begin = time.process_time()
    problems = problems_of(HOSTILE[name], folder)
    assert 1 <= len(problems) <= 1000
    assert time.process_time() - begin < 8  # about 1 s on an idle machine


@pytest.mark.parametrize("value", ["nan", "inf", "３", "٣", "'.inf'"])
def test_what_is_no_number_in_yaml_is_not_recommended(value: str, folder: Path) -> None:
    (problem,) = problems_of(HEAD + f"training: {{gradient_clipping: {value}}}\n", folder)
    assert problem.hint is None


@pytest.mark.parametrize(
    "override",
    ["data.augment." + "9" * 5000 + "=flip", "data.augment.٠=flip", "seed.\udcff=1", "a." * 3000 + "b=1"],
)
def test_odd_keys_on_the_command_line_are_told_in_a_line(override: str, folder: Path) -> None:
    text = "data: {name: digits, augment: [crop]}\nmodel: mlp\n"
    (problem,) = problems_of(text, folder, override)
    assert "not an index" in problem.message or "KEY=VALUE" in problem.message or "deeper" in problem.message
    assert len(problem.message) < 200 and len(str(problem.place)) < 100
