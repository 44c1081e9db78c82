"""Whether Python files in a run directory may be executed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bmcli.runs import layout


@dataclass(frozen=True)
class Trust:
    """Decided once, at the start of a command or API call, and passed on.

    code: whether the Python files in a run directory may be executed (--trust-code).
    """

    code: bool = False


def came_with_a_run(file: str | Path) -> bool:
    """Whether a file is in a run directory, by its own path or by its links' targets."""
    above = {*Path(file).parents, *Path(file).resolve().parents}
    return any(os.path.lexists(folder / layout.RECORD) for folder in above)
