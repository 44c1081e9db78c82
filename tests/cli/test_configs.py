"""Every shipped config through every stage of a training, on a few batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Done

CONFIGS = sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_config_runs_through_every_stage(
    config: Path, invoke: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BM_DATA_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    done = invoke("train", str(config), "--smoke", "--json")
    assert done.code == 0, done.err
    assert {"loading TensorFlow", "train", "exporting to ONNX", "evaluating on test", "predict"} <= done.json[
        "stages"
    ].keys()
    left = {path.name for path in tmp_path.iterdir()}
    assert not left & {"runs"} and not [name for name in left if name.startswith("bm-smoke-")]
