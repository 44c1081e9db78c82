"""A run opened once: parts are made once whichever thread asks, code runs only where it is trusted."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

import bmcli
from bmcli.core.errors import IntegrityError, UsageError
from bmcli.inference import session as sessions
from bmcli.inference.inputs import Inputs
from bmcli.inference.opened import OpenedRun
from bmcli.inference.predictor import open_predictor
from bmcli.inference.session import OnnxSession
from bmcli.modalities.table.examples import Table
from bmcli.runs.run import Run
from bmcli.runs.trust import Trust
from tests.inference.test_session import onnx_model
from tests.linear_run import MakeRun

T = TypeVar("T")
OLD = Path(__file__).parents[1] / "fixtures" / "old_runs"
THREADS = 6

OWN = """
from pathlib import Path
from bmcli.models import MODELS, Model

with Path({canary!r}).open("a") as file:
    file.write("ran ")

@MODELS.register("opened_mine")
class Mine(Model):
    \"\"\"One layer.\"\"\"

    kinds = ("table",)

    def build(self, spec):
        import keras

        given = keras.Input(spec.input_shape, name="input")
        return keras.Model(given, keras.layers.Dense(spec.units, name="head", dtype="float32")(given))
"""


def at_once(work: Callable[[], T]) -> list[T]:
    """What `work` gives in each of several threads that begin together."""
    barrier = threading.Barrier(THREADS)

    def one(_: int) -> T:
        barrier.wait()
        return work()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


@pytest.fixture
def old_table(tmp_path: Path) -> Run:
    """A small run of a table with its weights for Keras, without a model.onnx."""
    run = Run(Path(shutil.copytree(OLD / "runs" / "old-table-v1", tmp_path / "old-table-v1")))
    run.remove_file("model.onnx")
    run.update(onnx={"published": False, "reason": "removed"})
    return run


def rows(count: int) -> Inputs:
    rng = np.random.default_rng(0)
    towns = np.array(["Oslo", "Pune", "Lima"], object)[rng.integers(0, 3, count)]
    columns: dict[str, Any] = {
        "age": rng.integers(18, 80, count).astype(np.float64),
        "town": towns,
        "income": rng.normal(40, 10, count),
    }
    return Inputs(Table(columns), tuple(map(str, range(count))))


def test_threads_share_each_part_and_get_the_same_answers(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run({"data": {"name": "digits", "limit": 100}})
    predict = bmcli.load(run.path).predict  # by a run of its own
    images = np.random.default_rng(0).integers(0, 256, (3 * sessions.PART, 8, 8), np.uint8)
    expected = predict(images, display=None)
    made = []
    opening = sessions.open_session
    monkeypatch.setattr(sessions, "open_session", lambda *given: made.append(1) or opening(*given))
    opened = bmcli.load(run.path)
    assert all(answers == expected for answers in at_once(lambda: opened.predict(images, display=None)))
    assert len(made) == 1


def test_the_sessions_own_threads_are_started_once(monkeypatch: pytest.MonkeyPatch) -> None:
    session = OnnxSession(onnx_model(), threads=2)
    inputs = np.random.default_rng(0).normal(size=(1_000, 3)).astype(np.float32)
    expected = OnnxSession(onnx_model(), threads=1).predict({"input": inputs})
    opened = []
    opening = sessions._opened
    monkeypatch.setattr(sessions, "_opened", lambda *a, **k: opened.append(1) or opening(*a, **k))
    for answer in at_once(lambda: session.predict({"input": inputs})):
        np.testing.assert_array_equal(answer, expected)
    assert len(opened) == 1


def test_an_interrupted_call_leaves_other_threads_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(sessions.SimpleQueue):  # type: ignore[misc, type-arg]
        def get(self, *given: Any, **named: Any) -> Any:
            raise KeyboardInterrupt

    session = OnnxSession(onnx_model(), threads=2)
    inputs = np.ones((200, 3), np.float32)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(sessions, "SimpleQueue", Interrupted)
        session.predict({"input": inputs})
    for answer in at_once(lambda: session.predict({"input": inputs})):
        assert answer.shape == (200, 3)


def test_threads_share_a_keras_model(old_table: Run) -> None:
    opened = OpenedRun(old_table)
    assert opened.needs_keras
    answers = at_once(lambda: open_predictor(opened).predict(rows(300))[0])
    assert answers[0] == open_predictor(OpenedRun(old_table)).predict(rows(300))[0]
    assert all(one == answers[0] for one in answers)
    assert opened.session.engine == "keras" and opened.model is opened.model
    outputs = opened.session.predict({"input": np.zeros((1, 7), np.float32)})
    raw = np.asarray(opened.network(np.zeros((1, 7), np.float32)))
    np.testing.assert_allclose(outputs, raw * opened.spec.target_scale + opened.spec.target_offset, rtol=1e-5)


def test_code_that_is_not_trusted_runs_in_no_thread(old_table: Run, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    old_table.write_text("code/mine.py", OWN.format(canary=str(canary)))
    config = old_table.read_text("config.yaml").replace("code: []", "code: [code/mine.py]")
    before, _, after = config.partition("model:\n")
    rest = after[after.index("init_from:") :]
    old_table.write_text("config.yaml", f"{before}model:\n  name: opened_mine\n{rest}")
    opened = OpenedRun(old_table)
    assert opened.has_code and opened.needs_code

    def refused() -> str:
        with pytest.raises(UsageError) as caught:
            _ = opened.session
        return caught.value.hint or ""

    assert all("--trust-code" in hint for hint in at_once(refused))
    assert opened.spec.classes == ()  # what needs no code is there
    assert not canary.exists()
    configs = at_once(lambda: OpenedRun(old_table, Trust(code=True)).config)  # each thread opens it
    assert {config.model.registry_name for config in configs} == {"opened_mine"}
    assert canary.read_text() == "ran "


def test_a_part_that_failed_is_tried_again(make_run: MakeRun) -> None:
    run = make_run({"data": {"name": "diabetes"}})
    good = (run.path / "preprocessing.json").read_text()
    opened = OpenedRun(run)
    (run.path / "preprocessing.json").write_text("{}")
    for _ in range(2):
        with pytest.raises(IntegrityError):
            _ = opened.spec
    (run.path / "preprocessing.json").write_text(good)
    assert opened.spec.task == "regression" and opened.preprocessing is opened.preprocessing
