from __future__ import annotations

import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest

from bmcli.core.errors import UsageError
from bmcli.metrics.metric import METRICS, Metric
from bmcli.tasks import of

TASKS = ("binary", "multiclass", "multilabel", "regression")


class Share(Metric):
    """The share of class 0."""

    tasks = ("binary", "multiclass")
    greater_is_better: ClassVar[bool] = False
    weight: float = 1.0

    def compute(self, targets: np.ndarray, outputs: np.ndarray, classes: tuple[str, ...]) -> float:
        return self.weight * float(np.mean(targets == 0))


@pytest.fixture
def share() -> type[Metric]:
    METRICS.register("share")(Share)
    yield Share
    del METRICS._classes["share"]


def data_of(task: str, n: int = 30) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    random = np.random.default_rng(1)
    if task == "regression":
        return random.normal(size=n), random.normal(size=(n, 1)).astype(np.float32), ()
    if task == "multilabel":
        y = random.integers(0, 2, (n, 3)).astype(np.float32)
        return y, random.random((n, 3)).astype(np.float32), ("a", "b", "c")
    classes = ("a", "b") if task == "binary" else ("a", "b", "c")
    p = random.dirichlet(np.ones(len(classes)), n).astype(np.float32)
    return random.integers(0, len(classes), n), p, classes


@pytest.mark.parametrize("task", TASKS)
def test_every_monitorable_metric_is_computed_and_finite(task: str) -> None:
    found = of(task).measure(*data_of(task))
    assert list(found) == list(of(task).monitorable())
    assert all(isinstance(value, float) and np.isfinite(value) for value in found.values())
    assert of(task).headline in found


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("spoiled", [np.nan, np.inf, None])
def test_nothing_to_measure_is_undefined_not_nan(task: str, spoiled: float | None) -> None:
    targets, outputs, classes = data_of(task)
    if spoiled is None:
        targets, outputs = targets[:0], outputs[:0]
    else:
        outputs[3, 0] = spoiled
    found = of(task).measure(targets, outputs, classes)
    assert list(found) == list(of(task).monitorable())
    assert set(found.values()) == {None}


def test_a_users_metric_is_measured_like_a_built_in(share: type[Metric]) -> None:
    targets, outputs, classes = data_of("multiclass")
    mine = METRICS.get("share")(weight=2.0)
    found = of("multiclass").measure(targets, outputs, classes, [mine])
    assert found["share"] == pytest.approx(2 * np.mean(targets == 0))
    assert of("multiclass").monitorable([mine])["share"] is False
    assert not of("multiclass").monitorable([mine])["share"]


def test_a_users_metric_that_cannot_be_is_the_users_error(share: type[Metric]) -> None:
    with pytest.raises(UsageError, match="is for binary, multiclass, not regression"):
        of("regression").measure(*data_of("regression"), [Share()])

    @METRICS.register("accuracy")
    class Own(Metric):
        """Mine."""

        def compute(self, targets: np.ndarray, outputs: np.ndarray, classes: tuple[str, ...]) -> float:
            return 1 / 0

    with pytest.raises(UsageError, match="built-in"):
        of("binary").measure(*data_of("binary"), [Own()])
    METRICS.register("broken")(Own)
    with pytest.raises(UsageError, match=r"metric 'broken' \(test_metric.py:\d+\): ZeroDivisionError"):
        of("binary").measure(*data_of("binary"), [Own()])
    for name in ("accuracy", "broken"):
        del METRICS._classes[name]


def test_a_users_nan_is_undefined(share: type[Metric]) -> None:
    class Nan(Share):
        """NaN."""

        def compute(self, targets: np.ndarray, outputs: np.ndarray, classes: tuple[str, ...]) -> float:
            return float("nan")

    METRICS.register("share")(Nan)
    assert of("binary").measure(*data_of("binary"), [Nan()])["share"] is None


def test_names_are_known_without_numpy() -> None:
    code = (
        "import sys; from bmcli.metrics.metric import METRICS; from bmcli.tasks import of; "
        "of('binary').monitorable(); METRICS.names(); "
        "assert not {'numpy', 'sklearn', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
