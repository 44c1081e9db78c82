"""Any number of labels per example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from bmcli.tasks import TASKS
from bmcli.tasks._classification import Classification, dense_of_flags, loss_of_flags, right_of_flags
from bmcli.tasks._truth import unknown

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.spec import Target
    from bmcli.tasks._truth import Truth


@TASKS.register("multilabel")
class Multilabel(Classification):
    """Any number of labels: sigmoid, mean binary cross-entropy; headline f1_macro."""

    headline: ClassVar[str] = "f1_macro"
    figures: ClassVar[dict[str, bool]] = {
        "loss": False,
        "subset_accuracy": True,
        "label_accuracy": True,
        "f1_macro": True,
        "f1_micro": True,
        "precision_micro": True,
        "recall_micro": True,
        "roc_auc": True,
    }
    running_name: ClassVar[str] = "label_accuracy"
    loss_name: ClassVar[str] = "binary cross-entropy"
    outputs_are: ClassVar[str] = "one independent probability per label, in the order of labels.txt"
    several: ClassVar[bool] = True
    what: ClassVar[str] = "label"
    plural: ClassVar[str] = "labels"
    rank: ClassVar[int | None] = 1

    def fits(self, truth: Truth) -> bool:
        """Whether examples may have several labels."""
        return truth.several

    def encode(self, truth: Truth, classes: tuple[str, ...]) -> tuple[np.ndarray, dict[int, str]]:
        """float32 [N, L] of 0 and 1."""
        import numpy as np

        index = {name: i for i, name in enumerate(classes)}
        problems: dict[int, str] = {}
        many = np.zeros((len(truth.labels), len(classes)), np.float32)
        for i, labels in enumerate(truth.labels):
            for label in (labels,) if isinstance(labels, str) else labels:
                if label in index:
                    many[i, index[label]] = 1
                else:
                    problems[i] = unknown(self.what, label, classes)
        return many, problems

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """The combination of labels, the rare ones (fewer than 10 examples) as one."""
        import numpy as np

        _, strata, counts = np.unique(targets, axis=0, return_inverse=True, return_counts=True)
        strata = strata.reshape(-1)
        return np.where(counts[strata] < 10, 0, strata + 1)

    def counts(self, targets: np.ndarray, classes: int) -> np.ndarray | None:
        """Examples that have each label."""
        import numpy as np

        return np.asarray(targets.sum(axis=0), int)

    def synthetic_classes(self, target: object) -> tuple[str, ...]:
        """The config's columns, one per label, else three letters."""
        return tuple(str(name) for name in target) if isinstance(target, list) else ("a", "b", "c")

    def synthesise(self, level: np.ndarray, classes: int, random: np.random.Generator) -> np.ndarray:
        """The level's label, and each of the others with probability 1/2."""
        import numpy as np

        targets = (random.random((len(level), classes)) < 0.5).astype(np.float32)
        targets[np.arange(len(level)), level] = 1
        return targets

    def units(self, classes: int) -> int:
        """One logit per label."""
        return classes

    def head(self, raw: Any, target: Target) -> Any:
        """Independent probabilities [batch, labels]."""
        import keras

        return keras.layers.Activation("sigmoid", dtype="float32", name="output")(raw)

    def dense(self, targets: np.ndarray, target: Target, label_smoothing: float = 0.0) -> np.ndarray:
        """0 or 1 per label, [N, labels]."""
        return dense_of_flags(targets, label_smoothing)

    def loss(self, raw: Any, dense: Any) -> Any:
        """Binary cross-entropy in nats, mean over the labels."""
        return loss_of_flags(raw, dense)

    def running(self, raw: Any, dense: Any) -> Any:
        """The share of labels that are right."""
        return right_of_flags(raw, dense)
