"""What is there for speed alone: some of it must leave the weights as they are to the last bit, the rest the
accuracy within what seeds differ by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bmcli import api
from bmcli.modalities.image import decode_pool
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore


def trained(folder: Path, config: dict[str, Any], *changes: str) -> Run:
    api.train(config, list(changes), runs_dir=folder)
    return max(RunStore(folder).completed(config["name"]), key=lambda run: run.record.created)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(40):
        folder = tmp_path / "images" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        image = rng.integers(0, 128 + 127 * (i % 2), (14, 12, 3), dtype=np.uint8)
        Image.fromarray(image).save(folder / f"{i}.png")
    return tmp_path / "images"


def test_caches_threads_and_processes_leave_the_weights_as_they_are(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {
        "name": "same",
        "data": {"path": str(images), "augment": ["flip"]},
        "preprocessing": {"image": {"size": 10}},
        "model": {"name": "cnn", "filters": [4], "dense": [4]},
        "training": {"epochs": 2, "batch_size": 8},
        "evaluation": {"splits": []},
    }
    weights = {}
    for name, cache, threads, many in (
        ("all in memory", "4", 2, 5_000),
        ("a few in memory, one thread", "3e-6", 1, 5_000),
        ("none in memory, many threads", "0", 5, 5_000),
        ("none in memory, processes", "0", 2, 1),
        ("a few in memory, processes", "3e-6", 2, 1),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(decode_pool, "threads", lambda threads=threads: threads)
            patch.setattr("bmcli.modalities.image.source.MANY", many)
            patch.setattr("bmcli.modalities.image.probe.MANY", many)
            decode_pool.pool.cache_clear()
            run = trained(tmp_path / "runs", config, f"data.cache_gib={cache}")
        weights[name] = run.record.weights_sha256
    decode_pool.pool.cache_clear()
    assert len(set(weights.values())) == 1, weights


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "change",
    ["training.xla=true", "training.precision=bfloat16"],
)
def test_precision_and_xla_leave_the_accuracy_within_two_standard_errors(change: str, tmp_path: Path) -> None:
    config = {
        "name": "digits",
        "data": {"name": "digits"},
        "model": {"name": "cnn", "filters": [16, 32], "padding": "same", "dense": [32]},
        "training": {"epochs": 12, "batch_size": 32, "precision": "float32", "xla": False},
        "evaluation": {"splits": ["test"]},
    }
    accuracies = {
        name: [
            trained(tmp_path / name, config, f"seed={seed}", *changes).record.metrics["test"]["accuracy"]
            for seed in (1, 2, 3)
        ]
        for name, changes in {"plain": (), "changed": (change,)}.items()
    }
    plain, changed = (np.array(accuracies[name], float) for name in ("plain", "changed"))
    # One seed's luck, but never less than what 360 test digits leave open.
    spread = max(float(np.std([*plain - plain.mean(), *changed - changed.mean()], ddof=2)), 0.005)
    assert abs(plain.mean() - changed.mean()) <= 2 * spread * (2 / 3) ** 0.5, accuracies
    assert plain.mean() > 0.95
