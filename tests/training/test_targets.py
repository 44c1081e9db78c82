"""What the loss takes, and example weights."""

from __future__ import annotations

import numpy as np
import pytest

from bmcli.core.errors import ConfigError
from bmcli.core.spec import DataSpec
from bmcli.training.targets import dense_targets, example_weights

CLASSES = ("a", "b", "c")
MULTICLASS = DataSpec.single("table", "multiclass", (2,), CLASSES)


def test_one_hot_and_smoothing() -> None:
    dense = dense_targets(MULTICLASS, np.array([2, 0]), label_smoothing=0.3)
    np.testing.assert_allclose(dense, [[0.1, 0.1, 0.8], [0.8, 0.1, 0.1]], rtol=1e-6)
    assert dense.dtype == np.float32


def test_binary_is_one_column() -> None:
    spec = DataSpec.single("table", "binary", (2,), ("no", "yes"))
    np.testing.assert_array_equal(dense_targets(spec, np.array([0, 1])), [[0], [1]])


def test_regression_is_standardised() -> None:
    spec = DataSpec.single("table", "regression", (2,), target_offset=10.0, target_scale=2.0)
    np.testing.assert_array_equal(dense_targets(spec, np.array([10.0, 14.0])), [[0], [2]])


def test_balanced_weights_make_classes_count_alike() -> None:
    targets = np.array([0] * 6 + [1] * 3 + [2])
    weights = example_weights(MULTICLASS, targets, "balanced")
    assert weights is not None
    totals = [weights[targets == c].sum() for c in range(3)]
    np.testing.assert_allclose(totals, totals[0], rtol=1e-6)
    assert weights.mean() == pytest.approx(1)


def test_named_weights_and_an_unknown_class() -> None:
    weights = example_weights(MULTICLASS, np.array([0, 1]), {"a": 3.0})
    assert weights is not None and weights[0] / weights[1] == pytest.approx(3)
    with pytest.raises(ConfigError, match="'bb'"):
        example_weights(MULTICLASS, np.array([0, 1]), {"bb": 3.0})
