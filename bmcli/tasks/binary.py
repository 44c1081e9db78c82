"""One of two classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from bmcli.tasks import TASKS
from bmcli.tasks._classification import IndependentLogits
from bmcli.tasks._one_class import OneClass

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.spec import Target
    from bmcli.metrics.calibration import Fitted
    from bmcli.metrics.intervals import Method
    from bmcli.tasks._truth import Truth


@TASKS.register("binary")
class Binary(IndependentLogits, OneClass):
    """One of two classes: sigmoid, binary cross-entropy; headline accuracy."""

    headline: ClassVar[str] = "accuracy"
    metrics: ClassVar[dict[str, bool]] = {
        "loss": False,
        "accuracy": True,
        "balanced_accuracy": True,
        "precision": True,
        "recall": True,
        "f1": True,
        "f1_macro": True,
        "roc_auc": True,
    }
    outputs_are: ClassVar[str] = "the probabilities of the two classes, in the order of labels.txt"
    averages: ClassVar[tuple[str, ...]] = ("balanced_accuracy", "f1_macro")
    takes_threshold: ClassVar[bool] = True
    no_threshold: ClassVar[str] = "validation has only one class"
    rank: ClassVar[int | None] = 3

    def fits(self, truth: Truth) -> bool:
        """Two different labels."""
        return len(truth.distinct()) == 2

    def inferred(self, classes: Sequence[str]) -> str:
        """Two classes, of any names."""
        return ": two classes"

    def other_number_of_classes(self, classes: Sequence[str]) -> str | None:
        """No more and no fewer than two."""
        return f"task binary needs 2 classes, but the data has {len(classes)}" if len(classes) != 2 else None

    def synthetic_classes(self, target: object) -> tuple[str, ...]:
        """Two letters."""
        return ("a", "b")

    def units(self, classes: int) -> int:
        """One logit, of the second class."""
        return 1

    def head(self, raw: object, target: Target) -> object:
        """(1 - p, p), which sum to 1: read like the probabilities of several classes."""
        import keras

        layers = keras.layers
        positive = layers.Activation("sigmoid", dtype="float32", name="positive")(raw)
        # sigmoid(-x), not 1 - sigmoid(x): the difference loses all digits where the model is sure.
        negated = layers.Rescaling(-1.0, dtype="float32", name="negated")(raw)
        negative = layers.Activation("sigmoid", dtype="float32", name="negative")(negated)
        return layers.Concatenate(dtype="float32", name="output")([negative, positive])

    def compute(self, targets: np.ndarray, outputs: np.ndarray) -> dict[str, float | None]:
        """See `formulas.binary`."""
        from bmcli.metrics import formulas

        return formulas.binary(targets, outputs)

    def resampled(
        self, targets: np.ndarray, outputs: np.ndarray, top_k: int | None = None
    ) -> dict[str, np.ndarray]:
        """With the metrics of the second class."""
        from bmcli.metrics.class_intervals import resampled_classes

        return resampled_classes(targets, outputs, top_k, second=True)

    def _methods(
        self,
        targets: np.ndarray,
        outputs: np.ndarray,
        top_k: int | None,
        draw: Callable[[], dict[str, np.ndarray]],
    ) -> dict[str, Method]:
        from bmcli.metrics.class_intervals import methods_of_second

        of_both = super()._methods(targets, outputs, top_k, draw)
        return of_both | methods_of_second(targets, outputs)

    def curves(self, targets: np.ndarray, outputs: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """The second class against the first."""
        return [(targets == 1, outputs[:, 1])]

    def calibrate(self, targets: np.ndarray, outputs: np.ndarray) -> Fitted | None:
        """With the threshold of the second class's probability that has the best F1."""
        from bmcli.metrics.calibration import choose_threshold

        found = super().calibrate(targets, outputs)
        return found and replace(found, threshold=choose_threshold(targets, outputs[:, 1]))

    def _ranked(self, outputs: np.ndarray, threshold: float | None) -> np.ndarray:
        """With a threshold the second class comes first from that probability on."""
        import numpy as np

        ranked = super()._ranked(outputs, threshold)
        if threshold is None:
            return ranked
        second = (outputs[:, 1] >= threshold).astype(ranked.dtype)
        return np.stack([second, 1 - second], axis=1)

    def score(self, index: int, target: Target) -> np.ndarray:
        """The logit of the second class, or what is the first one's."""
        import numpy as np

        return np.array([1.0 if index == 1 else -1.0], np.float32)
