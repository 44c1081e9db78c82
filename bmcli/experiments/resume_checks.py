"""Checks whether an interrupted run can be resumed exactly."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.config import resolve
from bmcli.core.errors import BmError, UsageError
from bmcli.runs import atomic, environment, layout
from bmcli.runs.listing import status_of
from bmcli.runs.store import reference_to

if TYPE_CHECKING:
    from bmcli.config.schema import ExperimentConfig
    from bmcli.experiments.prepare import Experiment
    from bmcli.runs.run import Run
    from bmcli.runs.store import RunStore

DECISIVE = {"tensorflow": ("tensorflow",), "jax": ("jax", "jaxlib")}
"""By Keras's backend: packages another version of which may compute other bits, beside bm and Keras."""


def check_resumable(run: Run) -> None:
    """UsageError if there is nothing to resume."""
    if run.record.status == "completed":
        raise UsageError(
            f"{run.id} is complete: there is nothing to resume",
            hint=f"to continue training from its weights, put `{init_from(run)}` into a config",
        )


def has_checkpoint(run: Run) -> bool:
    """Whether the run came as far as its first checkpoint; it may be damaged or lost by now."""
    named = run.manifest()
    return any(run.exists(name) or name in named for name in (layout.LAST, layout.PREVIOUS))


def check_beginnable(run: Run) -> None:
    """UsageError if a run without a checkpoint has not even kept its config, as bm before 0.2 could leave
    it."""
    if not run.exists(layout.CONFIG) and layout.CONFIG not in run.manifest():
        raise UsageError(
            f"{run.id} was stopped before its config was stored: there is nothing to resume",
            hint=f"train its config as a new run; bm runs remove {run.id} removes this one",
        )


def init_from(run: Run) -> str:
    """The line of a config that starts from the run's weights, wherever that config lies."""
    return f"init_from: {json.dumps(found) if os.sep in (found := _anywhere(run)) else found}"


def as_a_new_run(run: Run) -> str:
    """A hint: the command that trains the run's config again, as a new run."""
    return f"{_with_its_config(run)} trains it again as a new run"


def new_run_from(run: Run) -> str:
    """The command that trains a new run from this one's weights, with its config."""
    return f"{_with_its_config(run)} init_from={shlex.quote(_anywhere(run))}"


def _anywhere(run: Run) -> str:
    """A reference that holds in any config: the id, or an absolute path where that would not find it."""
    return run.id if reference_to(run) == run.id else str(run.path.resolve())


def _with_its_config(run: Run) -> str:
    config = shlex.quote(str(run.path / layout.CONFIG))
    return f"bm train {config}{' --trust-code' if (run.path / layout.CODE).is_dir() else ''}"


def unfinished(store: RunStore, config: ExperimentConfig) -> list[Run]:
    """The runs that stopped early and were made from this very config, newest first; no damaged ones."""
    stopped = [run for run in store.named(config.name) if status_of(run) in ("interrupted", "failed")]
    return [run for run in stopped if made_from(run, config)]


def made_from(run: Run, config: ExperimentConfig) -> bool:
    """Whether the run was made from this config: equal but for where the user's own files lie, and those
    files hold what they held."""
    kept = code_names(config)
    try:
        if run.read_text(layout.CONFIG) != resolve.dump(config.model_copy(update={"code": kept})):
            return False
        return all(
            run.read_bytes(name) == Path(source).read_bytes()
            for name, source in zip(kept, config.code, strict=True)
        )
    except (BmError, OSError):
        return False


def code_names(config: ExperimentConfig) -> list[str]:
    """Where the user's files are kept in the run directory."""
    names: list[str] = []
    for number, source in enumerate(config.code):
        name = f"{layout.CODE}/{Path(source).name}"
        # Two files of the same name from different folders.
        names.append(f"{layout.CODE}/{number}_{Path(source).name}" if name in names else name)
    return names


def changed_code(run: Run) -> list[str]:
    """What is not as it was in the Python files the run keeps; found without running them."""
    named = run.manifest()
    files = {name for name in run.files() if name.startswith(f"{layout.CODE}/")}
    files |= {name for name in named if name.startswith(f"{layout.CODE}/")}
    return [
        f"{name} {'was changed' if run.exists(name) else 'is gone'}"
        for name in sorted(files)
        if not run.exists(name) or atomic.sha256_of(run.path_of(name)) != named.get(name)
    ]


def changed_versions(run: Run) -> list[str]:
    """The packages that decide the bits and are not what the run was trained with."""
    now = environment.versions()
    # Before the backend was recorded, there was one.
    then = {"backend": "tensorflow", **run.record.versions}
    if then["backend"] != now["backend"]:
        return [f"the Keras backend was {then['backend']}, is {now['backend']}"]
    changed = [
        f"{name} was {then.get(name, 'absent')}, is {now.get(name, 'absent')}"
        for name in ("bm", "keras", *DECISIVE.get(now["backend"], ()))
        if then.get(name) != now.get(name)
    ]
    packages = environment.brought(run.record.versions).items()
    return changed + [
        f"{name} was {old}, is {new or 'absent'}" for name, (old, new) in packages if old != new
    ]


def changed_experiment(run: Run, experiment: Experiment) -> list[str]:
    """What is not as it was in data and arithmetic."""
    found = []
    if experiment.bundle.fingerprint != run.record.data_fingerprint:
        found.append("the data has changed")
    if experiment.precision != run.record.precision:
        found.append(f"the precision was {run.record.precision}, is {experiment.precision}")
    if experiment.gpu != bool(run.record.hardware.get("gpus")):
        found.append(f"it was trained on {'the CPU' if experiment.gpu else 'a GPU'}")
    return found


def changed_machine(run: Run, threads: int) -> list[str]:
    """Another processor, number of cores, or of `threads` an operation has, or other kernels chosen by
    environment variables: the same arithmetic, perhaps in another order."""
    then, now = run.record.hardware, environment.hardware(threads=threads)
    then = {**then, "threads": threads_of(run)}
    told = (
        ("cpu", "processor was"),
        ("cores", "number of cores was"),
        ("threads", "number of threads per operation was"),
    )
    return [
        f"the {what} {then.get(key)}, is {now.get(key)}"
        for key, what in told
        if then.get(key) != now.get(key)
    ] + _changed_variables(run)


def _changed_variables(run: Run) -> list[str]:
    before, now = run.record.environment, environment.variables()
    return [
        f"{name} was {before.get(name) or 'unset'}, is {now.get(name) or 'unset'}"
        for name in environment.DECISIVE_VARIABLES
        if before.get(name) != now.get(name)
    ]


def threads_of(run: Run) -> int | None:
    """How many threads an operation had in the run's training; all cores before that was recorded."""
    hardware = run.record.hardware
    found: int | None = hardware.get("threads", hardware.get("cores"))
    return found


def refuse(run: Run, changed: list[str]) -> UsageError:
    """That it could not go on exactly, and why."""
    return UsageError(
        f"{run.id} cannot be resumed exactly: {'; '.join(changed)}",
        hint="undo these changes, or use --force to resume anyway; the run is then marked as not exact",
    )
