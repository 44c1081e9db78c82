"""What the functions of the Python API are given: checked, and named as Python writes it in errors."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from bmcli.core import quiet
from bmcli.core.errors import BmError, ConfigError, UsageError, did_you_mean
from bmcli.core.plain import Document
from bmcli.core.spec import SPLITS, Device
from bmcli.runs.trust import came_with_a_run

if TYPE_CHECKING:
    from bmcli.config.schema import ExperimentConfig
    from bmcli.core.components import Missing, Progress
    from bmcli.experiments.display import Display


Split = Literal["train", "validation", "test"]
_IN_PYTHON = {
    "--trust-code": "trust_code=True",
    "--threshold": "threshold",
    "--device cpu": "device='cpu'",
    "--device gpu": "device='gpu'",
    "--calibrated": "calibrated=True",
    "--unpaired": "unpaired=True",
    "--strict": "strict=True",
    "--split": "split",
    "--data": "data",
    "--runs-dir": "runs_dir",
    "--output": "output",
    "--force": "force=True",
    "--text": "text=True",
}
"""How an option of the command line is written here, for the hints of errors."""


def resolve_config(
    config: str | Path | Document,
    overrides: str | Sequence[str] | Mapping[str, object],
    *,
    name: str | None = None,
    trust_code: bool,
    display: Display | None = None,
) -> ExperimentConfig:
    """display: shows what is downloaded, where the config is to be trained; None: nothing is downloaded."""
    from bmcli.config import resolve

    if not isinstance(config, str | os.PathLike | dict):
        raise UsageError(f"expected a config's path or name, or a dict, got {type(config).__name__}")
    quiet.prepare()

    def refuse_foreign(files: Sequence[str]) -> None:
        foreign = [file for file in files if not trust_code and came_with_a_run(file)]
        if foreign:
            raise UsageError(
                f"{foreign[0]} is stored in a run, and would be executed",
                hint="allow it with trust_code=True",
            )

    obtaining = None if display is None else partial(obtain, display)
    if isinstance(overrides, Mapping):
        try:
            changes = [f"{key}={json.dumps(value)}" for key, value in overrides.items()]
        except TypeError as error:
            raise ConfigError(f"an override is not plain data: {error}") from error
    else:
        changes = [overrides] if isinstance(overrides, str) else list(overrides)
    if name is not None:
        changes.append(f"name={name}")
    return resolve.load(config, changes, run_code=True, before_code=refuse_foreign, obtaining=obtaining)


def obtain(display: Display, missing: Missing, download: Callable[[Progress | None], None]) -> None:
    """Download the weights that a config names, and show it; see `resolve.load`."""
    from bmcli.experiments import display as events
    from bmcli.files.download import offline

    if not offline():
        display.handle(events.Note(f"downloading {missing.name} from {missing.source}"))
    download(lambda what, done, total: display.handle(events.Progress(what, done, total)))


def require_device(device: str) -> None:
    known = get_args(Device)
    if device not in known:
        hint = did_you_mean(device, known) or f"known: {', '.join(known)}"
        if device.lower().startswith(("cuda", "rocm", "nvidia")):
            hint = "did you mean gpu?"
        raise UsageError(f"unknown device '{device}'", hint=hint)


def require_split(split: str | None) -> None:
    if split is not None and split not in SPLITS:
        hint = did_you_mean(split, SPLITS) or f"known: {', '.join(SPLITS)}"
        raise UsageError(f"unknown split '{split}'", hint=hint)


def read_bound(kind: str, metric: str | None, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        return float(value)
    what = {"min": "min", "max": "max", "drop": "max_drop"}[kind]
    raise UsageError(
        f"{what}={{{metric!r}: {value!r}}}: expected a number", hint=f"{what}={{'accuracy': 0.97}}"
    )


@contextmanager
def in_python() -> Iterator[None]:
    """Errors that name options of the command line name them as they are written here."""
    try:
        yield
    except BmError as error:
        error.message, error.hint = _translated(error.message) or "", _translated(error.hint)
        error.problems = tuple(replace(one, hint=_translated(one.hint)) for one in error.problems)
        raise


def _translated(text: str | None) -> str | None:
    """The options in it as arguments; commands stay what they are, but for the one that resumes."""
    if text and text.startswith("bm train --resume "):
        import shlex

        *_, reference = shlex.split(text.removesuffix(" restarts it"))
        return f"bmcli.load({reference!r}).resume()"
    if not text or "bm " in text:
        return text
    for option, argument in _IN_PYTHON.items():
        text = text.replace(option, argument)
    return text
