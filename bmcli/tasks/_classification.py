"""What tasks with classes or labels have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from bmcli.tasks import Task
from bmcli.tasks._truth import unknown

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.components import Measures
    from bmcli.core.spec import Target
    from bmcli.metrics.calibration import Fitted
    from bmcli.metrics.formulas import PerClass
    from bmcli.metrics.intervals import Method
    from bmcli.metrics.results import (
        Baseline,
        ClassFigures,
        Confusion,
        Sections,
        TargetSummary,
        WeakestClass,
    )
    from bmcli.tasks._answers import Answer
    from bmcli.tasks._truth import Truth


class Classification(Task):
    """Base of tasks whose targets are classes or labels."""

    has_classes: ClassVar[bool] = True
    loss_key: ClassVar[str] = "log_loss"
    loss_means: ClassVar[str] = "the log loss"
    family: ClassVar[str] = "classification"

    def width(self, classes: int) -> int:
        """One probability per class or label."""
        return classes

    def lower_is_better(self, names: Iterable[str], extra: Sequence[Measures] = ()) -> tuple[str, ...]:
        """The calibration error too."""
        known = self.monitorable(extra) | {"ece": False}
        return tuple(name for name in names if not known.get(name, True))

    def evaluated(
        self, target: Target, targets: np.ndarray, outputs: np.ndarray, extra: Sequence[Measures], top_k: int
    ) -> dict[str, float | None]:
        """With top-k accuracy, where it says anything, and the calibration error."""
        found = super().evaluated(target, targets, outputs, extra, top_k)
        found |= self._top_k(target, targets, outputs, top_k)
        calibration = self.reliability(targets, outputs)
        return found if calibration is None else {**found, "ece": calibration.ece}

    def _top_k(
        self, target: Target, targets: np.ndarray, outputs: np.ndarray, top_k: int
    ) -> dict[str, float | None]:
        return {}

    def interval_methods(
        self,
        targets: np.ndarray,
        outputs: np.ndarray,
        figures: Mapping[str, float | None],
        drawn: dict[str, np.ndarray] | None,
    ) -> dict[str, Method]:
        """Of every figure; none computes before it is called."""
        from bmcli.metrics import class_intervals
        from bmcli.metrics.intervals import top_k_of

        top_k = top_k_of(figures)

        def draw() -> dict[str, np.ndarray]:
            return drawn if drawn is not None else self.resampled(targets, outputs, top_k)

        def ece(value: float) -> tuple[float, float]:
            answers = self.certainties(targets, outputs)
            assert answers is not None
            return class_intervals.of_ece(value, len(targets), *answers)

        return {**self._methods(targets, outputs, top_k, draw), "ece": ece}

    def _methods(
        self,
        targets: np.ndarray,
        outputs: np.ndarray,
        top_k: int | None,
        draw: Callable[[], dict[str, np.ndarray]],
    ) -> dict[str, Method]:
        """All but that of the calibration error."""
        raise NotImplementedError

    def curves(self, targets: np.ndarray, outputs: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each ROC curve which examples are positive, bool [N], and their scores."""
        raise NotImplementedError

    def influences(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray | None:
        """See Task."""
        from bmcli.metrics.class_intervals import area

        return area(self.curves(targets, outputs))[1]

    def summarise(self, targets: np.ndarray, classes: Sequence[str]) -> TargetSummary:
        """How often each class or label occurs."""
        from bmcli.metrics.results import TargetSummary

        counts = self.counts(targets, len(classes))
        assert counts is not None
        return TargetSummary(len(targets), counts=tuple(int(count) for count in counts))


class OneClass(Classification):
    """Base of tasks in which each example has exactly one class. Targets are int64 [N]."""

    exclusive: ClassVar[bool] = True
    averages: ClassVar[tuple[str, ...]] = ()
    """Those of `figures` that are averages over the classes."""
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
        """One class alone cannot be told from anything."""
        if len(classes) < 2:
            only = f" ('{classes[0]}')" if classes else ""
            return f"there is only one class{only}: nothing to tell apart"
        return None

    def check_targets(self, targets: np.ndarray, classes: Sequence[str]) -> str | None:
        """Targets must be indices of the classes."""
        if not len(targets):
            return None
        if targets.dtype.kind not in "iu":
            return f"gives targets of {targets.dtype}; a {self.registry_name} task wants int64"
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
        """Per class, and what is taken for what."""
        from bmcli.metrics import formulas
        from bmcli.metrics.results import Sections

        matrix = formulas.confusion_matrix(targets, outputs.argmax(axis=1), len(target.classes))
        found = class_figures(target.classes, formulas.per_class(matrix))
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


def class_figures(classes: Sequence[str], values: PerClass) -> tuple[ClassFigures, ...]:
    """Of every class or label, with exact intervals."""
    import numpy as np

    from bmcli.metrics.intervals import class_intervals
    from bmcli.metrics.results import ClassFigures

    def defined(array: np.ndarray, index: int) -> float | None:
        return None if np.isnan(array[index]) else float(array[index])

    found = []
    for index, name in enumerate(classes):
        counts = values.hits[index], values.answers[index], values.support[index]
        of_class = class_intervals(*(int(count) for count in counts))
        found.append(
            ClassFigures(
                name=name,
                index=index,
                precision=defined(values.precision, index),
                recall=defined(values.recall, index),
                f1=defined(values.f1, index),
                support=int(values.support[index]),
                recall_interval=of_class["recall"],
                precision_interval=of_class["precision"],
                f1_interval=of_class["f1"],
            )
        )
    return tuple(found)


def _most_confused(matrix: np.ndarray, classes: Sequence[str]) -> Confusion | None:
    """The largest count off the diagonal, the first of equals; None where there is no mistake."""
    import numpy as np

    from bmcli.metrics.results import Confusion

    mistakes = matrix - np.diag(np.diag(matrix))
    true, predicted = divmod(int(mistakes.argmax()), len(mistakes))
    count = int(mistakes[true, predicted])
    return Confusion(classes[true], classes[predicted], count) if count else None


def weakest(figures: tuple[ClassFigures, ...], metric: str) -> WeakestClass | None:
    """The lowest value of the classes that occur, of equals the one with most examples; None where no class
    has a flaw."""
    from bmcli.metrics.results import FEW, WeakestClass

    known = [(getattr(one, metric), -one.support, one) for one in figures if one.support]
    if not known:
        return None
    value, _, one = min(known, key=lambda entry: entry[:2])
    if value >= 1.0:
        return None
    return WeakestClass(one.name, one.index, metric, value, one.support, one.support < FEW)


def smoothed(dense: np.ndarray, label_smoothing: float, classes: int) -> np.ndarray:
    """Targets as in Szegedy et al. 2016, float32: a share of the truth goes to all classes alike."""
    import numpy as np

    return dense * np.float32(1 - label_smoothing) + np.float32(label_smoothing / classes)


def dense_of_flags(targets: np.ndarray, label_smoothing: float) -> np.ndarray:
    """0 and 1 as float32 [N, units], smoothed."""
    import numpy as np

    return smoothed(targets.astype(np.float32).reshape(len(targets), -1), label_smoothing, 2)


def loss_of_flags(raw: object, dense: Any) -> object:
    """Binary cross-entropy of logits in nats, mean over the units: float32 [batch]."""
    from keras import ops

    raw = ops.cast(raw, "float32")
    # max(x, 0) - x·t + log(1 + exp(-|x|)): finite for every finite logit.
    terms = ops.relu(raw) - raw * dense + ops.log1p(ops.exp(-ops.abs(raw)))
    return ops.mean(terms, axis=-1)


def right_of_flags(raw: object, dense: Any) -> object:
    """The share of units that are right, float32 [batch]."""
    from keras import ops

    right = ops.equal(ops.cast(raw, "float32") > 0, dense > 0.5)
    return ops.mean(ops.cast(right, "float32"), axis=-1)
