"""Intervals against scipy, against plain resampling, and by how often they hold the truth."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from bmcli.metrics import interval_methods
from bmcli.metrics import intervals as ours
from bmcli.tasks import of

SOME = settings(max_examples=60, deadline=None)


def found(task, targets, outputs):
    return of(task).intervals(targets, outputs, of(task).measure(targets, outputs, ())).intervals


def reasons(task, targets, outputs):
    return of(task).intervals(targets, outputs, of(task).measure(targets, outputs, ())).reasons


@pytest.fixture(scope="module")
def coverage() -> ModuleType:
    path = Path(__file__).parent.parent.parent / "benchmarks" / "coverage.py"
    spec = importlib.util.spec_from_file_location("coverage_of_intervals", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


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
def test_a_share_has_the_exact_interval(count: int, share: float) -> None:
    hits = round(share * count)
    low, high = interval_methods.share(hits, count)
    expected = stats.binomtest(hits, count).proportion_ci(0.95, method="exact")
    assert low == pytest.approx(expected.low, abs=1e-9) and high == pytest.approx(expected.high, abs=1e-9)
    assert low <= hits / count <= high
    assert interval_methods.share(0, 0) is None


@pytest.mark.parametrize("count", [30, 100, 1_000])
@pytest.mark.parametrize("accuracy", [0.5, 0.9, 0.97, 0.9986])
def test_the_interval_of_accuracy_holds_the_truth_95_times_in_100(count: int, accuracy: float) -> None:
    """Exactly: over all numbers of right answers there can be, weighted by how likely each is."""
    hits = np.arange(count + 1)
    likely = stats.binom.pmf(hits, count, accuracy)
    held = [
        low <= accuracy <= high for low, high in (interval_methods.share(h, count) for h in hits.tolist())
    ]
    assert likely[held].sum() >= 0.95


@pytest.mark.parametrize("count", [30, 400])
@pytest.mark.parametrize("hits", [0, 0.02, 0.3, 0.5, 0.97, 1])
def test_a_weighted_share_of_equal_weights_is_about_the_exact_one(count: int, hits: float) -> None:
    right = round(hits * count)
    value = right / count
    found = interval_methods.bounded(value, value * (1 - value) / count, 1 / count)
    (low, high), (exact_low, exact_high) = found, interval_methods.share(right, count)
    assert exact_low - 0.3 / count <= low <= exact_low + 1e-9
    assert exact_high - 1e-9 <= high <= exact_high + 0.3 / count


@pytest.mark.parametrize("events", [0, 1, 4, 30])
def test_rare_equal_losses_have_the_interval_of_their_number(events: int) -> None:
    losses = np.zeros(100_000)
    losses[:events] = 7.0
    low, high = interval_methods.mean(losses, 7.0)
    expected = [stats.gamma.ppf(0.025, events) if events else 0, stats.gamma.ppf(0.975, events + 1)]
    np.testing.assert_allclose(np.array([low, high]) * 100_000 / 7, expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize(
    ("population", "examples", "metrics"),
    [
        ("0.9986, sure", 100, {"loss": 0.4, "roc_auc": 0.6}),
        ("0.97, sure", 30, {"loss": 0.75}),
        ("10 classes, too sure, 2 % noise", 100, {"loss": 0.93, "roc_auc": 0.9}),
        ("10 classes, weak", 100, {"f1_macro": 0.93}),
        ("8 labels, good", 30, {"loss": 0.92, "f1_micro": 0.93, "label_accuracy": 0.93}),
        ("t(3) errors", 100, {"loss": 0.85}),
        ("lognormal 1.5, either sign", 100, {"loss": 0.6, "rmse": 0.6, "mae": 0.93}),
        ("lognormal targets, errors in proportion", 100, {"loss": 0.8, "rmse": 0.8}),
        ("lognormal 1.5 targets", 100, {"r2": 0.7}),
    ],
)
def test_intervals_hold_the_truth_where_percentiles_of_the_bootstrap_do_not(
    coverage: ModuleType, population: str, examples: int, metrics: dict[str, float]
) -> None:
    """metrics: by what share of the samples the intervals in common use hold it, at most."""
    counts = coverage.measure(population, examples, 120)
    for name, at_most in metrics.items():
        one = counts[name]
        assert one.new > 100, (name, "hardly ever there")
        assert one.new_held >= 0.925 * one.new, (name, one)
        assert one.old_held <= at_most * one.samples, (name, one)


def mostly_right(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nine of ten predictions are exact: R² is 0.8."""
    truth = rng.normal(size=n)
    return truth, (truth - (rng.random(n) < 0.1) * rng.exponential(size=n))[:, None]


def skewed_errors(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors exp(N) with a random sign, R² 1 - e²/100."""
    truth = 10 * rng.normal(size=n)
    return truth, (truth - np.exp(rng.normal(size=n)) * rng.choice([-1.0, 1.0], n))[:, None]


@pytest.mark.parametrize("draw, truth", [(mostly_right, 0.8), (skewed_errors, 1 - np.exp(2) / 100)])
def test_r2_is_not_left_out_where_a_few_errors_are_most_of_it(draw, truth: float) -> None:
    rng = np.random.default_rng(3)
    shown = [found("regression", *draw(rng, 100))["r2"] for _ in range(150)]
    assert None not in shown
    assert np.mean([low <= truth <= high for low, high in shown]) > 0.93


def test_calibration_error_has_an_interval_that_holds(coverage: ModuleType) -> None:
    for population in ("weak", "too sure, 3 % noise", "0.97, sure"):
        one = coverage.measure(population, 200, 100)["ece"]
        assert one.new == 100 and one.new_held >= 93, population


@pytest.mark.parametrize("name", ["loss", "balanced_accuracy", "f1_macro", "roc_auc"])
def test_intervals_of_ordinary_metrics_are_hardly_wider_than_they_must_be(name: str) -> None:
    truth = of("multiclass").measure(*answers(0, 400_000), ())[name]
    draws = [found("multiclass", *answers(seed))[name] for seed in range(1, 151)]
    held = np.mean([low <= truth <= high for low, high in draws])
    assert held >= 0.91
    values = [of("multiclass").measure(*answers(seed), ())[name] for seed in range(1, 151)]
    width = np.median([high - low for low, high in draws])
    assert width <= 1.3 * 2 * 1.96 * np.std(values)


def test_the_bootstrap_of_cells_is_the_bootstrap_of_examples() -> None:
    targets, outputs = answers(3)
    rng = np.random.default_rng(5)
    drawn = [rng.integers(0, len(targets), len(targets)) for _ in range(1_000)]
    plain = [of("multiclass").measure(targets[d], outputs[d], ()) for d in drawn]
    intervals = found("multiclass", targets, outputs)
    for name in ("f1_macro", "f1_weighted", "balanced_accuracy", "precision_macro", "recall_macro"):
        expected = np.quantile([metrics[name] for metrics in plain], [0.025, 0.975])
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


def test_every_metric_of_every_task_has_one() -> None:
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
        metrics = of(task).measure(y, p, ())
        intervals = found(task, y, p)
        assert intervals.keys() == metrics.keys()
        for name, value in metrics.items():
            low, high = intervals[name]
            assert low < value < high and high - low < 0.8 * max(abs(value), 1), (task, name)
        assert intervals == found(task, y, p), "the same again"


def test_where_the_examples_cannot_tell_it_says_why() -> None:
    targets = np.array([0, 1, 2, 0, 1, 2])
    perfect = np.eye(3, dtype=np.float32)[targets]
    few = reasons("multiclass", targets, perfect)
    assert found("multiclass", targets, perfect)["accuracy"] == (pytest.approx(0.025 ** (1 / 6)), 1.0)
    assert few["loss"] == "too few: 6 examples, 20 are needed"
    assert few["roc_auc"] == "too few: 3 of 3 curves have fewer than 5 examples"
    assert few["f1_macro"].startswith("too few") and "accuracy" not in few

    rare = np.arange(400) % 100 == 0
    scores = np.stack([1 - rare * 0.4, rare * 0.4], axis=1).astype(np.float32)
    few = reasons("binary", rare.astype(int), scores)
    assert few["roc_auc"] == "too few: the smaller of two classes has fewer than 5 examples"
    assert few["precision"] == "undefined", "nothing was taken for the second class"
    assert few["balanced_accuracy"] == "too few: 1 of 2 classes have fewer than 5 examples"

    errors = np.arange(30.0)[:, None].astype(np.float32)
    few = reasons("regression", np.zeros(30), errors)
    assert few["loss"] == few["rmse"] == "too few: 30 examples, 50 are needed"
    assert few["r2"] == "undefined" and "mae" not in few
    assert reasons("regression", np.arange(60.0), np.arange(60.0)[:, None])["r2"] == "there is no error"
    assert reasons("regression", np.ones(60), np.zeros((60, 1)))["mae"] == "every error is the same"


def test_a_metric_of_the_users_own_has_none() -> None:
    targets, outputs = answers(1)
    every = of("multiclass").intervals(targets, outputs, {"accuracy": 0.5, "cost": 3.0})
    assert every.intervals["cost"] is None and every.intervals["accuracy"] is not None
    assert every.reasons == {"cost": "of your own: no method is known for it"}


def test_the_resamples_are_the_same_for_all_runs_of_as_many_examples() -> None:
    """Comparisons are paired by them, so they never change."""
    drawn = np.random.default_rng(0).integers(0, 50, (1_000, 50), dtype=np.int32)
    counted = np.concatenate(list(ours.resamples(50)))
    np.testing.assert_array_equal(counted, [np.bincount(row, minlength=50) for row in drawn])


def test_a_class_has_intervals_of_all_its_metrics() -> None:
    of_class = ours.class_intervals(8, 10, 9)
    assert of_class["precision"] == interval_methods.share(8, 10) and of_class[
        "recall"
    ] == interval_methods.share(8, 9)
    low, high = interval_methods.share(8, 11)
    assert of_class["f1"] == pytest.approx((2 * low / (1 + low), 2 * high / (1 + high)))
    assert ours.class_intervals(0, 0, 0) == {"precision": None, "recall": None, "f1": None}


@SOME
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(2, 5))
def test_few_examples_do_no_harm(seed: int, n: int, classes: int) -> None:
    targets, outputs = answers(seed, n, classes)
    for value in found("multiclass", targets, outputs).values():
        assert value is None or (np.isfinite(value).all() and value[0] <= value[1])
