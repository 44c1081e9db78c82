"""The keys of a config.json, each checked as it is read."""

from __future__ import annotations

from pathlib import Path

from bmcli.core.errors import ConfigError
from bmcli.core.plain import Document
from bmcli.pretrained.architecture import ACTIVATIONS


class Options:
    """A config.json. Every method raises ConfigError naming file and key."""

    def __init__(self, document: Document, file: Path) -> None:
        self._document = document
        self._file = file

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number; `default` where the key is missing or null, if there is one."""
        value = self._value(key, default)
        if type(value) is not int:
            raise self._wrong(key, "a whole number")
        return value

    def number(self, key: str, default: float) -> float:
        """A number; `default` where the key is missing or null."""
        value = self._value(key, default)
        if type(value) not in (int, float):
            raise self._wrong(key, "a number")
        return float(value)  # type: ignore[arg-type]

    def activation(self, key: str) -> str:
        """One of ours; see ACTIVATIONS."""
        name = self._value(key, "gelu")
        found = ACTIVATIONS.get(name) if isinstance(name, str) else None
        if found is None:
            raise self._wrong(key, f"one of {', '.join(ACTIVATIONS)}")
        return found

    def require(self, key: str, only: str | float) -> None:
        """Refuse any other value of an option that changes the arithmetic."""
        value = self._document.get(key)
        if value is not None and value != only:
            raise ConfigError(f"{self._file}: {key} {value!r} is not supported, only {only!r}")

    def refuse(self, *keys: str) -> None:
        """Refuse options that are on and would change the arithmetic."""
        for key in keys:
            if self._document.get(key):
                raise ConfigError(f"{self._file}: {key} {self._document[key]!r} is not supported")

    def _value(self, key: str, default: object) -> object:
        value = self._document.get(key)
        if value is not None:
            return value
        if default is None:
            raise ConfigError(f"{self._file} has no {key}")
        return default

    def _wrong(self, key: str, wanted: str) -> ConfigError:
        shown = repr(self._document.get(key))
        shown = shown if len(shown) <= 80 else shown[:80] + "…"
        return ConfigError(f"{self._file}: {key} is {shown}, not {wanted}")
