"""Where repositories of the hub are on this machine: the data home, and the cache of huggingface_hub.

Both are laid out alike: `models--ORG--NAME/snapshots/COMMIT/` holds files, `refs/REVISION` the commit that a
branch or tag meant when it was last asked for.
"""

from __future__ import annotations

import os
from pathlib import Path

from bmcli.core.errors import BmError
from bmcli.files.download import data_home
from bmcli.pretrained import tensors
from bmcli.pretrained.hub.names import MAIN, HubName, is_commit

ENDPOINT = "https://huggingface.co"
FOLDER = "huggingface"
"""Of what bm has fetched, in the data home."""
CONFIG = "config.json"
SNAPSHOTS, REFS = "snapshots", "refs"


def own_home() -> Path:
    """Where bm keeps what it fetches."""
    return data_home() / FOLDER


def cache() -> Path:
    """The user's cache, which huggingface_hub fills."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if found := os.environ.get(variable):
            return Path(found).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    general = os.environ.get("XDG_CACHE_HOME")
    return (Path(general) if general else Path.home() / ".cache") / "huggingface" / "hub"


def found(name: HubName) -> Path | None:
    """The folder with the files of this name, whole, without any network; None if it is not here.

    A branch or tag means the commit that it meant when it was last fetched; the data home's word goes before
    the cache's.
    """
    homes = [own_home(), cache()]
    commits = [name.commit] if name.commit else [_ref(home, name) for home in homes]
    for commit in dict.fromkeys(one for one in commits if one is not None):
        for home in homes:
            folder = home / name.folder / SNAPSHOTS / commit
            if is_whole(folder):
                return folder
    return None


def pinned(name: HubName, folder: Path) -> HubName:
    """The name with the commit of this folder, which `found` has given."""
    return name.at(folder.name)


def endpoint() -> str:
    """The hub that is asked, without a slash at its end."""
    return (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")


def is_cached(folder: Path) -> bool:
    """Whether a folder is in the user's cache, which may hold only a part of a repository's files."""
    return cache() in folder.parents


def is_whole(folder: Path) -> bool:
    """Whether a folder has a config.json and all of its weights."""
    if not (folder / CONFIG).is_file():
        return False
    try:
        return all(file.is_file() for file in tensors.files_of(folder))
    except BmError:
        return False


def by_hand(name: HubName) -> str:
    """What to put where, for a machine without a connection."""
    target = own_home() / name.folder
    return (
        f"where there is a connection, bm models get {name} makes {FOLDER}/{name.folder} in the data "
        f"home: copy that folder to {target}; or write the path of a folder with the files of "
        f"{ENDPOINT}/{name.repository}"
    )


def repositories() -> dict[str, Path]:
    """'ORG/NAME' -> its newest whole folder, of all that is on this machine."""
    here: dict[str, Path] = {}
    for home in (own_home(), cache()):
        for folder in sorted(home.glob("models--*--*")) if home.is_dir() else ():
            repository = folder.name.removeprefix("models--").replace("--", "/", 1)
            snapshot = found(HubName(repository)) or _newest(folder)
            if snapshot is not None:
                here.setdefault(repository, snapshot)
    return here


def _newest(folder: Path) -> Path | None:
    whole = [one for one in (folder / SNAPSHOTS).glob("*") if is_commit(one.name) and is_whole(one)]
    return max(whole, key=lambda one: one.stat().st_mtime, default=None)


def _ref(home: Path, name: HubName) -> str | None:
    """The commit that a branch or tag meant, where this is written down."""
    try:
        text = (home / name.folder / REFS / (name.revision or MAIN)).read_bytes()[:100]
    except OSError:
        return None
    commit = text.decode("ascii", "replace").strip()
    return commit if is_commit(commit) else None
