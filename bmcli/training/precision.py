"""The arithmetic of training: bfloat16 where the hardware computes in it, float32 elsewhere."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CPU_FLAGS = ("amx_bf16", "avx512_bf16")


def resolve(precision: str, *, gpu: bool, xla: bool = False) -> str:
    """'float32' or 'bfloat16' for a config's `precision`.

    auto means bfloat16 on a GPU that has it (compute capability 8.0 and above) and on processors with AMX or
    AVX512 bfloat16 instructions; but float32 where XLA compiles for a processor, which then computes in
    float32 anyway and converts on the way.
    """
    if precision != "auto":
        return precision
    if xla and not gpu:
        return "float32"
    return "bfloat16" if (_gpu_has_bfloat16() if gpu else cpu_has_bfloat16()) else "float32"


def cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor multiplies in bfloat16; False if unknown."""
    if platform.system() != "Linux" or not cpuinfo.exists():
        return False
    for line in cpuinfo.read_text(errors="replace").splitlines():
        if line.startswith("flags"):
            return any(flag in line.split() for flag in CPU_FLAGS)
    return False


def _gpu_has_bfloat16() -> bool:
    import keras

    if keras.backend.backend() == "jax":
        import jax

        # TPUs and the like have no compute capability, and compute in bfloat16.
        capabilities = [getattr(device, "compute_capability", "8.0") for device in jax.devices()]
        return all(float(capability) >= 8 for capability in capabilities)
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(device) for device in devices]
    return all(detail.get("compute_capability", (0, 0)) >= (8, 0) for detail in details)


@contextmanager
def policy(precision: str) -> Iterator[None]:
    """Build layers under that precision: variables stay float32, arithmetic is mixed for bfloat16."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
