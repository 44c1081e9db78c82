"""The highest number that each name of a run has had, so that no number is used twice."""

from __future__ import annotations

import json
from pathlib import Path

from bmcli.core.errors import IntegrityError
from bmcli.runs import atomic, layout
from bmcli.runs import manifest as manifests
from bmcli.runs.documents import strict


def read(root: Path) -> dict[str, int]:
    """Name -> its highest number so far; IntegrityError if the file is damaged."""
    path = root / layout.NUMBERS
    try:
        with atomic.read_regular(path) as file:
            data = strict(file.read(manifests.LARGEST))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise _damaged(path) from error
    last = data.get("last") if isinstance(data, dict) else None
    if not isinstance(last, dict) or not all(type(n) is int and n > 0 for n in last.values()):
        raise _damaged(path)
    return last


def write(root: Path, numbers: dict[str, int]) -> None:
    """Replace the numbers. The caller holds `layout.NUMBERS_LOCK`."""
    text = json.dumps({"format": 1, "last": dict(sorted(numbers.items()))}, indent=2)
    atomic.write_bytes(root / layout.NUMBERS, text.encode() + b"\n")


def _damaged(path: Path) -> IntegrityError:
    return IntegrityError(
        f"{path} is damaged", hint="delete it: numbers then continue from the existing runs"
    )
