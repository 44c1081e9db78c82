"""The compiled step loop on TensorFlow: groups of steps in one call, each step's loss handed back.

`Model.fit` with several steps per execution reports only the last inner step and cannot stop at a NaN inside
the group; this loop does both, at the same throughput (see benchmarks/step_loop.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bmcli.training.fused_norm import fuse
from bmcli.training.losses import example_losses, example_metrics

if TYPE_CHECKING:
    import keras

    from bmcli.data.bundle import Task
    from bmcli.training.feed import Group


@dataclass(frozen=True)
class GroupResult:
    """What a group of steps gave, a row per step that was taken.

    losses float32 [taken]: the mean weighted loss of the batch; metrics float32 [taken]: the sum of the
    running metric over the batch. finite: False where the last one's loss or gradient was NaN or
    infinite; no update was applied at that step, and none was taken after it.
    """

    losses: np.ndarray
    metrics: np.ndarray
    finite: bool


class StepLoop:
    """Trains `model` in place.

    model: raw outputs; optimizer: built for `model.trainable_variables`; ema: momentum of the average of the
    trainable weights, or None. `average` then holds float32 variables in the order of `trainable_variables`.
    """

    def __init__(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer, task: Task, *, ema: float | None
    ) -> None:
        import keras
        import tensorflow as tf

        fuse(model)
        self.model = model
        self.optimizer = optimizer
        self.task = task
        self.ema = ema
        self.average = [
            keras.Variable(v.numpy(), dtype="float32", trainable=False, name=f"average_{i}")
            for i, v in enumerate(model.trainable_variables if ema is not None else [])
        ]
        # The number of steps is dynamic, so that a group may grow without being compiled anew.
        self._compiled = tf.function(self._group, reduce_retracing=False)
        self._signatures: dict[tuple[int, ...], Any] = {}

    def run(self, group: Group, rates: np.ndarray) -> GroupResult:
        """Take the steps of `group` with the learning rates `rates` (float32 [steps])."""
        import tensorflow as tf

        taken, finite, losses, metrics = self._concrete(group)(
            tf.constant(group.inputs),
            tf.constant(group.targets),
            tf.constant(group.weights),
            tf.constant(rates),
        )
        count = int(taken)
        return GroupResult(losses.numpy()[:count], metrics.numpy()[:count], bool(finite))

    def _concrete(self, group: Group) -> Any:
        import tensorflow as tf

        shape = group.inputs.shape[1:]
        if shape not in self._signatures:
            self._signatures[shape] = self._compiled.get_concrete_function(
                tf.TensorSpec([None, *shape], group.inputs.dtype),
                tf.TensorSpec([None, *group.targets.shape[1:]], tf.float32),
                tf.TensorSpec([None, *group.weights.shape[1:]], tf.float32),
                tf.TensorSpec([None], tf.float32),
            )
        return self._signatures[shape]

    def _group(self, inputs: Any, targets: Any, weights: Any, rates: Any) -> Any:
        import tensorflow as tf

        steps = tf.shape(inputs)[0]
        losses = tf.TensorArray(tf.float32, size=steps)
        metrics = tf.TensorArray(tf.float32, size=steps)

        def unfinished(step: Any, finite: Any, *_: Any) -> Any:
            return tf.logical_and(step < steps, finite)

        def body(step: Any, _finite: Any, losses: Any, metrics: Any) -> Any:
            finite, loss, metric = self._step(inputs[step], targets[step], weights[step], rates[step])
            return step + 1, finite, losses.write(step, loss), metrics.write(step, metric)

        taken, finite, losses, metrics = tf.while_loop(
            unfinished, body, (tf.constant(0), tf.constant(True), losses, metrics), parallel_iterations=1
        )
        return taken, finite, losses.stack(), metrics.stack()

    def _step(self, inputs: Any, targets: Any, weights: Any, rate: Any) -> Any:
        import tensorflow as tf

        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            raw = self.model(inputs, training=True)
            loss = tf.reduce_mean(example_losses(self.task, raw, targets) * weights)
            total = tf.add_n([loss, *self.model.losses]) if self.model.losses else loss
        gradients = tape.gradient(total, [v.value for v in variables])
        # The loss alone tells too late: a ReLU that turns NaN into 0 leaves it finite, and the gradient not.
        sums = [
            tf.reduce_sum(g.values if isinstance(g, tf.IndexedSlices) else g)
            for g in gradients
            if g is not None
        ]
        finite = tf.math.is_finite(total + tf.add_n([tf.cast(s, tf.float32) for s in sums]))

        def update() -> Any:
            self.optimizer.learning_rate.assign(rate)
            self.optimizer.apply(gradients, variables)
            if self.ema is not None:
                for average, variable in zip(self.average, variables, strict=True):
                    average.assign(average * self.ema + variable * (1 - self.ema))
            return tf.constant(0)

        tf.cond(finite, update, lambda: tf.constant(0))
        return finite, loss, tf.reduce_sum(example_metrics(self.task, raw, targets))


def forward(model: keras.Model) -> Any:
    """A compiled `inputs -> outputs` without training behaviour, for validation."""
    import tensorflow as tf

    compiled = tf.function(lambda batch: model(batch, training=False), reduce_retracing=True)

    def call(batch: np.ndarray) -> np.ndarray:
        outputs: np.ndarray = compiled(tf.constant(batch)).numpy()
        return outputs

    return call
