"""How surprising an input is given the training data: by each of its traits, and by all of them together.

A trait is a number measured on an input (an image's contrast, a text's share of unknown words). Its surprise
is the negative logarithm of the share of training examples that are at least as extreme: beyond the
outermost twentieth on either side, the tail is modelled as exponential, with the mean excess of training
there. One more trait is the distance over all traits (Mahalanobis, with a covariance shrunk towards its
diagonal: Ledoit and Wolf 2004). The surprise of an input is that of its most surprising trait.

The surprise from which an input is unfamiliar is set on training examples, each scored by what was fitted
without its fold (cross-conformal prediction: Vovk, Gammerman and Shafer 2005; Vovk 2015). ALPHA is the share
allowed over all traits together: as many of the most surprising training examples, in any trait, may exceed
the thresholds as whole examples fit into it. The rest, less than one example, is divided among the traits
(Bonferroni): the threshold of each is beyond all other examples, where its exponential tail falls to that
share. With fewer than 1 / ALPHA examples, all thresholds are extrapolated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bmcli.core.plain import Document

ALPHA = 0.0003
"""Share of inputs like those of training that may be reported: a third of the promised share, as new inputs
never come from exactly the distribution of the training data."""
ENOUGH = 2_000
"""Number of examples from which the empirical tails are used directly."""
FOLDS = 5
TAIL, FAR = 0.05, 0.001
"""Shares of training examples in a tail, and in its thin end."""
SHRINKAGE = 0.05
FARTHEST_EXAMPLES = 20
"""Number of examples from which the far end of a tail is extrapolated."""
MOST_TOGETHER = 64
"""Largest number of traits with correlations; beyond it, the distance assumes that they are uncorrelated."""
FARTHEST = 30.0
"""Standard deviations at which a trait is clipped within the distance."""
NOTHING = 1e-6
"""Differences in standard deviations that count as zero: stored numbers have nine digits, and a trait with
few values (the number of missing cells) is often exactly at the start of a tail or the end of the range."""
STEEPEST, STEEPEST_OF_FEW = 0.1, 2.0
"""The mean excess of a tail, in standard deviations, is at least the first, and of n examples the second by
the square root of n more: a tail that few examples show may be longer."""


@dataclass(frozen=True)
class Odd:
    """trait: its index, or the number of traits for their distance; high: on which side; surprise."""

    trait: int
    high: bool
    surprise: float


@dataclass(frozen=True)
class Surprise:
    """The surprise of D traits; fitted once, then immutable.

    center, scale: float64 [D], mean and standard deviation. starts, excess, shares: [2, D + 1], where the
    lower and the upper tail begin, in standard deviations, their mean excess, and the share of training that
    they hold; the last is the distance. low, high:
    [D], the range that a single trait must leave to be unusual. precision: [D, D], None for the identity.
    thresholds: [D + 1], the surprise from which a trait is unusual. examples: how many these were fitted on.
    """

    center: np.ndarray
    scale: np.ndarray
    starts: np.ndarray
    excess: np.ndarray
    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    precision: np.ndarray | None
    thresholds: np.ndarray
    examples: int

    @classmethod
    def fit(cls, traits: np.ndarray, finest: np.ndarray, low: np.ndarray, high: np.ndarray) -> Surprise:
        """traits: float64 [N, D], NaN for what an example does not have. finest: [D], the least standard
        deviation that counts for each. low, high: [D], as above."""
        count = len(traits)
        folds = np.random.default_rng(0).permutation(count) % FOLDS
        surprise = np.empty((count, traits.shape[1] + 1))
        for fold in range(FOLDS):
            seen = cls._of(traits[folds != fold], finest, low, high)
            surprise[folds == fold] = seen._surprises(traits[folds == fold]).max(axis=0)
        return replace(cls._of(traits, finest, low, high), thresholds=_thresholds(surprise))

    @classmethod
    def _of(cls, traits: np.ndarray, finest: np.ndarray, low: np.ndarray, high: np.ndarray) -> Surprise:
        known = np.isfinite(traits)
        number = np.maximum(known.sum(axis=0), 1)
        center = np.where(known, traits, 0.0).sum(axis=0) / number
        apart = np.where(known, traits - center, 0.0)
        scale = np.sqrt((apart**2).sum(axis=0) / number + finest**2)
        nothing = np.zeros((2, len(center) + 1))
        precision = _precision(apart / scale)
        made = cls(center, scale, nothing, nothing, nothing, low, high, precision, nothing[0], len(traits))
        values = made._values(traits)
        starts, excess, shares = (np.empty_like(nothing) for _ in range(3))
        least = np.full(len(center) + 1, STEEPEST + STEEPEST_OF_FEW / math.sqrt(len(traits)))
        least[-1] = STEEPEST  # the distance is that of all traits: its tail is known better
        for side, sign in enumerate((-1.0, 1.0)):
            signed = sign * values
            starts[side] = np.quantile(signed, 1 - TAIL, axis=0)
            beyond = signed > starts[side] + NOTHING
            # Fewer than TAIL where many have the same value: most images of digits a border of nothing.
            shares[side] = np.maximum(beyond.mean(axis=0), 1 / (len(traits) + 1))
            mean = np.where(beyond, signed - starts[side], 0.0).sum(axis=0) / np.maximum(
                beyond.sum(axis=0), 1
            )
            # Where the tail is longer than an exponential one, as long as it has to be for its far end.
            farther = np.quantile(signed, 1 - FAR, axis=0) - starts[side]
            farther /= np.maximum(np.log(shares[side] / FAR), 1.0)
            excess[side] = np.maximum(np.maximum(mean, farther), least)
        return replace(made, starts=starts, excess=excess, shares=shares)

    def _standard(self, traits: np.ndarray) -> np.ndarray:
        """In standard deviations; 0 for what is not there."""
        with np.errstate(invalid="ignore", over="ignore"):
            standard: np.ndarray = (traits - self.center) / self.scale
        finite: np.ndarray = np.nan_to_num(standard, nan=0.0, posinf=1e30, neginf=-1e30)
        return finite

    def _values(self, traits: np.ndarray) -> np.ndarray:
        """[N, D + 1]: the traits in standard deviations, and the logarithm of their distance."""
        standard = self._standard(traits)
        clipped = np.clip(standard, -FARTHEST, FARTHEST)
        turned = clipped if self.precision is None else clipped @ self.precision
        distance = np.sqrt(np.maximum((turned * clipped).sum(axis=1), 0))
        return np.column_stack([standard, distance])

    def _surprises(self, traits: np.ndarray) -> np.ndarray:
        """float64 [2, N, D + 1]: of the lower and the upper side. A small distance is never surprising."""
        values = self._values(traits)
        found = np.empty((2, *values.shape))
        for side, sign in enumerate((-1.0, 1.0)):
            beyond = sign * values - self.starts[side]
            surprise = beyond / self.excess[side] - np.log(self.shares[side])
            found[side] = np.where(beyond > NOTHING, surprise, 0.0)
        found[0, :, -1] = 0.0
        return found

    def odd(self, traits: np.ndarray) -> dict[int, list[Odd]]:
        """Position -> what is unusual about it, the most surprising first, for the unusual ones of [N, D]."""
        surprise = self._surprises(traits)
        surprise[0, :, :-1] *= traits < self.low - NOTHING * self.scale
        surprise[1, :, :-1] *= traits > self.high + NOTHING * self.scale
        found: dict[int, list[Odd]] = {}
        for side, row, trait in np.argwhere(surprise > self.thresholds).tolist():
            found.setdefault(row, []).append(Odd(trait, bool(side), float(surprise[side, row, trait])))
        return {row: sorted(odd, key=lambda one: -one.surprise) for row, odd in sorted(found.items())}

    def foremost(self, traits: np.ndarray, count: int) -> list[int]:
        """Of one input, [D]: the traits that make most of its distance, in their order."""
        standard = np.clip(self._standard(traits[None]), -FARTHEST, FARTHEST)[0]
        parts = standard * (standard if self.precision is None else standard @ self.precision)
        return sorted(np.argsort(-parts, kind="stable")[:count].tolist())

    def to_json(self) -> dict[str, object]:
        """Strict JSON data; numbers of nine digits."""
        found: dict[str, object] = {"examples": self.examples}
        for name in ("center", "scale", "starts", "excess", "shares", "low", "high", "thresholds"):
            found[name] = _shorter(getattr(self, name).tolist())
        if self.precision is not None:
            found["precision"] = _shorter(self.precision.tolist())
        return found

    @classmethod
    def from_json(cls, document: Document, traits: int) -> Surprise:
        """The inverse; KeyError, TypeError or ValueError for a different number of traits."""
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("center", "scale", "low", "high"), (traits,))
        shapes |= dict.fromkeys(("starts", "excess", "shares"), (2, traits + 1)) | {
            "thresholds": (traits + 1,)
        }
        arrays = {name: _array(document[name], shape) for name, shape in shapes.items()}
        if any((arrays[name] <= 0).any() for name in ("scale", "excess", "shares")):
            raise ValueError("a scale or share that is not positive")
        precision = document.get("precision")
        return cls(
            **arrays,
            precision=None if precision is None else _array(precision, (traits, traits)),
            examples=int(document["examples"]),
        )


def _thresholds(surprise: np.ndarray) -> np.ndarray:
    """[T] of the surprises [N, T] of examples that were not fitted to."""
    count, traits = surprise.shape
    allowed = ALPHA * (count + 1)
    beyond = max(0, math.ceil(allowed) - 1)
    order = np.argsort(-surprise.max(axis=1), kind="stable")
    ranked = -np.sort(-surprise[order[beyond:]], axis=0)
    tail = min(FARTHEST_EXAMPLES, max(1, len(ranked) // 10))
    # A surprise has the mean excess 1 if tails are exponential; where they are longer, that of training.
    excess = np.maximum(1.0, ranked[:tail].mean(axis=0) - ranked[tail])
    rare: np.ndarray = ranked[0] + excess * math.log(traits / (allowed - beyond))
    return rare


def _precision(standard: np.ndarray) -> np.ndarray | None:
    """The inverse of the covariance, None for the identity. What `finest` adds to a variance is taken as
    uncorrelated."""
    count, traits = standard.shape
    if not 2 <= traits <= MOST_TOGETHER:
        return None
    clipped = np.clip(standard, -8, 8)
    covariance = clipped.T @ clipped / max(count, 1)
    covariance *= 1 - max(SHRINKAGE, traits / (traits + count))
    np.fill_diagonal(covariance, 1.0)
    return np.linalg.inv(covariance)


def _shorter(value: object) -> object:
    if isinstance(value, list):
        return [_shorter(one) for one in value]
    return float(f"{value:.9g}")


def _array(value: object, shape: Sequence[int]) -> np.ndarray:
    found = np.array(value, np.float64)
    if found.shape != tuple(shape) or not np.isfinite(found).all():
        raise ValueError(f"numbers of another shape than {tuple(shape)}, or not finite")
    return found
