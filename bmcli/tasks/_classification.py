"""What tasks with classes or labels have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from bmcli.tasks import Task
from bmcli.tasks._truth import unknown

if TYPE_CHECKING:
    import numpy as np

    from bmcli.tasks._truth import Truth


class Classification(Task):
    """Base of tasks whose targets are classes or labels."""

    has_classes: ClassVar[bool] = True

    def width(self, classes: int) -> int:
        """One probability per class or label."""
        return classes


class OneClass(Classification):
    """Base of tasks in which each example has exactly one class. Targets are int64 [N]."""

    exclusive: ClassVar[bool] = True
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

    def synthesise(self, level: np.ndarray, classes: int, random: np.random.Generator) -> np.ndarray:
        """The level is the class."""
        import numpy as np

        return level.astype(np.int64)


def smoothed(dense: np.ndarray, label_smoothing: float, classes: int) -> np.ndarray:
    """Targets as in Szegedy et al. 2016, float32: a share of the truth goes to all classes alike."""
    import numpy as np

    return dense * np.float32(1 - label_smoothing) + np.float32(label_smoothing / classes)


def dense_of_flags(targets: np.ndarray, label_smoothing: float) -> np.ndarray:
    """0 and 1 as float32 [N, units], smoothed."""
    import numpy as np

    return smoothed(targets.astype(np.float32).reshape(len(targets), -1), label_smoothing, 2)


def loss_of_flags(raw: Any, dense: Any) -> Any:
    """Binary cross-entropy of logits in nats, mean over the units: float32 [batch]."""
    from keras import ops

    raw = ops.cast(raw, "float32")
    # max(x, 0) - x·t + log(1 + exp(-|x|)): finite for every finite logit.
    terms = ops.relu(raw) - raw * dense + ops.log1p(ops.exp(-ops.abs(raw)))
    return ops.mean(terms, axis=-1)


def right_of_flags(raw: Any, dense: Any) -> Any:
    """The share of units that are right, float32 [batch]."""
    from keras import ops

    right = ops.equal(ops.cast(raw, "float32") > 0, dense > 0.5)
    return ops.mean(ops.cast(right, "float32"), axis=-1)
