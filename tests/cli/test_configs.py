"""Every shipped config through every stage of a training, on a few batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bmcli.config import resolve
from bmcli.core.spec import DataSpec
from tests.conftest import Done

CONFIGS = sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml"))
NARROWER = {"cifar10_best": "model.widths=[16, 48, 64]"}
"""Models so wide that a few batches take half a minute, and an eighth of their widths. What runs at any width
is tried with that; as it is shipped, such a model is built and answers."""


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_config_runs_through_every_stage(
    config: Path, invoke: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BM_DATA_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    narrower = [NARROWER[config.stem]] if config.stem in NARROWER else []
    done = invoke("train", str(config), *narrower, "--smoke", "--json")
    assert done.code == 0, done.err
    assert {"loading TensorFlow", "train", "exporting to ONNX", "evaluating on test", "predict"} <= done.json[
        "stages"
    ].keys()
    left = {path.name for path in tmp_path.iterdir()}
    assert not left & {"runs"} and not [name for name in left if name.startswith("bm-smoke-")]


@pytest.mark.parametrize("name", NARROWER)
def test_a_wide_model_answers_as_it_is_shipped(name: str) -> None:
    config = resolve.load(name)
    classes = tuple(str(number) for number in range(10))
    spec = DataSpec.single("image", "multiclass", classes=classes, input_shape=(32, 32, 3))
    model = config.model.build(spec)
    outputs = np.asarray(model(np.zeros((2, 32, 32, 3), np.float32)))
    assert outputs.shape == (2, 10) and np.isfinite(outputs).all()
    (key, _, widths) = NARROWER[name].partition("=")
    assert key == "model.widths" and config.model.widths == [8 * int(one) for one in widths[1:-1].split(",")]
