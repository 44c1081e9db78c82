"""Will the training fit into memory?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bmcli.config import resolve
from bmcli.experiments.display import Silent
from bmcli.experiments.prepare import build, prepare
from bmcli.runs import environment
from bmcli.training import memory
from bmcli.training.memory import Forecast, forecast
from bmcli.training.trainer import Trainer
from tests.conftest import Done

GIB = 2**30


def foreseen(*changes: str) -> Forecast:
    experiment = prepare(resolve.load("digits_cnn", ["data.limit=50", *changes]), display=Silent())
    return forecast(build(experiment)[0], experiment.spec, experiment.config.training)


def test_it_grows_with_what_is_kept() -> None:
    plain = foreseen("training.precision=float32")
    assert plain.per_example > foreseen("training.precision=bfloat16").per_example
    assert plain.fixed < foreseen("training.precision=float32", "training.ema=0.9").fixed
    wide = foreseen("training.precision=float32", "model.filters=[64, 128]")
    assert wide.per_example > 1.5 * plain.per_example
    # Two 3x3 convolutions with same padding over 8x8 images; each keeps its input to relu and its result.
    assert plain.per_example >= 4 * 8 * 8 * 2


@pytest.mark.parametrize("name", ["gru", "transformer"])
def test_longer_texts_need_more(name: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,y\n" + "\n".join(f"word{i % 5} of it,{i % 2}" for i in range(40)))

    def per_example(length: int) -> int:
        config = resolve.load(
            {
                "name": "t",
                "data": {"path": str(tmp_path / "t.csv"), "text": "text", "target": "y"},
                "preprocessing": {"text": {"max_length": length}},
                "model": name,
            },
            cwd=tmp_path,
        )
        experiment = prepare(config, display=Silent())
        return forecast(build(experiment)[0], experiment.spec, config.training).per_example

    assert per_example(100) > 5 * per_example(10)


def test_a_batch_size_that_fits_is_found() -> None:
    needed = Forecast(fixed=GIB, per_example=2**20)
    assert needed.total(1024) == 2 * GIB
    proposed = needed.fitting(available=4 * GIB, below=10_000)
    assert proposed == 1024 and needed.total(proposed) < memory.COMFORTABLE * 4 * GIB
    assert needed.fitting(available=4 * GIB, below=100) == 64
    assert needed.fitting(available=GIB, below=100) is None


def quick(invoke: Callable[..., Done]) -> Done:
    return invoke("train", "digits_cnn", "data.limit=100", "training.epochs=1", "evaluation.splits=[]")


def test_a_tight_fit_is_warned_of(invoke: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "available_memory", lambda: 200 * 2**20)
    done = quick(invoke)
    assert done.code == 0 and "warning: training may need" in done.err


def test_what_cannot_fit_is_not_begun(
    invoke: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(environment, "available_memory", lambda: 20 * 2**20)
    done = quick(invoke)
    assert done.code == 6 and "training needs about" in done.err and "smaller" in done.err
    assert not (tmp_path / "runs").exists()


class ResourceExhaustedError(Exception):
    """As TensorFlow's."""


@pytest.mark.parametrize("error", [MemoryError, ResourceExhaustedError])
def test_out_of_memory_names_a_batch_size(
    error: type[Exception], invoke: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_: Trainer) -> None:
        raise error

    monkeypatch.setattr(Trainer, "run", run)
    done = quick(invoke)
    assert done.code == 6 and "try training.batch_size=" in done.err
    assert invoke("runs", "--json").json["runs"][0]["error"] == "out of memory"


def test_limits_of_control_groups_count(tmp_path: Path) -> None:
    root, of = tmp_path / "cgroup", tmp_path / "self"
    of.write_text("0::/jobs/mine\n")
    (root / "jobs/mine").mkdir(parents=True)
    (root / "jobs/memory.max").write_text("1000\n")
    (root / "jobs/memory.current").write_text("300\n")
    (root / "jobs/memory.stat").write_text("anon 1\ninactive_file 50\n")
    (root / "jobs/mine/memory.max").write_text("max\n")
    (root / "jobs/mine/memory.current").write_text("200\n")
    assert environment._left_in_control_groups(root, of) == [750]
    of.write_text("4:cpu,memory:/jobs/mine\n")
    (root / "memory").mkdir()
    (root / "memory/memory.limit_in_bytes").write_text("500")
    (root / "memory/memory.usage_in_bytes").write_text("100")
    assert environment._left_in_control_groups(root, of) == [400]
    assert environment._left_in_control_groups(root, tmp_path / "none") == []
