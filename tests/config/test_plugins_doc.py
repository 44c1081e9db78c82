"""The examples of docs/plugins.md work as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmcli.config.code import load_code
from bmcli.config.resolve import load
from bmcli.core.errors import ConfigError
from bmcli.core.registry import HOMES, registry_of

TEXT = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python example, imported as a file under `code`; forgotten after the test."""
    for kind in HOMES:
        registry = registry_of(kind)
        for name in registry.local_names():  # a module of bm's own registers once: what it brings must stay
            registry.get(name)
        monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)):
        (tmp_path / f"example{number}.py").write_text(block)
    load_code(sorted(tmp_path.glob("*.py")))


def resolved(**changes: Any) -> Any:
    return load({"name": "x", "data": "stripes", "model": "tiny", **changes})


def test_all_resolve() -> None:
    config = resolved(
        data={"name": "stripes", "noise": 0.2, "augment": [{"name": "darken", "most": 0.3}]},
        model={"name": "tiny", "units": 3},
        training={"optimizer": "lion", "schedule": "linear"},
    )
    assert config.to_dict()["data"]["noise"] == 0.2
    assert load(config.to_dict()) == config


def test_model_tells_what_cannot_work() -> None:
    with pytest.raises(ConfigError, match="8 pixels are not a multiple of 3"):
        resolved(model={"name": "patches", "size": 3})
    assert resolved(model="patches")


def test_metric_is_for_its_task_only() -> None:
    with pytest.raises(ConfigError, match="cost is for binary tasks"):
        resolved(evaluation={"metrics": ["cost"]})


def test_they_compute() -> None:
    config = resolved(data={"name": "stripes", "augment": ["darken"]}, training={"schedule": "linear"})
    parts = config.data.name.load(Path())
    images, targets = parts.train.examples.arrays, parts.train.targets
    assert (images.shape, len(targets)) == ((100, 8, 8, 1), 100)
    darker, _ = config.data.augment[0].apply(images, targets, np.full((100, 1), 0.5))
    assert darker.dtype == np.uint8
    assert darker.mean() < images.mean()
    assert config.training.schedule.rate(5, steps_per_epoch=10, epochs=1) == 0.5
    cost = registry_of("metric").get("cost")(missed=4)
    outputs = np.array([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8], [0.7, 0.3]])
    assert cost.compute(np.array([1, 1, 0, 0]), outputs, ("a", "b")) == 0.25 * 4 + 0.25  # type: ignore[attr-defined]
