"""Calibration: whether a probability of 90 % means right in 90 of 100 cases, and how to correct it.

The expected calibration error (ECE; Naeini, Cooper and Hauskrecht, 2015) over BINS bins of equal width, of
the probability of the predicted class; for multilabel of every label's. Temperature scaling (Guo et al.,
2017): one number, fitted on the validation split, by which all logits are divided; it changes no predicted
class. For two classes also the threshold of the second one's probability that has the best F1 on validation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BINS = 15
LEAST, MOST = 0.05, 20.0
"""Temperatures between which one is searched for."""
PRIOR = 0.5
"""The logarithm of a temperature is taken to be so far from 0, give or take: few examples move it little."""
FEWEST_MISTAKES = 10
"""Below, no model is made more certain: one that is always right would be made ever more so."""


@dataclass(frozen=True)
class Bin:
    """The answers with a probability in (low, high]. confidence: their mean probability; right: the share
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
class Fitted:
    """Of validation outputs. log_loss: of the split, without and with the temperature."""

    temperature: float
    log_loss: tuple[float, float]
    threshold: Threshold | None = None


def reliability(confidence: np.ndarray, right: np.ndarray) -> Reliability:
    """Of at least one answer. confidence: float64 [A], its probability; right: float64 [A], 1 if it came
    true."""
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
    return Reliability(error, bins)


def temper_classes(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities [N, C] with their logits divided by the temperature, float32."""
    tiny = float(np.finfo(np.float32).tiny)
    scores = np.log(np.clip(probabilities.astype(np.float64), tiny, 1.0)) / temperature
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float32)


def temper_labels(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """The same of independent probabilities."""
    tiny = float(np.finfo(np.float32).tiny)
    p = np.clip(probabilities.astype(np.float64), tiny, 1.0)
    other = np.clip(1.0 - probabilities.astype(np.float64), tiny, 1.0)
    return np.asarray(1.0 / (1.0 + np.exp(-(np.log(p) - np.log(other)) / temperature)), np.float32)


def fit_temperature(examples: int, mistakes: int, loss: Callable[[float], float]) -> Fitted:
    """loss: of the split, as a function of the temperature. A temperature of 1 if there is too little to
    go by."""
    from scipy.optimize import minimize_scalar

    least = np.log(LEAST) if mistakes >= FEWEST_MISTAKES else 0.0
    found = minimize_scalar(
        lambda log: examples * loss(float(np.exp(log))) + (log / PRIOR) ** 2 / 2,
        bounds=(least, np.log(MOST)),
        method="bounded",
    )
    temperature = float(np.exp(found.x))
    before, after = loss(1.0), loss(temperature)
    if after >= before:
        temperature, after = 1.0, before
    return Fitted(temperature, (before, after))


def choose_threshold(targets: np.ndarray, probabilities: np.ndarray) -> Threshold | None:
    """Of 0/1 targets [N]: midway between two neighbouring probabilities, or of equals the one nearest to 0.5;
    None without examples of both classes."""
    positives = int(targets.sum())
    if not 0 < positives < len(targets):
        return None
    values, position = np.unique(probabilities.astype(np.float64), return_inverse=True)
    hits = np.bincount(position, weights=targets, minlength=len(values))
    counts = np.bincount(position, minlength=len(values))
    # From the i-th value on, all are predicted as the second class.
    true, taken = np.cumsum(hits[::-1])[::-1], np.cumsum(counts[::-1])[::-1]
    f1 = 2 * true / (taken + positives)
    cuts = np.concatenate([[values[0] / 2], (values[1:] + values[:-1]) / 2])
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    chosen = best[np.argmin(np.abs(cuts[best] - 0.5))]
    half = probabilities >= 0.5
    at_half = 2 * float((half & (targets == 1)).sum()) / max(int(half.sum()) + positives, 1)
    return Threshold(float(cuts[chosen]), float(f1[chosen]), at_half)
