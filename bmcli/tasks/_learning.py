"""The part of a task that training needs: its words, the targets, the last layer, the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from bmcli.core.registry import Registered

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.spec import Target
    from bmcli.core.tensor import Tensor
    from bmcli.tasks._truth import Truth

    OneTarget = np.ndarray | np.int64 | np.float64
    """The target of one example: a number, or [L]."""


class Learning(Registered):
    """See `bmcli.tasks.Task`."""

    headline: ClassVar[str] = "loss"
    """The headline metric."""
    metrics: ClassVar[dict[str, bool]] = {"loss": False}
    """The metrics of a split -> whether greater is better."""
    descriptions: ClassVar[dict[str, str]] = {}
    """A description of each metric that no other task has."""
    running_name: ClassVar[str] = ""
    """The metric that is computed along with the loss during training."""
    loss_name: ClassVar[str] = "loss"
    """Name of the loss, for display."""
    loss_key: ClassVar[str] = "loss"
    """Specific name of the loss among the metrics: log_loss, mse."""
    loss_means: ClassVar[str] = "its own"
    """The same in words."""
    noun: ClassVar[str] = "this task"
    """The task in a sentence: 'a regression'."""
    family: ClassVar[str] = ""
    """Name of the family of tasks with this loss."""
    outputs_are: ClassVar[str] = "the model's answer"
    """What the finished model's outputs are, for users of an exported model."""

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
    """Those of `metrics` that need not lie between 0 and 1."""
    takes_threshold: ClassVar[bool] = False
    """Whether a probability threshold changes its predictions."""
    no_threshold: ClassVar[str] = ""
    """Why none may have been chosen on validation."""
    squared_error: ClassVar[bool] = False
    """Whether the loss is the squared error of a linear output, which has a minimum in closed form."""
    rank: ClassVar[int | None] = None
    """Rank among the tasks whose `fits` is called if the config names none; None: only by name."""

    # --- from labels to targets -----------------------------------------------------------------------------

    def fits(self, truth: Truth) -> bool:
        """Whether the targets fit this task, after those of a lower rank declined."""
        return False

    def encode(self, truth: Truth, classes: tuple[str, ...]) -> tuple[np.ndarray, dict[int, str]]:
        """Targets of all examples, and position -> what is wrong with those that have none."""
        raise NotImplementedError

    def inferred(self, classes: Sequence[str]) -> str:
        """What a note adds to the name of an inferred task: ': two classes', or ''."""
        return ""

    def too_few_classes(self, classes: Sequence[str]) -> str | None:
        """Why there is nothing to learn with these classes alone, or None."""
        return None

    def other_number_of_classes(self, classes: Sequence[str]) -> str | None:
        """Why complete data has too few or too many classes, or None."""
        return None

    def check_targets(self, targets: np.ndarray, classes: Sequence[str]) -> str | None:
        """What is wrong with a dataset's targets, or None. 'gives the target 3, which ...'"""
        return None

    def check_range(self, targets: np.ndarray, name: str) -> None:
        """DataError for targets that no loss can be computed from: training would seem to diverge."""

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """Strata whose proportions the splits keep: int64 [N]; 0 for all if there are none."""
        import numpy as np

        return np.zeros(len(targets), np.int64)

    def counts(self, targets: np.ndarray, classes: int) -> np.ndarray | None:
        """Examples of each class or label, int64 [classes]; None if there are none."""
        return None

    def alike(self, one: OneTarget, other: OneTarget, tolerance: float) -> bool:
        """Whether two similar examples have the same target; a quantity may differ by the tolerance."""
        import numpy as np

        return bool(np.all(one == other))

    def scaling(self, targets: np.ndarray) -> tuple[float, float]:
        """Offset and scale by which training standardises targets."""
        return 0.0, 1.0

    def synthetic_classes(self, target: object) -> tuple[str, ...]:
        """Classes for synthesised data. target: the config's `data.target`."""
        return ()

    def synthesise(self, level: np.ndarray, classes: int, random: np.random.Generator) -> np.ndarray:
        """Targets for synthesised examples. level: int64 [N], from 0 to the larger of 1 and classes - 1."""
        raise NotImplementedError

    # --- the network ----------------------------------------------------------------------------------------

    def units(self, classes: int) -> int:
        """Width of the network's last layer."""
        return 1

    def width(self, classes: int) -> int:
        """Numbers in one output of the finished model."""
        return self.units(classes)

    def head(self, raw: object, target: Target) -> object:
        """The layer called 'output', float32 [batch, width], on the network's raw output. Built of
        Keras's own layers only, so that plain Keras loads the saved model."""
        raise NotImplementedError

    def dense(self, targets: np.ndarray, target: Target, label_smoothing: float = 0.0) -> np.ndarray:
        """Targets as the loss takes them: float32 [N, units]."""
        raise NotImplementedError

    def loss(self, raw: object, dense: object) -> Tensor:
        """The loss of each example, float32 [batch]; written in keras.ops."""
        raise NotImplementedError

    def running(self, raw: object, dense: object) -> Tensor:
        """The running metric of each example, float32 [batch]; written in keras.ops."""
        raise NotImplementedError

    def in_units(self, loss: float, running: float, target: Target) -> tuple[float, float]:
        """Mean loss and running metric of an epoch in the target's own unit."""
        return loss, running
