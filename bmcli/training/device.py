"""The device that training uses: chosen before the backend touches any device."""

from __future__ import annotations

import os

from bmcli.core.errors import ResourceError
from bmcli.core.quiet import quiet_import
from bmcli.training.steps.threads import give


def select(device: str, threads: int | None = None) -> bool:
    """Make 'cpu', 'gpu' or 'auto' (a GPU where there is one) the device; True if it is a GPU.

    threads: number of threads per operation on a CPU, for TensorFlow; None: unchanged.

    On a GPU, operations are made deterministic, as they are on a CPU by themselves: runs must repeat.
    ResourceError if a GPU was requested and there is none.
    """
    with quiet_import():
        import keras
    if keras.backend.backend() == "jax":
        return _select_jax(device)
    gpu = _select_tensorflow(device)
    if threads is not None and not gpu:
        give(threads)
    return gpu


def gpu_names() -> list[str]:
    """Names of the graphics cards (or other accelerators) that training may use."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return [str(device.device_kind) for device in jax.devices()]
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    return [str(tf.config.experimental.get_device_details(d).get("device_name", d.name)) for d in devices]


def _select_jax(device: str) -> bool:
    import jax

    # Both count only before JAX opens the devices. Deterministic: as below. And memory is taken as it is
    # needed, as TensorFlow does it here, not three quarters of it at once.
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_gpu_deterministic_ops" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    gpu = bool(jax.default_backend() != "cpu")
    if device == "gpu" and not gpu:
        raise ResourceError(
            "no GPU that JAX can use was found", hint="pip install 'jax[cuda12]', or --device cpu"
        )
    return gpu and device != "cpu"


def _select_tensorflow(device: str) -> bool:
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
    return gpu
