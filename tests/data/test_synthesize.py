from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bmcli.data.bundle import DataBundle
from bmcli.data.named import DATASETS

Load = Callable[..., DataBundle]


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar100", "imdb", "fashion_mnist"])
def test_missing_named_data_is_made_up_and_said(load: Load, name: str, tmp_path: Path) -> None:
    dataset = DATASETS.get(name)()
    bundle = load(name=dataset, synthesize=True, examples=192)
    assert (bundle.kind, bundle.task, bundle.classes) == (dataset.kind, dataset.task, dataset.classes)
    assert len(bundle.train) <= 192 and bundle.test is not None and bundle.validation is not None
    if dataset.shape is not None:
        assert bundle.train.examples.arrays.shape[1:] == dataset.shape  # type: ignore[union-attr]
    assert set(bundle.train.targets.tolist()) == set(range(len(dataset.classes)))
    assert len(bundle.notes) == 1 and "synthesised" in bundle.notes[0]
    assert "synthesised" in bundle.splits_from["train"]
    assert not (tmp_path / "home").exists()


def test_what_is_there_is_used(load: Load) -> None:
    assert load(name=DATASETS.get("digits")(), synthesize=True, examples=50).notes == ()


@pytest.mark.parametrize(
    ("keys", "kind", "task"),
    [
        ({"path": "photos"}, "image", "multiclass"),
        ({"path": "t.csv", "text": "body"}, "text", "multiclass"),
        ({"path": "t.parquet", "task": "regression", "features": ["a", "b"]}, "table", "regression"),
        ({"path": "t.csv", "target": ["p", "q"]}, "table", "multilabel"),
        ({"path": "reviews", "kind": "text", "task": "binary"}, "text", "binary"),
        ({"path": "t.csv", "group": "who"}, "table", "multiclass"),
    ],
)
def test_missing_own_data(load: Load, tmp_path: Path, keys: dict[str, object], kind: str, task: str) -> None:
    bundle = load(**{**keys, "path": tmp_path / str(keys["path"])}, synthesize=True, examples=12)
    assert (bundle.kind, bundle.task) == (kind, task)
    assert [len(s or ()) for s in (bundle.train, bundle.test)] == [12, pytest.approx(8, abs=4)]
    assert "synthesised" in bundle.notes[0]
    again = load(**{**keys, "path": tmp_path / str(keys["path"])}, synthesize=True, examples=12)
    assert again.fingerprint == bundle.fingerprint
