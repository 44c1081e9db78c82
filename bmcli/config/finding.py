"""One impossible combination of keys, as the checks of a config report it."""

from __future__ import annotations

from dataclasses import dataclass

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Finding:
    """One impossible combination. `at_key`: the key is wrong, not its value."""

    path: KeyPath
    message: str
    hint: str | None = None
    also: tuple[KeyPath, ...] = ()
    at_key: bool = False
