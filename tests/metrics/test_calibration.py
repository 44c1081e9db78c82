from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bmcli.core.errors import IntegrityError, UsageError
from bmcli.data.bundle import Images
from bmcli.evaluation.metrics import evaluate
from bmcli.inference import calibration as ours
from bmcli.inference.opened import OpenedRun
from bmcli.inference.predictor import open_predictor
from bmcli.metrics.calibration import choose_threshold
from bmcli.tasks import of
from tests.evaluated import evaluate_run
from tests.linear_run import MakeRun


def softmax(scores: np.ndarray) -> np.ndarray:
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


def calibrated(seed: int, n: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Logits float64, and targets drawn from the very probabilities they mean."""
    rng = np.random.default_rng(seed)
    scores = 2 * rng.normal(size=(n, classes))
    p = softmax(scores).astype(np.float64)
    return scores, (rng.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)


def test_the_error_by_hand() -> None:
    outputs = np.array([[0.9, 0.1], [0.92, 0.08], [0.3, 0.7], [0.45, 0.55]], np.float32)
    found = of("binary").reliability(np.array([0, 1, 1, 0]), outputs)
    assert [(one.count, round(one.confidence, 6), one.right) for one in found.bins] == [
        (1, 0.55, 0.0),
        (1, 0.7, 1.0),
        (2, 0.91, 0.5),
    ]
    assert found.ece == pytest.approx((0.55 + 0.3 + 2 * 0.41) / 4)


def test_a_calibrated_model_has_hardly_any_error() -> None:
    scores, targets = calibrated(0, 40_000)
    assert of("multiclass").reliability(targets, softmax(scores)).ece < 0.01
    assert of("multiclass").reliability(targets, softmax(3 * scores)).ece > 0.08


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(factor: float) -> None:
    scores, targets = calibrated(1, 20_000)
    outputs = softmax(factor * scores)
    found = ours.fit("multiclass", targets, outputs)
    assert found.temperature == pytest.approx(factor, rel=0.05)
    before, after = found.log_loss
    assert after <= before
    mended = of("multiclass").reliability(targets, outputs, found.temperature)
    assert mended.ece_with_temperature < 0.015 and mended.ece >= mended.ece_with_temperature - 0.005


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.floats(0.05, 20), st.sampled_from(["multiclass", "multilabel"]))
def test_a_temperature_changes_no_answer(seed: int, temperature: float, task: str) -> None:
    rng = np.random.default_rng(seed)
    outputs = rng.dirichlet([0.3] * 4, 30) if task == "multiclass" else rng.random((30, 4))
    outputs = outputs.astype(np.float32)
    tempered = of(task).temper(outputs, temperature)
    assert tempered.dtype == np.float32 and ((tempered >= 0) & (tempered <= 1)).all()
    if task == "multiclass":
        np.testing.assert_allclose(tempered.sum(axis=1), 1, atol=1e-5)
        assert (tempered.max(axis=1) <= tempered[np.arange(30), outputs.argmax(axis=1)] + 1e-6).all()
    else:
        sure = np.abs(outputs - 0.5) > 1e-4
        assert ((tempered >= 0.5) == (outputs >= 0.5))[sure].all()


def test_of_labels_too() -> None:
    rng = np.random.default_rng(2)
    logits = 2 * rng.normal(size=(8_000, 3))
    targets = (rng.random((8_000, 3)) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    outputs = (1 / (1 + np.exp(-2.5 * logits))).astype(np.float32)
    found = ours.fit("multilabel", targets, outputs)
    assert found.temperature == pytest.approx(2.5, rel=0.05) and found.threshold is None
    assert of("multilabel").reliability(targets, of("multilabel").temper(outputs, 2.5)).ece < 0.015


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40), st.booleans())
def test_no_other_threshold_has_a_better_f1(seed: int, n: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    p = (rng.integers(0, 5, n) / 4 if coarse else rng.random(n)).astype(np.float32)
    targets = rng.integers(0, 2, n)
    found = choose_threshold(targets, p)
    if found is None:
        assert targets.min() == targets.max()
        return

    def f1(cut: float) -> float:
        taken = p >= cut
        return 2 * (taken & (targets == 1)).sum() / (taken.sum() + targets.sum())

    assert found.f1 == pytest.approx(f1(found.value)) and found.at_half == pytest.approx(f1(0.5))
    assert all(found.f1 >= f1(cut) - 1e-9 for cut in np.unique(np.concatenate([p, p + 1e-6, [0.5]])))


def test_a_model_without_mistakes_is_not_made_more_certain() -> None:
    targets = np.arange(200) % 3
    outputs = np.full((200, 3), 0.05, np.float32)
    outputs[np.arange(200), targets] = 0.9
    assert ours.fit("multiclass", targets, outputs).temperature == 1.0
    few = ours.fit("multiclass", np.array([1]), outputs[:1])
    assert 1.0 <= few.temperature < 1.5, "one mistake moves it little"


def test_regression_has_none() -> None:
    assert of("regression").reliability(np.zeros(3), np.zeros((3, 1))) is None
    assert ours.fit("regression", np.zeros(3), np.zeros((3, 1))) is None
    assert "ece" not in evaluate("regression", (), np.arange(3.0), np.zeros((3, 1)), split="test").metrics


@pytest.mark.draws
def test_fitted_on_validation_and_told_of_test(make_run: MakeRun) -> None:
    run = make_run({"data": {"name": "digits", "limit": 300}})
    with pytest.raises(UsageError, match="no calibration"):
        ours.required(run)
    before = evaluate_run(run, "test")
    assert before.calibration.temperature is None and before.metrics["ece"] == before.calibration.ece
    assert "ece" in before.lower_is_better
    evaluate_run(run, "validation")
    fitted = ours.required(run)
    assert fitted.temperature != 1.0 and fitted.log_loss[1] < fitted.log_loss[0]
    of_validation = json.loads(run.read_text("evaluation/validation.json"))
    assert of_validation["calibration"]["temperature"] is None, "not on the examples it was fitted on"
    after = evaluate_run(run, "test")
    assert after.calibration.temperature == fitted.temperature
    assert after.calibration.ece_with_temperature < after.calibration.ece
    assert (run.path / "plots" / "calibration-test.png").read_bytes().startswith(b"\x89PNG")

    from bmcli.inference.inputs import Inputs

    images = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 1)).astype(np.uint8)
    inputs = Inputs(Images(arrays=images), tuple("abcd"))
    plain, _ = open_predictor(OpenedRun(run)).predict(inputs)
    mended, _ = open_predictor(OpenedRun(run), calibrated=True).predict(inputs)
    for one, other in zip(plain, mended, strict=True):
        assert one.top[0].label == other.top[0].label
        assert one.top[1].probability != other.top[1].probability
    with pytest.raises(UsageError, match="two classes"):
        open_predictor(OpenedRun(run), threshold=0.3)
    run.write_text("calibration.json", '{"format": 1}')
    with pytest.raises(IntegrityError, match="damaged"):
        open_predictor(OpenedRun(run), calibrated=True)
