"""Losses from logits against scikit-learn and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss

from bmcli.tasks import TASKS, of

RAW = np.array([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0], [-60.0, 60.0, 3.0]], np.float32)


def test_multiclass_is_cross_entropy() -> None:
    exponentials = np.exp(RAW.astype(np.float64))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    targets = np.eye(3, dtype=np.float32)[[0, 2, 1]]
    losses = np.asarray(of("multiclass").loss(RAW, targets))
    assert losses.shape == (3,)
    assert losses.mean() == pytest.approx(log_loss([0, 2, 1], probabilities, labels=[0, 1, 2]), rel=1e-5)
    np.testing.assert_array_equal(np.asarray(of("multiclass").running(RAW, targets)), [1, 0, 1])


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_sigmoid_cross_entropy_is_finite_at_the_ends(task: str) -> None:
    targets = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0]], np.float32)
    losses = np.asarray(of(task).loss(RAW, targets))
    raw = RAW.astype(np.float64)
    expected = (np.logaddexp(0, raw) - raw * targets).mean(axis=1)
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    huge = np.asarray(of(task).loss(np.array([[1e30]], np.float32), np.array([[1.0]], np.float32)))
    assert huge == 0


def test_regression_is_squared_error() -> None:
    raw, targets = np.array([[1.0], [3.0]], np.float32), np.array([[2.0], [0.0]], np.float32)
    np.testing.assert_array_equal(np.asarray(of("regression").loss(raw, targets)), [1, 9])
    np.testing.assert_array_equal(np.asarray(of("regression").running(raw, targets)), [1, 3])


def test_every_task_names_its_running_metric() -> None:
    assert set(TASKS) == {"binary", "multiclass", "multilabel", "regression"}
    assert all(of(name).running_name for name in TASKS)
