"""Losses from logits against scikit-learn and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss

from bmcli.training.losses import RUNNING_METRIC, example_losses, example_metrics

RAW = np.array([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0], [-60.0, 60.0, 3.0]], np.float32)


def test_multiclass_is_cross_entropy() -> None:
    exponentials = np.exp(RAW.astype(np.float64))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    targets = np.eye(3, dtype=np.float32)[[0, 2, 1]]
    losses = np.asarray(example_losses("multiclass", RAW, targets))
    assert losses.shape == (3,)
    assert losses.mean() == pytest.approx(log_loss([0, 2, 1], probabilities, labels=[0, 1, 2]), rel=1e-5)
    np.testing.assert_array_equal(np.asarray(example_metrics("multiclass", RAW, targets)), [1, 0, 1])


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_sigmoid_cross_entropy_is_finite_at_the_ends(task: str) -> None:
    targets = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0]], np.float32)
    losses = np.asarray(example_losses(task, RAW, targets))
    raw = RAW.astype(np.float64)
    expected = (np.logaddexp(0, raw) - raw * targets).mean(axis=1)
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    huge = np.asarray(example_losses(task, np.array([[1e30]], np.float32), np.array([[1.0]], np.float32)))
    assert huge == 0


def test_regression_is_squared_error() -> None:
    raw, targets = np.array([[1.0], [3.0]], np.float32), np.array([[2.0], [0.0]], np.float32)
    np.testing.assert_array_equal(np.asarray(example_losses("regression", raw, targets)), [1, 9])
    np.testing.assert_array_equal(np.asarray(example_metrics("regression", raw, targets)), [1, 3])


def test_every_task_names_its_running_metric() -> None:
    assert set(RUNNING_METRIC) == {"binary", "multiclass", "multilabel", "regression"}
