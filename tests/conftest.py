"""Shared by all tests: the command `bm`, in its own process or in this one, away from the user's files."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bmcli.core.plugin_calls import comes_with_bm
from bmcli.core.registry import HOMES, registry_of
from bmcli.runs.store import RunStore
from tests.hub import HubServer
from tests.linear_run import MakeRun, finished_run
from tests.server import Server
from tests.undrawn import fsync, print_png

# TensorFlow takes a number of threads once per process: the same here, where tests follow one another, and in
# the processes they start. One, so that steps are divided among the cores where they can be.
os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
# As bm has it, whoever imports TensorFlow first; see backend.py.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"


PROCESS = """
import os
os.fsync = lambda descriptor: None  # as in this process
from bmcli.__main__ import main
main()
"""


@dataclass(frozen=True)
class Done:
    """How an invocation of `bm` ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as one strict JSON document."""

        def refuse(constant: str) -> None:
            raise ValueError(f"{constant} is not JSON")

        return json.loads(self.out, parse_constant=refuse)


LONGEST = (
    "cli/test_configs.py",
    "experiments/test_resume.py",
    "experiments/test_finetuning.py",
    "docs/test_blocks.py",
    "cli/test_train.py",
    "training/test_tuning.py",
    "pretrained/test_keras_applications.py",
    "models/test_backbone.py",
    "models/test_encoder.py",
    "export/test_parity.py",
    "faults/test_disk.py",
    "cli/test_check.py",
    "faults/test_plugins.py",
    "training/test_trainer.py",
    "report/test_page.py",
    "faults/test_kill.py",
    "experiments/test_trackers.py",
    "metrics/test_paired.py",
    "explain/test_explain.py",
    "doctor/test_examine.py",
    "data/test_round_trips.py",
    "test_api.py",
)
"""Files that take longest, longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: processes that take a file each then end at about the same time."""
    rank = {path: number for number, path in enumerate(LONGEST)}
    root = Path(__file__).parent
    items.sort(key=lambda item: rank.get(item.path.relative_to(root).as_posix(), len(rank)))


def pytest_collection_finish() -> None:
    """No test module brings a component merely by being imported: other tests would find it."""
    for kind in HOMES:
        foreign = [name for name, cls in registry_of(kind)._classes.items() if not comes_with_bm(cls)]
        if foreign:
            raise pytest.UsageError(f"importing the tests registers {kind}s: {', '.join(foreign)}")


@contextlib.contextmanager
def _registries_restored() -> Iterator[None]:
    kept = {registry: dict(registry._classes) for registry in map(registry_of, HOMES)}
    yield
    for registry, classes in kept.items():
        # A module of bm's own registers once, when it is first imported: its component stays.
        own = {name: cls for name, cls in registry._classes.items() if comes_with_bm(cls)}
        registry._classes = own | classes


@pytest.fixture(autouse=True, scope="module")
def _registries_of_the_module() -> Iterator[None]:
    """No component that a module's shared runs register is known to another module."""
    with _registries_restored():
        yield


@pytest.fixture(autouse=True)
def _registries_of_the_test() -> Iterator[None]:
    """No component that a test registers is known to the next one, whichever that is."""
    with _registries_restored():
        yield


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or touches what the user has set or stored."""
    for name in [name for name in os.environ if name.startswith("BM_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("BM_OFFLINE", "1")
    for name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", os.devnull)  # no cache of the user's


@pytest.fixture(autouse=True, scope="session")
def _nothing_synced() -> Iterator[None]:
    """Nothing waits until it is on the disk: a third of a small training run, and only a power cut could
    tell. Processes that a test kills do sync, and tests of a failing sync put their own in its place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield


@pytest.fixture(autouse=True, scope="session")
def _plots_undrawn() -> Iterator[Callable[..., None]]:
    """Plots are put together, but not painted; gives what paints them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    paints = FigureCanvasAgg.print_png
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FigureCanvasAgg, "print_png", print_png)
        yield paints


@pytest.fixture(autouse=True, scope="module")
def _plots_of_the_module(
    request: pytest.FixtureRequest, _plots_undrawn: Callable[..., None]
) -> Iterator[None]:
    """A module's shared runs have real plots where a test of it is marked `draws`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    own = [item for item in request.session.items if item.path == request.path]
    with pytest.MonkeyPatch.context() as patch:
        if any(item.get_closest_marker("draws") for item in own):
            patch.setattr(FigureCanvasAgg, "print_png", _plots_undrawn)
        yield


@pytest.fixture(autouse=True)
def _plots_of_the_test(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside tests that are marked `draws`, others paint nothing."""
    if not request.node.get_closest_marker("draws"):
        canvas = sys.modules["matplotlib.backends.backend_agg"].FigureCanvasAgg
        monkeypatch.setattr(canvas, "print_png", print_png)


@pytest.fixture
def bm(tmp_path: Path) -> Callable[..., Done]:
    """Run `bm ARGS` in a process of its own, in `tmp_path`; env adds variables, stdin is a text."""

    def run(*args: str, env: dict[str, str] | None = None, stdin: str = "", timeout: float = 120) -> Done:
        done = subprocess.run(
            [sys.executable, "-c", PROCESS, *args],
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path), **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def invoke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Run `bm ARGS` in this process, in `tmp_path`: for many quick calls, and where TensorFlow is loaded."""

    def run(*args: str) -> Done:
        from bmcli.cli import app

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["bm", *args])
        capfd.readouterr()
        code = app.run(args)
        sys.stdout.flush()
        out, err = capfd.readouterr()
        return Done(int(code), out, err)

    return run


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def make_run(store: RunStore) -> MakeRun:
    """make_run(config: dict, name=...) -> a completed run of it, made by hand: see linear_run.py."""
    return partial(finished_run, store)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    """A running hub, and a data home of its own."""
    running = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", running.url)
    monkeypatch.setenv("BM_OFFLINE", "0")
    monkeypatch.setenv("BM_DATA_HOME", str(tmp_path / "home"))
    yield running
    running.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A running server, set as the mirror."""
    running = Server()
    monkeypatch.setenv("BM_DATA_MIRROR", running.url)
    monkeypatch.setenv("BM_OFFLINE", "0")
    yield running
    running.http.shutdown()
    running.http.server_close()
