"""The environment stored in a run's record: versions, git, hardware, and a few environment variables.

Nothing here imports the packages that it reports. Only the variables named here are ever recorded: others may
hold secrets.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bmcli._version import __version__
from bmcli.core import backend
from bmcli.core.cores import available_cores
from bmcli.core.plain import Document

SURROGATE = re.compile("[\ud800-\udfff]")
"""How bytes that are not UTF-8 appear on a command line."""

_PACKAGES = (
    "keras",
    "tensorflow",
    "jax",
    "jaxlib",
    "numpy",
    "onnxruntime",
    "scikit-learn",
    "tokenizers",
    "pillow",
)

USUAL = frozenset({"bm", "python", "backend", "os", *_PACKAGES})
"""Packages in `versions`. A record may have more: the packages that provided a run's components."""

DECISIVE_VARIABLES = (
    "NVIDIA_TF32_OVERRIDE",
    "XLA_FLAGS",
    "ONEDNN_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_SET_ONEDNN_FPMATH_MODE",
    "TF_DETERMINISTIC_OPS",
    "TF_CUDNN_DETERMINISTIC",
    "TF_XLA_FLAGS",
    "TF_ENABLE_CUBLAS_TENSOR_OP_MATH_FP32",
)
"""Variables that select kernels with different rounding."""
_RECORDED = (
    "KERAS_BACKEND",
    "CUDA_VISIBLE_DEVICES",
    "PYTHONHASHSEED",
    "BM_OFFLINE",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "TF_FORCE_GPU_ALLOW_GROWTH",
    "TF_GPU_ALLOCATOR",
    *DECISIVE_VARIABLES,
)
"""Recorded variables, each by its full name: a pattern like TF_* would also take Terraform's TF_VAR_* and
TF_TOKEN_*, secrets."""

_GIT_SECONDS = 2.0


def program() -> tuple[str, ...]:
    """How this process was started, without its arguments: ('bm',), or ('python', '-m', 'bmcli')."""
    path = Path(sys.argv[0])
    return ("python", "-m", path.parent.name) if path.name == "__main__.py" else (path.name,)


def versions() -> dict[str, str]:
    """bm, Python, the operating system, Keras's backend and every package that affects results; absent ones
    are left out."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"bm": __version__, "python": platform.python_version(), "backend": backend.name()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    found["os"] = f"{platform.system()} {platform.release()} {platform.machine()}"
    return found


def brought(recorded: dict[str, str]) -> dict[str, tuple[str, str | None]]:
    """The packages in a record that provided the run's components: name -> version then, and now (None if
    it is not installed)."""
    names = sorted(recorded.keys() - USUAL)
    if not names:
        return {}
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, tuple[str, str | None]] = {}
    for name in names:
        try:
            found[name] = (recorded[name], version(name))
        except PackageNotFoundError:
            found[name] = (recorded[name], None)
    return found


def variables() -> dict[str, str]:
    """The environment variables on the allow-list that are set."""
    return {name: os.environ[name] for name in _RECORDED if name in os.environ}


def git(folder: Path) -> dict[str, object] | None:
    """Commit and dirty flag of the repository that contains `folder`; None without git or repository."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit.strip(), "dirty": None if status is None else bool(status.strip())}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            # Someone else's repository may configure programs for git to start: disable them.
            ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None  # no git, a huge repository, unusual names: recorded as unknown
    return done.stdout if done.returncode == 0 else None


def hardware(gpus: Sequence[str] = (), threads: int | None = None) -> dict[str, object]:
    """Processor, usable cores, memory in bytes, and the given GPU names and threads per operation (None: all
    cores)."""
    import psutil

    return {
        "cpu": cpu_model(),
        "cores": available_cores(),
        "threads": threads or available_cores(),
        "memory": int(psutil.virtual_memory().total),
        "gpus": list(gpus),
    }


def available_memory() -> int:
    """Bytes of memory still available to this process: the machine's, or the rest under a limit of its
    control group or address space."""
    import resource

    import psutil

    left = [int(psutil.virtual_memory().available), *_left_in_control_groups()]
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        left.append(limit - int(psutil.Process().memory_info().vms))
    return max(min(left), 0)


def peak_memory() -> int:
    """Peak memory of this process in bytes."""
    import resource
    import sys

    try:
        # The value from getrusage includes the parent process.
        found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text("ascii"), re.MULTILINE)
    except OSError:  # not Linux
        found = None
    if found:
        return int(found.group(1)) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _left_in_control_groups(
    root: Path = Path("/sys/fs/cgroup"), of: Path = Path("/proc/self/cgroup")
) -> list[int]:
    """The memory left in each control group of this process, in bytes, without those that have no limit."""
    try:
        lines = of.read_text("utf-8").splitlines()
    except OSError:  # not Linux
        return []
    left = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, names = root, ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            top, names = root / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        # In a container the path may be that of the host, which is not visible: then use the root.
        folder = top / path.lstrip("/")
        for group in (folder, *folder.parents):
            if not group.is_relative_to(top):
                break
            limit, used = (_number(group / name) for name in names)
            if limit is not None and used is not None:
                left.append(limit - used + (_cached(group) or 0))
    return left


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text("ascii"))
    except (OSError, ValueError):  # not there, or 'max'
        return None


def _cached(group: Path) -> int | None:
    """Bytes of cached files, which the kernel frees on demand."""
    try:
        found = re.search(
            r"^(?:total_)?inactive_file (\d+)$", (group / "memory.stat").read_text("ascii"), re.MULTILINE
        )
    except OSError:
        return None
    return int(found.group(1)) if found else None


def cpu_model() -> str:
    """The processor's name, as the operating system gives it."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:  # not Linux
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def _escaped(surrogate: re.Match[str]) -> str:
    return f"\\x{ord(surrogate[0]) & 0xFF:02x}"


def started_by() -> Document:
    """The fields of a record about the current environment: command line, versions, git, machine."""
    return {
        # Bytes of a file name that are not UTF-8 are escaped, because a record is UTF-8.
        "command": tuple(SURROGATE.sub(_escaped, word) for word in (*program(), *sys.argv[1:])),
        "versions": versions(),
        "git": git(Path.cwd()),
        "hardware": hardware(),
        "environment": variables(),
    }
