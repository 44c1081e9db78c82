"""The option `weights` where it may name a repository of the hub: its folder here, or that it is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.core.components import Missing
from bmcli.core.errors import ConfigError
from bmcli.pretrained.hub import places
from bmcli.pretrained.hub.names import PREFIX, parse

if TYPE_CHECKING:
    from bmcli.core.components import Progress


def is_name(weights: str) -> bool:
    """Whether it names a repository; else it is a path."""
    return weights.startswith(PREFIX)


def folder_of(weights: str) -> Path:
    """The folder with the files. ConfigError for a name that is none, or whose files are not here."""
    if not is_name(weights):
        return Path(weights)
    name = parse(weights)
    found = places.found(name)
    if found is None:
        raise ConfigError(f"{name} is not on this machine", hint=f"bm models get {name} fetches it")
    return found


def pinned(weights: str) -> str:
    """The same; of a name, with the commit of the files that are here. ConfigError for a name that is
    none."""
    if not is_name(weights):
        return weights
    name = parse(weights)
    found = places.found(name)
    return weights if found is None else str(places.pinned(name, found))


def missing(weights: str) -> Missing | None:
    """What has to be downloaded; None if nothing has. ConfigError for a name that is none."""
    if not is_name(weights) or places.found(name := parse(weights)) is not None:
        return None
    from bmcli.pretrained.known import KNOWN

    known = KNOWN.get(name.repository)
    return Missing(str(name), None if known is None else known.size, places.endpoint(), places.by_hand(name))


def obtain(weights: str, progress: Progress | None, examine: Callable[[Path], object]) -> None:
    """Download it. Raises as `snapshot.fetch_snapshot`, whose argument `examine` is."""
    from bmcli.pretrained.hub.snapshot import fetch_snapshot

    fetch_snapshot(parse(weights), progress, examine)


def origin(weights: str, folder: Path) -> dict[str, str]:
    """What a run's record says of a name beside what the folder says: the repository, and its commit."""
    return {"name": parse(weights).repository, "revision": folder.name} if is_name(weights) else {}


def pooling_unknown(weights: str, folder: Path) -> dict[str, str]:
    """A `remark` for the record, where the user's cache has nothing of what says how texts are pooled:
    programs that do without it do not fetch it."""
    beside = ("1_Pooling/config.json", "modules.json", "README.md")
    if not places.is_cached(folder) or any((folder / one).exists() for one in beside):
        return {}
    name = parse(weights).repository if is_name(weights) else folder.parent.parent.name
    remark = f"{folder} has no {beside[0]}, so texts are pooled by cls; where {name} has one, "
    get = f"bm models get {PREFIX}{name} fetches it" if is_name(weights) else "add it"
    return {"remark": remark + get}
