"""Checks of the machine: versions, processor, memory, disk, folders, extras."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from bmcli._version import __version__
from bmcli.core.cores import available_cores
from bmcli.core.number_format import size
from bmcli.runs.environment import available_memory, cpu_model
from bmcli.training.precision import cpu_has_bfloat16, resolve

PACKAGES = ("tensorflow", "keras", "numpy", "onnx", "onnxruntime", "tf2onnx")
EXTRAS = {"jax": "jax", "mlflow": "mlflow", "wandb": "wandb", "litert": "ai_edge_litert", "bench": "torch"}
LITTLE_MEMORY, LITTLE_DISK = 2 * 2**30, 2 * 2**30


@dataclass(frozen=True)
class Finding:
    """state: 'ok', 'note' or 'problem'; hint: what to do about a problem."""

    what: str
    state: str
    value: str
    hint: str | None = None


def examine(runs_dir: Path, data_home: Path) -> list[Finding]:
    """All checks that do not load TensorFlow."""
    found = [Finding("bm", "ok", __version__)]
    version = platform.python_version()
    found.append(Finding("Python", "ok", f"{version} at {sys.executable}"))
    for name in PACKAGES:
        try:
            found.append(Finding(name, "ok", importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            missing = f"pip install {name}"
            found.append(Finding(name, "problem", "not installed", missing))
    cores = available_cores()
    found.append(Finding("processor", "ok", f"{cpu_model()}, {cores} core{'s' if cores > 1 else ''}"))
    found.append(Finding("bfloat16", "ok", _bfloat16()))
    found.append(_gpu())
    memory = available_memory()
    low = memory < LITTLE_MEMORY
    found.append(
        Finding(
            "memory",
            "problem" if low else "ok",
            f"{size(memory)} available",
            "close other programs, or train with a smaller training.batch_size" if low else None,
        )
    )
    found += [_folder("runs", runs_dir), _folder("data", data_home)]
    for extra, module in EXTRAS.items():
        there = importlib.util.find_spec(module) is not None
        text = "installed" if there else f"not installed (pip install 'bmcli[{extra}]')"
        found.append(Finding(f"extra {extra}", "ok" if there else "note", text))
    return found


def _bfloat16() -> str:
    return f"{'yes' if cpu_has_bfloat16() else 'no'}: training.precision auto is {resolve('auto', gpu=False)}"


def _gpu() -> Finding:
    driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
    libraries = importlib.util.find_spec("nvidia") is not None
    if not driver:
        return Finding("GPU", "note", "no NVIDIA driver: training runs on the CPU")
    if not libraries:
        hint = "pip install 'bmcli[gpu]'"
        return Finding("GPU", "problem", "a driver, but TensorFlow's CUDA libraries are missing", hint)
    return Finding("GPU", "ok", "NVIDIA driver and CUDA libraries")


def _folder(name: str, path: Path) -> Finding:
    """Whether the folder can be written to, and the free space; a missing folder is made on first use."""
    existing = path.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    where = f"{name} folder"
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        option = "--runs-dir" if name == "runs" else "BM_DATA_HOME"
        return Finding(where, "problem", f"{path} cannot be written", f"choose another with {option}")
    free = shutil.disk_usage(existing).free
    if free < LITTLE_DISK:
        return Finding(where, "problem", f"{path}: {size(free)} free", "free some space")
    return Finding(where, "ok", f"{path}: {size(free)} free")
