"""Whether Python files that came with a run may be executed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trust:
    """Decided once, where a command or a call of the Python API begins, and handed down.

    code: whether the Python files in a run directory may be executed (--trust-code).
    """

    code: bool = False
