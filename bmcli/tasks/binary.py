"""One of two classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from bmcli.tasks import TASKS
from bmcli.tasks._classification import OneClass, dense_of_flags, loss_of_flags, right_of_flags

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.spec import Target
    from bmcli.tasks._truth import Truth


@TASKS.register("binary")
class Binary(OneClass):
    """One of two classes: sigmoid, binary cross-entropy; headline accuracy."""

    headline: ClassVar[str] = "accuracy"
    figures: ClassVar[dict[str, bool]] = {
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
    rank: ClassVar[int | None] = 3

    def fits(self, truth: Truth) -> bool:
        """Two different labels."""
        return len(truth.distinct()) == 2

    def inferred(self, classes: Sequence[str]) -> str:
        """Two, whatever their names."""
        return ": two classes"

    def other_number_of_classes(self, classes: Sequence[str]) -> str | None:
        """No more and no fewer than two."""
        return f"task binary needs 2 classes, the data has {len(classes)}" if len(classes) != 2 else None

    def synthetic_classes(self, target: object) -> tuple[str, ...]:
        """Two letters."""
        return ("a", "b")

    def units(self, classes: int) -> int:
        """One logit, of the second class."""
        return 1

    def head(self, raw: Any, target: Target) -> Any:
        """(1 - p, p), which sum to 1: read like the probabilities of several classes."""
        import keras

        layers = keras.layers
        positive = layers.Activation("sigmoid", dtype="float32", name="positive")(raw)
        # sigmoid(-x), not 1 - sigmoid(x): the difference loses all digits where the model is sure.
        negated = layers.Rescaling(-1.0, dtype="float32", name="negated")(raw)
        negative = layers.Activation("sigmoid", dtype="float32", name="negative")(negated)
        return layers.Concatenate(dtype="float32", name="output")([negative, positive])

    def dense(self, targets: np.ndarray, target: Target, label_smoothing: float = 0.0) -> np.ndarray:
        """0 or 1, [N, 1]."""
        return dense_of_flags(targets, label_smoothing)

    def loss(self, raw: Any, dense: Any) -> Any:
        """Binary cross-entropy in nats."""
        return loss_of_flags(raw, dense)

    def running(self, raw: Any, dense: Any) -> Any:
        """Right or wrong."""
        return right_of_flags(raw, dense)
