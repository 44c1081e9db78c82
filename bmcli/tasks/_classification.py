"""What tasks with classes or labels have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from bmcli.tasks import Task
from bmcli.tasks._rows import MOST_COLUMNS

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.components import Measures
    from bmcli.core.spec import Target
    from bmcli.core.tensor import Tensor
    from bmcli.metrics.formulas import PerClass
    from bmcli.metrics.intervals import Method
    from bmcli.metrics.results import (
        ClassMetrics,
        TargetSummary,
        WeakestClass,
    )


class Classification(Task):
    """Base of tasks whose targets are classes or labels."""

    has_classes: ClassVar[bool] = True
    shown_plot: ClassVar[str] = "sample_predictions"
    shown_plot_says: ClassVar[str] = (
        "The most confident mistakes, and some correct predictions; the mistakes are listed below."
    )
    plot_repeats_mistakes: ClassVar[bool] = True
    mistakes_title: ClassVar[str] = "The most confident mistakes"
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
        metrics: Mapping[str, float | None],
        drawn: dict[str, np.ndarray] | None,
    ) -> dict[str, Method]:
        """Of every metric; none computes before it is called."""
        from bmcli.metrics import class_intervals
        from bmcli.metrics.intervals import top_k_of

        top_k = top_k_of(metrics)

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

    def keeps_arrays(self, classes: int) -> bool:
        """See Task."""
        return classes > MOST_COLUMNS

    def curves(self, targets: np.ndarray, outputs: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each ROC curve which examples are positive, bool [N], and their scores."""
        raise NotImplementedError

    def influences(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray | None:
        """See Task."""
        from bmcli.metrics.area_intervals import area

        return area(self.curves(targets, outputs))[1]

    def summarise(self, targets: np.ndarray, classes: Sequence[str]) -> TargetSummary:
        """How often each class or label occurs."""
        from bmcli.metrics.results import TargetSummary

        counts = self.counts(targets, len(classes))
        assert counts is not None
        return TargetSummary(len(targets), counts=tuple(int(count) for count in counts))


def class_metrics(classes: Sequence[str], values: PerClass) -> tuple[ClassMetrics, ...]:
    """Of every class or label, with exact intervals."""
    import numpy as np

    from bmcli.metrics.intervals import class_intervals
    from bmcli.metrics.results import ClassMetrics

    def defined(array: np.ndarray, index: int) -> float | None:
        return None if np.isnan(array[index]) else float(array[index])

    found = []
    for index, name in enumerate(classes):
        counts = values.hits[index], values.answers[index], values.support[index]
        of_class = class_intervals(*(int(count) for count in counts))
        found.append(
            ClassMetrics(
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


def weakest(metrics: tuple[ClassMetrics, ...], metric: str) -> WeakestClass | None:
    """The lowest value of the classes that occur, of equals the one with most examples; None if no class
    has a flaw."""
    from bmcli.metrics.results import FEW, WeakestClass

    known = [(getattr(one, metric), -one.support, one) for one in metrics if one.support]
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


class IndependentLogits(Classification):
    """Tasks with one logit for each question that has two answers: binary cross-entropy."""

    def dense(self, targets: np.ndarray, target: Target, label_smoothing: float = 0.0) -> np.ndarray:
        """0 or 1 as float32 [N, units], smoothed."""
        import numpy as np

        return smoothed(targets.astype(np.float32).reshape(len(targets), -1), label_smoothing, 2)

    def loss(self, raw: object, dense: object) -> Tensor:
        """Binary cross-entropy of logits in nats, mean over the units: float32 [batch]."""
        from keras import ops

        logits = ops.cast(raw, "float32")
        # max(x, 0) - x·t + log(1 + exp(-|x|)): finite for every finite logit.
        terms = ops.relu(logits) - logits * dense + ops.log1p(ops.exp(-ops.abs(logits)))
        mean: Tensor = ops.mean(terms, axis=-1)
        return mean

    def running(self, raw: object, dense: object) -> Tensor:
        """The share of units that are right, float32 [batch]."""
        from keras import ops

        right = ops.equal(ops.cast(raw, "float32") > 0, ops.convert_to_tensor(dense) > 0.5)
        share: Tensor = ops.mean(ops.cast(right, "float32"), axis=-1)
        return share
