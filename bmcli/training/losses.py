"""Each task's loss and running metric, per example, from a model's raw outputs. Written in keras.ops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bmcli.core.spec import Task

RUNNING_METRIC: dict[str, str] = {
    "binary": "accuracy",
    "multiclass": "accuracy",
    "multilabel": "label_accuracy",
    "regression": "mae",
}
"""What is counted along with the loss while training; the name under which it is reported."""


def example_losses(task: Task, raw: Any, targets: Any) -> Any:
    """The loss of each example, float32 [batch].

    raw: [batch, units] logits or standardised values; targets: float32 [batch, units], one-hot or soft for
    multiclass, 0 to 1 for binary and multilabel, standardised for regression. Cross-entropy in nats, for
    multilabel the mean over labels; squared error for regression.
    """
    from keras import ops

    raw = ops.cast(raw, "float32")
    if task == "multiclass":
        return -ops.sum(targets * ops.log_softmax(raw, axis=-1), axis=-1)
    if task in ("binary", "multilabel"):
        # max(x, 0) - x·t + log(1 + exp(-|x|)): finite for every finite logit.
        terms = ops.relu(raw) - raw * targets + ops.log1p(ops.exp(-ops.abs(raw)))
        return ops.mean(terms, axis=-1)
    return ops.mean(ops.square(raw - targets), axis=-1)


def example_metrics(task: Task, raw: Any, targets: Any) -> Any:
    """The running metric of each example, float32 [batch]: right or wrong, or the absolute error."""
    from keras import ops

    raw = ops.cast(raw, "float32")
    if task == "multiclass":
        right = ops.equal(ops.argmax(raw, axis=-1), ops.argmax(targets, axis=-1))
        return ops.cast(right, "float32")
    if task in ("binary", "multilabel"):
        right = ops.equal(raw > 0, targets > 0.5)
        return ops.mean(ops.cast(right, "float32"), axis=-1)
    return ops.mean(ops.abs(raw - targets), axis=-1)
