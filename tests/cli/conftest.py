"""Shared by the tests of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def nothing_pretrained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No pretrained weights of the user's, from which `bm init` would draft."""
    monkeypatch.setenv("BM_DATA_HOME", str(tmp_path / "nothing"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "nothing"))
