"""Intervals against scipy and statsmodels, against plain resampling, and by how often they hold the truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from bmcli.evaluation import intervals as ours
from bmcli.evaluation.metrics import epoch_metrics

SOME = settings(max_examples=60, deadline=None)


def found(task, targets, outputs):
    return ours.intervals(task, targets, outputs, epoch_metrics(task, targets, outputs, ()))


def answers(
    seed: int, n: int = 400, classes: int = 3, sharpness: float = 1.5
) -> tuple[np.ndarray, np.ndarray]:
    """Targets and probabilities that are right more often than not."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, n)
    scores = rng.normal(size=(n, classes))
    scores[np.arange(n), targets] += sharpness
    odds = np.exp(scores)
    return targets, (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


@SOME
@given(st.integers(1, 5_000), st.floats(0, 1))
def test_a_share_has_wilsons_interval(count: int, share: float) -> None:
    hits = round(share * count)
    low, high = ours.wilson(hits, count)
    expected = stats.binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert low == pytest.approx(expected.low, abs=1e-12) and high == pytest.approx(expected.high, abs=1e-12)
    assert (low, high) == pytest.approx(proportion_confint(hits, count, method="wilson"), abs=1e-12)
    assert low <= hits / count <= high
    assert ours.wilson(0, 0) is None


@pytest.mark.parametrize("count", [1_000, 1_500, 5_000])
@pytest.mark.parametrize("accuracy", [0.7, 0.8, 0.9, 0.95])
def test_the_interval_of_accuracy_holds_the_truth_95_times_in_100(count: int, accuracy: float) -> None:
    """Exactly: over all numbers of right answers there can be, weighted by how likely each is."""
    hits = np.arange(count + 1)
    likely = stats.binom.pmf(hits, count, accuracy)
    held = [low <= accuracy <= high for low, high in (ours.wilson(h, count) for h in hits)]
    assert 0.935 <= likely[held].sum() <= 0.965


Truth = Callable[[np.ndarray, np.ndarray], float]


@pytest.mark.parametrize("name", ["loss", "balanced_accuracy", "f1_macro", "roc_auc"])
def test_other_intervals_hold_the_truth_about_as_often(name: str) -> None:
    truth = epoch_metrics("multiclass", *answers(0, 400_000), ())[name]
    draws = [found("multiclass", *answers(seed))[name] for seed in range(1, 251)]
    held = np.mean([low <= truth <= high for low, high in draws])
    assert 0.91 <= held <= 0.985, "three standard errors of 250 draws"


def test_the_bootstrap_of_cells_is_the_bootstrap_of_examples() -> None:
    targets, outputs = answers(3)
    rng = np.random.default_rng(5)
    drawn = [rng.integers(0, len(targets), len(targets)) for _ in range(1_000)]
    plain = [epoch_metrics("multiclass", targets[d], outputs[d], ()) for d in drawn]
    intervals = found("multiclass", targets, outputs)
    for name in ("f1_macro", "f1_weighted", "balanced_accuracy", "precision_macro", "recall_macro", "loss"):
        expected = np.quantile([figures[name] for figures in plain], [0.025, 0.975])
        width = expected[1] - expected[0]
        np.testing.assert_allclose(intervals[name], expected, atol=0.12 * width, err_msg=name)


def test_the_interval_of_the_area_is_that_of_resampling() -> None:
    targets, outputs = answers(4, classes=2)
    rng = np.random.default_rng(6)
    drawn = [rng.integers(0, len(targets), len(targets)) for _ in range(1_000)]
    expected = np.quantile([roc_auc_score(targets[d], outputs[d, 1]) for d in drawn], [0.025, 0.975])
    low, high = found("binary", targets, outputs)["roc_auc"]
    assert low < roc_auc_score(targets, outputs[:, 1]) < high
    np.testing.assert_allclose([low, high], expected, atol=0.12 * (expected[1] - expected[0]))


def test_every_figure_of_every_task_has_one() -> None:
    rng = np.random.default_rng(1)
    targets, outputs = answers(1)
    truth = rng.normal(size=300)
    labels = (rng.random((300, 4)) < 0.3).astype(np.float32)
    guesses = np.clip(labels * 0.3 + rng.random((300, 4)) * 0.6, 0, 1).astype(np.float32)
    for task, y, p in (
        ("multiclass", targets, outputs),
        ("binary", targets % 2, answers(1, classes=2)[1]),
        ("regression", truth, (truth + rng.normal(size=300)).astype(np.float32)[:, None]),
        ("multilabel", labels, guesses),
    ):
        figures = epoch_metrics(task, y, p, ())
        intervals = ours.intervals(task, y, p, figures)
        assert intervals.keys() == figures.keys()
        for name, value in figures.items():
            low, high = intervals[name]
            assert low < value < high and high - low < 0.6 * max(abs(value), 1), (task, name)
        assert intervals == ours.intervals(task, y, p, figures), "the same again"


def test_what_says_nothing_is_none() -> None:
    targets = np.array([0, 1, 2, 0, 1, 2])
    perfect = np.eye(3, dtype=np.float32)[targets]
    intervals = found("multiclass", targets, perfect)
    assert intervals["accuracy"] == (pytest.approx(6 / (6 + 1.96**2), abs=1e-3), 1.0)
    assert intervals["f1_macro"] is None and intervals["roc_auc"] is None
    assert found("multiclass", np.array([1]), perfect[:1])["roc_auc"] is None
    constant = found("regression", np.ones(5), np.ones((5, 1)))
    assert constant["r2"] is None and constant["mae"] is None


@SOME
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(2, 5))
def test_few_examples_do_no_harm(seed: int, n: int, classes: int) -> None:
    targets, outputs = answers(seed, n, classes)
    for value in found("multiclass", targets, outputs).values():
        assert value is None or (np.isfinite(value).all() and value[0] <= value[1])
