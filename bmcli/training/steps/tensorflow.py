"""The step loop on TensorFlow: a group of steps is one call of a compiled function; see `base`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.batch import fed
from bmcli.training.steps.base import GroupResult, Loop
from bmcli.training.steps.fused_layers import fuse
from bmcli.training.steps.threads import divided

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from bmcli.core.batch import Batch
    from bmcli.core.spec import Task
    from bmcli.training.feed import Group, Signature
    from bmcli.training.steps.base import Finish, Tensors


class StepLoop(Loop):
    """A `base.Loop`."""

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        task: Task,
        finish: Finish,
        *,
        xla: bool = False,
        ema: float | None,
        parts: int = 1,
    ) -> None:
        import tensorflow as tf

        super().__init__(model, optimizer, task, finish, ema=ema)
        self.parts = parts
        if not xla:  # which would only be kept from fusing them itself
            fuse(model)
        self.xla = xla
        self._one_part = tf.function(self._part)  # traced once for all of them
        self._one = tf.function(self._step, jit_compile=True) if xla else self._step
        # The number of steps is dynamic, so that a group may grow without being compiled again.
        self._compiled = tf.function(self._group, reduce_retracing=False)
        self._signatures: dict[Signature, tf.types.experimental.ConcreteFunction] = {}

    def run(self, group: Group, rates: np.ndarray) -> GroupResult:
        """Take the steps of `group` with the learning rates `rates` (float32 [steps])."""
        import tensorflow as tf

        taken, finite, losses, metrics = self._concrete(group)(
            {name: tf.constant(array) for name, array in group.inputs.items()},
            tf.constant(group.targets),
            tf.constant(group.weights),
            tf.constant(rates),
        )
        count = int(taken)
        return GroupResult(losses.numpy()[:count], metrics.numpy()[:count], bool(finite))

    def _concrete(self, group: Group) -> tf.types.experimental.ConcreteFunction:
        import tensorflow as tf

        # XLA compiles each length of texts separately.
        shapes = group.shapes if self.xla else group.signature
        if shapes not in self._signatures:
            self._signatures[shapes] = self._compiled.get_concrete_function(
                {name: tf.TensorSpec([None, *shape], group.inputs[name].dtype) for name, shape in shapes},
                tf.TensorSpec([None, *group.targets.shape[1:]], tf.float32),
                tf.TensorSpec([None, *group.weights.shape[1:]], tf.float32),
                tf.TensorSpec([None], tf.float32),
            )
        return self._signatures[shapes]

    def _group(
        self, inputs: Tensors, targets: tf.Tensor, weights: tf.Tensor, rates: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        import tensorflow as tf

        steps = tf.shape(targets)[0]
        losses = tf.TensorArray(tf.float32, size=steps)
        metrics = tf.TensorArray(tf.float32, size=steps)

        def unfinished(step: tf.Tensor, finite: tf.Tensor, *_: object) -> tf.Tensor:
            return tf.logical_and(step < steps, finite)

        def body(
            step: tf.Tensor, _finite: object, losses: tf.TensorArray, metrics: tf.TensorArray
        ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray, tf.TensorArray]:
            some = {name: whole[step] for name, whole in inputs.items()}
            finite, loss, metric = self._one(some, targets[step], weights[step], rates[step])
            return step + 1, finite, losses.write(step, loss), metrics.write(step, metric)

        taken, finite, losses, metrics = tf.while_loop(
            unfinished, body, (tf.constant(0), tf.constant(True), losses, metrics), parallel_iterations=1
        )
        return taken, finite, losses.stack(), metrics.stack()

    def _step(
        self, inputs: Tensors, targets: tf.Tensor, weights: tf.Tensor, rate: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        import tensorflow as tf

        variables = self.model.trainable_variables
        count = divided(targets, self.parts)
        split = zip(
            _split(inputs, count), *(tf.split(whole, count) for whole in (targets, weights)), strict=True
        )
        # One after the other in this program, at the same time on the cores: they do not need each other.
        parts = [self._one_part(*part, count=count) for part in split]
        gradients = [_sum(each) for each in zip(*(part[0] for part in parts), strict=True)]
        loss, total, metric = (_sum(each) for each in list(zip(*parts, strict=True))[1:])
        # The loss alone tells too late: a ReLU that turns NaN into 0 leaves it finite, and the gradient not.
        sums = [
            tf.reduce_sum(g.values if isinstance(g, tf.IndexedSlices) else g)
            for g in gradients
            if g is not None
        ]
        finite = tf.math.is_finite(total + tf.add_n([tf.cast(s, tf.float32) for s in sums]))

        def update() -> tf.Tensor:
            self.optimizer.learning_rate.assign(rate)
            self.optimizer.apply(gradients, variables)
            if self.ema is not None:
                for average, variable in zip(self.average, variables, strict=True):
                    average.assign(average * self.ema + variable * (1 - self.ema))
            return tf.constant(0)

        tf.cond(finite, update, lambda: tf.constant(0))
        return finite, loss, metric

    def _part(
        self, inputs: Tensors, targets: tf.Tensor, weights: tf.Tensor, *, count: int
    ) -> tuple[list[tf.Tensor | None], tf.Tensor, tf.Tensor, tf.Tensor]:
        """Gradients, loss, loss with the penalties on weights, and metric that one of `count` equal parts of
        a batch adds to the batch's."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            raw = self.model(fed(self.model, self.finish(inputs)), training=True)
            loss = tf.reduce_mean(self.task.loss(raw, targets) * weights) / count
            total = loss + tf.add_n(self.model.losses) / count if self.model.losses else loss
        gradients = tape.gradient(total, [v.value for v in self.model.trainable_variables])
        return gradients, loss, total, tf.reduce_sum(self.task.running(raw, targets))


def forward(model: keras.Model, finish: Finish, *, parts: int = 1) -> Callable[[Batch], np.ndarray]:
    """See `select.forward`."""
    import tensorflow as tf

    def outputs(batch: Tensors) -> tf.Tensor:
        split = _split(batch, divided(next(iter(batch.values())), parts))
        return tf.concat([model(fed(model, finish(part)), training=False) for part in split], axis=0)

    # After a second length of texts it is compiled for any.
    compiled = tf.function(outputs, reduce_retracing=True)

    def call(batch: Batch) -> np.ndarray:
        outputs: np.ndarray = compiled({name: tf.constant(array) for name, array in batch.items()}).numpy()
        return outputs

    return call


def _split(batch: Tensors, count: int) -> list[Tensors]:
    """The batch, split into this number of equal parts."""
    import tensorflow as tf

    pieces = [tf.split(whole, count) for whole in batch.values()]
    return [dict(zip(batch, part, strict=True)) for part in zip(*pieces, strict=True)]


def _sum(parts: tuple[tf.Tensor | tf.IndexedSlices | None, ...]) -> tf.Tensor | tf.IndexedSlices | None:
    """Of what each part has: tensors, or the gradients of one variable; None if no part has one."""
    import tensorflow as tf

    present = [part for part in parts if part is not None]
    if len(present) < 2:
        return present[0] if present else None
    if not all(isinstance(part, tf.IndexedSlices) for part in present):
        return tf.add_n([tf.convert_to_tensor(part) for part in present])
    values, indices = (
        tf.concat([getattr(part, name) for part in present], 0) for name in ("values", "indices")
    )
    return tf.IndexedSlices(values, indices, present[0].dense_shape)
