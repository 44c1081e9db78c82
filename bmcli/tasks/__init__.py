"""Tasks by name: what is predicted, one file per task, found by its place.

A task owns everything that depends on what is predicted: how labels become targets, the width and the last
layer of the network, the loss, the metrics with their intervals, the baseline, calibration, how a prediction
is displayed, and what a report shows. All other packages call its methods.

A new task derives from `Task`, or from a similar task:

    @TASKS.register("counts")
    class Counts(Regression):
        \"\"\"Whole numbers from 0: exponential, Poisson loss; headline deviance.\"\"\"

What is known without the data (names, directions, words) is a class variable, so that a config can be
checked without NumPy; methods import what computes.

Shapes, in all methods: targets are those of one split, as `encode` makes them, [N] or [N, L]; raw is the
network's output, [batch, units]; dense is the loss's target, float32 [batch, units]; outputs are those of the
finished model, float32 [N, width].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from bmcli.core.errors import UsageError
from bmcli.core.registry import Registry
from bmcli.tasks._measuring import Measuring

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.components import Measures
    from bmcli.core.spec import Target
    from bmcli.tasks._answers import Answer
    from bmcli.tasks._learning import OneTarget
    from bmcli.tasks._meter import EpochMeter, Meter
    from bmcli.tasks._truth import Truth


class Task(Measuring):
    """Base of all tasks."""

    def meter(
        self,
        target: Target,
        *,
        extra: Sequence[Measures] = (),
        top_k: int = 5,
        temperature: float | None = None,
    ) -> Meter:
        """Measures a split batch by batch. temperature: the run's, unless it was fitted on these
        examples."""
        from bmcli.tasks._meter import WholeSplit

        return WholeSplit(self, target, extra, top_k, temperature)

    def epoch_meter(self, target: Target, count: int, extra: Sequence[Measures] = ()) -> EpochMeter:
        """Measures the validation split after every epoch, batch by batch; the default keeps all outputs
        until the end. count: of its examples; extra: the config's `evaluation.metrics`."""
        from bmcli.tasks._meter import WholeEpoch

        return WholeEpoch(self, target, count, extra)

    # --- every prediction of a split, as a table ------------------------------------------------------------

    def keeps_arrays(self, classes: int) -> bool:
        """Whether a table of all outputs would be too wide: they are stored as arrays next to it."""
        return False

    def header(self, classes: Sequence[str]) -> list[str]:
        """The columns after 'id'."""
        return ["true", "predicted"]

    def rows(
        self, targets: np.ndarray, outputs: np.ndarray, classes: Sequence[str]
    ) -> Iterable[Sequence[str]]:
        """Their cells, of each example. classes: as written in cells."""
        raise NotImplementedError

    def read_rows(
        self, rows: Sequence[Sequence[str]], classes: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Targets and outputs of such rows; ValueError, KeyError or IndexError if they are damaged."""
        raise NotImplementedError

    def fits_shapes(self, targets: np.ndarray, outputs: np.ndarray, classes: int) -> bool:
        """Whether both have the shapes and types of this task."""
        return targets.shape == outputs.shape[:1] and outputs.shape[1:] == (self.width(classes),)

    # --- the worst predictions, and how they are shown ------------------------------------------------------

    plots: ClassVar[tuple[str, ...]] = ()
    """What is drawn of a split: regression, confusion_matrix, class_figures,
    calibration, sample_predictions."""
    shown_plot: ClassVar[str] = ""
    """The one of them that a report shows as samples, and of that"""
    shown_plot_says: ClassVar[str] = ""
    plot_repeats_mistakes: ClassVar[bool] = False
    """Whether it only shows what the table of mistakes says too."""
    mistakes_title: ClassVar[str] = ""
    mistake_columns: ClassVar[tuple[tuple[str, bool], ...]] = ()
    """Of a report's table of mistakes: names, and whether a column holds numbers."""

    def worst_first(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Positions of all predictions, int64 [N]: mistakes first, most confident first, then correct ones,
        least confident first."""
        import numpy as np

        right = self.right(targets, outputs)
        if right is None:
            return np.arange(len(targets))
        sure = self.sureness(targets, outputs)
        return np.argsort(np.where(right, 1 + sure, 1 - sure), kind="stable")

    def sureness(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Of each answer, [N], where answers are right or wrong."""
        raise NotImplementedError

    def mistakes(
        self, targets: np.ndarray, outputs: np.ndarray, classes: Sequence[str], order: Sequence[int]
    ) -> list[list[str]]:
        """The cells of `mistake_columns`, of those in `order` that are mistakes."""
        return []

    def named(self, target: OneTarget, output: np.ndarray, classes: Sequence[str]) -> tuple[str, str]:
        """Target and prediction of one example, for display."""
        raise NotImplementedError

    def truth(self, target: OneTarget, classes: Sequence[str]) -> str | list[str] | float:
        """One example's target as JSON data: a class, labels, or a number."""
        raise NotImplementedError

    # --- explanations ---------------------------------------------------------------------------------------

    explained_total: ClassVar[str | None] = None
    """What the parts of an explanation add up to, in words, where that is neither a class's logit nor the
    number predicted: 'logarithm of the count'."""

    def score(self, index: int, target: Target) -> np.ndarray:
        """What is explained, float32 [units]: weights of the network's raw outputs. index: of the class, or
        0."""
        import numpy as np

        return np.ones(1, np.float32)

    def score_offset(self, target: Target) -> float:
        """The offset that converts it to the target's own unit."""
        return 0.0

    def explained(self, targets: np.ndarray, outputs: np.ndarray) -> list[int] | None:
        """The class to explain in each of some answers; None: the predicted one."""
        return None

    # --- answers --------------------------------------------------------------------------------------------

    def answer(
        self, target: Target, outputs: np.ndarray, top_k: int | None = None, threshold: float | None = None
    ) -> Iterator[Answer]:
        """The prediction for each of a batch of inputs. top_k: number of classes listed; threshold: the
        probability from which a class or label is predicted; None: the task's default."""
        raise NotImplementedError


TASKS: Registry[Task] = Registry("task", Task, __name__, needs="loss")


_made: dict[type[Task], Task] = {}


def of(name: str) -> Task:
    """The task of that name. UsageError if there is none, PluginError if it cannot be loaded."""
    cls = TASKS.get(name)
    if cls not in _made:
        _made[cls] = cls()
    return _made[cls]


class _Unknown(Task):
    """Stands in for a task whose code is not loaded: only what all tasks have in common."""

    def __init__(self, name: str) -> None:
        self.name = name

    def _missing(self) -> UsageError:
        return UsageError(
            f"predictions of the task '{self.name}' cannot be read: the run's own code defines it",
            hint="--trust-code runs it; --unpaired compares the metrics alone",
        )

    def header(self, classes: Sequence[str]) -> list[str]:
        raise self._missing()

    def read_rows(
        self, rows: Sequence[Sequence[str]], classes: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        raise self._missing()


def stored(name: str) -> Task:
    """The task of a run that is only displayed: where the run's own code defines it, and is not loaded, one
    that shows what every task has."""
    return of(name) if name in TASKS else _Unknown(name)


def known() -> list[Task]:
    """Every loaded task: bm's own, and those requested by name."""
    return [of(name) for name in TASKS.local_names()]


def infer(truth: Truth) -> str:
    """The task inferred from the targets, of those that need not be chosen by name."""
    ranked = sorted((task for task in known() if task.rank is not None), key=lambda task: task.rank or 0)
    return next(task.registry_name for task in ranked if task.fits(truth))


def named(metric: str, task: str | None) -> str:
    """A metric's display name: the meaning of `loss` depends on the task."""
    if metric != "loss" or not task or task not in TASKS:
        return metric
    return f"loss ({of(task).loss_name})"
