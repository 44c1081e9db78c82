"""A small completed run, trained once; tests work on copies of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bmcli.runs.run import Run
from bmcli.runs.store import RunStore

CONFIG = {
    "name": "small",
    "data": {"name": "digits", "limit": 60},
    "model": {"name": "cnn", "filters": [4, 4], "dense": []},
    "training": {"epochs": 1, "batch_size": 32},
    "evaluation": {"splits": ["test"]},
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from bmcli.config import resolve
    from bmcli.core import quiet
    from bmcli.experiments import train

    quiet.prepare()
    store = RunStore(tmp_path_factory.mktemp("trained") / "runs")
    return train.train(resolve.load(CONFIG), store, device="cpu").path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    shutil.copytree(trained, tmp_path / "runs" / trained.name)
    return RunStore(tmp_path / "runs").find("small")
