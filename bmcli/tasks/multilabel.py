"""Any number of labels per example."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from bmcli.tasks import TASKS
from bmcli.tasks._classification import IndependentLogits, class_metrics, weakest
from bmcli.tasks._rows import TOP, digits, numbered, top_cells, top_columns
from bmcli.tasks._truth import unknown

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.spec import Target
    from bmcli.metrics.calibration import Fitted
    from bmcli.metrics.intervals import Method
    from bmcli.metrics.results import Baseline, Sections, TargetSummary
    from bmcli.tasks._answers import Answer
    from bmcli.tasks._learning import OneTarget
    from bmcli.tasks._truth import Truth

THRESHOLD = 0.5
"""From this probability on, a label holds."""


@TASKS.register("multilabel")
class Multilabel(IndependentLogits):
    """Any number of labels: sigmoid, mean binary cross-entropy; headline f1_macro."""

    headline: ClassVar[str] = "f1_macro"
    metrics: ClassVar[dict[str, bool]] = {
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
    plots: ClassVar[tuple[str, ...]] = ("class_figures", "calibration", "sample_predictions")
    averages: ClassVar[tuple[str, ...]] = (
        "label_accuracy",
        "f1_macro",
        "f1_micro",
        "precision_micro",
        "recall_micro",
    )
    """Those of `metrics` that are averages over the labels, or shares of all decisions."""
    takes_threshold: ClassVar[bool] = True
    no_threshold: ClassVar[str] = "that is for two classes"
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

    def head(self, raw: object, target: Target) -> object:
        """Independent probabilities [batch, labels]."""
        import keras

        return keras.layers.Activation("sigmoid", dtype="float32", name="output")(raw)

    def compute(self, targets: np.ndarray, outputs: np.ndarray) -> dict[str, float | None]:
        """See `formulas.multilabel`."""
        from bmcli.metrics import formulas

        return formulas.multilabel(targets, outputs)

    def resampled(
        self, targets: np.ndarray, outputs: np.ndarray, top_k: int | None = None
    ) -> dict[str, np.ndarray]:
        """See Task."""
        from bmcli.metrics.class_intervals import resampled_labels

        return resampled_labels(targets > 0.5, outputs)

    def _methods(
        self,
        targets: np.ndarray,
        outputs: np.ndarray,
        top_k: int | None,
        draw: Callable[[], dict[str, np.ndarray]],
    ) -> dict[str, Method]:
        from bmcli.metrics.class_intervals import methods_of_labels

        curves = partial(self.curves, targets, outputs)
        return methods_of_labels(targets > 0.5, outputs, self.averages, curves, draw)

    def curves(self, targets: np.ndarray, outputs: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each label."""
        return list(zip((targets > 0.5).T, outputs.T, strict=True))

    def right(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray | None:
        """Whether every label is right."""
        import numpy as np

        return np.asarray(((targets > 0.5) == (outputs >= THRESHOLD)).all(axis=1))

    def sections(
        self, target: Target, targets: np.ndarray, outputs: np.ndarray, temperature: float | None
    ) -> Sections:
        """Per label; its confusion matrix is [[tn, fp], [fn, tp]]."""
        from bmcli.metrics import formulas
        from bmcli.metrics.results import Sections

        matrix = formulas.label_confusion(targets > 0.5, outputs >= THRESHOLD)
        found = class_metrics(target.classes, formulas.per_label(matrix))
        return Sections(
            per_class=found,
            confusion_matrix=matrix.tolist(),
            weakest_class=weakest(found, "f1"),
            calibration=self.reliability(targets, outputs, temperature),
        )

    def baseline(
        self, targets: np.ndarray, classes: Sequence[str], training: TargetSummary
    ) -> Baseline | None:
        """Every label always, which has the best F1 of all constant answers."""
        import numpy as np

        from bmcli.metrics.results import Baseline

        value = self.compute(targets, np.ones_like(targets))[self.headline]
        return Baseline("always every label", self.headline, value)

    def certainties(self, targets: np.ndarray, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Of every label of every example."""
        import numpy as np

        return outputs.reshape(-1).astype(np.float64), (targets.reshape(-1) > 0.5).astype(np.float64)

    def temper(self, outputs: np.ndarray, temperature: float) -> np.ndarray:
        """See Task."""
        from bmcli.metrics.calibration import temper_labels

        return outputs if temperature == 1.0 else temper_labels(outputs, temperature)

    def calibrate(self, targets: np.ndarray, outputs: np.ndarray) -> Fitted | None:
        """See Task."""
        from bmcli.metrics import formulas
        from bmcli.metrics.calibration import fit_temperature

        truth = targets > 0.5
        mistakes = int((truth != (outputs >= THRESHOLD)).sum())
        return fit_temperature(
            len(targets), mistakes, lambda t: formulas.binary_cross_entropy(truth, self.temper(outputs, t))
        )

    def answer(
        self, target: Target, outputs: np.ndarray, top_k: int | None = None, threshold: float | None = None
    ) -> Iterator[Answer]:
        """The labels that hold, of all labels where top_k is not given."""
        import numpy as np

        from bmcli.tasks._answers import Labels, choices

        least = THRESHOLD if threshold is None else threshold
        for output, best in zip(outputs, np.argsort(-outputs, axis=1, kind="stable"), strict=True):
            holding = [i for i in best.tolist() if output[i] >= least]
            top = choices(target.classes, output, best[:top_k].tolist() if top_k else best.tolist())
            yield Labels(choices(target.classes, output, holding), top)

    def header(self, classes: Sequence[str]) -> list[str]:
        """Truth and probability of each label, of many the most probable."""
        if self.keeps_arrays(len(classes)):
            return ["true", "predicted", *top_columns()]
        return [*numbered("true", classes), *numbered("p", classes)]

    def rows(
        self, targets: np.ndarray, outputs: np.ndarray, classes: Sequence[str]
    ) -> Iterable[Sequence[str]]:
        """Of many labels, one cell has the indices of those that apply, separated by spaces."""
        import numpy as np

        truth = targets > 0.5
        if self.keeps_arrays(len(classes)):
            order = np.argsort(-outputs, axis=1, kind="stable")[:, :TOP].tolist()
            for true, best, row in zip(truth, order, outputs, strict=True):
                both = (np.flatnonzero(true), np.flatnonzero(row >= THRESHOLD))
                yield [*(" ".join(map(str, found)) for found in both), *top_cells(classes, best, row)]
            return
        for labels, row in zip(truth.astype(int).tolist(), outputs.tolist(), strict=True):
            yield [*map(str, labels), *digits(row)]

    def read_rows(
        self, rows: Sequence[Sequence[str]], classes: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """See Task."""
        import numpy as np

        both = np.array(rows, np.float32).reshape(len(rows), -1)
        return both[:, : len(classes)], both[:, len(classes) :]

    def fits_shapes(self, targets: np.ndarray, outputs: np.ndarray, classes: int) -> bool:
        """A target per label."""
        return targets.shape == outputs.shape and outputs.shape[1:] == (classes,)

    def sureness(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """As sure as its worst label is wrong, or as its least sure label where all are right."""
        import numpy as np

        error = np.abs(targets - outputs).max(axis=1)
        right = ((targets > 0.5) == (outputs >= THRESHOLD)).all(axis=1)
        return np.asarray(np.where(right, 1 - error, error))

    def named(self, target: OneTarget, output: np.ndarray, classes: Sequence[str]) -> tuple[str, str]:
        """The labels that hold, or 'none'."""
        import numpy as np

        both = (np.flatnonzero(target > 0.5), np.flatnonzero(output >= THRESHOLD))
        true, predicted = (", ".join(classes[i] for i in found.tolist()) or "none" for found in both)
        return true, predicted

    def truth(self, target: OneTarget, classes: Sequence[str]) -> list[str]:
        """The labels that hold."""
        import numpy as np

        return [classes[i] for i in np.flatnonzero(target > 0.5).tolist()]

    def score(self, index: int, target: Target) -> np.ndarray:
        """The label's logit."""
        import numpy as np

        one: np.ndarray = np.eye(len(target.classes), dtype=np.float32)[index]
        return one

    def explained(self, targets: np.ndarray, outputs: np.ndarray) -> list[int] | None:
        """The label that is furthest from the truth."""
        import numpy as np

        furthest: list[int] = np.abs(outputs - targets).argmax(axis=1).tolist()
        return furthest
