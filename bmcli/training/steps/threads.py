"""How the cores share a training step on TensorFlow: all of them each operation, or each a part of the batch.

Threads that share the operations of a small network wait for one another hundreds of times a step. Where one
thread computes an operation and every core has a part of the batch, they wait once: 1.2 to 1.4 times as many
images a second on two cores (benchmarks/throughput.py). How many threads an operation has is set for the
whole process, before TensorFlow's first tensor.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bmcli.core import backend
from bmcli.core.cores import available_cores

if TYPE_CHECKING:
    import tensorflow as tf

    from bmcli.config.schema import TrainingConfig
    from bmcli.core.components import Builds

LEAST_PART = 16
"""Examples in a part: of fewer, an operation takes longer to begin than to compute."""
MOST_PARTS = 8
"""Each part is compiled separately: beyond this, cores share the operations."""


def suiting(model: Builds, training: TrainingConfig) -> int:
    """How many threads an operation should have while `model` is trained on a CPU; no TensorFlow."""
    cores = available_cores()
    apart = model.examples_apart and not training.xla and cores <= MOST_PARTS
    return 1 if apart and training.batch_size >= LEAST_PART * cores else cores


def give(count: int) -> None:
    """Let an operation have `count` threads, unless TensorFlow has already started or the user has set it."""
    if backend.name() != "tensorflow" or "TF_NUM_INTRAOP_THREADS" in os.environ:
        return
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(count)
        tf.config.threading.set_inter_op_parallelism_threads(available_cores())
    except RuntimeError:  # at work already
        return


def given() -> int:
    """How many threads an operation has."""
    if backend.name() != "tensorflow":
        return available_cores()
    import tensorflow as tf

    told = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    here = int(tf.config.threading.get_intra_op_parallelism_threads())
    return here or (int(told) if told.isdecimal() else 0) or available_cores()


def divided(batch: tf.Tensor, count: int) -> int:
    """Into how many parts this batch of a known size goes: `count`, or 1 if they would not be equal."""
    size = batch.shape[0]
    return count if size and size % count == 0 else 1
