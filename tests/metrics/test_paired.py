"""Paired tests against scipy and statsmodels, and by how often they cry wolf."""

from __future__ import annotations

from functools import cache
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import contingency_tables, multitest

from bmcli.metrics import paired
from bmcli.metrics.predictions import Predictions
from bmcli.tasks import of


def side(task, targets, *outputs, **metrics) -> paired.Side:
    ids = tuple(f"e{i}" for i in range(len(targets)))
    measured = [of(task).measure(targets, o, ()) | metrics for o in outputs]
    return paired.Side(of(task), measured, [Predictions(ids, targets, o) for o in outputs])


def outputs(
    targets: np.ndarray, rng: np.random.Generator, sharpness: float, shared: np.ndarray
) -> np.ndarray:
    scores = 0.7 * rng.normal(size=shared.shape) + 0.7 * shared
    scores[np.arange(len(targets)), targets] += sharpness
    odds = np.exp(scores)
    return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_mcnemars_mid_p(answers: list[tuple[bool, bool]]) -> None:
    first, second = np.array(answers, bool).reshape(-1, 2).T
    wins, losses = int((second & ~first).sum()), int((first & ~second).sum())
    n, fewer = wins + losses, min(wins, losses)
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    exact = contingency_tables.mcnemar([[both, losses], [wins, neither]], exact=True).pvalue if n else 1.0
    expected = 1.0 if wins == losses else exact - stats.binom.pmf(fewer, n, 0.5)
    assert paired.mcnemar(first, second) == pytest.approx(expected, abs=1e-12)
    assert paired.mcnemar(second, first) == paired.mcnemar(first, second)


def test_equally_good_models_are_told_apart_in_one_of_twenty() -> None:
    rng = np.random.default_rng(0)
    for accuracy in (0.7, 0.85, 0.95):
        false = 0
        for _ in range(1_500):
            hard = rng.random(1_000)
            first, second = (0.6 * hard + 0.4 * rng.random(1_000) < np.quantile(hard, accuracy) for _ in "ab")
            false += paired.mcnemar(first, second) < 0.05
        assert 0.03 <= false / 1_500 <= 0.065


@pytest.mark.parametrize("metric", ["loss", "f1_macro", "roc_auc"])
def test_so_are_their_other_metrics(metric: str) -> None:
    rng = np.random.default_rng(1)
    low, held = 0, 0
    for _ in range(150):
        targets, shared = rng.integers(0, 3, 250), rng.normal(size=(250, 3))
        a, b = (side("multiclass", targets, outputs(targets, rng, 1.2, shared)) for _ in "ab")
        (one,) = [d for d in paired.differences(a, b) if d.metric == metric]
        low += one.p < 0.05
        held += one.interval[0] <= 0 <= one.interval[1]
    assert low / 150 <= 0.11 and held / 150 >= 0.89, "three standard errors around 5 %"


def test_with_seeds_the_luck_of_training_counts() -> None:
    """Models whose sharpness varies from seed to seed, by as much as it differs."""
    rng = np.random.default_rng(2)
    held, single = 0, 0
    for _ in range(120):
        targets, shared = rng.integers(0, 3, 400), rng.normal(size=(400, 3))
        runs = [[outputs(targets, rng, 1.2 + 0.4 * rng.normal(), shared) for _ in range(3)] for _ in range(2)]
        a, b = (side("multiclass", targets, *group) for group in runs)
        (one,) = [d for d in paired.differences(a, b) if d.metric == "loss"]
        held += one.interval[0] <= 0 <= one.interval[1]
        alone = [side("multiclass", targets, group[0]) for group in runs]
        (one,) = [d for d in paired.differences(*alone) if d.metric == "loss"]
        single += one.interval[0] <= 0 <= one.interval[1]
    assert held / 120 >= 0.88, "three standard errors below 95 %"
    assert single / 120 < 0.6, "which is why it is said that with one run each this was not measured"


def test_one_run_against_several_borrows_their_spread() -> None:
    rng = np.random.default_rng(3)
    targets, shared = rng.integers(0, 3, 400), rng.normal(size=(400, 3))
    several = [outputs(targets, rng, 1.2 + 0.5 * rng.normal(), shared) for _ in range(4)]
    one = outputs(targets, rng, 1.2, shared)

    def width(*sides: paired.Side) -> float:
        (found,) = [d for d in paired.differences(*sides) if d.metric == "loss"]
        return found.interval[1] - found.interval[0]

    alone = width(side("multiclass", targets, one), side("multiclass", targets, several[0]))
    assert width(side("multiclass", targets, one), side("multiclass", targets, *several)) > 2 * alone


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 of them, drawn once: the same for all runs anyway."""
    monkeypatch.setattr(paired.intervals, "RESAMPLES", 200)
    draw = paired.intervals.resamples
    monkeypatch.setattr(paired.intervals, "resamples", cache(lambda count: list(draw(count))))


def false_positives(
    one: int, other: int, rounds: int, *, seeds: float, classifiers: float, runs: float
) -> dict[str, float]:
    """The share of rounds in which equally good classifiers differ 'significantly', for each metric.

    seeds, classifiers, runs: standard deviations of the score of the right class: of all examples of a run,
    of an example for one of the two classifiers, and of an example of a run.
    """
    told = {"accuracy": 0, "loss": 0, "roc_auc": 0}
    for number in range(rounds):
        rng = np.random.default_rng(number)
        targets, hard = rng.integers(0, 2, 60), rng.normal(size=60)
        sides = []
        for count in (one, other):
            own, made = classifiers * rng.normal(size=60), []
            for _ in range(count):
                score = 1.4 + seeds * rng.normal() + hard + own + runs * rng.normal(size=60)
                right = 1 / (1 + np.exp(-score))
                second = np.where(targets == 1, right, 1 - right)
                made.append(np.column_stack([1 - second, second]).astype(np.float32))
            sides.append(side("binary", targets, *made))
        for found in paired.differences(*sides):
            if found.metric in told:
                told[found.metric] += found.p is not None and found.p < 0.05
    return {name: count / rounds for name, count in told.items()}


def test_one_run_against_two_cries_wolf_no_more_often_than_it_says(few_resamples: None) -> None:
    """With the degrees of freedom of two estimates where there is one, it was in 13 to 18 of 100."""
    for name, share in false_positives(1, 2, 250, seeds=0.4, classifiers=0.0, runs=0.1).items():
        assert share <= 0.05 + 3 * (0.05 * 0.95 / 250) ** 0.5, name


def test_seeds_that_are_wrong_on_different_examples_count_once(few_resamples: None) -> None:
    """Counted in the spread of the seeds and in the resamples too, differences were found in 1 of 100."""
    for name, share in false_positives(2, 3, 250, seeds=0.0, classifiers=0.0, runs=0.8).items():
        assert 0.02 <= share <= 0.09, name


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 8])
def test_whatever_share_the_seeds_have_the_level_holds(freedom: int) -> None:
    """Exactly: integrated over the distribution of the estimated variance, the other one being known."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    variances = stats.chi2.ppf((nodes + 1) / 2, freedom) / freedom
    normal = stats.norm.ppf(0.975)
    for share in (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0):
        level = 0.0
        for variance, weight in zip(variances, weights / 2, strict=True):
            noise = paired._Noise(share * variance, float(freedom), 1 - share)
            level += weight * 2 * stats.norm.sf(noise.quantile(normal) * noise.deviation)
        least = 0.02 if freedom == 1 else 0.04
        assert least <= level <= 0.06, share
        if share in (0.0, 1.0):
            assert level == pytest.approx(0.05, abs=2e-4), "known, or Student's"


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1), st.integers(1, 30), st.floats(1e-6, 1e3))
def test_p_is_the_level_of_the_interval_that_ends_at_zero(share: float, freedom: int, size: float) -> None:
    noise = paired._Noise(share, float(freedom), 1 - share)
    p = noise.p(size)
    assert 0 <= p <= 1 and noise.p(-size) == p
    if 1e-12 < p < 1:
        assert noise.quantile(stats.norm.isf(p / 2)) * noise.deviation == pytest.approx(size, rel=1e-6)
    half = noise.quantile(stats.norm.ppf(0.975)) * noise.deviation
    assert (size > half) == (p < 0.05) or size == pytest.approx(half)


def test_few_runs_share_one_estimate_and_more_have_their_own() -> None:
    rng = np.random.default_rng(5)
    targets = rng.integers(0, 2, 300)

    def made(*sharpness: float) -> paired.Side:
        scores = [np.where(targets == 1, of, -of) + rng.normal(size=300) for of in sharpness]
        second = [1 / (1 + np.exp(-score)) for score in scores]
        return side("binary", targets, *(np.column_stack([1 - p, p]).astype(np.float32) for p in second))

    def variance(one: paired.Side) -> float:
        return float(np.var(one.values("loss"), ddof=1))

    one, two, three, five = made(1.4), made(1.2, 1.6), made(1.0, 1.4, 1.8), made(1.2, 1.3, 1.4, 1.5, 1.6)
    noise = paired._noise("loss", 0.0, one, three)
    assert noise.freedom == 2 and noise.seeds == pytest.approx(variance(three) * (1 + 1 / 3))
    noise = paired._noise("loss", 0.0, five, two)
    pooled = (variance(two) + 4 * variance(five)) / 5
    assert noise.freedom == 5 and noise.seeds == pytest.approx(pooled * (1 / 2 + 1 / 5))
    noise = paired._noise("loss", 0.0, three, five)
    parts = variance(three) / 3, variance(five) / 5
    assert noise.seeds == pytest.approx(sum(parts))
    assert noise.freedom == pytest.approx(
        max(sum(parts) ** 2 / (parts[0] ** 2 / 4 + parts[1] ** 2 / 6) - 2, 2)
    )


def test_holms_correction() -> None:
    assert paired.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert paired.holm([None, 0.2, None]) == [None, 0.2, None]
    assert paired.holm([0.6, 0.7]) == [1.0, 1.0] and paired.holm([]) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holms_correction_is_that_of_statsmodels(values: list[float]) -> None:
    with patch("gc.collect"):  # which statsmodels calls each time: beside TensorFlow that takes a second
        expected = multitest.multipletests(values, method="holm")[1]
    assert paired.holm(values) == pytest.approx(expected)


def test_the_same_model_does_not_differ_from_itself() -> None:
    rng = np.random.default_rng(4)
    for task, targets in (
        ("multiclass", rng.integers(0, 3, 50)),
        ("binary", rng.integers(0, 2, 50)),
        ("regression", rng.normal(size=50)),
        ("multilabel", rng.integers(0, 2, (50, 3)).astype(np.float32)),
    ):
        width = {"multiclass": 3, "binary": 2, "regression": 1, "multilabel": 3}[task]
        made = rng.random((50, width)).astype(np.float32)
        one = side(task, targets, made, cost=3.0)
        for found in paired.differences(one, one):
            assert found.difference == 0 and found.interval is None, (task, found)
            assert found.p == (None if found.metric == "cost" else 1.0), (task, found)
        apart = paired.disagreements(one, one, ("a", "b", "c"))
        assert (apart is None) == (task == "regression")
        assert apart is None or not (apart.only_first_right or apart.only_second_right or apart.examples)
