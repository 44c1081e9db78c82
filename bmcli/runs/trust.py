"""Whether Python files in a run directory may be executed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trust:
    """Decided once, at the start of a command or API call, and passed on.

    code: whether the Python files in a run directory may be executed (--trust-code).
    """

    code: bool = False
