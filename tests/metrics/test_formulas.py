"""Every metric against scikit-learn, to 1e-12, on random and degenerate data."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from bmcli.metrics import formulas

pytestmark = pytest.mark.filterwarnings("ignore")
TOLERANCE = 1e-12
SOME = settings(max_examples=40, deadline=None)  # a busy machine is no failure


@st.composite
def classification(draw: st.DrawFn, fewest: int = 2, most: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Targets and probabilities; coarse ones have many ties, and some classes may be absent."""
    classes = draw(st.integers(fewest, most))
    n = draw(st.integers(1, 60))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    present = random.integers(0, classes, draw(st.integers(1, classes)))
    targets = random.choice(present, n).astype(np.int64)
    kind = draw(st.sampled_from(["random", "ties", "perfect", "constant"]))
    if kind == "perfect":
        scores = np.eye(classes)[targets]
    elif kind == "constant":
        scores = np.full((n, classes), 1 / classes)
    elif kind == "ties":
        scores = random.integers(1, 4, (n, classes)).astype(float)
    else:
        scores = random.dirichlet(np.ones(classes), n)
    return targets, (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


def same(ours: float | None, theirs: float) -> bool:
    """None stands for scikit-learn's NaN."""
    if ours is None or math.isnan(theirs):
        return ours is None and math.isnan(theirs)
    return abs(ours - theirs) <= TOLERANCE * max(1.0, abs(theirs))


@SOME
@given(classification(fewest=3))
def test_multiclass_agrees_with_scikit_learn(data: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = data
    predicted, labels = p.argmax(axis=1), list(range(p.shape[1]))
    found = formulas.multiclass(y, p)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "loss": sk.log_loss(y, p.astype(np.float64), labels=labels),
            "accuracy": sk.accuracy_score(y, predicted),
            "balanced_accuracy": sk.balanced_accuracy_score(y, predicted),
            "f1_macro": sk.f1_score(y, predicted, average="macro", zero_division=0),
            "f1_weighted": sk.f1_score(y, predicted, average="weighted", zero_division=0),
            "precision_macro": sk.precision_score(y, predicted, average="macro", zero_division=0),
            "recall_macro": sk.recall_score(y, predicted, average="macro", zero_division=0),
            "roc_auc": np.nanmean([_area(y == c, p[:, c]) for c in labels]),
        }
    assert list(found) == list(expected)
    wrong = {name: (found[name], value) for name, value in expected.items() if not same(found[name], value)}
    assert not wrong


def test_one_vs_rest_area_is_scikit_learns_macro_average() -> None:
    random = np.random.default_rng(0)
    y = np.concatenate([np.arange(5), random.integers(0, 5, 400)])
    p = random.dirichlet(np.ones(5), len(y))
    expected = sk.roc_auc_score(y, p, multi_class="ovr", average="macro")
    assert same(formulas.roc_auc_one_vs_rest(y, p), expected)


def _area(positive: np.ndarray, scores: np.ndarray) -> float:
    if positive.all() or not positive.any():
        return math.nan
    return float(sk.roc_auc_score(positive, scores))


@SOME
@given(classification(fewest=2, most=2))
def test_binary_agrees_with_scikit_learn(data: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = data
    predicted = p.argmax(axis=1)
    found = formulas.binary(y, p)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "loss": sk.log_loss(y, p.astype(np.float64), labels=[0, 1]),
            "accuracy": sk.accuracy_score(y, predicted),
            "balanced_accuracy": sk.balanced_accuracy_score(y, predicted),
            "precision": sk.precision_score(y, predicted, zero_division=np.nan),
            "recall": sk.recall_score(y, predicted, zero_division=np.nan),
            "f1": sk.f1_score(y, predicted, zero_division=np.nan),
            "f1_macro": sk.f1_score(y, predicted, average="macro", zero_division=0),
            "roc_auc": _area(y == 1, p[:, 1]),
        }
    wrong = {name: (found[name], value) for name, value in expected.items() if not same(found[name], value)}
    assert not wrong


@SOME
@given(
    st.integers(1, 40),
    st.integers(1, 6),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    st.booleans(),
)
def test_multilabel_agrees_with_scikit_learn(
    n: int, labels: int, seed: int, share: float, ties: bool
) -> None:
    random = np.random.default_rng(seed)
    y = (random.random((n, labels)) < share).astype(np.float32)
    p = (random.integers(0, 5, (n, labels)) / 4 if ties else random.random((n, labels))).astype(np.float32)
    predicted = (p >= 0.5).astype(int)
    found = formulas.multilabel(y, p)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wide = p.astype(np.float64)
        areas = [_area(y[:, i] == 1, p[:, i]) for i in range(labels)]
        expected = {
            "loss": np.mean([sk.log_loss(y[:, i], wide[:, i], labels=[0, 1]) for i in range(labels)]),
            "subset_accuracy": np.mean((y == predicted).all(axis=1)),
            "label_accuracy": 1 - np.mean(y != predicted),
            "f1_macro": np.nanmean(
                [sk.f1_score(y[:, i], predicted[:, i], zero_division=np.nan) for i in range(labels)]
            ),
            "f1_micro": sk.f1_score(y.ravel(), predicted.ravel(), zero_division=np.nan),
            "precision_micro": sk.precision_score(y.ravel(), predicted.ravel(), zero_division=np.nan),
            "recall_micro": sk.recall_score(y.ravel(), predicted.ravel(), zero_division=np.nan),
            "roc_auc": np.nanmean(areas),
        }
    wrong = {name: (found[name], value) for name, value in expected.items() if not same(found[name], value)}
    assert not wrong


@SOME
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["random", "perfect", "constant truth"]),
)
def test_regression_agrees_with_scikit_learn(values: list[float], seed: int, kind: str) -> None:
    y = np.array(values)
    if kind == "constant truth":
        y = np.full(len(values), 0.1)
    assume(np.ptp(y) == 0 or np.ptp(y) ** 2 > 0)  # the square of a tiny difference is 0, and R² undefined
    noise = 0 if kind == "perfect" else np.random.default_rng(seed).normal(0, 100, len(y))
    outputs = (y + noise).reshape(-1, 1)
    found = formulas.regression(y, outputs)
    p = outputs[:, 0]
    assert same(found["loss"], sk.mean_squared_error(y, p))
    assert same(found["mae"], sk.mean_absolute_error(y, p))
    assert same(found["rmse"], math.sqrt(sk.mean_squared_error(y, p)))
    if np.ptp(y) == 0:
        assert found["r2"] is None
    else:
        assert same(found["r2"], sk.r2_score(y, p))


def test_overflowing_squares_are_undefined_not_infinite() -> None:
    found = formulas.regression(np.array([1e200, -1e200]), np.array([[-1e200], [1e200]]))
    assert found["loss"] is None and found["rmse"] is None and found["r2"] is None
    assert found["mae"] == 2e200


@SOME
@given(classification(fewest=2), st.integers(1, 8))
def test_top_k_agrees_with_scikit_learn(data: tuple[np.ndarray, np.ndarray], k: int) -> None:
    y, p = data
    classes = p.shape[1]
    if k >= classes:
        assert formulas.top_k_accuracy(y, p, k) == 1.0
        return
    # scikit-learn counts the last of equals first; the mirrored problem has our order.
    mirrored, labels = p[:, ::-1], list(range(classes))
    if classes == 2:  # there it wants the scores of one class alone
        expected = float(np.mean(p.argmax(axis=1) == y))
    else:
        expected = sk.top_k_accuracy_score(classes - 1 - y, mirrored, k=k, labels=labels)
    assert same(formulas.top_k_accuracy(y, p, k), expected)


@SOME
@given(classification())
def test_confusion_matrix_and_classes_agree_with_scikit_learn(data: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = data
    labels, predicted = list(range(p.shape[1])), p.argmax(axis=1)
    matrix = formulas.confusion_matrix(y, predicted, len(labels))
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(y, predicted, labels=labels))
    ours = formulas.per_class(matrix)
    theirs = sk.precision_recall_fscore_support(y, predicted, labels=labels, zero_division=np.nan)
    for found, expected in zip((ours.precision, ours.recall, ours.f1, ours.support), theirs, strict=True):
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)


@SOME
@given(st.integers(1, 6), st.integers(1, 30), st.integers(0, 1000))
def test_label_confusion_agrees_with_scikit_learn(labels: int, n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    y, p = random.random((2, n, labels)) < 0.4
    expected = np.stack([sk.confusion_matrix(y[:, i], p[:, i], labels=[False, True]) for i in range(labels)])
    np.testing.assert_array_equal(formulas.label_confusion(y, p), expected)


def test_a_sure_mistake_costs_what_the_clip_says() -> None:
    loss = formulas.log_loss(np.array([0]), np.array([[0.0, 1.0]], np.float32))
    assert loss == pytest.approx(36.0437, abs=1e-4)
