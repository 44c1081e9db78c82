"""One of several classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from bmcli.tasks import TASKS
from bmcli.tasks._classification import smoothed
from bmcli.tasks._one_class import OneClass

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.spec import Target
    from bmcli.core.tensor import Tensor
    from bmcli.tasks._truth import Truth


@TASKS.register("multiclass")
class Multiclass(OneClass):
    """One of several classes: softmax, cross-entropy; headline accuracy."""

    headline: ClassVar[str] = "accuracy"
    metrics: ClassVar[dict[str, bool]] = {
        "loss": False,
        "accuracy": True,
        "balanced_accuracy": True,
        "f1_macro": True,
        "f1_weighted": True,
        "precision_macro": True,
        "recall_macro": True,
        "roc_auc": True,
    }
    outputs_are: ClassVar[str] = "one probability per class, in the order of labels.txt"
    averages: ClassVar[tuple[str, ...]] = (
        "balanced_accuracy",
        "f1_macro",
        "f1_weighted",
        "precision_macro",
        "recall_macro",
    )
    rank: ClassVar[int | None] = 4

    def fits(self, truth: Truth) -> bool:
        """Any labels, where no other task fits."""
        return True

    def inferred(self, classes: Sequence[str]) -> str:
        """How many."""
        return f": {len(classes)} classes"

    def synthetic_classes(self, target: object) -> tuple[str, ...]:
        """Three letters."""
        return ("a", "b", "c")

    def units(self, classes: int) -> int:
        """One logit per class."""
        return classes

    def head(self, raw: object, target: Target) -> object:
        """Probabilities [batch, classes] that sum to 1."""
        import keras

        return keras.layers.Activation("softmax", dtype="float32", name="output")(raw)

    def dense(self, targets: np.ndarray, target: Target, label_smoothing: float = 0.0) -> np.ndarray:
        """One-hot, [N, classes]."""
        import numpy as np

        classes = len(target.classes)
        dense = np.zeros((len(targets), classes), np.float32)
        dense[np.arange(len(targets)), targets] = 1.0
        return smoothed(dense, label_smoothing, classes)

    def loss(self, raw: object, dense: object) -> Tensor:
        """Cross-entropy of logits in nats; dense may be soft."""
        from keras import ops

        loss: Tensor = -ops.sum(dense * ops.log_softmax(ops.cast(raw, "float32"), axis=-1), axis=-1)
        return loss

    def running(self, raw: object, dense: object) -> Tensor:
        """Right or wrong."""
        from keras import ops

        right = ops.equal(ops.argmax(ops.cast(raw, "float32"), axis=-1), ops.argmax(dense, axis=-1))
        flags: Tensor = ops.cast(right, "float32")
        return flags

    def compute(self, targets: np.ndarray, outputs: np.ndarray) -> dict[str, float | None]:
        """See `formulas.multiclass`."""
        from bmcli.metrics import formulas

        return formulas.multiclass(targets, outputs)

    def curves(self, targets: np.ndarray, outputs: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Each class against the rest."""
        return [(targets == i, scores) for i, scores in enumerate(outputs.T)]
