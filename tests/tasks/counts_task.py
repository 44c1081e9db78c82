"""A task of a user's own, in one file: counts, with Poisson loss (McCullagh and Nelder, 1989, chapter 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from bmcli.metrics import intervals
from bmcli.metrics.results import Baseline, TargetSummary
from bmcli.tasks import TASKS
from bmcli.tasks._meter import EpochMeter
from bmcli.tasks.regression import Regression


@TASKS.register("counts")
class Counts(Regression):
    """Whole numbers from 0: exponential, Poisson loss; headline deviance."""

    headline: ClassVar[str] = "deviance"
    metrics: ClassVar[dict[str, bool]] = {"loss": False, "deviance": False, "mae": False}
    descriptions: ClassVar[dict[str, str]] = {"deviance": "Mean Poisson deviance."}
    unbounded: ClassVar[tuple[str, ...]] = ("loss", "deviance", "mae")
    loss_name: ClassVar[str] = "Poisson"
    loss_key: ClassVar[str] = "poisson"
    loss_means: ClassVar[str] = "the Poisson loss"
    family: ClassVar[str] = "counts"
    noun: ClassVar[str] = "a count"
    outputs_are: ClassVar[str] = "the expected count"
    squared_error: ClassVar[bool] = False
    rank: ClassVar[int | None] = None
    explained_total: ClassVar[str | None] = "logarithm of the count"

    def encode(self, truth: Any, classes: tuple[str, ...]) -> tuple[np.ndarray, dict[int, str]]:
        """Whole numbers from 0 alone."""
        values, problems = super().encode(truth, classes)
        for i, value in enumerate(values.tolist()):
            if i not in problems and (value < 0 or not value.is_integer()):
                problems[i] = f"the target is {value:g}, not a count"
        return values, problems

    def scaling(self, targets: np.ndarray) -> tuple[float, float]:
        """Counts are not standardised."""
        return 0.0, 1.0

    def synthesise(self, level: np.ndarray, classes: int, random: np.random.Generator) -> np.ndarray:
        """More at a higher level."""
        return random.poisson(1 + 3 * level).astype(np.float64)

    def head(self, raw: Any, target: Any) -> Any:
        """The expected count: the network gives its logarithm."""
        import keras

        return keras.layers.Activation("exponential", dtype="float32", name="output")(raw)

    def loss(self, raw: Any, dense: Any) -> Any:
        """Poisson's negative log-likelihood, but for what does not depend on the network."""
        from keras import ops

        raw = ops.cast(raw, "float32")
        return ops.mean(ops.exp(raw) - dense * raw, axis=-1)

    def running(self, raw: Any, dense: Any) -> Any:
        """The absolute error of the expected count."""
        from keras import ops

        return ops.mean(ops.abs(ops.exp(ops.cast(raw, "float32")) - dense), axis=-1)

    def compute(self, targets: np.ndarray, outputs: np.ndarray) -> dict[str, float | None]:
        """Means over the split."""
        return {name: float(terms.mean()) for name, terms in _terms(targets, outputs).items()}

    def epoch_meter(self, target: Any, count: int, extra: Sequence[Any] = ()) -> EpochMeter:
        """In sums: nothing of an epoch is kept but these. A user's own metrics are of whole arrays."""
        return super().epoch_meter(target, count, extra) if extra else Sums()

    def interval_methods(
        self, targets: np.ndarray, outputs: np.ndarray, metrics: Mapping[str, float | None], drawn: Any
    ) -> dict[str, intervals.Method]:
        """Of the middle of the resamples."""
        found = {
            name: intervals.percentiles(values) for name, values in self.resampled(targets, outputs).items()
        }
        return {name: lambda value, both=both: both for name, both in found.items() if both is not None}

    def resampled(
        self, targets: np.ndarray, outputs: np.ndarray, top_k: int | None = None
    ) -> dict[str, np.ndarray]:
        """Every metric is a mean of terms."""
        terms = _terms(targets, outputs)
        means = intervals.sums(np.column_stack(list(terms.values()))) / len(targets)
        return dict(zip(terms, means.T, strict=True))

    def baseline(
        self, targets: np.ndarray, classes: Sequence[str], training: TargetSummary
    ) -> Baseline | None:
        """Always the training mean."""
        assert training.mean is not None
        outputs = np.full((len(targets), 1), training.mean)
        return Baseline("always the training mean", self.headline, self.compute(targets, outputs)["deviance"])


class Sums(EpochMeter):
    """The terms of every metric, added up batch by batch."""

    def __init__(self) -> None:
        self.count, self.sums = 0, dict.fromkeys(Counts.metrics, 0.0)

    def update(self, positions: np.ndarray, targets: np.ndarray, outputs: np.ndarray) -> None:
        """See EpochMeter."""
        self.count += len(positions)
        for name, terms in _terms(targets, outputs).items():
            self.sums[name] += float(terms.sum())

    def metrics(self) -> dict[str, float | None]:
        """See EpochMeter."""
        return {name: total / self.count for name, total in self.sums.items()}


def _terms(targets: np.ndarray, outputs: np.ndarray) -> dict[str, np.ndarray]:
    """What each example adds to each metric, float64 [N]."""
    truth = np.asarray(targets, np.float64)
    mean = np.maximum(np.asarray(outputs, np.float64).reshape(-1), 1e-12)
    ratio = np.where(truth > 0, truth / mean, 1.0)
    return {
        "loss": mean - truth * np.log(mean),
        "deviance": 2 * (truth * np.log(ratio) - truth + mean),
        "mae": np.abs(truth - mean),
    }
