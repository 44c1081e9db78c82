"""What tasks have in common in which each example has exactly one class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from bmcli.core.number_format import probability
from bmcli.tasks._classification import Classification, class_metrics, weakest
from bmcli.tasks._rows import TOP, digits, numbered, top_cells, top_columns
from bmcli.tasks._truth import unknown

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.spec import Target
    from bmcli.metrics.calibration import Fitted
    from bmcli.metrics.intervals import Method
    from bmcli.metrics.results import (
        Baseline,
        Confusion,
        Sections,
        TargetSummary,
    )
    from bmcli.tasks._answers import Answer
    from bmcli.tasks._learning import OneTarget
    from bmcli.tasks._truth import Truth


class OneClass(Classification):
    """Base of tasks in which each example has exactly one class. Targets are int64 [N]."""

    exclusive: ClassVar[bool] = True
    averages: ClassVar[tuple[str, ...]] = ()
    """Those of `metrics` that are averages over the classes."""
    plots: ClassVar[tuple[str, ...]] = ("confusion_matrix", "calibration", "sample_predictions")
    mistake_columns: ClassVar[tuple[tuple[str, bool], ...]] = (
        ("true", False),
        ("predicted", False),
        ("probability", True),
        ("of the truth", True),
    )
    running_name: ClassVar[str] = "accuracy"
    loss_name: ClassVar[str] = "log loss"

    def encode(self, truth: Truth, classes: tuple[str, ...]) -> tuple[np.ndarray, dict[int, str]]:
        """Index of each example's class."""
        import numpy as np

        index = {name: i for i, name in enumerate(classes)}
        problems: dict[int, str] = {}
        single = np.zeros(len(truth.labels), np.int64)
        for i, label in enumerate(truth.labels):
            found = index.get(label) if isinstance(label, str) else None
            if found is None:
                problems[i] = unknown(self.what, label, classes)
            else:
                single[i] = found
        return single, problems

    def too_few_classes(self, classes: Sequence[str]) -> str | None:
        """A single class cannot be classified."""
        if len(classes) < 2:
            only = f" ('{classes[0]}')" if classes else ""
            return f"there is only one class{only}, so there is nothing to classify"
        return None

    def check_targets(self, targets: np.ndarray, classes: Sequence[str]) -> str | None:
        """Targets must be indices of the classes."""
        if not len(targets):
            return None
        if targets.dtype.kind not in "iu":
            return f"gives targets of {targets.dtype}; a {self.registry_name} task needs int64"
        least, most = int(targets.min()), int(targets.max())
        if least < 0 or most >= len(classes):
            odd = least if least < 0 else most
            return f"gives the target {odd}, which is not an index of its {len(classes)} classes"
        return None

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """The class."""
        import numpy as np

        return targets.astype(np.int64)

    def counts(self, targets: np.ndarray, classes: int) -> np.ndarray | None:
        """Examples of each class."""
        import numpy as np

        return np.bincount(targets, minlength=classes)

    def _top_k(
        self, target: Target, targets: np.ndarray, outputs: np.ndarray, top_k: int
    ) -> dict[str, float | None]:
        from bmcli.metrics import formulas

        if len(target.classes) <= top_k:
            return {}
        return {f"top_{top_k}_accuracy": formulas.top_k_accuracy(targets, outputs, top_k)}

    def resampled(
        self, targets: np.ndarray, outputs: np.ndarray, top_k: int | None = None
    ) -> dict[str, np.ndarray]:
        """See Task."""
        from bmcli.metrics.class_intervals import resampled_classes

        return resampled_classes(targets, outputs, top_k)

    def _methods(
        self,
        targets: np.ndarray,
        outputs: np.ndarray,
        top_k: int | None,
        draw: Callable[[], dict[str, np.ndarray]],
    ) -> dict[str, Method]:
        from bmcli.metrics.class_intervals import methods_of_classes

        curves = partial(self.curves, targets, outputs)
        return methods_of_classes(targets, outputs, top_k, self.averages, curves, draw)

    def right(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray | None:
        """Whether the class of the largest probability is the true one."""
        import numpy as np

        return np.asarray(outputs.argmax(axis=1) == targets)

    def sections(
        self, target: Target, targets: np.ndarray, outputs: np.ndarray, temperature: float | None
    ) -> Sections:
        """Per class, and the confusion matrix."""
        from bmcli.metrics import formulas
        from bmcli.metrics.results import Sections

        matrix = formulas.confusion_matrix(targets, outputs.argmax(axis=1), len(target.classes))
        found = class_metrics(target.classes, formulas.per_class(matrix))
        return Sections(
            per_class=found,
            confusion_matrix=matrix.tolist(),
            most_confused=_most_confused(matrix, target.classes),
            weakest_class=weakest(found, "recall"),
            calibration=self.reliability(targets, outputs, temperature),
        )

    def baseline(
        self, targets: np.ndarray, classes: Sequence[str], training: TargetSummary
    ) -> Baseline | None:
        """Always the most frequent training class."""
        import numpy as np

        from bmcli.metrics.results import Baseline

        assert training.counts is not None
        most = int(np.argmax(training.counts))
        return Baseline(f"always '{classes[most]}'", self.headline, float(np.mean(targets == most)))

    def certainties(self, targets: np.ndarray, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Of the predicted class."""
        import numpy as np

        right = outputs.argmax(axis=1) == targets
        return outputs.max(axis=1).astype(np.float64), right.astype(np.float64)

    def temper(self, outputs: np.ndarray, temperature: float) -> np.ndarray:
        """See Task."""
        from bmcli.metrics.calibration import temper_classes

        return outputs if temperature == 1.0 else temper_classes(outputs, temperature)

    def calibrate(self, targets: np.ndarray, outputs: np.ndarray) -> Fitted | None:
        """See Task."""
        from bmcli.metrics import formulas
        from bmcli.metrics.calibration import fit_temperature

        mistakes = int((outputs.argmax(axis=1) != targets).sum())
        return fit_temperature(
            len(targets), mistakes, lambda t: formulas.log_loss(targets, self.temper(outputs, t))
        )

    def header(self, classes: Sequence[str]) -> list[str]:
        """A probability per class, of many the most probable."""
        more = top_columns() if self.keeps_arrays(len(classes)) else numbered("p", classes)
        return ["true", "predicted", *more]

    def rows(
        self, targets: np.ndarray, outputs: np.ndarray, classes: Sequence[str]
    ) -> Iterable[Sequence[str]]:
        """See Task."""
        if self.keeps_arrays(len(classes)):
            order = self._ranked(outputs, None)[:, :TOP].tolist()
            for true, best, row in zip(targets.tolist(), order, outputs, strict=True):
                yield [classes[true], classes[best[0]], *top_cells(classes, best, row)]
            return
        predicted = outputs.argmax(axis=1).tolist()
        for true, best, row in zip(targets.tolist(), predicted, outputs.tolist(), strict=True):
            yield [classes[true], classes[best], *digits(row)]

    def read_rows(
        self, rows: Sequence[Sequence[str]], classes: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """See Task."""
        import numpy as np

        index = {label: i for i, label in enumerate(classes)}
        targets = np.array([index[row[0]] for row in rows], np.int64)
        outputs = np.array([row[2:] for row in rows], np.float32).reshape(len(rows), len(classes))
        return targets, outputs

    def fits_shapes(self, targets: np.ndarray, outputs: np.ndarray, classes: int) -> bool:
        """Targets are indices of the classes."""
        if not super().fits_shapes(targets, outputs, classes) or targets.dtype.kind not in "iu":
            return False
        return bool(((targets >= 0) & (targets < classes)).all())

    def sureness(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """The probability of the predicted class."""
        import numpy as np

        return np.asarray(outputs.max(axis=1))

    def mistakes(
        self, targets: np.ndarray, outputs: np.ndarray, classes: Sequence[str], order: Sequence[int]
    ) -> list[list[str]]:
        """Both classes with their probabilities."""
        best = outputs.argmax(axis=1)
        return [
            [
                classes[int(targets[i])],
                classes[int(best[i])],
                probability(float(outputs[i, best[i]])),
                probability(float(outputs[i, targets[i]])),
            ]
            for i in order
            if best[i] != targets[i]
        ]

    def named(self, target: OneTarget, output: np.ndarray, classes: Sequence[str]) -> tuple[str, str]:
        """Both classes."""
        return classes[int(target)], classes[int(output.argmax())]

    def truth(self, target: OneTarget, classes: Sequence[str]) -> str:
        """The class."""
        return classes[int(target)]

    def score(self, index: int, target: Target) -> np.ndarray:
        """The class's logit."""
        import numpy as np

        one: np.ndarray = np.eye(len(target.classes), dtype=np.float32)[index]
        return one

    def answer(
        self, target: Target, outputs: np.ndarray, top_k: int | None = None, threshold: float | None = None
    ) -> Iterator[Answer]:
        """The most probable classes."""
        from bmcli.tasks._answers import TOP_K, Classes, choices

        for output, best in zip(outputs, self._ranked(outputs, threshold), strict=True):
            yield Classes(choices(target.classes, output, best[: top_k or TOP_K].tolist()))

    def _ranked(self, outputs: np.ndarray, threshold: float | None) -> np.ndarray:
        """Classes of each output, best first: int64 [N, C]."""
        import numpy as np

        return np.argsort(-outputs, axis=1, kind="stable")

    def synthesise(self, level: np.ndarray, classes: int, random: np.random.Generator) -> np.ndarray:
        """The level is the class."""
        import numpy as np

        return level.astype(np.int64)


def _most_confused(matrix: np.ndarray, classes: Sequence[str]) -> Confusion | None:
    """The largest count off the diagonal, the first of equals; None if there is no mistake."""
    import numpy as np

    from bmcli.metrics.results import Confusion

    mistakes = matrix - np.diag(np.diag(matrix))
    true, predicted = divmod(int(mistakes.argmax()), len(mistakes))
    count = int(mistakes[true, predicted])
    return Confusion(classes[true], classes[predicted], count) if count else None
