"""Whether 90 % sure means right in 90 of 100, and what mends it.

The expected calibration error (ECE; Naeini, Cooper and Hauskrecht, 2015) over BINS bins of equal width, of
the probability of the predicted class; for multilabel of every label's. Temperature scaling (Guo et al.,
2017): one number, fitted on the validation split, by which all logits are divided; it changes no predicted
class. For two classes also the threshold of the second one's probability that has the best F1 on validation.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bmcli.core.errors import IntegrityError, UsageError
from bmcli.metrics import formulas
from bmcli.runs import layout
from bmcli.runs.documents import strict
from bmcli.runs.store import reference_to

if TYPE_CHECKING:
    from bmcli.core.spec import Task
    from bmcli.runs.run import Run

FORMAT = 1
BINS = 15
FITTED_ON = "validation"
_LEAST, _MOST = 0.05, 20.0
PRIOR = 0.5
"""The logarithm of a temperature is taken to be so far from 0, give or take: few examples move it little."""
FEWEST_MISTAKES = 10
"""Below, no model is made more certain: one that is always right would be made ever more so."""


@dataclass(frozen=True)
class Bin:
    """The answers whose probability lies in (low, high]. confidence: their mean probability; right: the share
    that is right."""

    low: float
    high: float
    count: int
    confidence: float
    right: float


@dataclass(frozen=True)
class Reliability:
    """bins: those that hold answers; ece_with_temperature: with the run's stored temperature, where it has
    one that was not fitted on these very examples."""

    ece: float
    bins: tuple[Bin, ...]
    temperature: float | None = None
    ece_with_temperature: float | None = None


@dataclass(frozen=True)
class Threshold:
    """From which probability on the second class is predicted, for the best F1; at_half: the F1 at 0.5."""

    value: float
    f1: float
    at_half: float


@dataclass(frozen=True)
class Calibration:
    """What calibration.json holds: fitted on the validation split of that many examples. log_loss: of the
    split, without and with the temperature."""

    split: str
    examples: int
    examples_sha256: str | None
    temperature: float
    log_loss: tuple[float, float]
    threshold: Threshold | None

    def to_json(self) -> dict[str, Any]:
        """Strict JSON data."""
        return {"format": FORMAT, **asdict(self), "log_loss": list(self.log_loss)}


def reliability(
    task: Task, targets: np.ndarray, outputs: np.ndarray, temperature: float | None = None
) -> Reliability | None:
    """Of finite outputs as in `evaluate`; None for regression."""
    if task == "regression" or not len(targets):
        return None
    confidence, right = answers(task, targets, outputs)
    # Right-closed bins, as in the papers; a probability of 0 belongs to the first.
    bin_of = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    counts = np.bincount(bin_of, minlength=BINS)
    sure, true = (np.bincount(bin_of, weights=w, minlength=BINS) for w in (confidence, right))
    bins = tuple(
        Bin(i / BINS, (i + 1) / BINS, int(n), float(sure[i] / n), float(true[i] / n))
        for i, n in enumerate(counts)
        if n
    )
    error = float(np.abs(sure - true).sum() / len(confidence))
    if temperature is None:
        return Reliability(error, bins)
    after = reliability(task, targets, temper(task, outputs, temperature))
    assert after is not None
    return Reliability(error, bins, temperature, after.ece)


def answers(task: Task, targets: np.ndarray, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability, and whether it came true, of every answer; float64."""
    if task == "multilabel":
        return outputs.reshape(-1).astype(np.float64), (targets.reshape(-1) > 0.5).astype(np.float64)
    best = outputs.argmax(axis=1)
    return outputs.max(axis=1).astype(np.float64), (best == targets).astype(np.float64)


def _right(task: Task, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    if task == "multilabel":
        return np.asarray((targets > 0.5) == (outputs >= 0.5))
    return np.asarray(outputs.argmax(axis=1) == targets)


def temper(task: Task, outputs: np.ndarray, temperature: float) -> np.ndarray:
    """The probabilities with their logits divided by the temperature, float32 of the same shape."""
    if task == "regression" or temperature == 1.0:
        return outputs
    tiny = float(np.finfo(np.float32).tiny)
    p = np.clip(outputs.astype(np.float64), tiny, 1.0)
    if task == "multilabel":
        logits = (np.log(p) - np.log(np.clip(1.0 - outputs.astype(np.float64), tiny, 1.0))) / temperature
        return np.asarray(1.0 / (1.0 + np.exp(-logits)), np.float32)
    scores = np.log(p) / temperature
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float32)


def fit(
    task: Task, targets: np.ndarray, outputs: np.ndarray, *, examples_sha256: str | None = None
) -> Calibration | None:
    """Temperature, and for two classes the threshold, of validation outputs; None where there is nothing to
    fit. A temperature of 1 where there is too little to go by."""
    if task == "regression" or not len(targets):
        return None
    from scipy.optimize import minimize_scalar

    def loss(temperature: float) -> float:
        tempered = temper(task, outputs, temperature)
        if task == "multilabel":
            return formulas.binary_cross_entropy(targets > 0.5, tempered)
        return formulas.log_loss(targets, tempered)

    mistakes = int((~_right(task, targets, outputs)).sum())
    least = np.log(_LEAST) if mistakes >= FEWEST_MISTAKES else 0.0
    found = minimize_scalar(
        lambda log: len(targets) * loss(float(np.exp(log))) + (log / PRIOR) ** 2 / 2,
        bounds=(least, np.log(_MOST)),
        method="bounded",
    )
    temperature = float(np.exp(found.x))
    before, after = loss(1.0), loss(temperature)
    if after >= before:
        temperature, after = 1.0, before
    threshold = choose_threshold(targets, outputs[:, 1]) if task == "binary" else None
    return Calibration(FITTED_ON, len(targets), examples_sha256, temperature, (before, after), threshold)


def choose_threshold(targets: np.ndarray, probabilities: np.ndarray) -> Threshold | None:
    """Of 0/1 targets [N]: midway between two neighbouring probabilities, or of equals the one nearest to 0.5;
    None without examples of both classes."""
    positives = int(targets.sum())
    if not 0 < positives < len(targets):
        return None
    values, position = np.unique(probabilities.astype(np.float64), return_inverse=True)
    hits = np.bincount(position, weights=targets, minlength=len(values))
    counts = np.bincount(position, minlength=len(values))
    # From the i-th value on, all are taken for the second class.
    true, taken = np.cumsum(hits[::-1])[::-1], np.cumsum(counts[::-1])[::-1]
    f1 = 2 * true / (taken + positives)
    cuts = np.concatenate([[values[0] / 2], (values[1:] + values[:-1]) / 2])
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    chosen = best[np.argmin(np.abs(cuts[best] - 0.5))]
    half = probabilities >= 0.5
    at_half = 2 * float((half & (targets == 1)).sum()) / max(int(half.sum()) + positives, 1)
    return Threshold(float(cuts[chosen]), float(f1[chosen]), at_half)


def load(run: Run) -> Calibration | None:
    """What was fitted for a run; None where nothing was, IntegrityError where the file is damaged."""
    if not run.exists(layout.CALIBRATION) and layout.CALIBRATION not in run.manifest():
        return None
    try:
        found = strict(run.read_text(layout.CALIBRATION))
        found.pop("format")
        threshold = found.pop("threshold")
        low, high = found.pop("log_loss")
        made = Calibration(
            **found, log_loss=(low, high), threshold=None if threshold is None else Threshold(**threshold)
        )
        if not _LEAST <= made.temperature <= _MOST:
            raise ValueError(f"temperature {made.temperature}")
        numbers = [low, high, *(vars(made.threshold).values() if made.threshold else ())]
        if not all(type(number) in (int, float) for number in numbers) or type(made.examples) is not int:
            raise ValueError("it contains text in place of numbers")
        if made.threshold is not None and not 0 <= made.threshold.value <= 1:
            raise ValueError(f"threshold {made.threshold.value}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{run.path / layout.CALIBRATION} is damaged: {error}") from error
    return made


def required(run: Run) -> Calibration:
    """The same; UsageError where there is none."""
    found = load(run)
    if found is None:
        if run.record.task == "regression":
            raise UsageError(f"{run.id} is a regression: there is nothing to calibrate")
        hint = f"bm evaluate {reference_to(run)} --split {FITTED_ON} fits it"
        raise UsageError(f"{run.id} has no calibration", hint=hint)
    return found
