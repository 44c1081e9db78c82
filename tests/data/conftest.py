"""Small real files, made as each test needs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bmcli.config.schema import DataConfig
from bmcli.data.bundle import DataBundle
from tests.images import write_image


@pytest.fixture(autouse=True)
def _own_data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test looks at this machine's data or downloads from anywhere but its own server."""
    monkeypatch.setenv("BM_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BM_OFFLINE", "1")
    monkeypatch.delenv("BM_DATA_MIRROR", raising=False)


@pytest.fixture
def load() -> Callable[..., DataBundle]:
    """Load data by the keys of `data:`."""
    from bmcli import data

    def load_(**keys: Any) -> DataBundle:
        call = {k: keys.pop(k) for k in ("synthesize", "examples", "home") if k in keys}
        return data.load(
            DataConfig(**{k: str(v) if isinstance(v, Path) else v for k, v in keys.items()}), **call
        )

    return load_


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """Three classes of ten images each."""
    root = tmp_path / "flowers"
    for c, name in enumerate(("aster", "daisy", "rose")):
        for i in range(10):
            write_image(root / name / f"{i}.png", seed=10 * c + i)
    return root
