"""Tasks by name: what is asked of the examples, one file per task, found by its place.

A task owns everything that depends on what is predicted: how the truth becomes targets, how wide the network
is and what stands on top of it, the loss, the figures with their intervals, the trivial answer, calibration,
what one answer looks like, and what a report shows. Every other room asks it.

A new task derives from `Task`, or from one that is near it:

    @TASKS.register("counts")
    class Counts(Regression):
        \"\"\"Whole numbers from 0: exponential, Poisson loss; headline deviance.\"\"\"

What is known without the data (names, directions, words) is a class variable, so that a config can be
checked without NumPy; methods import what computes.

Shapes, in all methods: targets are those of one split, as `encode` makes them, [N] or [N, L]; raw is what the
network gives, [batch, units]; dense is what the loss takes, float32 [batch, units]; outputs are float32 of
the finished model, [N, width].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from bmcli.core.registry import Registered, Registry

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.components import Measures
    from bmcli.core.spec import Target
    from bmcli.metrics.calibration import Fitted, Reliability
    from bmcli.metrics.intervals import Found, Method
    from bmcli.metrics.results import Baseline, Sections, TargetSummary
    from bmcli.tasks._answers import Answer
    from bmcli.tasks._meter import Meter
    from bmcli.tasks._truth import Truth


class Task(Registered):
    """Base of all tasks."""

    headline: ClassVar[str] = "loss"
    """The one figure people quote."""
    figures: ClassVar[dict[str, bool]] = {"loss": False}
    """The figures of a split -> whether greater is better."""
    descriptions: ClassVar[dict[str, str]] = {}
    """A line about each of those that no other task has."""
    running_name: ClassVar[str] = ""
    """The figure that is counted along with the loss while training."""
    loss_name: ClassVar[str] = "loss"
    """What the loss is, for people."""
    loss_key: ClassVar[str] = "loss"
    """The loss by what it is, where figures are named: log_loss, mse."""
    loss_means: ClassVar[str] = "its own"
    """The same in words."""
    family: ClassVar[str] = ""
    """What tasks with this loss are called together."""
    outputs_are: ClassVar[str] = "the model's answer"
    """What the finished model's outputs are, for whoever uses an exported model."""

    several: ClassVar[bool] = False
    """Whether an example may have any number of labels."""
    has_classes: ClassVar[bool] = False
    """Whether the targets are classes or labels, which have names."""
    what: ClassVar[str] = "class"
    """What one of the classes is called: class or label."""
    plural: ClassVar[str] = "classes"
    exclusive: ClassVar[bool] = False
    """Whether each example has exactly one class."""
    unbounded: ClassVar[tuple[str, ...]] = ("loss",)
    """Those of `figures` that need not lie between 0 and 1."""
    takes_threshold: ClassVar[bool] = False
    """Whether a threshold of a probability changes its answers."""
    no_threshold: ClassVar[str] = ""
    """Why none may have been chosen on validation."""
    squared_error: ClassVar[bool] = False
    """Whether the loss is the squared error of a linear output, which has a minimum in closed form."""
    rank: ClassVar[int | None] = None
    """The place among the tasks whose `fits` is asked where the config names none; None: only by name."""

    # --- from the truth to targets --------------------------------------------------------------------------

    def fits(self, truth: Truth) -> bool:
        """Whether the truth looks like this task, those of a lower rank having been asked before."""
        return False

    def encode(self, truth: Truth, classes: tuple[str, ...]) -> tuple[np.ndarray, dict[int, str]]:
        """Targets of all examples, and position -> what is wrong with those that have none."""
        raise NotImplementedError

    def inferred(self, classes: Sequence[str]) -> str:
        """What a note says behind the name of the task, where it was inferred: ': two classes', or ''."""
        return ""

    def too_few_classes(self, classes: Sequence[str]) -> str | None:
        """Why there is nothing to learn with these classes alone, or None."""
        return None

    def other_number_of_classes(self, classes: Sequence[str]) -> str | None:
        """Why the data, from which nothing is missing, has too few or too many classes, or None."""
        return None

    def check_targets(self, targets: np.ndarray, classes: Sequence[str]) -> str | None:
        """What is wrong with a dataset's targets, or None. 'gives the target 3, which ...'"""
        return None

    def check_range(self, targets: np.ndarray, name: str) -> None:
        """DataError for targets that no loss can be computed from: training would seem to diverge."""

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """What a split keeps in proportion: int64 [N], 0 for all where there is nothing."""
        import numpy as np

        return np.zeros(len(targets), np.int64)

    def counts(self, targets: np.ndarray, classes: int) -> np.ndarray | None:
        """Examples of each class or label, int64 [classes]; None where there are none."""
        return None

    def alike(self, one: object, other: object, tolerance: float) -> bool:
        """Whether two nearly equal examples have the same target; a quantity may differ by the tolerance."""
        import numpy as np

        return bool(np.all(one == other))

    def scaling(self, targets: np.ndarray) -> tuple[float, float]:
        """Offset and scale by which training standardises targets."""
        return 0.0, 1.0

    def synthetic_classes(self, target: object) -> tuple[str, ...]:
        """Classes for data that is not there. target: the config's `data.target`."""
        return ()

    def synthesise(self, level: np.ndarray, classes: int, random: np.random.Generator) -> np.ndarray:
        """Targets for made-up examples. level: int64 [N], from 0 to the larger of 1 and classes - 1."""
        raise NotImplementedError

    # --- the network ----------------------------------------------------------------------------------------

    def units(self, classes: int) -> int:
        """Width of the network's last layer."""
        return 1

    def width(self, classes: int) -> int:
        """Numbers in one output of the finished model."""
        return self.units(classes)

    def head(self, raw: object, target: Target) -> object:
        """The layer called 'output', float32 [batch, width], on the network's raw output. Of Keras's own
        layers alone, so that plain Keras loads the saved model."""
        raise NotImplementedError

    def dense(self, targets: np.ndarray, target: Target, label_smoothing: float = 0.0) -> np.ndarray:
        """Targets as the loss takes them: float32 [N, units]."""
        raise NotImplementedError

    def loss(self, raw: object, dense: object) -> Any:
        """The loss of each example, float32 [batch]; written in keras.ops."""
        raise NotImplementedError

    def running(self, raw: object, dense: object) -> Any:
        """The running figure of each example, float32 [batch]; written in keras.ops."""
        raise NotImplementedError

    def in_units(self, loss: float, running: float, target: Target) -> tuple[float, float]:
        """Mean loss and running figure of an epoch in the target's own unit."""
        return loss, running

    # --- figures --------------------------------------------------------------------------------------------

    def monitorable(self, extra: Sequence[Measures] = ()) -> dict[str, bool]:
        """Every figure of a split at the end of an epoch: name -> whether greater is better.

        A config monitors them as `val_<name>`. extra: the config's `evaluation.metrics`.
        """
        return self.figures | {metric.registry_name: metric.greater_is_better for metric in extra}

    def lower_is_better(self, names: Iterable[str], extra: Sequence[Measures] = ()) -> tuple[str, ...]:
        """Those of the names that improve downwards."""
        known = self.monitorable(extra)
        return tuple(name for name in names if not known.get(name, True))

    def measure(
        self,
        targets: np.ndarray,
        outputs: np.ndarray,
        classes: tuple[str, ...],
        extra: Sequence[Measures] = (),
    ) -> dict[str, float | None]:
        """All `monitorable` figures of one split, in that order. None: undefined, as where there are no
        examples or an output is not finite.

        Raises UsageError where a user's metric has a built-in's name or is for another task, PluginError
        where it fails.
        """
        from bmcli.metrics import formulas
        from bmcli.metrics.metric import value_of

        if not formulas.usable(outputs):
            return dict.fromkeys(self.monitorable(extra))
        found = self.compute(targets, outputs)
        for metric in extra:
            found[metric.registry_name] = value_of(
                metric, self.registry_name, self.figures, targets, outputs, classes
            )
        return found

    def compute(self, targets: np.ndarray, outputs: np.ndarray) -> dict[str, float | None]:
        """All `figures` of at least one example and finite outputs, in that order."""
        raise NotImplementedError

    def evaluated(
        self, target: Target, targets: np.ndarray, outputs: np.ndarray, extra: Sequence[Measures], top_k: int
    ) -> dict[str, float | None]:
        """What an evaluation measures: `measure`, and what is too much for the end of an epoch."""
        return self.measure(targets, outputs, target.classes, extra)

    def intervals(
        self,
        targets: np.ndarray,
        outputs: np.ndarray,
        figures: Mapping[str, float | None],
        drawn: dict[str, np.ndarray] | None = None,
    ) -> Found:
        """95 % confidence intervals of these figures, or why they have none. drawn: what `resampled` makes of
        them, where that is known."""
        from bmcli.metrics.intervals import intervals_of

        return intervals_of(self.interval_methods(targets, outputs, figures, drawn), figures)

    def interval_methods(
        self,
        targets: np.ndarray,
        outputs: np.ndarray,
        figures: Mapping[str, float | None],
        drawn: dict[str, np.ndarray] | None,
    ) -> dict[str, Method]:
        """The method of every figure for which one is known; see `bmcli.metrics.intervals`."""
        return {}

    def resampled(
        self, targets: np.ndarray, outputs: np.ndarray, top_k: int | None = None
    ) -> dict[str, np.ndarray]:
        """Every figure that can be resampled, of each resample: name -> float64 [RESAMPLES], NaN: undefined.

        The r-th resample is the same for all runs of as many examples: their differences are paired.
        """
        return {}

    def influences(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray | None:
        """Of each example on the area under the ROC curve, float64 [N]; None where there is none."""
        return None

    def right(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray | None:
        """Which answers are right altogether, bool [N]; None where an answer is more or less right."""
        return None

    def meter(
        self,
        target: Target,
        *,
        extra: Sequence[Measures] = (),
        top_k: int = 5,
        temperature: float | None = None,
    ) -> Meter:
        """What a split is measured with, batch by batch. temperature: the run's, where it was not fitted on
        these examples."""
        from bmcli.tasks._meter import WholeSplit

        return WholeSplit(self, target, extra, top_k, temperature)

    def sections(
        self, target: Target, targets: np.ndarray, outputs: np.ndarray, temperature: float | None
    ) -> Sections:
        """What an evaluation holds besides figures. temperature: as in `meter`."""
        from bmcli.metrics.results import Sections

        return Sections(calibration=self.reliability(targets, outputs, temperature))

    # --- the trivial answer, and calibration ----------------------------------------------------------------

    def summarise(self, targets: np.ndarray, classes: Sequence[str]) -> TargetSummary:
        """Of a training split's targets, all that a trivial answer may know."""
        from bmcli.metrics.results import TargetSummary

        return TargetSummary(len(targets))

    def baseline(
        self, targets: np.ndarray, classes: Sequence[str], training: TargetSummary
    ) -> Baseline | None:
        """What the best answer that ignores the input gets of the headline figure; None where none is known.
        Neither the targets nor training's are empty."""
        return None

    def certainties(self, targets: np.ndarray, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Probability, and whether it came true (1 or 0), of every answer, float64 [A]; None where answers
        have no probability."""
        return None

    def temper(self, outputs: np.ndarray, temperature: float) -> np.ndarray:
        """The probabilities with their logits divided by the temperature, float32 of the same shape."""
        return outputs

    def reliability(
        self, targets: np.ndarray, outputs: np.ndarray, temperature: float | None = None
    ) -> Reliability | None:
        """How far certainty and truth lie apart; temperature: the run's, for the same once more with it."""
        from bmcli.metrics.calibration import reliability

        found = self.certainties(targets, outputs) if len(targets) else None
        if found is None:
            return None
        before = reliability(*found)
        if temperature is None:
            return before
        after = self.reliability(targets, self.temper(outputs, temperature))
        return replace(before, temperature=temperature, ece_with_temperature=after.ece if after else None)

    def calibrate(self, targets: np.ndarray, outputs: np.ndarray) -> Fitted | None:
        """Temperature, and where there is one the threshold, of at least one validation output; None where
        there is nothing to fit."""
        return None

    # --- answers --------------------------------------------------------------------------------------------

    def answer(
        self, target: Target, outputs: np.ndarray, top_k: int | None = None, threshold: float | None = None
    ) -> Iterator[Answer]:
        """The answer to each of a batch of inputs. top_k: how many classes are listed; threshold: the
        probability from which on something holds. None: as the task has it."""
        raise NotImplementedError


TASKS: Registry[Task] = Registry("task", Task, __name__, needs="loss")


_made: dict[type[Task], Task] = {}


def of(name: str) -> Task:
    """The task of that name. UsageError where there is none, PluginError where it cannot be loaded."""
    cls = TASKS.get(name)
    if cls not in _made:
        _made[cls] = cls()
    return _made[cls]


def known() -> list[Task]:
    """Every task that needs no plugin to be loaded: bm's own, and those that were asked for by name."""
    return [of(name) for name in TASKS.local_names()]


def infer(truth: Truth) -> str:
    """The task that the truth looks like, of those that are not asked for by name alone."""
    ranked = sorted((task for task in known() if task.rank is not None), key=lambda task: task.rank or 0)
    return next(task.registry_name for task in ranked if task.fits(truth))
