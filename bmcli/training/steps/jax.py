"""The step loop on JAX: one compiled function per step, called for each step of a group; see `base`.

Not one compiled function per group: the number of steps would be part of its shape, so that every new size
of group were compiled again, and XLA does not speed up convolutions inside a loop on a CPU: a small network's
steps took ten times as long in `while_loop` as called one by one. The calls do not wait for one another;
only the end of a group does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.batch import fed
from bmcli.training.steps.base import GroupResult, Loop

if TYPE_CHECKING:
    import jax
    import keras

    from bmcli.core.batch import Batch
    from bmcli.core.spec import Task
    from bmcli.training.feed import Group
    from bmcli.training.steps.base import Finish

Arrays = list["jax.Array"]
State = tuple[Arrays, Arrays, Arrays, Arrays]
"""Values of the trainable, the other, the optimizer's and the averaged variables."""


class StepLoop(Loop):
    """A `base.Loop`."""

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        task: Task,
        finish: Finish,
        *,
        xla: bool = True,
        ema: float | None,
        parts: int = 1,
    ) -> None:
        import jax

        super().__init__(model, optimizer, task, finish, ema=ema)
        self._rate = next(
            i for i, v in enumerate(self.optimizer.variables) if v is self.optimizer.learning_rate
        )
        self._compiled = jax.jit(self._step, donate_argnums=0)

    def run(self, group: Group, rates: np.ndarray) -> GroupResult:
        """Take the steps of `group` with the learning rates `rates` (float32 [steps])."""
        import jax
        import jax.numpy as jnp

        # Copies: a step overwrites the memory it is given, which an array of NumPy's may share.
        state = jax.tree.map(lambda v: jnp.array(v.value, copy=True), self._variables())
        going: object = np.True_
        told = []
        try:
            for step in range(group.steps):
                inputs = {name: array[step] for name, array in group.inputs.items()}
                batch = inputs, group.targets[step], group.weights[step], rates[step]
                state, going, loss, metric = self._compiled(state, going, *batch)
                told.append((going, loss, metric))
        finally:
            for variable, value in zip(*map(jax.tree.leaves, (self._variables(), state)), strict=True):
                variable.assign(value)
        flags, losses, metrics = (np.array(part) for part in zip(*jax.device_get(told), strict=True))
        finite = bool(flags.all())
        count = group.steps if finite else int(flags.argmin()) + 1
        return GroupResult(losses[:count], metrics[:count], finite)

    def _variables(self) -> tuple[list[keras.Variable], ...]:
        model = self.model
        return (
            model.trainable_variables,
            model.non_trainable_variables,
            self.optimizer.variables,
            self.average,
        )

    def _step(
        self, state: State, going: object, inputs: Batch, targets: object, weights: object, rate: object
    ) -> object:
        """One step, if `going`: after one that was not finite nothing changes any more."""
        import jax
        import jax.numpy as jnp

        trainable, others, slots, average = state

        def total(trainable: list[object]) -> object:
            raw, changed, extra = self.model.stateless_call(
                trainable, others, fed(self.model, self.finish(inputs)), training=True, return_losses=True
            )
            loss = jnp.mean(self.task.loss(raw, targets) * weights)
            return sum(extra, loss), (loss, jnp.sum(self.task.running(raw, targets)), changed)

        (whole, (loss, metric, changed)), gradients = jax.value_and_grad(total, has_aux=True)(trainable)
        # The loss alone tells too late: a ReLU that turns NaN into 0 leaves it finite, and the gradient not.
        sums = [jnp.sum(g).astype("float32") for g in gradients]
        finite = going & jnp.isfinite(sum(sums, whole))

        def update() -> State:
            rated = [rate if i == self._rate else slot for i, slot in enumerate(slots)]
            stepped, slotted = self.optimizer.stateless_apply(rated, gradients, trainable)
            if self.ema is None:
                return stepped, changed, slotted, average
            mean = [a * self.ema + v * (1 - self.ema) for a, v in zip(average, stepped, strict=True)]
            return stepped, changed, slotted, mean

        return jax.lax.cond(finite, update, lambda: state), finite, loss, metric


def forward(model: keras.Model, finish: Finish, *, parts: int = 1) -> Callable[[Batch], np.ndarray]:
    """See `select.forward`."""
    import jax

    @jax.jit
    def compiled(trainable: list[object], others: list[object], batch: Batch) -> object:
        return model.stateless_call(trainable, others, fed(model, finish(batch)), training=False)[0]

    def call(batch: Batch) -> np.ndarray:
        variables = model.trainable_variables, model.non_trainable_variables
        return np.asarray(compiled(*([v.value for v in part] for part in variables), batch))

    return call
