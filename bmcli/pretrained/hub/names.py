"""Names of repositories on the hub, as a config has them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bmcli.core.errors import ConfigError

PREFIX = "hf:"
MAIN = "main"
"""The revision that a name without one means."""

_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_NAME = re.compile(rf"({_PART})/({_PART})")
_REVISION = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._/+-]{0,198}[A-Za-z0-9_+-])?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubName:
    """repository: 'ORG/NAME'. revision: a branch, a tag or a commit; None where the name has none."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")

    @property
    def folder(self) -> str:
        """What its folder is called in a cache."""
        return f"models--{self.repository.replace('/', '--')}"

    @property
    def commit(self) -> str | None:
        """The revision, where that is a whole commit hash, which means the same for ever."""
        return self.revision if self.revision and is_commit(self.revision) else None

    def at(self, revision: str) -> HubName:
        """The same repository at another revision."""
        return HubName(self.repository, revision)


def is_commit(text: str) -> bool:
    """Whether it is a whole commit hash."""
    return _COMMIT.fullmatch(text) is not None


def parse(text: str) -> HubName:
    """ConfigError if it is not 'hf:ORG/NAME' or 'hf:ORG/NAME@REVISION'."""
    repository, at, revision = text.removeprefix(PREFIX).partition("@")
    matched = _NAME.fullmatch(repository)
    if not text.startswith(PREFIX) or matched is None or _misplaced(repository):
        raise ConfigError(
            f"{text[:200]!r} is not {PREFIX}ORG/NAME or {PREFIX}ORG/NAME@REVISION", hint=_meant(repository)
        )
    if at and (_REVISION.fullmatch(revision) is None or _misplaced(revision) or "//" in revision):
        raise ConfigError(f"{text[:200]!r}: {revision[:100]!r} is not a branch, a tag or a commit")
    return HubName(repository, revision or None)


def _meant(text: str) -> str | None:
    """The known repository of that name, whoever it belongs to."""
    from bmcli.pretrained.known import KNOWN

    name = text.rpartition("/")[2].lower()
    meant = next((one for one in KNOWN if one.rpartition("/")[2].lower() == name), None)
    return f"did you mean {PREFIX}{meant}?" if meant else None


def _misplaced(text: str) -> bool:
    """Whether it has what would lead out of a folder, or be read as another repository's folder."""
    return ".." in text or "--" in text or "/." in text or text.endswith(".lock")
