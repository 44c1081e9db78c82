"""Where the training computes: chosen before TensorFlow touches any device."""

from __future__ import annotations

from bmcli.errors import ResourceError
from bmcli.quiet import quiet_import


def select(device: str) -> bool:
    """Make 'cpu', 'gpu' or 'auto' (a GPU where there is one) the device; True if it is a GPU.

    On a GPU, operations are made deterministic, as they are on a CPU by themselves: runs must repeat.
    ResourceError where a GPU was asked for and there is none.
    """
    with quiet_import():
        import keras
        import tensorflow as tf
    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise ResourceError(
            "no GPU that TensorFlow can use was found",
            hint="pip install 'bmcli[gpu]' for NVIDIA's libraries, or --device cpu",
        )
    if device == "cpu" and gpus:
        tf.config.set_visible_devices([], "GPU")
    gpu = bool(gpus) and device != "cpu"
    if gpu:
        tf.config.experimental.enable_op_determinism()
        for each in gpus:
            tf.config.experimental.set_memory_growth(each, True)
    assert keras.backend.backend() == "tensorflow"
    return gpu
